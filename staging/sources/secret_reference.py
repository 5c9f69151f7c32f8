"""References to secrets: `env:NAME` and `file:PATH`, read where they are used."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from staging.core.errors import SourceAuth
from staging.redaction import conceal

REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")


def read_secret(
    reference: str,
    connection: str,
    environment: Mapping[str, str] = os.environ,
    *,
    what: str = "password",
) -> str:
    """Read what the reference of a field leads to, without a file's last line break.

    The environment is read here, not in settings: an operator chooses the variable's name.
    Raises SourceAuth if there is nothing.
    """
    scheme, _, place = reference.partition(":")
    secret = environment.get(place) if scheme == "env" else _file_text(Path(place))
    if secret is None:
        where = f"variable {place} is not set" if scheme == "env" else "file cannot be read"
        raise SourceAuth(
            f"connection {connection}: the {what}'s {where} where the service was started"
        )
    conceal([secret])
    return secret


def _file_text(path: Path) -> str | None:
    try:
        return path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None
