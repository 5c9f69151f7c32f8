"""Choose the ports of one start."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from staging.local.errors import PortTaken
from staging.local.options import UpOptions
from staging.local.ports import GRPC_OFFSET, PortBook, holder_of
from staging.local.seaweed import PREFERRED as S3_ROLES
from staging.local.seaweed import SeaweedPorts
from staging.settings import Settings

_METRICS = {"flight_metrics": 8816, "worker_metrics": 8817, "temporal_metrics": 8818}
_PREFERRED = {"temporal": 7233, "temporal_ui": 8233, "ray": 6379} | _METRICS
_KNOWN = ("flight", "s3", *_PREFERRED)
"""Ports that people and programs use; the others are between SeaweedFS and itself."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one start; 0 for a part that is not ours."""

    api: int
    flight: int
    temporal: int
    temporal_ui: int
    ray: int
    s3: SeaweedPorts
    flight_metrics: int
    worker_metrics: int
    temporal_metrics: int

    def flat(self) -> dict[str, int]:
        """Return the ports by name, as the next start will want them again."""
        own = {each: getattr(self, each) for each in ("flight", *_PREFERRED)}
        return {name: port for name, port in (own | asdict(self.s3)).items() if port}


def choose_ports(
    settings: Settings, options: UpOptions, last: Mapping[str, int], book: PortBook
) -> tuple[Ports, tuple[str, ...]]:
    """Choose every port and say which are not the usual ones.

    What was asked for comes first, then those of the last start.
    Links name the store's port, so a port that was once chosen is kept while it is free.
    Raises PortTaken if the API's port is not free: people know the service by it.
    """
    api = _api_port(settings.port if options.port is None else options.port, book)
    usual = _PREFERRED | S3_ROLES | {"flight": settings.flight_port}
    asked = {
        name: getattr(settings, f"{name}_port")
        for name in ("flight", *_METRICS)
        if f"{name}_port" in settings.model_fields_set
    }
    choice = _Choice(book, usual, usual | dict(last) | asked)
    has_s3, has_temporal = "s3" not in options.existing, "temporal" not in options.existing
    ports = Ports(
        api=api,
        flight=choice.take("flight"),
        temporal=choice.take("temporal") if has_temporal else 0,
        temporal_ui=choice.take("temporal_ui") if has_temporal else 0,
        ray=choice.take("ray") if "ray" not in options.existing else 0,
        s3=SeaweedPorts(
            **{each: choice.take(each, (0, GRPC_OFFSET)) if has_s3 else 0 for each in S3_ROLES}
        ),
        **{each: choice.take(each) for each in _METRICS},
    )
    return ports, tuple(choice.notices)


@dataclass(slots=True)
class _Choice:
    book: PortBook
    usual: Mapping[str, int]
    wanted: Mapping[str, int]
    notices: list[str] = field(default_factory=list)

    def take(self, name: str, offsets: tuple[int, ...] = (0,)) -> int:
        """Take the port that is wanted, else the usual one, else any."""
        wanted, usual = self.wanted[name], self.usual[name]
        if self.book.try_take(wanted, offsets=offsets):
            port = wanted
        else:
            port = self.book.take(usual, offsets=offsets)
        if port != usual and name in _KNOWN:
            self.notices.append(f"{name} listens on port {port}, not {usual}: {_why(usual)}")
        return port


def _why(port: int) -> str:
    holder = holder_of(port)
    return f"{holder} holds that" if holder else "it did so at the last start"


def _api_port(port: int, book: PortBook) -> int:
    if port and not book.try_take(port):
        raise PortTaken(
            f"port {port} of the API is held by {holder_of(port) or 'another process'}; stop it, "
            "or choose another port with --port (0: any)"
        )
    return port or book.take()
