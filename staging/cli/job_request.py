"""Read a job's source and options from a command's words."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import typer

from staging.core.jobs import JobOptions

_TEXTS = frozenset(each.name for each in fields(JobOptions) if isinstance(each.default, str))
_BARE = ("is_null", "not_null")


def source(
    connection: str, target: dict[str, str | None], columns: Sequence[str], filters: Sequence[str]
) -> dict[str, Any]:
    """Give the contract's source; `target` holds one of table, path and query."""
    given = {kind: text for kind, text in target.items() if text is not None}
    if len(given) != 1:
        raise typer.BadParameter("give one of --table, --path and --query")
    found: dict[str, Any] = {"connection": connection, **given}
    found |= {"columns": list(columns)} if columns else {}
    found |= {"filters": [_filter(text) for text in filters]} if filters else {}
    return found


def pairs(texts: Sequence[str], what: str) -> dict[str, str]:
    """Read KEY=VALUE words."""
    split = [text.partition("=") for text in texts]
    for key, equals, _ in split:
        if not key or not equals:
            raise typer.BadParameter(f"give {what} as KEY=VALUE")
    return {key: value for key, _, value in split}


def options(texts: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE words; a value is JSON, or text where it is no JSON or a text is wanted."""
    return {
        name: text if name in _TEXTS else _value(text)
        for name, text in pairs(texts, "--option").items()
    }


def incremental(text: str) -> dict[str, Any]:
    """Read 'COLUMN' or 'COLUMN AFTER'."""
    column, _, after = text.partition(" ")
    return {"column": column} | ({"after": _value(after)} if after else {})


def _filter(text: str) -> dict[str, Any]:
    words = text.split(None, 2)
    if len(words) == 2 and words[1] in _BARE:
        return {"column": words[0], "op": words[1]}
    if len(words) == 3 and words[1] not in _BARE:
        return {"column": words[0], "op": words[1], "value": _value(words[2])}
    raise typer.BadParameter(f"give --filter as 'COLUMN OP VALUE', not {text!r}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
