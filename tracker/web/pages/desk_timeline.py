"""A person's timeline for a coordinator: what happened, and the standing as of any day."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.people import Person
from tracker.formatting import format_date
from tracker.rules.cycles import Cycle
from tracker.rules.standing import Span
from tracker.services.desk_access import get_desk_person
from tracker.services.endorsements import Endorsed, cycles_held, endorsements_of
from tracker.services.reminder_history import list_reminders
from tracker.services.sent_texts import read_sent_text
from tracker.services.timeline import (
    SentEmail,
    TimelineItem,
    TimelineKind,
    count_by_kind,
    kinds_of,
    list_names,
    list_session_titles,
    list_timeline,
)
from tracker.web.forms.body import RowId
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_past import view_as_of, view_history
from tracker.web.pages.desk_timeline_labels import KIND_LABELS
from tracker.web.pages.desk_timeline_text import TimelineWording, list_named_ids
from tracker.web.rendering import format_cycle

router = APIRouter()


class CycleOption(NamedTuple):
    """A cycle by which the timeline can be filtered; ``value`` is its first day in the address."""

    value: str
    label: str
    span: Span


class Filters(NamedTuple):
    """Which items are shown; empty: all."""

    association: str
    kind: str
    cycle: str

    def checked(self, cycles: Sequence[CycleOption]) -> "Filters":
        """Without filters that there are not."""
        kind = self.kind if self.kind in set(TimelineKind) else ""
        cycle = self.cycle if self.cycle in {option.value for option in cycles} else ""
        return self._replace(kind=kind, cycle=cycle)

    def list_in_cycle(
        self, items: Sequence[TimelineItem], cycles: Sequence[CycleOption]
    ) -> Sequence[TimelineItem]:
        """The items of the chosen cycle; all of them if none is chosen."""
        for option in cycles:
            if option.value == self.cycle:
                return [item for item in items if item.is_in(option.span)]
        return items

    def link(self, path: str, **parts: Any) -> str:  # noqa: ANN401 - parts of an address
        """The address with other filters, or another page."""
        query = {**self._asdict(), **parts}
        return f"{path}?{urlencode({n: v for n, v in query.items() if v})}#events"


@router.get("/coordinator/person/{person_id}/timeline")
def show_timeline(
    page: CoordinatorPage,
    request: Request,
    person_id: RowId,
    association: Annotated[str, Query()] = "",
    kind: Annotated[str, Query()] = "",
    cycle: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """What happened to a person, what became of reminders, and the standing as of a day."""
    with page.reading() as session:
        person = get_desk_person(session, page.viewer.actor, person_id)
        own = _list_endorsements(session, page, person)
        if not association and own:
            association = own[0].association
        association = choose_association(page.viewer, association)
        items = list_timeline(session, page.rulebooks, person.id, page.viewer.coordinates)
        words = load_words(session, page, person, items, association)
        ids = [endorsement.id for endorsement in own]
        notices = page.site.notices
        histories = list_reminders(session, page.rulebooks, notices, page.day_of, items, ids)
        typed = FormData(dict(request.query_params))
        as_of = view_as_of(session, page, ids, items, words, typed)
    cycles = _list_cycle_options(page, own)
    filters = Filters(association, kind, cycle).checked(cycles)
    in_cycle = filters.list_in_cycle(items, cycles)
    counts = count_by_kind(in_cycle)
    shown = [i for i in in_cycle if not filters.kind or filters.kind in kinds_of(i)]
    path = f"/coordinator/person/{person.id}/timeline"
    first = (number - 1) * PAGE_SIZE
    return page.render(
        "desk_timeline.html",
        here="coordinator",
        desk="people",
        association=association,
        person=person,
        path=path,
        reminders=[view_history(history, words) for history in histories],
        rows=[words.view(item) for item in shown[first : first + PAGE_SIZE]],
        total=len(in_cycle),
        kinds=[(each.value, label, counts[each]) for each, label in KIND_LABELS.items()],
        cycles=cycles,
        filters=filters,
        page=number,
        pages=count_pages(len(shown)),
        link=lambda **parts: filters.link(path, **parts),
        **as_of,
    )


@router.get("/coordinator/person/{person_id}/timeline/emails/{message_id}")
def show_email(page: CoordinatorPage, person_id: RowId, message_id: RowId) -> HTMLResponse:
    """One email to a person: its text as it was sent, and what became of it."""
    with page.reading() as session:
        person = get_desk_person(session, page.viewer.actor, person_id)
        coordinated = page.viewer.coordinates
        items = list_timeline(session, page.rulebooks, person.id, coordinated)
        email = require(_find_email(items, message_id))
        association = email.association if email.association in coordinated else coordinated[0]
        words = load_words(session, page, person, items, association)
        sent = read_sent_text(session, email.id)
    return page.render(
        "desk_email.html",
        here="coordinator",
        desk="people",
        association=association,
        person=person,
        path=f"/coordinator/person/{person.id}/timeline",
        email=email,
        sent=sent,
        row=words.view_email(email),
        finished_at=words.format_instant(email.finished_at) if email.finished_at else "",
    )


def _find_email(items: Sequence[TimelineItem], message_id: int) -> SentEmail | None:
    """An email of the timeline that may be read: one about nothing that is not the reader's."""
    for item in items:
        content = item.content
        if isinstance(content, SentEmail) and content.id == message_id:
            return content if content.subject is not None else None
    return None


def _list_endorsements(session: Session, page: PageRequest, person: Person) -> list[Endorsed]:
    """The person's endorsements of the viewer's associations."""
    held = endorsements_of(session, person.id)
    return [each for each in held if each.association in page.viewer.coordinates]


def load_words(
    session: Session,
    page: PageRequest,
    person: Person,
    items: Sequence[TimelineItem],
    association: str,
) -> TimelineWording:
    """What it takes to write a person's timeline in words."""
    names_by_email = page.team_names
    names_by_email |= {person.email: person.name}
    zone = page.rulebooks.associations[association].time_zone
    names = list_names(session, list_named_ids(items))
    sessions = {
        number: f"{title}, {format_date(day)}"
        for number, title, day in list_session_titles(session, person.id)
    }
    return TimelineWording(page.rulebooks, zone, names, names_by_email, sessions)


def _list_cycle_options(page: PageRequest, endorsements: Sequence[Endorsed]) -> list[CycleOption]:
    """The cycles of these endorsements, newest first; each span once."""
    spans: dict[Span, Cycle] = {}
    for endorsement in endorsements:
        if endorsement.association in page.rulebooks.associations:
            today = page.day_of(endorsement.association)
            for cycle in cycles_held(page.rulebooks, endorsement, today):
                spans.setdefault(Span(cycle.starts_on, cycle.ends_on), cycle)
    newest_first = sorted(spans, reverse=True)
    return [CycleOption(s.starts_on.isoformat(), format_cycle(spans[s]), s) for s in newest_first]
