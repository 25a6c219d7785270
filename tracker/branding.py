"""How an association presents itself: a name, a color on which text can be read, and a logo."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
# WCAG 2.2, 1.4.3, for text of any size.
_LEAST_CONTRAST = 4.5
_WHITE, _BLACK = "#ffffff", "#000000"
# Pages show a logo this high; screens have up to three pixels for each of these.
LOGO_HEIGHT = 32
# The heaviest page takes 30 kB, and stays below 60 (tests/web/frame/test_page_weight.py).
_MOST_KILOBYTES = 30
_SMALLEST_SIDE, _LARGEST_SIDE = 16, 1200


class Branding(BaseModel):
    """How an association presents itself, in a band above its pages and its mail.

    Empty names have no band. ``logo`` is a file, from the folder of tracker.toml on; see
    `read_logo`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=60)
    color: str = "#0f6b5c"
    logo: Path | None = None

    @field_validator("color")
    @classmethod
    def _validate_color(cls, color: str) -> str:
        if not _COLOR.fullmatch(color):
            raise ValueError(f"{color!r} is not a color. Write it as #0f6b5c (red, green, blue)")
        return color

    @field_validator("logo", mode="before")
    @classmethod
    def _refuse_empty_logo(cls, logo: object) -> object:
        # Nothing at all would be the folder of tracker.toml.
        if isinstance(logo, str) and not logo.strip():
            raise ValueError("must name a file. Leave the setting out if there is none")
        return logo

    @model_validator(mode="after")
    def _require_name(self) -> Self:
        if self.logo and not self.name:
            raise ValueError("name is missing: screen readers read it in place of the logo")
        return self

    @property
    def text_color(self) -> str:
        """White where it can be read on the color, or else black, which then can be."""
        return _WHITE if self.reads_on_white else _BLACK

    @property
    def reads_on_white(self) -> bool:
        """Whether text in the color can be read on white, and white text on the color."""
        return 1.05 / (_luminance(self.color) + 0.05) >= _LEAST_CONTRAST


def _luminance(color: str) -> float:
    """The relative luminance of ``#rrggbb`` by WCAG 2.2, from 0 (black) to 1 (white)."""
    linear_below, parts = 0.04045, []
    for start in (1, 3, 5):
        value = int(color[start : start + 2], 16) / 255
        parts.append(value / 12.92 if value <= linear_below else ((value + 0.055) / 1.055) ** 2.4)
    red, green, blue = parts
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture: its bytes, the ending of its kind (``.png``), and its size in pixels."""

    body: bytes
    ending: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Look:
    """A branding, and the logo that it names, if it names one."""

    branding: Branding
    logo: Logo | None


def read_logo(file: Path) -> Logo:
    """Read a logo. Raises ValueError, which names the file and what would be right."""
    most = _MOST_KILOBYTES * 1000
    try:
        with file.open("rb") as opened:
            body = opened.read(most + 1)
    except OSError as error:
        raise ValueError(
            f"{file} can't be read ({error.strerror}). Name a PNG, JPEG, or WebP file that the "
            "user of the program may read; its path starts at the folder of tracker.toml"
        ) from None
    if len(body) > most:
        raise ValueError(
            f"{file} has more than {_MOST_KILOBYTES} kB. Pages show it {LOGO_HEIGHT} pixels high: "
            f"save it {3 * LOGO_HEIGHT} pixels high, as PNG or WebP"
        )
    logo = _read_png(body) or _read_jpeg(body) or _read_webp(body)
    if logo is None:
        raise ValueError(
            f"{file} is not a whole PNG, JPEG, or WebP picture. Export the logo as PNG"
        )
    if (
        min(logo.width, logo.height) < _SMALLEST_SIDE
        or max(logo.width, logo.height) > _LARGEST_SIDE
    ):
        raise ValueError(
            f"{file} is {logo.width} pixels wide and {logo.height} high. Each side must have "
            f"{_SMALLEST_SIDE} to {_LARGEST_SIDE}; {3 * LOGO_HEIGHT} pixels high is best"
        )
    return logo


# Each returns None for another kind of file, and for one that is cut off.
def _read_png(body: bytes) -> Logo | None:
    if not body.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") or b"IEND\xaeB`\x82" not in body:
        return None
    return Logo(body, ".png", int.from_bytes(body[16:20]), int.from_bytes(body[20:24]))


# What begins a frame, which has the size: ITU-T T.81, table B.1.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_FILL = 0xFF


def _read_jpeg(body: bytes) -> Logo | None:
    if not body.startswith(b"\xff\xd8\xff") or b"\xff\xd9" not in body:
        return None
    start = 2
    while body[start : start + 1] == b"\xff":
        kind = int.from_bytes(body[start + 1 : start + 2])
        size = body[start + 5 : start + 9]
        if kind in _FRAMES:
            return Logo(body, ".jpg", int.from_bytes(size[2:]), int.from_bytes(size[:2]))
        start += 1 if kind == _FILL else 2 + int.from_bytes(body[start + 2 : start + 4])
    return None


def _read_webp(body: bytes) -> Logo | None:
    """By RFC 9649: a lossy picture, a lossless one, or one with more than a picture."""

    def number(start: int, end: int) -> int:
        return int.from_bytes(body[start:end], "little")

    if body[:4] != b"RIFF" or body[8:12] != b"WEBP" or number(4, 8) + 8 > len(body):
        return None
    match body[12:16]:
        case b"VP8 ":
            return Logo(body, ".webp", number(26, 28) & 0x3FFF, number(28, 30) & 0x3FFF)
        case b"VP8L":
            bits = number(21, 25)
            return Logo(body, ".webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            return Logo(body, ".webp", number(24, 27) + 1, number(27, 30) + 1)
    return None
