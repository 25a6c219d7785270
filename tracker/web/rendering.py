"""What browsers fetch beside a page: one style sheet and some pictures, each named by its content.

A name never means other bytes, so that browsers may keep a file for a year without asking.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.formatting import (
    format_date,
    format_hours,
    format_hours_with_unit,
    format_short_date,
    join_month_days,
)

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


_NO_BREAK = "\N{NO-BREAK SPACE}"
_BETWEEN_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=[^\W\d])")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)|(?<=s)'(?=\s)")


class Pages:
    """The templates of ``folder``, and the files that pages name.

    ``shared`` is what every template may use, by name.
    """

    def __init__(self, folder: Path, **shared: Any) -> None:  # noqa: ANN401 - what a template uses
        self.assets = Assets(folder)
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["typeset"] = typeset
        self._environment.filters["day"] = whole_day
        self._environment.filters["short_day"] = short_day
        self._environment.filters["hours"] = format_hours
        self._environment.filters["format_hours_with_unit"] = whole_hours
        self._environment.globals["asset"] = self.assets.path
        self._environment.globals.update(shared)

    def render(self, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:  # noqa: ANN401 - what a template prints
        """The page that ``template`` makes of ``facts``."""
        return HTMLResponse(self.render_text(template, **facts), status)

    def render_text(self, template: str, **facts: Any) -> str:  # noqa: ANN401 - what a template prints
        """The same as text, for whoever answers without a request."""
        page = self._environment.get_template(template)
        return page.render({"viewer": None, "here": "", **facts})


def whole_day(day: date) -> str:
    """A day in a sentence, ``November 14, 2026``: number and month stay on one line."""
    return _NO_BREAK.join(format_date(day).split(" ", 1))


def short_day(day: date) -> str:
    """A day in a list, ``Nov 14, 2026``: number and month stay on one line."""
    return _NO_BREAK.join(format_short_date(day).split(" ", 1))


def whole_hours(minutes: int) -> str:
    """``12 hours``: number and unit stay on one line."""
    return format_hours_with_unit(minutes).replace(" ", _NO_BREAK)


def typeset(sentence: str) -> str:
    """The sentence with curved apostrophes and no line break inside "12 hours" or "June 30"."""
    curved = _APOSTROPHE.sub("\N{RIGHT SINGLE QUOTATION MARK}", sentence)
    return _BETWEEN_NUMBER_AND_UNIT.sub(_NO_BREAK, join_month_days(curved))
