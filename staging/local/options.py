"""What a person may ask of `staging up`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from staging.local.errors import BadExisting

EXISTING = ("temporal", "s3", "catalog", "ray")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Where the API listens (None: the setting; 0: any free port), and parts that run already.

    A bound stack stops when the standard input of its supervisor closes.
    """

    port: int | None = None
    existing: Mapping[str, str] = field(default_factory=dict)
    is_bound: bool = False

    def to_json(self) -> str:
        """Write the options for the supervisor's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "UpOptions":
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def parse_existing(words: Iterable[str]) -> dict[str, str]:
    """Read `temporal=HOST:PORT s3=URL catalog=URL ray=HOST:PORT`; Raises BadExisting."""
    existing = {}
    for word in (part for each in words for part in each.split()):
        name, equals, address = word.partition("=")
        if name not in EXISTING or not equals or not address:
            raise BadExisting(f"{word!r} is not one of {', '.join(f'{n}=…' for n in EXISTING)}")
        existing[name] = address
    return existing
