"""Suggest what a caller may have meant."""

import difflib
from collections.abc import Iterable

_SHOWN = 3


def nearest_names(asked: str, known: Iterable[str]) -> str:
    """Give the end of a message: `; nearest: a, b`, or nothing when no name is close."""
    close = difflib.get_close_matches(asked, sorted(known), n=_SHOWN, cutoff=0.6)
    return f"; nearest: {', '.join(close)}" if close else ""
