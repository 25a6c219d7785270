"""What can happen to an application, and what each change leaves behind."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, ERIN, EVE, NOW, Cast, fill
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.refusal_text import format_refusal
from tracker.services.applications import (
    decline_application,
    endorse_applicant,
    get_application,
    list_applications,
    open_application,
    submit_application,
    withdraw_application,
)
from tracker.services.context import Actor, NotFound, Refused, ServiceContext

CAROL = Actor("carol@example.org", None, ("NCIMHA", "CT-AIMH"))
Decision = Callable[[ServiceContext, int, date], object]
OPENED, SUBMITTED, DECIDED = date(2026, 1, 10), date(2026, 2, 10), date(2026, 3, 10)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def context(session: Session) -> ServiceContext:
    """Carol coordinates the associations that Eve and the others apply to."""
    return ServiceContext(session, BOOKS, CAROL, NOW)


def open_for(context: ServiceContext, person_id: int, day: date, **where: str) -> int:
    """Open an application at NCIMHA as IFS, unless ``where`` says otherwise; its id."""
    place = {"association": "NCIMHA", "category": "IFS", **where}
    return open_application(context, person_id, place["association"], place["category"], day).id


@pytest.fixture
def eves(cast: Cast, context: ServiceContext) -> int:
    """Eve has applied; she holds no endorsement."""
    return open_for(context, cast.people[EVE], OPENED)


@contextmanager
def refused(words: str) -> Iterator[None]:
    """Expect one refusal whose sentence matches ``words``."""
    with pytest.raises(Refused) as error:
        yield
    (refusal,) = error.value.refusals
    assert re.search(words, format_refusal(refusal.code, refusal.facts))


def state_of(session: Session, application_id: int) -> tuple[str, date | None, date | None]:
    application = get_application(session, application_id)
    assert application is not None
    return (application.state, application.submitted_on, application.decided_on)


def rows(session: Session, table: str) -> list[dict[str, object]]:
    found = METADATA.tables[table]
    query = found.select().order_by(found.c.id)
    return [dict(row) for row in session.connection().execute(query).mappings()]


def test_an_application_is_opened_submitted_and_declined(
    context: ServiceContext, session: Session, eves: int
) -> None:
    assert state_of(session, eves) == ("open", None, None)
    submit_application(context, eves, SUBMITTED)
    assert state_of(session, eves) == ("submitted", SUBMITTED, None)
    decline_application(context, eves, DECIDED, "No exam")
    assert state_of(session, eves) == ("declined", SUBMITTED, DECIDED)


def test_each_change_leaves_an_audit_event(
    context: ServiceContext, session: Session, eves: int
) -> None:
    submit_application(context, eves, SUBMITTED)
    opened, submitted = rows(session, "audit_event")
    assert (opened["who"], opened["at"], opened["table_name"]) == (
        CAROL.label,
        NOW,
        "application",
    )
    assert (opened["row_id"], opened["before"]) == (eves, None)
    before, after = (json.loads(str(submitted[key])) for key in ("before", "after"))
    assert before == json.loads(str(opened["after"]))
    assert {name for name in after if after[name] != before[name]} == {"state", "submitted_on"}


@pytest.mark.parametrize("submitted", [True, False])
def test_an_undecided_application_can_be_withdrawn(
    context: ServiceContext, session: Session, eves: int, *, submitted: bool
) -> None:
    if submitted:
        submit_application(context, eves, SUBMITTED)
    withdraw_application(context, eves, DECIDED)
    assert state_of(session, eves)[0] == "withdrawn"


def test_an_endorsement_starts_on_the_decision_day(
    cast: Cast, context: ServiceContext, session: Session, eves: int
) -> None:
    endorsement_id = endorse_applicant(context, eves, DECIDED)
    [begun] = [e for e in rows(session, "endorsement") if e["id"] == endorsement_id]
    assert begun == {
        "id": endorsement_id,
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": DECIDED,
        "ends_on": None,
        "ended_as": None,
    }
    tables = [event["table_name"] for event in rows(session, "audit_event")]
    assert tables == ["application", "endorsement", "application"]


def test_endorsing_stores_the_first_standing(
    context: ServiceContext, session: Session, eves: int
) -> None:
    endorsement_id = endorse_applicant(context, eves, DECIDED)
    standings = METADATA.tables["standing"]
    own = standings.select().where(standings.c.endorsement_id == endorsement_id)
    assert session.connection().execute(own).all()


def test_endorsing_twice_on_one_day_changes_nothing(
    context: ServiceContext, session: Session, eves: int
) -> None:
    first = endorse_applicant(context, eves, DECIDED)
    events = rows(session, "audit_event")
    assert endorse_applicant(context, eves, DECIDED) == first
    assert rows(session, "audit_event") == events


def test_an_endorsement_that_covers_the_day_is_kept(cast: Cast, context: ServiceContext) -> None:
    alice = open_for(context, cast.people[ALICE], OPENED)
    assert endorse_applicant(context, alice, DECIDED) == cast.endorsements[ALICE]


@pytest.mark.parametrize(
    ("ends_on", "again"),
    [(date(2026, 3, 9), True), (date(2026, 3, 10), False), (date(2026, 3, 11), False)],
)
def test_an_ended_endorsement_is_followed_by_another(
    cast: Cast, context: ServiceContext, session: Session, eves: int, ends_on: date, *, again: bool
) -> None:
    before = add_endorsement(session, cast, date(2025, 1, 1), ends_on)
    assert (endorse_applicant(context, eves, DECIDED) != before) is again


def add_endorsement(session: Session, cast: Cast, starts_on: date, ends_on: date | None) -> int:
    table = METADATA.tables["endorsement"]
    values = {
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": starts_on,
        "ends_on": ends_on,
    }
    return int(
        session.connection()
        .execute(insert(table).values(values).returning(table.c.id))
        .scalar_one()
    )


def test_a_later_endorsement_prevents_the_decision(
    cast: Cast, context: ServiceContext, session: Session, eves: int
) -> None:
    add_endorsement(session, cast, date(2026, 3, 11), None)
    before = (rows(session, "endorsement"), rows(session, "audit_event"))
    with refused("on file starting March 11, 2026, and one starting March 10, 2026"):
        endorse_applicant(context, eves, DECIDED)
    assert (rows(session, "endorsement"), rows(session, "audit_event")) == before
    assert state_of(session, eves)[0] == "open"


Verb = Callable[[ServiceContext, int], object]
VERBS: dict[str, Verb] = {
    "submitted": lambda context, own: submit_application(context, own, DECIDED),
    "endorsed": lambda context, own: endorse_applicant(context, own, DECIDED),
    "declined": lambda context, own: decline_application(context, own, DECIDED, "No exam"),
    "withdrawn": lambda context, own: withdraw_application(context, own, DECIDED),
}


@pytest.mark.parametrize("then", VERBS)
@pytest.mark.parametrize("first", ["endorsed", "declined", "withdrawn"])
def test_a_decision_stands(context: ServiceContext, eves: int, first: str, then: str) -> None:
    VERBS[first](context, eves)
    if (first, then) == ("endorsed", "endorsed"):
        return
    with refused(f"was {first} on March 10, 2026, and that decision is final"):
        VERBS[then](context, eves)


def test_an_application_is_submitted_once(context: ServiceContext, eves: int) -> None:
    submit_application(context, eves, SUBMITTED)
    with refused("was already submitted on February 10, 2026"):
        submit_application(context, eves, DECIDED)


def test_no_change_before_opening_or_submission(context: ServiceContext, eves: int) -> None:
    with refused("was opened on January 10, 2026, .* on January 9, 2026"):
        submit_application(context, eves, date(2026, 1, 9))
    submit_application(context, eves, SUBMITTED)
    with refused("was submitted on February 10, 2026, .* on February 9, 2026"):
        endorse_applicant(context, eves, date(2026, 2, 9))
    endorse_applicant(context, eves, SUBMITTED)


def test_an_unknown_application_is_not_found(context: ServiceContext) -> None:
    with pytest.raises(NotFound):
        submit_application(context, 999, SUBMITTED)


@pytest.mark.parametrize(
    "decision", [endorse_applicant, partial(decline_application, answer="No exam")]
)
def test_only_the_associations_coordinators_decide(
    context: ServiceContext, session: Session, eves: int, decision: Decision
) -> None:
    other = replace(context, actor=Actor("dan@example.org", None, ("CT-AIMH",)))
    with pytest.raises(NotFound):
        decision(other, eves, DECIDED)
    assert state_of(session, eves)[0] == "open"


def test_only_one_undecided_application_at_a_time(
    cast: Cast, context: ServiceContext, eves: int
) -> None:
    eve = cast.people[EVE]
    with refused("NCIMHA IFS was opened on January 10, 2026"):
        open_for(context, eve, DECIDED)
    assert open_for(context, eve, DECIDED, association="CT-AIMH")
    decline_application(context, eves, DECIDED, "No exam")
    with refused("Open a new one after that day."):
        open_for(context, eve, OPENED)
    assert open_for(context, eve, DECIDED)


def test_the_undecided_application_comes_first_then_the_newest(
    cast: Cast, context: ServiceContext, session: Session
) -> None:
    erin = cast.people[ERIN]
    assert list_applications(session, erin) == []
    days = [date(2025, 1, 1), date(2026, 1, 1), date(2026, 2, 1)]
    ids = [
        open_for(context, erin, day, category=category)
        for category, day in zip(["IFS", "ECFS", "IMHM-C"], days, strict=True)
    ]
    for application_id in ids[1:]:
        withdraw_application(context, application_id, DECIDED)
    assert [each.id for each in list_applications(session, erin)] == [ids[0], ids[2], ids[1]]


@pytest.mark.both_engines
def test_two_who_endorse_at_once_begin_one_endorsement(cast: Cast) -> None:
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, CAROL, NOW)
        application_id = open_for(context, cast.people[EVE], OPENED)

    def endorse(_: int) -> int:
        with writing(cast.engine) as session:
            context = ServiceContext(session, BOOKS, CAROL, NOW)
            return endorse_applicant(context, application_id, DECIDED)

    with ThreadPoolExecutor(2) as threads:
        ids = set(threads.map(endorse, range(2)))
    assert len(ids) == 1
    with reading(cast.engine) as session:
        assert len(rows(session, "audit_event")) == 3
