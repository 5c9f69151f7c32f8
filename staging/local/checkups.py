"""Check what the stack promises and no start-up probe looks at; each raises NotReady if not."""

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from secrets import token_hex

from staging.build import this_build
from staging.catalog import Catalog
from staging.core.errors import ObjectConflict, SourceAuth
from staging.local.layout import Layout
from staging.local.probes import NotReady, probe_ray, store_config, stored_object
from staging.sources.connections import Connections

_BUILD = re.compile(r'^staging_build_info\{build="([^"]*)"\}', re.MULTILINE)
_LINK_LIFE = timedelta(minutes=1)
_LINK_SECONDS = 5.0
_STRANGER_SECONDS = 8.0
"""A caller with the right token has its answer within 4 s."""


def s3_puts_once(layout: Layout) -> None:
    """Try to overwrite an object; the commit protocol stands on that being refused."""
    with stored_object(layout) as (store, key, sent):
        other = b"not " + sent
        try:
            store.put_once(key, BytesIO(other), sha256=sha256(other).hexdigest())
        except ObjectConflict:
            return
        raise NotReady("it was overwritten")


def link_reaches(layout: Layout) -> None:
    """Read an object through a link, as a consumer does, from the public endpoint."""
    from staging.storage.links import LinkSigner  # noqa: PLC0415 - only when it is asked for

    config = store_config(layout)
    endpoint = config.public_endpoint
    with stored_object(layout) as (_, key, sent):
        link = LinkSigner(config).sign(key, lifetime=_LINK_LIFE, now=datetime.now(UTC))
        asked = urllib.request.Request(link.url, headers=dict(link.headers))  # noqa: S310 - the operator's endpoint
        try:
            with urllib.request.urlopen(asked, timeout=_LINK_SECONDS) as answer:  # noqa: S310 - the same
                got = answer.read()
        except urllib.error.HTTPError as refused:
            raise NotReady(f"{endpoint} answers {refused.code}") from None
        except OSError as silent:
            raise NotReady(f"{endpoint} does not answer: {silent}") from None
        if got != sent:
            raise NotReady(f"{endpoint} gave other bytes")


def runs_this_build(url: str) -> None:
    """Compare the build that a process shows among its metrics with this one."""
    try:
        with urllib.request.urlopen(url, timeout=_LINK_SECONDS) as answer:  # noqa: S310 - http only
            found = _BUILD.search(answer.read().decode())
    except (OSError, ValueError) as silent:
        raise NotReady(f"{url} does not answer: {silent}") from silent
    build = found[1] if found else "an older one"
    if build != this_build():
        raise NotReady(f"it runs {build}, this is {this_build()}")


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
    """Try to run a task with another token; Ray answers such a caller with silence.

    Silence tells nothing of a Ray that is silent to everybody.
    """
    probe_ray(layout, {})
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(32)}
    try:
        probe_ray(layout, {"RAY_AUTH_TOKEN_PATH": ""} | environment, seconds=_STRANGER_SECONDS)
    except NotReady:
        return
    raise NotReady("it ran the task")
