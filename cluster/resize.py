"""Tell a launched Ray cluster its new size: `python -m cluster.resize FILE [ADDRESS…]`.

It puts the file where the autoscaler on the head reads it again and again, as `ray up FILE
--no-restart` does.  That would run the set-up commands on the head again as well, and leave a
mark by which a host that was ended is not started when it is wanted once more (Ray 2.60,
autoscaler.py, should_update).
"""

import sys
from collections.abc import Collection, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.commands import (  # no public call does this alone
    _bootstrap_config,
    _set_up_config_for_head_node,
    rsync,
)
from ray.autoscaler._private.providers import _get_node_provider
from ray.autoscaler.tags import NODE_KIND_HEAD, NODE_KIND_WORKER, TAG_RAY_NODE_KIND

_ON_THE_HEAD = "~/ray_bootstrap_config.yaml"


def resize(file: Path, leaving: Collection[str] = ()) -> None:
    """Let the launched head have the file's numbers of workers; running ones go on.

    The workers at the addresses of `leaving` are the ones that go: they are given back while
    there is room for all, for of too many Ray ends those that it saw idle longest, which may be
    others.  Exits with a message if this machine knows of no head.
    """
    config: dict[str, Any] = _bootstrap_config(
        yaml.safe_load(file.read_text()), no_config_cache=True
    )
    name = config["cluster_name"]
    provider = _get_node_provider(config["provider"], name)
    if not provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_HEAD}):
        sys.exit(f"cluster {name!r} was not launched from this machine; ray up it here first")
    workers = provider.non_terminated_nodes({TAG_RAY_NODE_KIND: NODE_KIND_WORKER})
    going = [each for each in workers if provider.internal_ip(each) in leaving]
    if going:
        _tell(file, _roomy(config, len(workers)), provider)
        provider.terminate_nodes(going)
    _tell(file, config, provider)


def _roomy(config: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Allow so many workers, and let none be idle too long."""
    roomy = deepcopy(dict(config)) | {"max_workers": count, "idle_timeout_minutes": 60}
    for each in roomy["available_node_types"].values():
        each["max_workers"] = count
    return roomy


def _tell(file: Path, config: Mapping[str, Any], provider: Any) -> None:
    _, told = _set_up_config_for_head_node(deepcopy(dict(config)), provider, no_restart=False)
    rsync(
        str(file),
        source=told.name,
        target=_ON_THE_HEAD,
        override_cluster_name=None,
        down=False,
        no_config_cache=True,
    )


if __name__ == "__main__":
    resize(Path(sys.argv[1]), sys.argv[2:])
