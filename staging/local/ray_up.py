"""The launcher of hosts over SSH and in clouds: Ray's, told other numbers of workers."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from staging.core.errors import InvalidValue
from staging.local.errors import NodeStays, ProviderUnavailable
from staging.local.launcher_file import LauncherFile, read_launcher_file
from staging.local.layout import Layout

_LAUNCH_SECONDS = 300.0


class RayUp:
    """A Launcher.  What it is told goes into a copy of the operator's file."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folder = layout.folder

    def least_workers(self) -> int:
        """Give the file's `min_workers`."""
        return self._file().least_workers

    def has_autoscaler(self) -> bool:
        """Say yes: `ray up` starts it on the head."""
        return True

    def resize(
        self,
        least: int,
        most: int,
        *,
        leaving: Sequence[str] = (),
        idle_minutes: float | None = None,
    ) -> None:
        """Tell the head the numbers, and which hosts go.

        For named hosts that must happen on the head: what it has of them is in a file there.
        """
        file = self._file()
        if file.most_workers is not None and most > file.most_workers:
            raise InvalidValue(
                f"{most} workers are more than the {file.most_workers} hosts of {file.path}; "
                "add hosts to its worker_ips and `ray up` it"
            )
        text = file.sized(least, most, idle_minutes=idle_minutes)
        self._folder.replace(self._folder.launcher_file, text)
        self._launch(leaving, file.path.absolute().parent)

    def _file(self) -> LauncherFile:
        if "ray" not in self._layout.options.existing:
            raise NodeStays(
                "STAGING_NODE_PROVIDER=ray-up is for a cluster that `ray up` launched; name its "
                "head: staging up --use-existing ray=HOST:6379"
            )
        path = self._layout.settings.ray_cluster
        if not path:
            raise InvalidValue("set STAGING_RAY_CLUSTER to the file that `ray up` was given")
        return read_launcher_file(Path(path))

    def _launch(self, leaving: Sequence[str], cwd: Path) -> None:
        log = self._folder.log("launcher")
        try:
            subprocess.run(
                [sys.executable, "-m", "cluster.resize", self._folder.launcher_file, *leaving],
                env=self._layout.ray_environment(),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LAUNCH_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as failed:
            log.write_text(failed.stdout + failed.stderr)
            said = (failed.stderr or failed.stdout).strip().splitlines() or ["it gave no reason"]
            raise ProviderUnavailable(
                f"Ray's cluster launcher failed: {said[-1]}; see {log}"
            ) from failed
        except subprocess.TimeoutExpired as late:
            raise ProviderUnavailable(
                f"Ray's cluster launcher did not end in {_LAUNCH_SECONDS:.0f} s"
            ) from late
