"""Run SeaweedFS as the S3 store of one machine, on the loopback only, with keys."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from staging.local.child import Program
from staging.local.ports import GRPC_OFFSET, LOOPBACK, PortBook
from staging.local.programs import find_program

PREFERRED = {"s3": 8333, "master": 9333, "filer": 8888, "volume": 9340, "admin": 23646}
BUCKET = "staging"


@dataclass(frozen=True, slots=True)
class SeaweedPorts:
    """The HTTP port of each role; the gRPC port of a role is GRPC_OFFSET higher."""

    s3: int
    master: int
    filer: int
    volume: int
    admin: int

    @classmethod
    def choose(cls, book: PortBook, preferred: Mapping[str, int] = PREFERRED) -> "SeaweedPorts":
        """Take the preferred ports where they are free, others where they are not."""
        offsets = (0, GRPC_OFFSET)
        return cls(**{role: book.take(port, offsets=offsets) for role, port in preferred.items()})

    @property
    def endpoint(self) -> str:
        """The S3 endpoint."""
        return f"http://{LOOPBACK}:{self.s3}"


def remove_sockets(ports: SeaweedPorts) -> None:
    """Remove the sockets that SeaweedFS leaves in /tmp, wherever its folders are."""
    for role, port in asdict(ports).items():
        for name in (f"{role}-{port}", f"{role}-grpc-{port + GRPC_OFFSET}"):
            Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)  # noqa: S108  # its choice


def seaweed(
    folder: Path,
    ports: SeaweedPorts,
    log: Path,
    environment: Mapping[str, str],
    bucket: str = BUCKET,
) -> Program:
    """Describe the server; its keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    for each in (folder, folder / "log"):
        each.mkdir(parents=True, exist_ok=True)
    # mini keeps the first start's options in a file of its own and would prefer them.
    (folder / "data" / "mini.options").unlink(missing_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    command = [
        find_program("weed"),
        f"-logdir={folder / 'log'}",
        "mini",
        f"-dir={folder / 'data'}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        f"-bucket={bucket}",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.port={ports.s3}",
        f"-master.port={ports.master}",
        f"-filer.port={ports.filer}",
        f"-volume.port={ports.volume}",
        f"-admin.port={ports.admin}",
        "-volume.preStopSeconds=0",
    ]
    return Program(command, log, environment)
