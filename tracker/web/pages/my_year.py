"""My year: a person's renewals, what lies ahead, and every entry; and the pages of one cycle."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.db.applications import Application
from tracker.formatting import capitalize_first, format_count, format_date
from tracker.rules.cycles import Cycle
from tracker.rules.description import describe_ends
from tracker.rules.explain import LoggedEntry
from tracker.rules.reasons import because, format_reason
from tracker.rules.standing import Status
from tracker.services.audits import list_open_audits
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.endorsements import Endorsed, endorsement_within, endorsements_of, own_of
from tracker.services.entry_questions import list_own_questions
from tracker.services.evaluation import leave_out_removed
from tracker.services.group_confirmations import list_confirmation_requests
from tracker.services.reinstatements import WayBack, list_ways_back
from tracker.services.removals import find_own_deletion
from tracker.services.reopening import find_settled_cycle
from tracker.services.settlements import differences_of
from tracker.web.forms.body import CycleStart, RowId
from tracker.web.page_request import CoordinatorPage, PageRequest, PersonPage, ViewerPage, require
from tracker.web.pages.applications import read_applications
from tracker.web.pages.certificates import list_person_certificates
from tracker.web.pages.entry_view import EntryView, read_entry, view_entry
from tracker.web.pages.profile import get_bounce_banner
from tracker.web.pages.renewal_view import list_cycle_links, view_renewal
from tracker.web.pages.year_data import (
    YearData,
    contains,
    list_cycles,
    read_cycle_data,
    read_year_data,
)
from tracker.web.rendering import format_cycle

router = APIRouter()


@router.get("/my-year")
async def show_year(page: ViewerPage) -> Response:
    """The viewer's year; who works for an association and has no endorsement goes to the desk."""
    viewer = page.viewer
    if viewer.coordinates and not viewer.logs_hours:
        return RedirectResponse("/coordinator", 303)
    if viewer.reads_applications and not viewer.logs_hours:
        return RedirectResponse("/coordinator/applicants", 303)

    def read(session: Session) -> dict[str, Any]:
        if viewer.person_id is None:
            nothing: dict[str, Any] = {"applications": (), "to_answer": (), "questions": ()}
            nothing |= {"audits": (), "certificates": (), "ways_back": ()}
            return {**nothing, "year": None, "bounced": None, "removed": None}
        views = read_applications(session, page) if viewer.has_applied else []
        removed = None
        if page.flash == "deleted":
            removed = find_own_deletion(session, viewer.person_id, "entry", page.now)
        applications = [view.application for view in views]
        return {
            "year": read_year(session, page, applications),
            "applications": views,
            "to_answer": list_confirmation_requests(session, viewer.person_id),
            "questions": list_own_questions(session, viewer.person_id),
            "ways_back": _list_ways_back(session, page),
            "audits": list_open_audits(session, viewer.person_id),
            "certificates": list_person_certificates(session, page, viewer.person_id),
            "bounced": get_bounce_banner(session, page),
            "removed": removed,
        }

    def render(facts: dict[str, Any]) -> Response:
        return page.render(
            "my_year.html",
            here="my-year",
            asked=(),
            whose=None,
            contacts=page.site.settings.coordinators_by_association,
            day_of=page.day_of,
            **facts,
        )

    return await page.site.reader.render(read, render)


def _list_ways_back(session: Session, page: PageRequest) -> list[WayBack]:
    """The viewer's removed endorsements, without those they have asked back already."""
    if not any(book.removals for book in page.rulebooks.associations.values()):
        return []
    ways = list_ways_back(session, page.rulebooks, page.day_of, page.person_id)
    return [way for way in ways if way.application_id is None]


@router.get("/my-year/{endorsement_id}/{cycle_starts_on}")
def show_own_cycle(
    page: PersonPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> HTMLResponse:
    """One cycle of the viewer's own endorsement, with the entries in it."""
    with page.reading() as session:
        own = {e.id: e for e in endorsements_of(session, page.person_id)}
    return _render_cycle(page, own.get(endorsement_id), cycle_starts_on, is_own=True)


@router.get("/coordinator/people/{endorsement_id}/{cycle_starts_on}")
def show_cycle_to_coordinator(
    page: CoordinatorPage, endorsement_id: RowId, cycle_starts_on: CycleStart
) -> HTMLResponse:
    """One cycle of an endorsement at the coordinator's association."""
    return show_cycle(page, endorsement_id, cycle_starts_on)


def show_cycle(
    page: PageRequest,
    endorsement_id: int,
    starts_on: date,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    """One cycle as a coordinator sees it, with what is wrong in a form that they sent."""
    with page.reading() as session:
        endorsement = endorsement_within(session, endorsement_id, page.viewer.coordinates)
    return _render_cycle(page, endorsement, starts_on, is_own=False, problems=problems)


def _render_cycle(
    page: PageRequest,
    endorsement: Endorsed | None,
    starts_on: date,
    *,
    is_own: bool,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    with page.reading() as session:
        facts = read_cycle(session, page, require(endorsement), starts_on, is_own=is_own)
        settled = find_settled_cycle(session, require(endorsement).id, starts_on)
    if not facts["has_records"]:
        settled = None
    return page.render(
        "cycle.html",
        branding=page.site.brandings.of(require(endorsement).association),
        problems=problems,
        only_looks=not page.viewer.may_change(require(endorsement).association),
        settled=settled,
        here="my-year" if is_own else "coordinator",
        whose=None if is_own else endorsement,
        contacts=page.site.settings.coordinators_by_association,
        **facts,
    )


@router.get("/entries/{entry_id}")
def show_entry(page: PersonPage, entry_id: RowId) -> HTMLResponse:
    """One entry, whether it counts for each endorsement, and why."""
    with page.reading() as session:
        row = read_entry(session, page, entry_id)
    contacts = page.site.settings.coordinators_by_association
    return page.render("entry.html", row=row, contacts=contacts)


def read_year(
    session: Session,
    page: PageRequest,
    applications: Sequence[Application] = (),
    *,
    whose: Endorsed | None = None,
) -> dict[str, Any]:
    """The viewer's year; or, for a coordinator, the one in which ``whose`` endorsement is renewed.

    A coordinator sees the entries that `services.coordinator_access` allows. Entries are also
    judged for the ``applications`` that are not decided.

    ``entries`` are in a cycle that the page shows, ``outside`` in no cycle at all; the others are
    on the pages of earlier cycles. ``period`` names the cycle of ``entries``, if it is one.
    ``alerts`` are what is worst, each as a sentence and the anchor of the part that has more.
    ``without_renewal`` tells why an endorsement has no renewal to show, and lists its cycles.
    ``last_entry_id`` is the newest of all, None if nothing was ever logged.
    """
    if whose is None:
        own = own_of(session, page.person_id)
        data = read_year_data(session, page, page.person_id, own, applications)
        data = replace(data, standings=leave_out_removed(session, data.standings))
    else:
        own = own_of(session, whose.person_id)._replace(endorsements=[whose])
        data = read_year_data(session, page, whose.person_id, own, applications)
        data = _limit_to_coordinator(session, whose.person_id, data)
    cycles: list[Cycle] = []
    for endorsement in own.endorsements:
        cycles += list_cycles(data.rulebooks, data.day_of, endorsement)
    shown, outside = [], []
    for entry in data.entries:
        if _is_shown(data, entry):
            shown.append(view_entry(data, entry))
        elif not any(cycle.counts_from <= entry.held_on <= cycle.ends_on for cycle in cycles):
            outside.append(view_entry(data, entry))
    renewals = [view_renewal(data, standing) for standing in data.standings]
    return {
        "renewals": renewals,
        "alerts": _list_alerts(renewals, shown),
        "entries": shown,
        "outside": outside,
        "without_renewal": _list_without_renewal(data),
        "period": _format_period(data),
        "last_entry_id": max((entry.id for entry in data.entries), default=None),
    }


def read_renewals(
    session: Session, page: PageRequest, person_id: int, endorsements: Sequence[Endorsed]
) -> dict[str, Any]:
    """The renewals of these endorsements as a coordinator sees them, without the entries.

    ``renewals`` and ``without_renewal`` are as of `read_year`.
    """
    own = own_of(session, person_id)._replace(endorsements=list(endorsements))
    data = read_year_data(session, page, person_id, own, ())
    data = _limit_to_coordinator(session, person_id, data)
    return {
        "renewals": [view_renewal(data, standing) for standing in data.standings],
        "without_renewal": _list_without_renewal(data),
    }


def _list_alerts(
    renewals: Sequence[dict[str, Any]], entries: Sequence[EntryView]
) -> list[tuple[str, str]]:
    """What must not be missed: lapsed renewals below another one, sessions that don't count."""
    alerts = []
    for number, renewal in enumerate(renewals, 1):
        if renewal["status"] == Status.LAPSED and number > 1:
            alerts.append((renewal["headline"], f"renewal-{number}"))
    # Where nothing is tracked, no session is lost.
    doubtful = [entry for entry in entries if entry.is_uncounted and entry.is_tracked]
    reasons = Counter(entry.whys[0].reason for entry in doubtful)
    for reason, count in reasons.most_common():
        verb = "doesn't" if count == 1 else "don't"
        alerts.append((f"{format_count(count, 'session')} {verb} count: {reason}.", "logged"))
    return alerts


def _limit_to_coordinator(session: Session, person_id: int, data: YearData) -> YearData:
    windows = access_windows(session, person_id, {e.association for e in data.endorsements})
    entries = [entry for entry in data.entries if sees_entry(windows, entry.held_on)]
    # Lapsed renewals are what a coordinator comes for.
    standings = sorted(data.standings, key=lambda s: s.status is not Status.LAPSED)
    return replace(data, entries=entries, standings=standings, is_own=False)


def read_cycle(
    session: Session, page: PageRequest, endorsement: Endorsed, starts_on: date, *, is_own: bool
) -> dict[str, Any]:
    """The cycle of an endorsement that starts on a day, judged anew; 404 if there is none.

    ``closed_on`` is None while entries can still change, ``settled_on`` while today's records
    count. ``differences`` tell a coordinator what they would change about a settled cycle.
    """
    cycles = list_cycles(page.rulebooks, page.day_of, endorsement)
    cycle = require(next((cycle for cycle in cycles if cycle.starts_on == starts_on), None))
    data = replace(read_cycle_data(session, page, endorsement, cycle), is_own=is_own)
    closed_on = None
    if data.locks.closed_on(cycle.ends_on):
        lock = data.locks.cycle_of(endorsement, cycle.ends_on)
        closed_on = lock.grace_ends_on if lock else None
    return {
        "renewals": [view_renewal(data, standing) for standing in data.standings],
        "entries": [view_entry(data, entry) for entry in data.entries],
        "without_renewal": _list_without_renewal(data, cycle),
        "has_records": data.has_records(endorsement, cycle),
        "period": format_cycle(cycle),
        "starts_on": starts_on,
        "cycles": list_cycle_links(data, endorsement),
        "closed_on": closed_on,
        "settled_on": next((s.settled_on for s in data.standings), None),
        "differences": [] if is_own else _list_differences(page, data),
    }


def _list_differences(page: PageRequest, data: YearData) -> list[str]:
    """What today's records would change about a settled cycle, each as a sentence."""
    found = []
    for standing in data.standings:
        today = data.day_of(standing.plan.association)
        for difference in differences_of(standing, page.rulebooks, today):
            found.append(f"{capitalize_first(format_reason(difference))}.")
    return found


def _is_shown(data: YearData, entry: LoggedEntry) -> bool:
    """Whether an entry is in a cycle that the page shows.

    If the page shows only an application, or nothing, all entries are shown.
    """
    if not data.standings or _is_ahead(data, entry):
        return True
    return any(s.plan.cycle is None or contains(s, entry.held_on) for s in data.standings)


def _is_ahead(data: YearData, entry: LoggedEntry) -> bool:
    """Whether it is not yet the entry's day at an association, because the person is east of it."""
    for standing in data.standings:
        if standing.plan.cycle and entry.held_on > data.day_of(standing.plan.association):
            return True
    return False


def _format_period(data: YearData) -> str:
    """The name of the cycle shown; empty if there are several, or an entry is ahead of it."""
    names = {format_cycle(s.plan.cycle) for s in data.standings if s.plan.cycle}
    if len(names) != 1 or any(_is_ahead(data, entry) for entry in data.entries[:1]):
        return ""
    return names.pop()


def _list_without_renewal(data: YearData, cycle: Cycle | None = None) -> list[dict[str, Any]]:
    """Why endorsements have no renewal to show in ``cycle`` (default: that of today)."""
    shown = {standing.facts.subject_id for standing in data.standings}
    found = []
    for endorsement in data.endorsements:
        if endorsement.id not in shown:
            name = f"{endorsement.association} {endorsement.category}"
            description = f"{name}: {_why_no_renewal(data, endorsement, cycle)}"
            links = list_cycle_links(data, endorsement)
            found.append({"name": name, "description": description, "cycles": links})
    return found


def _why_no_renewal(data: YearData, endorsement: Endorsed, cycle: Cycle | None) -> str:
    if endorsement.association not in data.rulebooks.associations:
        return "we have no rulebook for this association."
    today = data.day_of(endorsement.association)
    if cycle is None:
        current = data.locks.cycle_of(endorsement, today)
        cycle = current.cycle if current else None
    if cycle is not None and not data.has_records(endorsement, cycle):
        first_day = data.first_days[endorsement.association]
        reason = because("before_records", first_day=first_day)
        return f"{format_reason(reason)}."
    if endorsement.starts_on > today:
        return f"begins on {format_date(endorsement.starts_on)}."
    if endorsement.ends_on is not None:
        verb = "ended" if endorsement.ends_on < today else "ends"
        says = f"{verb} on {format_date(endorsement.ends_on)}. There is nothing to renew."
        rulebook = data.rulebooks.associations[endorsement.association]
        return " ".join([says, *describe_ends(rulebook, [endorsement.category])])
    return "the rulebook has no renewal cycle for today."
