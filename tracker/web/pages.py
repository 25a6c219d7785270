"""Renders pages: Jinja with escaping on, undefined names refused, styles named by their content."""

from datetime import date
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.hours import count_hours, say_hours
from tracker.rules.providers import say_day
from tracker.web.assets import Assets


class Pages:
    """The templates of ``folder``, and the files that pages name."""

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
        self._environment.filters["day"] = say_day
        self._environment.filters["short_day"] = short_day
        self._environment.filters["hours"] = say_hours
        self._environment.filters["count_hours"] = count_hours
        self._environment.globals["asset"] = self.assets.path

    def show(self, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:  # noqa: ANN401 - what a template prints
        """The page that ``template`` makes of ``facts``."""
        return HTMLResponse(self.text(template, **facts), status)

    def text(self, template: str, **facts: Any) -> str:  # noqa: ANN401 - what a template prints
        """The same as text, for whoever answers without a request."""
        page = self._environment.get_template(template)
        return page.render({"viewer": None, "here": "", **facts})


def short_day(day: date) -> str:
    """A day in a list: ``14 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"
