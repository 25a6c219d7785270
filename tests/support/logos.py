"""Made-up logos: whole pictures of each kind, of 24 by 16 pixels."""

import zlib
from base64 import b64decode
from pathlib import Path
from struct import pack

from tracker.branding import Branding
from tracker.settings import AssociationSettings, Settings

_RGB = 2


def make_png(width: int = 24, height: int = 16) -> bytes:
    """A red picture of this size."""
    rows = (b"\0" + b"\xb3\x26\x1e" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


PNG = make_png()
# These were drawn and saved by Chromium, without color profiles.
JPEG = b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI//////////////////////"
    "//////////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////"
    "////////////////////////////////wAARCAAQABgDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAME/8"
    "QAGxAAAgIDAQAAAAAAAAAAAAAAAAIBAxIxQYH/xAAVAQEBAAAAAAAAAAAAAAAAAAABAv/EABYRAQEBAAAAAAAAAAAA"
    "AAAAAAARIf/aAAwDAQACEQMRAD8ArffKNiu+yKL5dsW3yRfRLtkvsCiiUbJt8gNq8jQABQ//2Q=="
)
LOSSY_WEBP = b64decode(
    "UklGRl4AAABXRUJQVlA4IFIAAABQAwCdASoYABAAP3Ggxli0q6ejsAgCkC4JbAAAUYBlDCkZhAD+3qBEJ37xNndd5u"
    "U9QonhSGnO5RVLdjDcUwaqa8BYu5Ne9X/uEilzz62UC+AA"
)
LOSSLESS_WEBP = b64decode(
    "UklGRqYAAABXRUJQVlA4TJoAAAAvF8ADEIegoG0bKdnDZPwZ3pWGgbRtMv9+Lu81kLZNy2Tcv81XUSNJanIZDhzw78"
    "Rc3N14Pe+b2PvZXUJ8wRkBUBQS0Q1Z1UwVDgaNJCl6Zpjyb/f5DUT0X5Hbtg0ze01/AQAAAAAAAJpuWbrmfivHJEnG"
    "8s6cHHO6qTY5Z3ttuDJcW6+sz33zqK/UHo7+7m7VfqyteHv/f74Q"
)
EXTENDED_WEBP = b64decode(
    "UklGRs4AAABXRUJQVlA4WAoAAAAQAAAAFwAADwAAQUxQSHAAAAANcJrtf6P83D03wclT5yNpGmwUvXeJZAU26L0rwh"
    "aRkVh2wHd+4YEFImIC8J8FGYJWKyt/CAAh6TUvFhu8jxfzXAWfY8GMShFIHSjBCEN93wjCcP020eeUm/hwunHo9Jw3"
    "1y4szyIpQ9DqCPuV0vhZVlA4IDgAAADQAgCdASoYABAAP3Ggxli0q6ejsAgCkC4JbAAAhMEAAP7fgDTevyzvBEswr9"
    "KqdOUsxpP/zjAAAA=="
)


def brand(settings: Settings, folder: Path, **colors: str) -> Settings:
    """The settings with a name, a logo, and a color for each of these associations."""
    (folder / "logo.png").write_bytes(PNG)
    branded = {
        association.replace("_", "-"): AssociationSettings(
            branding=Branding(
                name=f"{association} <families>", color=color, logo=folder / "logo.png"
            )
        )
        for association, color in colors.items()
    }
    return settings.model_copy(update={"associations": branded})
