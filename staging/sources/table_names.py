"""Read how a job spells a table: as it is, or quoted as in SQL."""

import re
from collections.abc import Iterator

_QUOTED = re.compile(r'"(?:[^"]|"")+"')
_PART = rf"(?:{_QUOTED.pattern}|[^\".]+)"
_QUALIFIED = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<name>{_PART})")


def readings_of(table: str) -> Iterator[tuple[str | None, str]]:
    """List what the text may mean, the most probable first: (schema or None, name)."""
    parsed = _QUALIFIED.fullmatch(table)
    if parsed is not None:
        yield _unquoted(parsed["schema"]) if parsed["schema"] else None, _unquoted(parsed["name"])
    for dot in re.finditer(r"\.", table):
        yield table[: dot.start()], table[dot.end() :]
    yield None, table


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if _QUOTED.fullmatch(part) else part
