"""Write the reference pages that follow from the code: `python -m staging.cli.reference`."""

from pathlib import Path

import typer
from pydantic.fields import FieldInfo
from typer.cli import get_docs_for_click

from staging.cli.main import app
from staging.settings import Settings

_FOLDER = Path("docs/reference")
_SETTINGS = """\
# Settings

Environment variables, read once when a process starts; the same names for every process.
An empty one counts as not set. S3 credentials are boto3's own (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, …); the embedded stack makes its own.

| Variable | Default | Meaning |
|---|---|---|
"""


def settings_text() -> str:
    """Give the page of all settings."""
    prefix = Settings.model_config["env_prefix"]
    rows = [
        f"| `{prefix}{name.upper()}` | {_default(field)} | {_meaning(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return _SETTINGS + "\n".join(rows) + "\n"


def commands_text() -> str:
    """Give the page of all commands, as `--help` has them."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="staging")
    return get_docs_for_click(obj=command, ctx=context, name="staging").strip() + "\n"


PAGES = {_FOLDER / "settings.md": settings_text, _FOLDER / "commands.md": commands_text}


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return ""
    shown = str(field.default).replace(str(Path.home()), "~", 1)
    return f"`{shown.lower() if isinstance(field.default, bool) else shown}`"


def _meaning(field: FieldInfo) -> str:
    bounds = {type(each).__name__.lower(): each for each in field.metadata}
    low, high = (getattr(bounds.get(name), name, None) for name in ("ge", "le"))
    if low is None:
        return field.description or ""
    return (
        f"{field.description} {low} to {high}." if high else f"{field.description} {low} or more."
    )


if __name__ == "__main__":
    for path, text in PAGES.items():
        path.write_text(text())
