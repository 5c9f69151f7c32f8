"""Suggest what a caller may have meant."""

import difflib
from collections.abc import Iterable

_SHOWN = 3


def nearest_names(asked: str, known: Iterable[str]) -> str:
    """Give the end of a message: `; nearest: a, b`, or nothing when no name is close.

    Capital letters make no difference: who asked for ORDERS may have meant orders.
    """
    folded: dict[str, list[str]] = {}
    for name in sorted(known):
        folded.setdefault(name.casefold(), []).append(name)
    close = difflib.get_close_matches(asked.casefold(), folded, n=_SHOWN, cutoff=0.6)
    names = [name for each in close for name in folded[each]][:_SHOWN]
    return f"; nearest: {', '.join(names)}" if names else ""
