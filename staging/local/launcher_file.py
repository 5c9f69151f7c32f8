"""A file of Ray's cluster launcher, read, and written anew with other numbers of workers."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from staging.core.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class LauncherFile:
    """What an operator wrote; paths in it are relative to its folder."""

    path: Path
    config: Mapping[str, Any]

    @property
    def least_workers(self) -> int:
        """The fewest workers; all hosts of a cluster of named hosts unless it says less."""
        config = _worker_type(self.config) or self.config
        return int(config.get("min_workers", self.most_workers or 0))

    @property
    def most_workers(self) -> int | None:
        """How many workers there can be at all; None where a cloud makes them."""
        hosts = self.config["provider"].get("worker_ips")
        return len(hosts) if hosts is not None else None

    def sized(self, least: int, most: int, *, idle_minutes: float | None = None) -> str:
        """Give the file's text with these numbers of workers."""
        config = deepcopy(dict(self.config))
        worker = _worker_type(config)
        if worker is None:
            config["min_workers"] = least
        else:
            worker |= {"min_workers": least, "max_workers": most}
        config["max_workers"] = most
        if idle_minutes is not None:
            config["idle_timeout_minutes"] = idle_minutes
        return str(yaml.safe_dump(config, sort_keys=False))


def read_launcher_file(path: Path) -> LauncherFile:
    """Read the file; raises InvalidValue if it is not there or not one of the launcher's."""
    try:
        config = yaml.safe_load(path.read_text())
        file = LauncherFile(path, config)
        file.sized(file.least_workers, file.least_workers)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise InvalidValue(
            f"STAGING_RAY_CLUSTER={path} is no file of Ray's cluster launcher: {wrong}"
        ) from wrong
    return file


def _worker_type(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the one kind of worker; None where the kinds are not named (provider local).

    Raises InvalidValue for several, since a number of nodes does not say which.
    """
    types = config.get("available_node_types")
    if types is None:
        return None
    workers = [each for name, each in types.items() if name != config["head_node_type"]]
    if len(workers) != 1:
        raise InvalidValue(f"the cluster's file has {len(workers)} types of workers; keep one")
    found: dict[str, Any] = workers[0]
    return found
