"""The sessions of a person on the desk: what counts and why, and what can be done about each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.people import Person
from tracker.notifications.entry_mail import notify_decision, notify_question
from tracker.rules.cycles import Cycle
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Refused, ServiceContext
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.desk_access import get_desk_person, list_associations_of
from tracker.services.desk_changes import ChangePlan
from tracker.services.endorsements import Endorsed, own_of
from tracker.services.entries import find_entry
from tracker.services.entry_questions import (
    ask_about_entry,
    list_threads,
    reply_to_answer,
    settle_question,
)
from tracker.services.entry_reviews import (
    confirm_entry,
    count_entry_again,
    exclude_entry,
    list_confirmations,
    list_removed,
    remove_entry,
    withdraw_confirmation,
)
from tracker.services.entry_rules import load_entry_rules
from tracker.web.forms.body import RowId, Typed, clean, number_of, text_of
from tracker.web.forms.correction import CorrectionForm, build_correction_form, parse_correction
from tracker.web.page_request import (
    CoordinatorPage,
    PageRequest,
    format_problems,
    require,
)
from tracker.web.pages.desk import answer_change, choose_association, save_change
from tracker.web.pages.entry_view import EntryView, view_entry
from tracker.web.pages.question_view import view_thread
from tracker.web.pages.year_data import YearData, list_cycles, read_year_data
from tracker.web.rendering import format_cycle
from tracker.web.time_zones import format_instant

router = APIRouter()
# What a change of an entry may touch, referred tables first.
_TABLES = (
    "entry",
    "entry_topic",
    "evidence",
    "imported_row",
    "group_member",
    "entry_confirmation",
    "entry_decision",
    "entry_question",
    "entry_message",
)
_TITLE_LENGTH = 300
# The field of the page for a refusal of each action.
_FIELDS = {
    "ask": {"text": "ask_text"},
    "propose": {"text": "propose_text", "held_on": "day", "minutes": "hours"},
    "exclude": {"reason": "exclude_reason"},
    "remove": {"reason": "remove_reason", "": "remove_reason"},
    "reply": {"text": "reply_text"},
}


class EntryStatus(NamedTuple):
    """One session in the list: its verdict at the association, and what was said about it."""

    row: EntryView
    counts: bool
    confirmation: str
    question: str
    excluded: bool


class ReviewedEntry(NamedTuple):
    """A session that a coordinator looks at, on behalf of an association."""

    person: Person
    association: str
    entry: LoggedEntry

    @property
    def path(self) -> str:
        """The address of its page, and of its forms."""
        return f"{self.list_path}/{self.entry.id}"

    @property
    def list_path(self) -> str:
        """The address of the person's sessions."""
        return f"/coordinator/person/{self.person.id}/entries"


@router.get("/coordinator/person/{person_id}/entries")
def show_entries(
    page: CoordinatorPage,
    person_id: RowId,
    association: Annotated[str, Query()] = "",
    cycle: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """A person's sessions of a cycle, each with whether it counts and what was said about it."""
    with page.reading() as session:
        person = get_desk_person(session, page.viewer.actor, person_id)
        association = _choose_association(session, page, person, association)
        data = _read_data(session, page, person, association)
        cycles = _list_cycles(page, data.endorsements)
        chosen = _choose_cycle(cycles, cycle, page.day_of(association))
        entries = [entry for entry in data.entries if chosen is None or _is_in(entry, chosen)]
        rows = _list_rows(session, data, entries, association)
        removed = [
            one for one in list_removed(session, person.id) if one.association == association
        ]
    return page.render(
        "desk_entries.html",
        here="coordinator",
        desk="people",
        association=association,
        person=person,
        rows=rows,
        cycles=[(each.starts_on.isoformat(), format_cycle(each)) for each in cycles],
        cycle=chosen.starts_on.isoformat() if chosen else "",
        cycle_name=format_cycle(chosen) if chosen else "",
        removed=removed,
    )


@router.get("/coordinator/person/{person_id}/entries/{entry_id}")
def show_entry(
    page: CoordinatorPage,
    person_id: RowId,
    entry_id: RowId,
    association: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """One session as the person sees it, its questions, and what can be done about it."""
    with page.reading() as session:
        found = _find_entry(session, page, person_id, entry_id, association)
    return _render_entry(page, found)


@router.post("/coordinator/person/{person_id}/entries/{entry_id}")
def change_entry(
    page: CoordinatorPage, person_id: RowId, entry_id: RowId, typed: Typed
) -> Response:
    """Confirm a session, ask about it, propose a correction, or decide that it does not count."""
    with page.reading() as session:
        found = _find_entry(session, page, person_id, entry_id, text_of(typed, "association"))
    action = text_of(typed, "action")
    if action not in _TITLES:
        return page.redirect(found.path, "")
    try:
        if action in _DIRECT:
            return _save_directly(page, found, typed, action)
        return _answer(page, found, typed, action)
    except Refused as refused:
        names = _FIELDS.get(action, {})
        problems = [(names.get(name, name), words) for name, words in format_problems(refused)]
        return _render_entry(page, found, typed, problems)


_TITLES = {
    "confirm": "Confirm “{title}” of {name}",
    "unconfirm": "Withdraw the confirmation of “{title}” of {name}",
    "settle": "Settle a question about “{title}” of {name}",
    "reply": "Ask {name} again about “{title}”",
    "ask": "Ask {name} about “{title}”",
    "propose": "Propose a correction of “{title}” to {name}",
    "exclude": "Stop counting “{title}” of {name} for {association}",
    "include": "Count “{title}” of {name} again for {association}",
    "remove": "Remove “{title}” of {name}",
}
# These move no standing, so there is nothing to preview.
_DIRECT = {"confirm", "unconfirm", "settle", "reply"}


def _save_directly(
    page: PageRequest, found: ReviewedEntry, typed: FormData, action: str
) -> Response:
    entry_id, association = found.entry.id, found.association
    question_id, text = number_of(typed, "question"), clean(text_of(typed, "reply_text"))
    if action in ("settle", "reply"):
        with page.reading() as session:
            threads = list_threads(session, [found.entry], {association}).get(entry_id, ())
        require(question_id in {thread.question.id for thread in threads})

    def work(context: ServiceContext) -> None:
        if action == "confirm":
            confirm_entry(context, entry_id, association)
        elif action == "unconfirm":
            withdraw_confirmation(context, entry_id, association)
        elif action == "settle":
            settle_question(context, question_id)
        else:
            reply_to_answer(context, question_id, text)
            notify_question(page.site, context, question_id)

    plan = _make_plan(found, action, work, text)
    return save_change(page, plan, back=found.list_path if text_of(typed, "list") else found.path)


def _answer(page: PageRequest, found: ReviewedEntry, typed: FormData, action: str) -> Response:
    """Preview what an action does to the standing and which email it sends; then do it."""
    entry, association = found.entry, found.association
    proposal = None
    if action == "propose":
        form = _build_form(page, found, typed)
        proposal = parse_correction(form, entry, page.day_of(association))
        if proposal is None:
            return _render_entry(page, found, typed, form.problems())
    reason = clean(text_of(typed, f"{action}_reason"))
    text = clean(text_of(typed, f"{action}_text"))

    def work(context: ServiceContext) -> None:
        if action in ("ask", "propose"):
            question_id = ask_about_entry(context, entry.id, association, text, proposal)
            notify_question(page.site, context, question_id)
        elif action == "include":
            count_entry_again(context, entry.id, association)
        else:
            decide = exclude_entry if action == "exclude" else remove_entry
            decision = decide(context, entry.id, association, reason)
            notify_decision(page.site, context, decision, page.viewer.name)

    plan = _make_plan(found, action, work, reason or text)
    back = found.list_path if action == "remove" else found.path
    return answer_change(page, typed, plan, action=found.path, back=back)


def _make_plan(
    found: ReviewedEntry, action: str, work: Callable[[ServiceContext], None], reason: str
) -> ChangePlan:
    title = _TITLES[action].format(
        title=found.entry.title, name=found.person.name, association=found.association
    )
    people = frozenset({found.person.id})
    return ChangePlan(found.association, title[:_TITLE_LENGTH], people, _TABLES, work, reason)


def _choose_association(
    session: Session, page: PageRequest, person: Person, association: str
) -> str:
    """The chosen association, or else the first of the viewer's to which the person belongs."""
    if not association:
        theirs = list_associations_of(session, person.id)
        association = next((name for name in page.viewer.coordinates if name in theirs), "")
    return choose_association(page.viewer, association)


def _find_entry(
    session: Session, page: PageRequest, person_id: int, entry_id: int, association: str
) -> ReviewedEntry:
    """A session that the viewer's association may see; 404 for any other."""
    person = get_desk_person(session, page.viewer.actor, person_id)
    association = _choose_association(session, page, person, association)
    entry = require(find_entry(session, person.id, entry_id))
    windows = access_windows(session, person.id, {association})
    require(sees_entry(windows, entry.held_on))
    return ReviewedEntry(person, association, entry)


def _read_data(session: Session, page: PageRequest, person: Person, association: str) -> YearData:
    """The person's sessions and standings, as far as the association may see them."""
    own = own_of(session, person.id)
    held = [each for each in own.endorsements if each.association == association]
    data = read_year_data(session, page, person.id, own._replace(endorsements=held), ())
    windows = access_windows(session, person.id, {association})
    entries = [entry for entry in data.entries if sees_entry(windows, entry.held_on)]
    return replace(data, entries=entries, is_own=False)


def _list_cycles(page: PageRequest, endorsements: Sequence[Endorsed]) -> list[Cycle]:
    """The cycles of these endorsements, newest first, each span once."""
    cycles: dict[tuple[date, date], Cycle] = {}
    for endorsement in endorsements:
        for cycle in list_cycles(page.rulebooks, page.day_of, endorsement):
            cycles.setdefault((cycle.starts_on, cycle.ends_on), cycle)
    return [cycles[span] for span in sorted(cycles, reverse=True)]


def _choose_cycle(cycles: Sequence[Cycle], value: str, today: date) -> Cycle | None:
    """The chosen cycle, or else that of today; None: there is no cycle, or all are shown."""
    for cycle in cycles:
        if cycle.starts_on.isoformat() == value:
            return cycle
    if value == "all":
        return None
    return next((c for c in cycles if c.starts_on <= today <= c.ends_on), None)


def _is_in(entry: LoggedEntry, cycle: Cycle) -> bool:
    return cycle.counts_from <= entry.held_on <= cycle.ends_on


def _list_rows(
    session: Session, data: YearData, entries: Sequence[LoggedEntry], association: str
) -> list[EntryStatus]:
    confirmations = list_confirmations(session, entries, association)
    threads = list_threads(session, entries, {association})
    rows = []
    for entry in entries:
        view = view_entry(data, entry)
        confirmation = confirmations.get(entry.id)
        state = ""
        if confirmation is not None:
            state = "confirmed" if confirmation.is_current else "changed"
        unsettled = [t for t in threads.get(entry.id, ()) if t.question.state != "settled"]
        rows.append(
            EntryStatus(
                view,
                any(line.counts for line in view.whys),
                state,
                unsettled[0].question.state if unsettled else "",
                association in entry.exclusions,
            )
        )
    return rows


def _build_form(page: PageRequest, found: ReviewedEntry, typed: FormData | None) -> CorrectionForm:
    with page.reading() as session:
        rules = load_entry_rules(session, page.rulebooks, found.person.id, page.now)
    topics = rules.for_editing(found.entry).topics[found.entry.activity]
    return build_correction_form(found.entry, topics, typed)


def _render_entry(
    page: PageRequest,
    found: ReviewedEntry,
    typed: FormData | None = None,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    person, association, entry = found
    sent = typed if typed is not None else FormData()
    action = text_of(sent, "action")
    form = _build_form(page, found, sent if action == "propose" else None)
    with page.reading() as session:
        data = _read_data(session, page, person, association)
        confirmation = list_confirmations(session, [entry], association).get(entry.id)
        threads = list_threads(session, [entry], {association}).get(entry.id, ())
        others = list_associations_of(session, person.id) - {*page.viewer.coordinates}
    zone = page.rulebooks.associations[association].time_zone
    names = page.team_names
    names[person.email] = person.name
    views = [view_thread(thread, names, zone) for thread in threads]
    return page.render(
        "desk_entry.html",
        here="coordinator",
        desk="people",
        association=association,
        person=person,
        path=found.path,
        row=view_entry(data, entry),
        excluded=entry.exclusions.get(association, ""),
        confirmation=confirmation,
        threads=views,
        unsettled=[thread for thread in views if thread["state"] != "settled"],
        is_shared=bool(others),
        correction=form,
        texts={name: str(text) for name, text in sent.items()},
        action=action if action in _FIELDS else "",
        problems=problems,
        format_instant=lambda instant: format_instant(instant, zone),
        names=names,
        contacts={},
    )
