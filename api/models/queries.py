"""The query strings that clients send."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.models.text import Digits, Label
from staging.core.jobs import JobState

_LARGEST_INDEX = 2**31 - 1
_TOKEN = Field(default=None, description="`next_page_token` of a page; anything else is a 400.")


class QueryString(BaseModel):
    """The parameters of one operation; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobsQuery(QueryString):
    """Which jobs to list."""

    state: JobState | None = Field(default=None, description="Only jobs in this state.")
    label: Label | None = Field(default=None, description="Only jobs with this label, `key:value`.")
    page_size: Annotated[int, Field(ge=1, le=200), Digits] = 50
    page_token: str | None = _TOKEN


class ChunksQuery(QueryString):
    """Which page of a job's chunks."""

    page_size: Annotated[int, Field(ge=1, le=1000), Digits] = 100
    page_token: str | None = _TOKEN
    since_index: Annotated[int, Field(ge=0, le=_LARGEST_INDEX), Digits] | None = Field(
        default=None, description="First index, inclusive; not together with `page_token`."
    )


class JobQuery(ChunksQuery):
    """Which page of chunks to show with the job, and how long to wait for news."""

    wait_seconds: float = Field(
        default=0,
        ge=0,
        le=50,
        allow_inf_nan=False,
        description="With If-None-Match: wait so long for another revision.",
    )


class RefreshQuery(QueryString):
    """How long the new link shall live."""

    url_ttl_seconds: Annotated[int, Field(ge=1, le=604_800), Digits] | None = Field(
        default=None, description="Default: the job's own."
    )
