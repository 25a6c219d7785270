"""What browsers fetch beside a page: one style sheet and some pictures, each named by its content.

A name never means other bytes, so that browsers may keep a file for a year without asking.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

STYLE_SHEET = "site.css"
_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_URL = re.compile(r'url\("([\w.-]+)"\)')


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served; ``path`` is where, on our own site; ``packed`` is it as gzip."""

    path: str
    body: bytes
    packed: bytes
    media_type: str


class Assets:
    """The pictures of ``folder/static``, and all of ``folder/styles`` in the order of their names.

    A style sheet names a picture as ``url("tick.svg")``.
    """

    def __init__(self, folder: Path) -> None:
        self._by_name = {
            file.name: _asset(file.name, file.read_bytes())
            for file in sorted((folder / "static").iterdir())
        }
        parts = [file.read_text("utf-8") for file in sorted((folder / "styles").glob("*.css"))]
        style = _URL.sub(lambda found: f'url("{self.path(found[1])}")', "\n".join(parts))
        self._by_name[STYLE_SHEET] = _asset(STYLE_SHEET, style.encode())
        self._by_path = {asset.path: asset for asset in self._by_name.values()}

    def path(self, name: str) -> str:
        """Where a file is found; raises KeyError for one that is not there."""
        return self._by_name[name].path

    def at(self, path: str) -> Asset | None:
        """The file that is found there; None if none is."""
        return self._by_path.get(path)


def _asset(name: str, body: bytes) -> Asset:
    stem, dot, ending = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:12]
    packed = gzip.compress(body, mtime=0)
    return Asset(f"/static/{stem}-{digest}{dot}{ending}", body, packed, _TYPES[dot + ending])
