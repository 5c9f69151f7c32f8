"""The headers that clients send with one operation alone, and how a header is read as text."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def header_text(value: bytes) -> str:
    """Read a header as UTF-8, or as the Latin-1 that HTTP began with (RFC 9110, section 5.5)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _again(given: Any) -> Any:
    return header_text(given.encode("latin-1")) if isinstance(given, str) else given


HeaderText = BeforeValidator(_again)
"""Of a header whose characters count: the framework has read it as Latin-1."""


class DataHeaders(BaseModel):
    """Which bytes of a chunk are asked for."""

    model_config = ConfigDict(frozen=True)

    range: str | None = Field(
        default=None,
        alias="Range",
        description="One range of the Parquet file, `bytes=0-99`; anything else is ignored.",
    )
    if_range: str | None = Field(
        default=None,
        alias="If-Range",
        description="Give the range only if the ETag is still this one, else the whole.",
    )
