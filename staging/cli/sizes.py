"""How many nodes are so many that they must be meant."""

from typing import Annotated

import typer

from staging.core.errors import InvalidValue

_MANY_NODES = 16
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help=f"Mean it, with more than {_MANY_NODES} nodes.")
]


def check_many(count: int, *, is_meant: bool) -> None:
    """Raise InvalidValue for many nodes that are not said to be meant."""
    if count > _MANY_NODES and not is_meant:
        raise InvalidValue(
            f"{count} nodes are more than {_MANY_NODES}, and each takes some 300 MB; "
            "if that is meant: --yes"
        )
