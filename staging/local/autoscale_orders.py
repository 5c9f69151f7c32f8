"""What operators want of the autoscaler, and what it says that it does."""

import json
from dataclasses import asdict, dataclass

from staging.core.autoscale import Limits
from staging.local.folder import StateFolder


@dataclass(frozen=True, slots=True)
class AutoscaleReport:
    """What the autoscaler last saw and wants; `why` says what is in its way.

    `readers` are the partitions that could be read at once, `nodes` those that stay.
    """

    readers: int
    nodes: int
    wanted: int
    why: str = ""


def read_limits(folder: StateFolder) -> Limits | None:
    """Read the limits to keep to; None: the autoscaler is off."""
    if not folder.autoscale_file.exists():
        return None
    return Limits(**json.loads(folder.autoscale_file.read_text()))


def write_limits(folder: StateFolder, limits: Limits | None) -> None:
    """Switch the autoscaler on or off, also for later starts of the stack; in a `turn` only."""
    folder.autoscale_report.unlink(missing_ok=True)
    if limits is None:
        folder.autoscale_file.unlink(missing_ok=True)
    else:
        folder.replace(folder.autoscale_file, json.dumps(asdict(limits), indent=1))


def read_autoscale_report(folder: StateFolder) -> AutoscaleReport | None:
    """Read what was last reported; None before the first round under these limits."""
    if not folder.autoscale_report.exists():
        return None
    return AutoscaleReport(**json.loads(folder.autoscale_report.read_text()))


def write_autoscale_report(folder: StateFolder, report: AutoscaleReport) -> None:
    """Report anew."""
    folder.replace(folder.autoscale_report, json.dumps(asdict(report), indent=1))
