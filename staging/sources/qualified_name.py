"""Read a table's name as a caller writes it: plain, qualified, or quoted."""

import re
from collections.abc import Iterator
from functools import cache


def readings_of(table: str, quotes: str = '"') -> Iterator[tuple[str | None, str]]:
    """List what the text may mean, the most probable first: (schema or None, name).

    `quotes` are the characters that may quote a part; doubled inside a part they mean themselves.
    """
    parsed = _qualified(quotes).fullmatch(table)
    if parsed is not None:
        schema = parsed["schema"]
        yield _unquoted(schema, quotes) if schema else None, _unquoted(parsed["name"], quotes)
    for dot in re.finditer(r"\.", table):
        yield table[: dot.start()], table[dot.end() :]
    yield None, table


@cache
def _qualified(quotes: str) -> re.Pattern[str]:
    part = rf"(?:{_quoted(quotes).pattern}|[^{re.escape(quotes)}.]+)"
    return re.compile(rf"(?:(?P<schema>{part})\.)?(?P<name>{part})")


@cache
def _quoted(quotes: str) -> re.Pattern[str]:
    forms = (f"{each}(?:[^{each}]|{each}{each})+{each}" for each in quotes)
    return re.compile(f"(?:{'|'.join(forms)})")


def _unquoted(part: str, quotes: str) -> str:
    if not _quoted(quotes).fullmatch(part):
        return part
    return part[1:-1].replace(part[0] * 2, part[0])
