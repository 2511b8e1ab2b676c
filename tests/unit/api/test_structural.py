"""From pydantic's JSON schema to a structural schema."""

from enum import StrEnum

from pydantic import Field

from mooring.api.selectors import ApiModel
from mooring.api.structural import structural_schema


class _Colour(StrEnum):
    RED = "Red"
    BLUE = "Blue"


class _Inner(ApiModel):
    size: int | None = None
    """How large."""


class _Outer(ApiModel):
    colour: _Colour = _Colour.RED
    """Which
    colour."""
    inner: _Inner
    """The inner one."""
    inners: tuple[_Inner, ...] = ()
    """More of them."""
    sizes: dict[str, int] = Field(default_factory=dict)
    """Sizes by name."""
    maybe: _Inner | None = None
    """Perhaps one."""


def test_references_and_nulls_are_put_in_place() -> None:
    """The result stands alone: no reference, no union with null, no titles, and the field's own description wins."""
    size = {"type": "integer", "description": "How large."}

    assert structural_schema(_Outer, description="An example.") == {
        "type": "object",
        "description": "An example.",
        "required": ["inner"],
        "properties": {
            "colour": {
                "type": "string",
                "enum": ["Red", "Blue"],
                "default": "Red",
                "description": "Which colour.",
            },
            "inner": {"type": "object", "description": "The inner one.", "properties": {"size": size}},
            "inners": {
                "type": "array",
                "description": "More of them.",
                "items": {"type": "object", "properties": {"size": size}},
            },
            "sizes": {
                "type": "object",
                "description": "Sizes by name.",
                "additionalProperties": {"type": "integer"},
            },
            "maybe": {"type": "object", "description": "Perhaps one.", "properties": {"size": size}},
        },
    }
