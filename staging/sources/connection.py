"""One registered connection: where a source is, and who may read it."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from staging.core.errors import InvalidValue
from staging.core.identity import LARGEST_ORG
from staging.sources.nearest import nearest_names
from staging.sources.s3_prefix import STYLES, S3Prefix, endpoint_address
from staging.sources.secret_reference import REFERENCE, read_secret

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIALECT = re.compile(r"[a-z0-9_]+(\+[a-z0-9_]+)?")
_SECRET = re.compile(r"(password|passwd|pwd|secret|token)\w*\s*=", re.IGNORECASE)
_SHARED = frozenset({"kind", "orgs", "max_connections"})
_SERVER = _SHARED | {"host", "port", "database", "user", "password", "allow_query"}
_FILE = _SHARED | {"path", "allow_query"}
_FOLDER = _SHARED | {"root"}
_S3 = frozenset({"endpoint", "region", "addressing", "access_key_id", "secret_access_key"})
_FILES = _FOLDER | _S3 | {"allow_link_local"}

FIELDS: Mapping[str, frozenset[str]] = {
    "csv": _FILES,
    "delta": _FILES,
    "duckdb": _FILE,
    "iceberg": _FOLDER | {"catalog"},
    "json": _FILES,
    "mysql": _SERVER | {"allow_link_local", "tls", "tls_ca"},
    "parquet": _FILES,
    "postgres": _SERVER | {"allow_link_local"},
    "sqlalchemy": (_SERVER - {"allow_query"}) | {"allow_link_local", "dialect", "parameters"},
    "sqlite": _FILE,
}
"""The kinds, and the fields that each one takes."""
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "csv": ("root",),
    "delta": ("root",),
    "duckdb": ("path",),
    "iceberg": ("root",),
    "json": ("root",),
    "mysql": ("host", "database", "user"),
    "parquet": ("root",),
    "postgres": ("host", "database", "user"),
    "sqlalchemy": ("dialect", "database"),
    "sqlite": ("path",),
}
_PORTS: Mapping[str, int] = {"mysql": 3306, "postgres": 5432, "sqlalchemy": 0}
"""Where each kind of server listens unless it is said; 0 leaves it to the driver."""
_TLS = ("prefer", "require", "verify")
_REFERENCES = ("password", "access_key_id", "secret_access_key")


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as an operator registered it; secrets are filled in by `resolved` alone."""

    name: str
    kind: str
    orgs: frozenset[int] | None = None
    """Who may use it; None is every organisation."""
    max_connections: int = 8
    allow_query: bool = False
    allow_link_local: bool = False
    host: str = ""
    port: int = 5432
    database: str = ""
    user: str = ""
    password: str | None = field(default=None, repr=False)
    """A reference, `env:NAME` or `file:PATH`, never the password."""
    root: Path | S3Prefix | None = None
    path: Path | None = None
    catalog: Path | None = None
    """The SQLite file of an Iceberg SQL catalog; None finds tables by their folders."""
    dialect: str = ""
    """What SQLAlchemy calls the database and its driver, `oracle+oracledb`."""
    parameters: tuple[tuple[str, str], ...] = ()
    """The driver's own, as in the query string of SQLAlchemy's URL; never a secret."""
    tls: str = "prefer"
    """`prefer` takes TLS if it is offered, `require` insists, `verify` checks the certificate."""
    tls_ca: Path | None = None
    """The certificates that `verify` trusts; None is the system's."""
    secret: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that were read, to be kept out of logs."""
        keys = self.root.keys if isinstance(self.root, S3Prefix) else None
        return (*((self.secret,) if self.secret else ()), *((keys[1],) if keys else ()))

    def serves(self, org_id: int) -> bool:
        """Tell whether the organisation may use the connection."""
        return self.orgs is None or org_id in self.orgs

    def resolved(self, environment: Mapping[str, str] = os.environ) -> "Connection":
        """Give the connection with its secrets read, for shipping to where it is used.

        Raises SourceAuth if a reference leads nowhere.
        """
        if isinstance(self.root, S3Prefix):
            return replace(self, root=self.root.resolved(self.name, environment))
        if self.password is None:
            return self
        return replace(self, secret=read_secret(self.password, self.name, environment))


def parse_connection(name: str, table: Mapping[str, Any], folder: Path) -> Connection:
    """Read one `[connections.NAME]` table; relative paths start at `folder`.

    Raises InvalidValue that names the field, never a value of it.
    """
    if not _NAME.fullmatch(name):
        raise InvalidValue("a connection's name is 1 to 64 letters, digits, `_` or `-`")
    kind = str(table.get("kind"))
    if kind not in FIELDS:
        raise _invalid(name, "kind", f"must be one of {', '.join(sorted(FIELDS))}")
    _check_fields(name, kind, table)
    values = {key: _READERS[key](name, key, value) for key, value in table.items() if key != "kind"}
    if kind in _PORTS:
        values.setdefault("port", _PORTS[kind])
    for key in ("root", "path", "catalog", "tls_ca"):
        if isinstance(values.get(key), Path):
            values[key] = folder / values[key]
    for key in _REFERENCES:
        if values.get(key, "").startswith("file:"):
            values[key] = f"file:{folder / values[key].removeprefix('file:')}"
    _check_host(name, "host", values.get("host", ""), values)
    host, _ = endpoint_address(values.get("endpoint", "")) or ("", 0)
    _check_host(name, "endpoint", host, values)
    _place_in_s3(name, kind, values)
    return Connection(name, kind, **values)


def _place_in_s3(name: str, kind: str, values: dict[str, Any]) -> None:
    """Move the fields of an object store into the root that they say how to reach."""
    fields = {key: values.pop(key) for key in sorted(_S3 & values.keys())}
    root = values.get("root")
    if isinstance(root, S3Prefix):
        if not FIELDS[kind] >= _S3:
            raise _invalid(name, "root", f"must be a folder; kind {kind} reads no object store yet")
        if ("access_key_id" in fields) != ("secret_access_key" in fields):
            raise _invalid(name, "access_key_id", "and secret_access_key are given together")
        values["root"] = replace(root, **fields)
    elif fields:
        raise _invalid(name, min(fields), "is for a root in S3, s3://bucket/prefix")


def _check_fields(name: str, kind: str, table: Mapping[str, Any]) -> None:
    for key in table:
        if key not in FIELDS[kind]:
            near = nearest_names(key, FIELDS[kind])
            raise _invalid(name, key, f"is not a field of kind {kind}{near}")
    for key in REQUIRED[kind]:
        if key not in table:
            raise _invalid(name, key, f"is missing; kind {kind} needs it")


def _check_host(name: str, key: str, host: str, values: Mapping[str, Any]) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if address.is_link_local and not values.get("allow_link_local"):
        raise _invalid(name, key, "is link-local; allow_link_local = true permits it")


def _invalid(name: str, key: str, problem: str) -> InvalidValue:
    return InvalidValue(f"connection {name}: {key} {problem}")


def _text(name: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _invalid(name, key, "must be a text that is not empty")
    return value


def _local_path(name: str, key: str, value: object) -> Path:
    text = _text(name, key, value)
    if "://" in text:
        raise _invalid(name, key, "must be a local path")
    return Path(text).expanduser()


def _root(name: str, key: str, value: object) -> Path | S3Prefix:
    text = _text(name, key, value)
    if "://" not in text:
        return _local_path(name, key, text)
    found = S3Prefix.parse(text)
    if found is None:
        raise _invalid(name, key, "must be a folder, or s3://bucket/prefix without odd parts")
    return found


def _endpoint(name: str, key: str, value: object) -> str:
    text = _text(name, key, value)
    if endpoint_address(text) is None:
        raise _invalid(name, key, "must be http://host:port or https://host:port, nothing more")
    return text


def _reference(name: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        raise _invalid(
            name, key, "must be a reference, env:NAME or file:PATH; a literal one is refused"
        )
    return value


def _flag(name: str, key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _invalid(name, key, "must be true or false")
    return value


def _dialect(name: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not _DIALECT.fullmatch(value):
        raise _invalid(name, key, "must be what SQLAlchemy calls it, like oracle+oracledb")
    return value


def _parameters(name: str, key: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _invalid(name, key, "must be a table of texts")
    for parameter, text in value.items():
        if _SECRET.search(f"{parameter}={text}"):
            raise _invalid(name, key, f"must not hold a secret, as {parameter} may")
    return tuple(value.items())


def _whole_number(low: int, high: int) -> Callable[[str, str, object], int]:
    def read(name: str, key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _invalid(name, key, f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def _one_of(known: Sequence[str]) -> Callable[[str, str, object], str]:
    def read(name: str, key: str, value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise _invalid(name, key, f"must be one of {', '.join(known)}")
        return value

    return read


def _orgs(name: str, key: str, value: object) -> frozenset[int]:
    if not isinstance(value, list):
        raise _invalid(name, key, "must be a list of organisation ids")
    return frozenset(_whole_number(1, LARGEST_ORG)(name, key, each) for each in value)


_READERS: Mapping[str, Callable[[str, str, object], Any]] = {
    "orgs": _orgs,
    "max_connections": _whole_number(1, 1000),
    "allow_query": _flag,
    "allow_link_local": _flag,
    "host": _text,
    "port": _whole_number(1, 65535),
    "database": _text,
    "user": _text,
    "password": _reference,
    "root": _root,
    "endpoint": _endpoint,
    "region": _text,
    "addressing": _one_of(STYLES),
    "access_key_id": _reference,
    "secret_access_key": _reference,
    "path": _local_path,
    "catalog": _local_path,
    "dialect": _dialect,
    "parameters": _parameters,
    "tls": _one_of(_TLS),
    "tls_ca": _local_path,
}
