"""What the service answers when it cannot do what was asked; `api.problems` builds it."""

from pydantic import BaseModel, ConfigDict, Field

from api.models.answers import Answer
from staging.core.jobs import JobState


class FieldErrorAnswer(Answer):
    """One invalid place of a request."""

    pointer: str
    detail: str


class ProblemAnswer(BaseModel):
    """A failure (RFC 9457); some codes add members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldErrorAnswer] | None = Field(default=None, description="With 422.")
    current_state: JobState | None = Field(default=None, description="With 409.")
    allowed: list[str] | None = Field(default=None, description="With 409: what the state allows.")
    reason: str | None = Field(default=None, description="With 410.")
