"""Check what the stack promises and no start-up probe looks at; each raises NotReady if not."""

from collections.abc import Mapping
from hashlib import sha256
from secrets import token_hex

from staging.catalog import Catalog
from staging.core.errors import ObjectConflict, SourceAuth
from staging.local.layout import Layout
from staging.local.probes import NotReady, probe_ray, stored_object
from staging.sources.connections import Connections

_STRANGER_SECONDS = 8.0
"""A caller with the right token has its answer within 4 s."""


def s3_puts_once(layout: Layout) -> None:
    """Try to overwrite an object; the commit protocol stands on that being refused."""
    with stored_object(layout) as (store, key, sent):
        sent.write_bytes(b"other bytes")
        try:
            store.put_once(key, sent, sha256=sha256(b"other bytes").hexdigest())
        except ObjectConflict:
            return
        raise NotReady("it was overwritten")


def catalog_is_current(layout: Layout) -> None:
    """Compare the tables with those that this version wants."""
    catalog = Catalog.open(layout.catalog_url)
    try:
        if not catalog.is_current():
            raise NotReady("they are of another version")
    finally:
        catalog.close()


def connections_are_valid(layout: Layout) -> None:
    """Read every connection of the file."""
    problems = Connections(layout.settings.connections).problems()
    if problems:
        raise NotReady("; ".join(f"{name}: {problem}" for name, problem in problems.items()))


def secrets_are_there(layout: Layout, environment: Mapping[str, str]) -> None:
    """Follow every connection's reference to its password, as a process of the stack would."""
    missing = []
    for connection in Connections(layout.settings.connections).all():
        try:
            connection.resolved(environment)
        except SourceAuth as lost:
            missing.append(lost.detail)
    if missing:
        raise NotReady("; ".join(missing))


def ray_refuses_strangers(layout: Layout) -> None:
    """Try to run a task with another token; Ray answers such a caller with silence."""
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(32)}
    try:
        probe_ray(layout, {"RAY_AUTH_TOKEN_PATH": ""} | environment, seconds=_STRANGER_SECONDS)
    except NotReady:
        return
    raise NotReady("it ran the task")
