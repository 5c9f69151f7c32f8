"""Match paths against a glob as pathlib does: `*`, `?`, `[…]` in a part, `**` for any folders."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

ANY_FOLDERS = "**"


def matching_depths(pattern: Sequence[str], path: Sequence[str]) -> Iterator[int]:
    """Give each number of leading parts of the path that the whole pattern matches.

    Linear in the path's parts, whatever the pattern: the states are followed all at once.
    """
    states = _with_skipped({0}, pattern)
    for depth, part in enumerate([*path, None]):
        if len(pattern) in states:
            yield depth
        if part is not None:
            states = _with_skipped(_after(part, states, pattern), pattern)


def _after(part: str, states: set[int], pattern: Sequence[str]) -> set[int]:
    following = set()
    for state in states - {len(pattern)}:
        if pattern[state] == ANY_FOLDERS:
            following.add(state)
        elif fnmatchcase(part, pattern[state]):
            following.add(state + 1)
    return following


def _with_skipped(states: set[int], pattern: Sequence[str]) -> set[int]:
    """Add the states that are reached as `**` may also be no folder."""
    reached = set(states)
    for state, part in enumerate(pattern):
        if state in reached and part == ANY_FOLDERS:
            reached.add(state + 1)
    return reached
