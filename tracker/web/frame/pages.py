"""Renders pages: Jinja with escaping on, undefined names refused, styles named by their content."""

import re
from datetime import date
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.hours import count_hours, say_hours
from tracker.rules.providers import say_day
from tracker.web.frame.assets import Assets

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
        self._environment.filters["hours"] = say_hours
        self._environment.filters["count_hours"] = whole_hours
        self._environment.globals["asset"] = self.assets.path
        self._environment.globals.update(shared)

    def show(self, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:  # noqa: ANN401 - what a template prints
        """The page that ``template`` makes of ``facts``."""
        return HTMLResponse(self.text(template, **facts), status)

    def text(self, template: str, **facts: Any) -> str:  # noqa: ANN401 - what a template prints
        """The same as text, for whoever answers without a request."""
        page = self._environment.get_template(template)
        return page.render({"viewer": None, "here": "", **facts})


def whole_day(day: date) -> str:
    """A day in a sentence, ``14 November 2026``: number and month stay on one line."""
    return say_day(day).replace(" ", _NO_BREAK, 1)


def short_day(day: date) -> str:
    """A day in a list, ``14 Nov 2026``: number and month stay on one line."""
    return f"{day.day}{_NO_BREAK}{day:%b} {day.year}"


def whole_hours(minutes: int) -> str:
    """``12 hours``: number and unit stay on one line."""
    return count_hours(minutes).replace(" ", _NO_BREAK)


def typeset(sentence: str) -> str:
    """A sentence as it is set: no break between number and unit, and curved apostrophes."""
    curved = _APOSTROPHE.sub("\N{RIGHT SINGLE QUOTATION MARK}", sentence)
    return _BETWEEN_NUMBER_AND_UNIT.sub(_NO_BREAK, curved)
