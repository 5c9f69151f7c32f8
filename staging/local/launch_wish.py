"""How many workers a launched cluster is to have, and which of them are on their way out."""

import json
from dataclasses import asdict, dataclass

from staging.local.folder import StateFolder


@dataclass(frozen=True, slots=True)
class Leaving:
    """One node that was drained; from `end_by` (seconds since the epoch) it is ended."""

    node_id: str
    name: str
    address: str
    end_by: float


@dataclass(frozen=True, slots=True)
class LaunchWish:
    """The workers that are to be there, without those that leave.

    `workers` is None while Ray's own autoscaler decides.
    """

    workers: int | None
    leaving: tuple[Leaving, ...] = ()


def read_wish(folder: StateFolder) -> LaunchWish | None:
    """Read what is wanted now; None if nothing but the cluster's own file says so."""
    if not folder.launch_wish.exists():
        return None
    plain = json.loads(folder.launch_wish.read_text())
    return LaunchWish(plain["workers"], tuple(Leaving(**each) for each in plain["leaving"]))


def write_wish(folder: StateFolder, wish: LaunchWish) -> None:
    """Want this from now on; to be called in a `turn` only."""
    folder.replace(folder.launch_wish, json.dumps(asdict(wish), indent=1))
