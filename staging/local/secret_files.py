"""Keys that the embedded stack makes for itself and keeps where only its owner may read."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_SECRET_BYTES = 32
_ACCESS_KEY_BYTES = 10


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys of one stack."""

    s3_access_key: str
    s3_secret_key: str
    ticket_key: str
    ray_token_path: Path

    def __repr__(self) -> str:
        return "Secrets(…)"


def load_secrets(folder: Path) -> Secrets:
    """Read the keys, making those that are missing; they stay the same from start to start."""
    _kept(folder / "ray-token", _SECRET_BYTES)
    return Secrets(
        s3_access_key=_kept(folder / "s3-access-key", _ACCESS_KEY_BYTES),
        s3_secret_key=_kept(folder / "s3-secret-key", _SECRET_BYTES),
        ticket_key=_kept(folder / "ticket-key", _SECRET_BYTES),
        ray_token_path=folder / "ray-token",
    )


def _kept(file: Path, size: int) -> str:
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(fd, "w") as made:
        made.write(value := secrets.token_hex(size))
    return value
