"""Log hours: the form, and the page that says what it did to the standing."""

from contextlib import suppress
from datetime import date
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.params import Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import FormData

from tracker.records.endorsees import endorsements_of
from tracker.records.engine import reading
from tracker.records.entries import entry_by_id
from tracker.records.entry_writes import Author
from tracker.web.applications import read_applications
from tracker.web.form_page import show_form
from tracker.web.form_setting import FormSetting, form_of, read_setting
from tracker.web.log_form import ACTIVITIES, LogForm, prefill_from, read_content
from tracker.web.saving import save_new
from tracker.web.site import Instant, TheSite
from tracker.web.typed import RowId, Typed
from tracker.web.typed_date import say_date
from tracker.web.viewer import ThePerson
from tracker.web.year import read_entry, read_year

router = APIRouter()
Text = Annotated[str, Query()]


@router.get("/log")
def open_form(
    site: TheSite,
    at: Instant,
    who: ThePerson,
    activity: Text = "",
    provider: Text = "",
    day: Annotated[str, Query(alias="date")] = "",
    again: Text = "",
) -> HTMLResponse:
    """The empty form, or one that a link has filled in; what a link says wrongly is left out."""
    with reading(site.engine) as connection:
        setting = read_setting(connection, site.books, who.id, at)
        copied = _copy(connection, who.id, again)
    prefill = {**copied, **_from_link(setting, activity, provider, day)}
    form = form_of(setting, prefill=prefill)
    return show_form(site, who.viewer, form, setting)


@router.post("/log")
def save_form(site: TheSite, at: Instant, who: ThePerson, typed: Typed) -> Response:
    """Save the session once and go to what it did; or show what is wrong, nothing lost."""
    author = Author(who.id, who.viewer.email, at)

    def save(connection: Connection) -> tuple[FormSetting, LogForm, int | None]:
        setting = read_setting(connection, site.books, who.id, at)
        if "today" in typed:
            return setting, form_of(setting, with_today(typed, setting)), None
        form = form_of(setting, typed)
        content = read_content(form, setting.today)
        saved = save_new(connection, site.books, author, form, content) if content else None
        return setting, form, saved

    setting, form, saved = site.writer.run(save)
    if saved is None:
        focus = "hours" if "today" in typed else ""
        return show_form(site, who.viewer, form, setting, focus=focus)
    return RedirectResponse(f"/log/saved/{saved}", 303)


@router.get("/log/saved/{entry_id}")
def show_saved(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> HTMLResponse:
    """What an entry did to the standing; the same however often it is loaded."""
    with reading(site.engine) as connection:
        row = read_entry(connection, site.books, who.id, entry_id, at)
        if row is None:
            raise HTTPException(404)
        endorsements = endorsements_of(connection, who.id)
        applications = read_applications(connection, site.books, who.id, at)
        applied = [view.application for view in applications]
        year = read_year(connection, site.books, who.id, endorsements, at, applied)
    return site.pages.show(
        "saved.html",
        viewer=who.viewer,
        here="log",
        year=year,
        applications=[view for view in applications if view.checklist],
        row=row,
    )


def with_today(typed: FormData, setting: FormSetting) -> FormData:
    """The form as typed, with the date fields filled in."""
    parts = say_date(setting.today)
    kept = [(k, v) for k, v in typed.multi_items() if k not in parts and k != "today"]
    return FormData([*kept, *parts.items()])


def _copy(connection: Connection, person_id: int, again: str) -> dict[str, str]:
    if not (again.isascii() and again.isdigit()) or len(again) > 9:  # noqa: PLR2004 - an id's digits
        return {}
    entry = entry_by_id(connection, person_id, int(again))
    if entry is None:
        return {}
    # Everything is as it was the last time, but the day.
    return {k: v for k, v in prefill_from(entry).items() if k not in {"day", "month", "year"}}


def _from_link(setting: FormSetting, activity: str, provider: str, day: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if activity in ACTIVITIES:
        found["activity"] = activity
    if any(provider == str(choice.id) for choice in setting.providers):
        found |= {"provider": provider, "activity": "rsc"}
    with suppress(ValueError):
        found |= say_date(date.fromisoformat(day))
    return found
