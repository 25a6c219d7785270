"""What can happen to an application, and what each change leaves behind."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, DANA, ERIN, EVE, NOW, Cast, fill
from tracker.db.applications import REINSTATEMENT, Application
from tracker.db.engine import reading, writing
from tracker.db.people import Person
from tracker.db.tables import METADATA
from tracker.refusal_text import format_refusal
from tracker.services.applications import (
    begin_endorsement,
    decline_application,
    endorse_applicant,
    find_applicant,
    get_application_standings,
    later_term,
    list_applicants,
    list_applications,
    list_undecided_applications,
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
def refused(words: str, field: str = "day") -> Iterator[None]:
    """Expect one refusal of a field whose sentence matches ``words``."""
    with pytest.raises(Refused) as error:
        yield
    (refusal,) = error.value.refusals
    assert refusal.field == field
    assert re.search(words, format_refusal(refusal.code, refusal.facts))


def state_of(session: Session, application_id: int) -> tuple[str, date | None, date | None]:
    application = session.get_one(Application, application_id)
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
    with refused("Enter a reason", "answer"):
        decline_application(context, eves, DECIDED, "")
    decline_application(context, eves, DECIDED, "No exam")
    assert state_of(session, eves) == ("declined", SUBMITTED, DECIDED)
    assert session.get_one(Application, eves).answer == "No exam"


def test_each_change_leaves_an_audit_event(
    context: ServiceContext, session: Session, eves: int
) -> None:
    submit_application(context, eves, SUBMITTED)
    opened, submitted = rows(session, "audit_event")
    made = (opened["who"], opened["at"], opened["table_name"])
    assert made == (CAROL.label, NOW, "application")
    assert (opened["row_id"], opened["before"]) == (eves, None)
    before, after = (json.loads(str(submitted[key])) for key in ("before", "after"))
    assert not {"answer", "purpose"} & set(before)
    assert before == json.loads(str(opened["after"]))
    assert {name for name in after if after[name] != before[name]} == {"state", "submitted_on"}


def test_the_audit_log_tells_reinstatements_apart(
    cast: Cast, context: ServiceContext, session: Session
) -> None:
    wanted = ("NCIMHA", "IFS", OPENED)
    own = open_application(context, cast.people[EVE], *wanted, purpose=REINSTATEMENT)
    assert own.purpose == REINSTATEMENT
    [event] = rows(session, "audit_event")
    after = json.loads(str(event["after"]))
    assert (after["purpose"], after["category"]) == (REINSTATEMENT, "IFS")


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
    for elsewhere in ({"association": "CT-AIMH"}, {"category": "ECFS"}):
        add_endorsement(session, cast, date(2025, 1, 1), None, **elsewhere)
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
    events = rows(session, "audit_event")
    assert [event["table_name"] for event in events] == [
        "application",
        "endorsement",
        "application",
    ]
    assert json.loads(str(events[1]["after"])) == {
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": "2026-03-10",
        "ends_on": None,
    }


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
    key = (cast.people[ALICE], "NCIMHA", "IFS")
    held, is_new = begin_endorsement(context.session, key, DECIDED, who="importer", at=NOW)
    assert (held.id, is_new) == (cast.endorsements[ALICE], False)
    eve = (cast.people[EVE], "NCIMHA", "IFS")
    assert begin_endorsement(context.session, eve, DECIDED, who="importer", at=NOW)[1]


def test_the_next_later_term_is_found() -> None:
    terms = {DECIDED: None, date(2027, 1, 1): None, date(2026, 3, 11): date(2026, 12, 31)}
    assert later_term(terms, DECIDED) == date(2026, 3, 11)
    assert later_term({DECIDED: None}, DECIDED) is None


@pytest.mark.parametrize(
    ("ends_on", "again"),
    [(date(2026, 3, 9), True), (date(2026, 3, 10), False), (date(2026, 3, 11), False)],
)
def test_an_ended_endorsement_is_followed_by_another(
    cast: Cast, context: ServiceContext, session: Session, eves: int, ends_on: date, *, again: bool
) -> None:
    before = add_endorsement(session, cast, date(2025, 1, 1), ends_on)
    assert (endorse_applicant(context, eves, DECIDED) != before) is again


def add_endorsement(
    session: Session, cast: Cast, starts_on: date, ends_on: date | None, **elsewhere: str
) -> int:
    table = METADATA.tables["endorsement"]
    values = {
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": starts_on,
        "ends_on": ends_on,
        **elsewhere,
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


VERBS: dict[str, Decision] = {
    "submitted": submit_application,
    "endorsed": endorse_applicant,
    "declined": partial(decline_application, answer="No exam"),
    "withdrawn": withdraw_application,
}


@pytest.mark.parametrize("then", VERBS)
@pytest.mark.parametrize("first", ["endorsed", "declined", "withdrawn"])
def test_a_decision_stands(context: ServiceContext, eves: int, first: str, then: str) -> None:
    VERBS[first](context, eves, DECIDED)
    if (first, then) == ("endorsed", "endorsed"):
        return
    with refused(f"was {first} on March 10, 2026, and that decision is final"):
        VERBS[then](context, eves, DECIDED)


def test_an_application_is_submitted_once(context: ServiceContext, eves: int) -> None:
    submit_application(context, eves, SUBMITTED)
    with refused("was already submitted on February 10, 2026"):
        submit_application(context, eves, DECIDED)


@pytest.mark.parametrize("state", VERBS)
def test_no_change_before_opening_or_submission(
    context: ServiceContext, session: Session, eves: int, state: str
) -> None:
    one_day = timedelta(days=1)
    with refused(f"was opened on January 10, 2026, so it can't be {state} on January 9, 2026"):
        VERBS[state](context, eves, OPENED - one_day)
    if state != "submitted":
        submit_application(context, eves, SUBMITTED)
        with refused(f"was submitted on February 10, 2026, .* be {state} on February 9, 2026"):
            VERBS[state](context, eves, SUBMITTED - one_day)
    first = OPENED if state == "submitted" else SUBMITTED
    VERBS[state](context, eves, first)
    assert first in state_of(session, eves)


def test_an_unknown_application_is_not_found(context: ServiceContext) -> None:
    with pytest.raises(NotFound):
        submit_application(context, 999, SUBMITTED)


def test_what_changed_meanwhile_is_read_again(
    context: ServiceContext, session: Session, eves: int
) -> None:
    known = session.get_one(Application, eves)
    applications, connection = METADATA.tables["application"], session.connection()
    withdrawn = {"state": "withdrawn", "decided_on": SUBMITTED}
    connection.execute(applications.update().values(withdrawn))
    with refused("was withdrawn on February 10, 2026"):
        submit_application(context, eves, DECIDED)
    assert known.state == "withdrawn"
    connection.execute(applications.delete())
    with pytest.raises(NotFound):
        submit_application(context, eves, DECIDED)


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
    days = {"IFS": "2025-01-01", "ECFS": "2026-02-01", "IMHM-C": "2026-01-01", "IFA": "2026-01-01"}
    ids = [
        open_for(context, erin, date.fromisoformat(day), category=category)
        for category, day in days.items()
    ]
    for application_id in ids[1:]:
        withdraw_application(context, application_id, DECIDED)
    listed = [each.id for each in list_applications(session, erin)]
    assert listed == [ids[0], ids[1], ids[3], ids[2]]
    assert [each.id for each in list_undecided_applications(session, erin)] == [ids[0]]


def test_coordinators_find_applicants_of_their_own(
    cast: Cast, context: ServiceContext, session: Session, eves: int
) -> None:
    open_for(context, cast.people[BOB], OPENED)
    found = find_applicant(session, eves, ["CT-AIMH", "NCIMHA"])
    assert found is not None
    assert (found[0].email, found[1].id) == (EVE, eves)
    assert find_applicant(session, eves, ["CT-AIMH"]) is None
    assert find_applicant(session, 999, ["NCIMHA"]) is None


def test_the_nearest_to_a_decision_come_first(
    cast: Cast, context: ServiceContext, session: Session, eves: int
) -> None:
    bobs, dana = open_for(context, cast.people[BOB], OPENED), cast.people[DANA]
    session.get_one(Person, dana).name = "dana Ruiz"
    danas = open_for(context, dana, OPENED)
    alices = open_for(context, cast.people[ALICE], OPENED)
    # Nobody has rules for it.
    last = open_for(context, dana, OPENED, category="GONE")
    erins = open_for(context, cast.people[ERIN], OPENED)
    submit_application(context, eves, SUBMITTED)
    submit_application(context, erins, SUBMITTED - timedelta(days=1))
    elsewhere = open_for(context, cast.people[BOB], OPENED, association="CT-AIMH")
    applicants = list_applicants(session, BOOKS, "NCIMHA", NOW.date())
    # Alice has logged the most, and the earliest submitted comes first of those who logged nothing.
    order = [alices, erins, eves, bobs, danas, last]
    assert [each.facts.subject_id for each in applicants] == order
    one_day = lambda _: NOW.date()  # noqa: E731
    standings = get_application_standings(session, BOOKS, one_day, [eves, elsewhere])
    names = {key: each.facts.name for key, each in standings.items()}
    assert names == {eves: "Eve Chen", elsewhere: "Bob Osei"}
    assert get_application_standings(session, BOOKS, one_day, []) == {}


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
