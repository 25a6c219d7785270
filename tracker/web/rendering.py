"""Renders templates, and serves the style sheet, pictures, and script that pages name."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.formatting import (
    capitalize_first,
    date_field_order,
    format_alternatives,
    format_count,
    format_cycle_span,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_measure,
    format_measure_number,
    format_short_date,
    join_month_days,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.model import Rulebook
from tracker.rules.standing import lasts_for_life

STYLE_SHEET = "site.css"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webp": "image/webp",
}
_URL = re.compile(r'url\("([\w.-]+)"\)')


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages name.

    Its ``path`` has a hash of the content, so browsers may keep it forever.
    """

    path: str
    body: bytes
    media_type: str

    @classmethod
    def create(cls, name: str, body: bytes) -> "Asset":
        """The file with a name, whose ending says what it is."""
        stem, ending = Path(name).stem, Path(name).suffix
        digest = hashlib.sha256(body).hexdigest()[:12]
        return cls(f"/static/{stem}-{digest}{ending}", body, _MEDIA_TYPES[ending])


class Assets:
    """The files in ``folder/static``, and all of ``folder/styles`` as one style sheet.

    Style files are joined in the order of their names. They refer to a picture as
    ``url("tick.svg")``.
    """

    def __init__(self, folder: Path) -> None:
        self._by_name: dict[str, Asset] = {}
        self._by_path: dict[str, Asset] = {}
        for file in sorted((folder / "static").iterdir()):
            self._add(file.name, file.read_bytes())
        styles = [file.read_text("utf-8") for file in sorted((folder / "styles").glob("*.css"))]
        style_sheet = _URL.sub(lambda match: f'url("{self.path(match[1])}")', "\n".join(styles))
        self._add(STYLE_SHEET, style_sheet.encode())

    def _add(self, name: str, body: bytes) -> None:
        asset = Asset.create(name, body)
        self._by_name[name] = self._by_path[asset.path] = asset

    def path(self, name: str) -> str:
        """The path of a file by its name; raises KeyError if there is none."""
        return self._by_name[name].path

    def find(self, path: str) -> Asset | None:
        """The file at a path, or None."""
        return self._by_path.get(path)


class Pages:
    """The templates in ``folder``, with the filters and functions that they use."""

    def __init__(self, folder: Path) -> None:
        self.assets = Assets(folder)
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            typeset=typeset,
            day=unbroken_date,
            short_day=unbroken_short_date,
            is_for_life=lasts_for_life,
            count=format_count,
            hours=format_hours,
            alternatives=format_alternatives,
            capitalize_first=capitalize_first,
            format_hours_with_unit=unbroken_hours,
            format_measure=unbroken_measure,
            format_measure_number=format_measure_number,
        )
        self._environment.globals.update(asset=self.assets.path, date_field_order=date_field_order)

    def render(self, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:  # noqa: ANN401 - what a template prints
        """The page that ``template`` makes of ``facts``."""
        return HTMLResponse(self.render_text(template, **facts), status)

    def render_text(self, template: str, **facts: Any) -> str:  # noqa: ANN401 - what a template prints
        """The same page as text."""
        page = self._environment.get_template(template)
        return page.render({"viewer": None, "here": "", **facts})


_NO_BREAK = "\N{NO-BREAK SPACE}"
_BETWEEN_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=[^\W\d])")
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)|(?<=s)'(?=\s)")


def format_cycle(cycle: Cycle) -> str:
    """A cycle's name: its year or years if it follows the calendar, else its first and last day."""
    return format_cycle_span(cycle.starts_on, cycle.ends_on)


def category_name(rulebook: Rulebook | None, category: str) -> str:
    """A category in words; its id if the rulebook does not have it."""
    known = rulebook.categories.get(category) if rulebook else None
    return known.name if known else category


def category_names(rulebooks: Rulebooks, own: Rulebook) -> dict[str, str]:
    """Every category as ``Mentor (M1)``, by id; in the words of the ``own`` rulebook if it can."""
    names: dict[str, str] = {}
    for rulebook in (own, *rulebooks.associations.values()):
        for key, category in rulebook.categories.items():
            names.setdefault(key, f"{category.name} ({key})")
    return names


def unbroken_date(day: date) -> str:
    """``November 14, 2026``, without a line break between month and day."""
    return join_month_days(format_date(day))


def unbroken_short_date(day: date) -> str:
    """``Nov 14, 2026``, without a line break between month and day."""
    return join_month_days(format_short_date(day))


def unbroken_hours(minutes: int) -> str:
    """``12 hours``, without a line break before the unit."""
    return format_hours_with_unit(minutes).replace(" ", _NO_BREAK)


def unbroken_measure(amount: int, unit: str) -> str:
    """``9 months``, or hours of minutes, that no line break divides."""
    return format_measure(amount, unit).replace(" ", _NO_BREAK)


def typeset(sentence: str) -> str:
    """The sentence with curved apostrophes, and no line break inside "12 hours" or "June 30"."""
    return _curve_and_join(join_month_days(sentence))


# Most sentences of a page are the same for many entries.
@lru_cache(maxsize=10_000)
def _curve_and_join(sentence: str) -> str:
    curved = _APOSTROPHE.sub("\N{RIGHT SINGLE QUOTATION MARK}", sentence)
    return _BETWEEN_NUMBER_AND_UNIT.sub(_NO_BREAK, curved)
