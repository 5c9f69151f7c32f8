"""One condition of a source, its value checked against its operator."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator

from api.models.text import Name, check_text
from staging.core.source_spec import OPERATORS, Filter

_NO_VALUE = frozenset({"is_null", "not_null"})
_LISTS = frozenset({"in", "not_in"})
_SCALAR_OPS = frozenset(OPERATORS) - _NO_VALUE - _LISTS - {"like"}
_MAX_LISTED = 10_000
_SCALAR: list[dict[str, Any]] = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_VALUE = {
    "anyOf": [
        *_SCALAR,
        {"type": "array", "items": {"anyOf": _SCALAR}, "minItems": 1, "maxItems": _MAX_LISTED},
        {"type": "null"},
    ]
}


def _form(ops: Iterable[str], value: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """Give the JSON Schema of conditions whose operator takes such a value."""
    return {
        "required": ["value"] if required else [],
        "properties": {"op": {"enum": sorted(ops)}, "value": value},
    }


class FilterBody(BaseModel):
    """A condition on rows: `column op value`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "anyOf": [
                _form(_NO_VALUE, {"type": "null"}, required=False),
                _form(_LISTS, {"type": "array"}, required=True),
                _form(_SCALAR_OPS, {"anyOf": _SCALAR}, required=True),
                _form({"like"}, {"type": "string"}, required=True),
            ]
        },
    )

    column: Name
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in", "not_in", "is_null", "not_null", "like"]
    value: Annotated[Any, WithJsonSchema(_VALUE)] = Field(
        default=None,
        validate_default=True,
        description="A scalar; a list for in and not_in; nothing for is_null and not_null.",
    )

    @field_validator("value")
    @classmethod
    def _value_fits(cls, value: Any, info: ValidationInfo) -> Any:
        op = info.data.get("op")
        if op is None:  # wrong itself
            return value
        if op in _NO_VALUE:
            return _nothing(op, value)
        return _listed(op, value) if op in _LISTS else _scalar(op, value)

    def filter(self) -> Filter:
        """Give the condition in the words of staging.core."""
        return Filter(self.column, self.op, self.value)


def _nothing(op: str, value: Any) -> None:
    if value is not None:
        raise ValueError(f"{op} takes no value")


def _listed(op: str, value: Any) -> Any:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_LISTED:
        raise ValueError(f"{op} takes a list of 1 to {_MAX_LISTED} values")
    return [_scalar(op, each) for each in value]


def _scalar(op: str, value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError(f"{op} takes a string, a number, true or false")
    if isinstance(value, str):
        check_text(value)
    elif op == "like":
        raise ValueError("like takes a string")
    return value
