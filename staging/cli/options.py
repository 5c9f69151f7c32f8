"""The options that several commands share."""

from typing import Annotated

import typer

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="The service; else STAGING_HOST and STAGING_PORT, else the stack that runs here."
    ),
]
Org = Annotated[int, typer.Option(help="The organisation that asks.")]
User = Annotated[str | None, typer.Option(help="Who asks, recorded on what is created.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Give up after so long.", min=0)
]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it has taken effect.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="May be repeated.")
]
