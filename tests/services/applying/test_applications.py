"""What may become of an application, and what is left behind when something does."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, ERIN, EVE, NOW, Cast, fill
from tracker.db.audit import Stamp
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.services.applications import (
    ImpossibleChange,
    application_by_id,
    application_of,
    applications_of,
    decide,
    endorse,
    endorse_and_evaluate,
    open_application,
    submit,
)

CAROL = Stamp("carol@example.org", NOW)
OPENED, SUBMITTED, DECIDED = date(2026, 1, 10), date(2026, 2, 10), date(2026, 3, 10)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    with writing(cast.engine) as session:
        yield session


@pytest.fixture
def eves(cast: Cast, session: Session) -> int:
    """Eve has applied; she holds no endorsement."""
    return open_application(session, cast.people[EVE], "NCIMHA", "IFS", OPENED, by=CAROL)


def state_of(session: Session, application_id: int) -> tuple[str, date | None, date | None]:
    applied = application_by_id(session, application_id)
    assert applied is not None
    return (applied.state, applied.submitted_on, applied.decided_on)


def rows(session: Session, table: str) -> list[dict[str, object]]:
    found = METADATA.tables[table]
    query = found.select().order_by(found.c.id)
    return [dict(row) for row in session.connection().execute(query).mappings()]


def test_an_application_is_opened_submitted_and_declined(session: Session, eves: int) -> None:
    assert state_of(session, eves) == ("open", None, None)
    submit(session, eves, SUBMITTED, by=CAROL)
    assert state_of(session, eves) == ("submitted", SUBMITTED, None)
    decide(session, eves, "declined", DECIDED, by=CAROL)
    assert state_of(session, eves) == ("declined", SUBMITTED, DECIDED)


def test_each_change_leaves_an_audit_event(session: Session, eves: int) -> None:
    submit(session, eves, SUBMITTED, by=CAROL)
    opened, submitted = rows(session, "audit_event")
    assert (opened["who"], opened["at"], opened["table_name"]) == (
        CAROL.who,
        CAROL.at,
        "application",
    )
    assert (opened["row_id"], opened["before"]) == (eves, None)
    before, after = (json.loads(str(submitted[key])) for key in ("before", "after"))
    assert before == json.loads(str(opened["after"]))
    assert {name for name in after if after[name] != before[name]} == {"state", "submitted_on"}


@pytest.mark.parametrize("submitted", [True, False])
def test_an_application_may_be_withdrawn_before_and_after_it_is_submitted(
    session: Session, eves: int, *, submitted: bool
) -> None:
    if submitted:
        submit(session, eves, SUBMITTED, by=CAROL)
    decide(session, eves, "withdrawn", DECIDED, by=CAROL)
    assert state_of(session, eves)[0] == "withdrawn"


def test_being_endorsed_begins_the_endorsement_on_that_day(
    cast: Cast, session: Session, eves: int
) -> None:
    endorsement_id = endorse(session, eves, DECIDED, by=CAROL)
    [begun] = [e for e in rows(session, "endorsement") if e["id"] == endorsement_id]
    assert begun == {
        "id": endorsement_id,
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": DECIDED,
        "ends_on": None,
    }
    tables = [event["table_name"] for event in rows(session, "audit_event")]
    assert tables == ["application", "endorsement", "application"]


def test_being_endorsed_opens_the_first_renewal_cycle(session: Session, eves: int) -> None:
    endorsement_id = endorse_and_evaluate(session, BOOKS, eves, DECIDED, by=CAROL)
    standings = METADATA.tables["standing"]
    own = standings.select().where(standings.c.endorsement_id == endorsement_id)
    assert session.connection().execute(own).all()


def test_being_endorsed_twice_on_the_same_day_changes_nothing(session: Session, eves: int) -> None:
    first = endorse(session, eves, DECIDED, by=CAROL)
    events = rows(session, "audit_event")
    assert endorse(session, eves, DECIDED, by=CAROL) == first
    assert rows(session, "audit_event") == events


def test_an_endorsement_that_covers_the_day_is_kept(cast: Cast, session: Session) -> None:
    alice = open_application(session, cast.people[ALICE], "NCIMHA", "IFS", OPENED, by=CAROL)
    assert endorse(session, alice, DECIDED, by=CAROL) == cast.endorsements[ALICE]


@pytest.mark.parametrize(
    ("ends_on", "again"),
    [(date(2026, 3, 9), True), (date(2026, 3, 10), False), (date(2026, 3, 11), False)],
)
def test_an_endorsement_that_ended_the_day_before_is_followed_by_another(
    cast: Cast, session: Session, eves: int, ends_on: date, *, again: bool
) -> None:
    before = add_endorsement(session, cast, date(2025, 1, 1), ends_on)
    assert (endorse(session, eves, DECIDED, by=CAROL) != before) is again


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


def test_an_endorsement_that_begins_later_is_in_the_way_and_nothing_is_written(
    cast: Cast, session: Session, eves: int
) -> None:
    add_endorsement(session, cast, date(2026, 3, 11), None)
    before = (rows(session, "endorsement"), rows(session, "audit_event"))
    with pytest.raises(ImpossibleChange, match="held from 2026-03-11 on, and one from 2026-03-10"):
        endorse(session, eves, DECIDED, by=CAROL)
    assert (rows(session, "endorsement"), rows(session, "audit_event")) == before
    assert state_of(session, eves)[0] == "open"


Verb = Callable[[Session, int], object]
VERBS: dict[str, Verb] = {
    "submitted": lambda session, own: submit(session, own, DECIDED, by=CAROL),
    "endorsed": lambda session, own: endorse(session, own, DECIDED, by=CAROL),
    "declined": lambda session, own: decide(session, own, "declined", DECIDED, by=CAROL),
    "withdrawn": lambda session, own: decide(session, own, "withdrawn", DECIDED, by=CAROL),
}


@pytest.mark.parametrize("then", VERBS)
@pytest.mark.parametrize("first", ["endorsed", "declined", "withdrawn"])
def test_a_decision_stands(session: Session, eves: int, first: str, then: str) -> None:
    VERBS[first](session, eves)
    if (first, then) == ("endorsed", "endorsed"):
        return
    with pytest.raises(ImpossibleChange, match=f"was {first} on 2026-03-10, and stays so"):
        VERBS[then](session, eves)


def test_an_application_is_submitted_once(session: Session, eves: int) -> None:
    submit(session, eves, SUBMITTED, by=CAROL)
    with pytest.raises(ImpossibleChange, match="was submitted on 2026-02-10 already"):
        submit(session, eves, DECIDED, by=CAROL)


def test_nothing_becomes_of_an_application_before_it_was_opened_or_submitted(
    session: Session, eves: int
) -> None:
    with pytest.raises(ImpossibleChange, match=r"was opened on 2026-01-10: .* on 2026-01-09"):
        submit(session, eves, date(2026, 1, 9), by=CAROL)
    submit(session, eves, SUBMITTED, by=CAROL)
    with pytest.raises(ImpossibleChange, match=r"was submitted on 2026-02-10: .* on 2026-02-09"):
        endorse(session, eves, date(2026, 2, 9), by=CAROL)
    endorse(session, eves, SUBMITTED, by=CAROL)


def test_an_application_that_does_not_exist_is_named(session: Session) -> None:
    with pytest.raises(ImpossibleChange, match="there is no application 999"):
        submit(session, 999, SUBMITTED, by=CAROL)


def test_only_declined_and_withdrawn_are_decisions_without_an_endorsement(
    session: Session, eves: int
) -> None:
    with pytest.raises(ValueError, match="declined or withdrawn here, not 'endorsed'"):
        decide(session, eves, "endorsed", DECIDED, by=CAROL)


def test_one_is_not_opened_beside_another_that_is_undecided(
    cast: Cast, session: Session, eves: int
) -> None:
    eve = cast.people[EVE]
    with pytest.raises(ImpossibleChange, match="NCIMHA IFS was opened on 2026-01-10"):
        open_application(session, eve, "NCIMHA", "IFS", DECIDED, by=CAROL)
    assert open_application(session, eve, "CT-AIMH", "IFS", DECIDED, by=CAROL)
    decide(session, eves, "declined", DECIDED, by=CAROL)
    with pytest.raises(ImpossibleChange, match="open one after that day"):
        open_application(session, eve, "NCIMHA", "IFS", OPENED, by=CAROL)
    assert open_application(session, eve, "NCIMHA", "IFS", DECIDED, by=CAROL)


def test_the_undecided_application_comes_first_then_the_newest(
    cast: Cast, session: Session
) -> None:
    erin = cast.people[ERIN]
    assert application_of(session, erin) is None
    days = [date(2025, 1, 1), date(2026, 1, 1), date(2026, 2, 1)]
    ids = [
        open_application(session, erin, "NCIMHA", category, day, by=CAROL)
        for category, day in zip(["IFS", "ECFS", "IMHM-C"], days, strict=True)
    ]
    for own in ids[1:]:
        decide(session, own, "withdrawn", DECIDED, by=CAROL)
    assert [each.id for each in applications_of(session, erin)] == [ids[0], ids[2], ids[1]]
    busy_with = application_of(session, erin)
    assert busy_with
    assert busy_with.id == ids[0]


def test_two_who_endorse_at_once_begin_one_endorsement(cast: Cast) -> None:
    with writing(cast.engine) as session:
        eve = cast.people[EVE]
        own = open_application(session, eve, "NCIMHA", "IFS", OPENED, by=CAROL)

    def endorsed(_: int) -> int:
        with writing(cast.engine) as session:
            return endorse(session, own, DECIDED, by=CAROL)

    with ThreadPoolExecutor(2) as threads:
        ids = set(threads.map(endorsed, range(2)))
    assert len(ids) == 1
    with reading(cast.engine) as session:
        assert len(rows(session, "audit_event")) == 3
