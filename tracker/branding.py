"""How an association presents itself, with a color on which text can be read."""

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
# WCAG 2.2, 1.4.3, for text of any size.
_LEAST_CONTRAST = 4.5


class Branding(BaseModel):
    """How an association presents itself: in white on its color, in a band above its mail.

    Empty names have no band.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=60)
    color: str = "#0f6b5c"

    @field_validator("color")
    @classmethod
    def _validate_color(cls, color: str) -> str:
        if not _COLOR.fullmatch(color):
            raise ValueError(f"{color!r} is not a color. Write it as #0f6b5c (red, green, blue)")
        contrast = 1.05 / (_luminance(color) + 0.05)
        if contrast < _LEAST_CONTRAST:
            raise ValueError(
                f"white text on {color} has a contrast of {contrast:.2f}, and people with low "
                f"vision need {_LEAST_CONTRAST} (WCAG AA). Choose a darker color"
            )
        return color


def _luminance(color: str) -> float:
    """The relative luminance of ``#rrggbb`` by WCAG 2.2, from 0 (black) to 1 (white)."""
    linear_below, parts = 0.04045, []
    for start in (1, 3, 5):
        value = int(color[start : start + 2], 16) / 255
        parts.append(value / 12.92 if value <= linear_below else ((value + 0.055) / 1.055) ** 2.4)
    red, green, blue = parts
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
