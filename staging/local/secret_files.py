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
    catalog_url: str | None = None
    """The catalog's URL where it is not the embedded one; it may hold a password."""

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
        catalog_url=_read(folder / "catalog-url"),
    )


def keep_catalog_url(folder: Path, url: str | None) -> None:
    """Keep the URL of an external catalog for the other commands; None: there is none."""
    (folder / "catalog-url").unlink(missing_ok=True)
    if url is not None:
        _write(folder / "catalog-url", url)


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


def _write(file: Path, value: str) -> str:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
        made.write(value)
    return value


def _kept(file: Path, size: int) -> str:
    return _read(file) or _write(file, secrets.token_hex(size))
