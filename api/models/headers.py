"""The headers that clients send with one operation alone."""

from pydantic import BaseModel, ConfigDict, Field


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
