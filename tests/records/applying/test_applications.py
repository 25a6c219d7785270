"""What may become of an application, and what is left behind when something does."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import Connection, insert

from tests.support.cast import ALICE, BOOKS, ERIN, EVE, NOW, Cast, fill
from tracker.records.applying.applications import (
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
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Stamp
from tracker.records.store.engine import reading, writing

CAROL = Stamp("carol@example.org", NOW)
OPENED, SUBMITTED, DECIDED = date(2026, 1, 10), date(2026, 2, 10), date(2026, 3, 10)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def connection(cast: Cast) -> Iterator[Connection]:
    with writing(cast.engine) as connection:
        yield connection


@pytest.fixture
def eves(cast: Cast, connection: Connection) -> int:
    """Eve has applied; she holds no endorsement."""
    return open_application(connection, cast.people[EVE], "NCIMHA", "IFS", OPENED, by=CAROL)


def state_of(connection: Connection, application_id: int) -> tuple[str, date | None, date | None]:
    applied = application_by_id(connection, application_id)
    assert applied is not None
    return (applied.state, applied.submitted_on, applied.decided_on)


def rows(connection: Connection, table: str) -> list[dict[str, object]]:
    found = METADATA.tables[table]
    query = found.select().order_by(found.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def test_an_application_is_opened_submitted_and_declined(connection: Connection, eves: int) -> None:
    assert state_of(connection, eves) == ("open", None, None)
    submit(connection, eves, SUBMITTED, by=CAROL)
    assert state_of(connection, eves) == ("submitted", SUBMITTED, None)
    decide(connection, eves, "declined", DECIDED, by=CAROL)
    assert state_of(connection, eves) == ("declined", SUBMITTED, DECIDED)


def test_each_change_leaves_an_audit_event(connection: Connection, eves: int) -> None:
    submit(connection, eves, SUBMITTED, by=CAROL)
    opened, submitted = rows(connection, "audit_event")
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
    connection: Connection, eves: int, *, submitted: bool
) -> None:
    if submitted:
        submit(connection, eves, SUBMITTED, by=CAROL)
    decide(connection, eves, "withdrawn", DECIDED, by=CAROL)
    assert state_of(connection, eves)[0] == "withdrawn"


def test_being_endorsed_begins_the_endorsement_on_that_day(
    cast: Cast, connection: Connection, eves: int
) -> None:
    endorsement_id = endorse(connection, eves, DECIDED, by=CAROL)
    [begun] = [e for e in rows(connection, "endorsement") if e["id"] == endorsement_id]
    assert begun == {
        "id": endorsement_id,
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": DECIDED,
        "ends_on": None,
    }
    tables = [event["table_name"] for event in rows(connection, "audit_event")]
    assert tables == ["application", "endorsement", "application"]


def test_being_endorsed_opens_the_first_renewal_cycle(connection: Connection, eves: int) -> None:
    endorsement_id = endorse_and_evaluate(connection, BOOKS, eves, DECIDED, by=CAROL)
    standings = METADATA.tables["standing"]
    own = standings.select().where(standings.c.endorsement_id == endorsement_id)
    assert connection.execute(own).all()


def test_being_endorsed_twice_on_the_same_day_changes_nothing(
    connection: Connection, eves: int
) -> None:
    first = endorse(connection, eves, DECIDED, by=CAROL)
    events = rows(connection, "audit_event")
    assert endorse(connection, eves, DECIDED, by=CAROL) == first
    assert rows(connection, "audit_event") == events


def test_an_endorsement_that_covers_the_day_is_kept(cast: Cast, connection: Connection) -> None:
    alice = open_application(connection, cast.people[ALICE], "NCIMHA", "IFS", OPENED, by=CAROL)
    assert endorse(connection, alice, DECIDED, by=CAROL) == cast.endorsements[ALICE]


@pytest.mark.parametrize(
    ("ends_on", "again"),
    [(date(2026, 3, 9), True), (date(2026, 3, 10), False), (date(2026, 3, 11), False)],
)
def test_an_endorsement_that_ended_the_day_before_is_followed_by_another(
    cast: Cast, connection: Connection, eves: int, ends_on: date, *, again: bool
) -> None:
    before = add_endorsement(connection, cast, date(2025, 1, 1), ends_on)
    assert (endorse(connection, eves, DECIDED, by=CAROL) != before) is again


def add_endorsement(
    connection: Connection, cast: Cast, starts_on: date, ends_on: date | None
) -> int:
    table = METADATA.tables["endorsement"]
    values = {
        "person_id": cast.people[EVE],
        "association": "NCIMHA",
        "category": "IFS",
        "starts_on": starts_on,
        "ends_on": ends_on,
    }
    return int(connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())


def test_an_endorsement_that_begins_later_is_in_the_way_and_nothing_is_written(
    cast: Cast, connection: Connection, eves: int
) -> None:
    add_endorsement(connection, cast, date(2026, 3, 11), None)
    before = (rows(connection, "endorsement"), rows(connection, "audit_event"))
    with pytest.raises(ImpossibleChange, match="held from 2026-03-11 on, and one from 2026-03-10"):
        endorse(connection, eves, DECIDED, by=CAROL)
    assert (rows(connection, "endorsement"), rows(connection, "audit_event")) == before
    assert state_of(connection, eves)[0] == "open"


Verb = Callable[[Connection, int], object]
VERBS: dict[str, Verb] = {
    "submitted": lambda connection, own: submit(connection, own, DECIDED, by=CAROL),
    "endorsed": lambda connection, own: endorse(connection, own, DECIDED, by=CAROL),
    "declined": lambda connection, own: decide(connection, own, "declined", DECIDED, by=CAROL),
    "withdrawn": lambda connection, own: decide(connection, own, "withdrawn", DECIDED, by=CAROL),
}


@pytest.mark.parametrize("then", VERBS)
@pytest.mark.parametrize("first", ["endorsed", "declined", "withdrawn"])
def test_a_decision_stands(connection: Connection, eves: int, first: str, then: str) -> None:
    VERBS[first](connection, eves)
    if (first, then) == ("endorsed", "endorsed"):
        return
    with pytest.raises(ImpossibleChange, match=f"was {first} on 2026-03-10, and stays so"):
        VERBS[then](connection, eves)


def test_an_application_is_submitted_once(connection: Connection, eves: int) -> None:
    submit(connection, eves, SUBMITTED, by=CAROL)
    with pytest.raises(ImpossibleChange, match="was submitted on 2026-02-10 already"):
        submit(connection, eves, DECIDED, by=CAROL)


def test_nothing_becomes_of_an_application_before_it_was_opened_or_submitted(
    connection: Connection, eves: int
) -> None:
    with pytest.raises(ImpossibleChange, match=r"was opened on 2026-01-10: .* on 2026-01-09"):
        submit(connection, eves, date(2026, 1, 9), by=CAROL)
    submit(connection, eves, SUBMITTED, by=CAROL)
    with pytest.raises(ImpossibleChange, match=r"was submitted on 2026-02-10: .* on 2026-02-09"):
        endorse(connection, eves, date(2026, 2, 9), by=CAROL)
    endorse(connection, eves, SUBMITTED, by=CAROL)


def test_an_application_that_does_not_exist_is_named(connection: Connection) -> None:
    with pytest.raises(ImpossibleChange, match="there is no application 999"):
        submit(connection, 999, SUBMITTED, by=CAROL)


def test_only_declined_and_withdrawn_are_decisions_without_an_endorsement(
    connection: Connection, eves: int
) -> None:
    with pytest.raises(ValueError, match="declined or withdrawn here, not 'endorsed'"):
        decide(connection, eves, "endorsed", DECIDED, by=CAROL)


def test_one_is_not_opened_beside_another_that_is_undecided(
    cast: Cast, connection: Connection, eves: int
) -> None:
    eve = cast.people[EVE]
    with pytest.raises(ImpossibleChange, match="NCIMHA IFS was opened on 2026-01-10"):
        open_application(connection, eve, "NCIMHA", "IFS", DECIDED, by=CAROL)
    assert open_application(connection, eve, "CT-AIMH", "IFS", DECIDED, by=CAROL)
    decide(connection, eves, "declined", DECIDED, by=CAROL)
    with pytest.raises(ImpossibleChange, match="open one after that day"):
        open_application(connection, eve, "NCIMHA", "IFS", OPENED, by=CAROL)
    assert open_application(connection, eve, "NCIMHA", "IFS", DECIDED, by=CAROL)


def test_the_undecided_application_comes_first_then_the_newest(
    cast: Cast, connection: Connection
) -> None:
    erin = cast.people[ERIN]
    assert application_of(connection, erin) is None
    days = [date(2025, 1, 1), date(2026, 1, 1), date(2026, 2, 1)]
    ids = [
        open_application(connection, erin, "NCIMHA", category, day, by=CAROL)
        for category, day in zip(["IFS", "ECFS", "IMHM-C"], days, strict=True)
    ]
    for own in ids[1:]:
        decide(connection, own, "withdrawn", DECIDED, by=CAROL)
    assert [each.id for each in applications_of(connection, erin)] == [ids[0], ids[2], ids[1]]
    busy_with = application_of(connection, erin)
    assert busy_with
    assert busy_with.id == ids[0]


def test_two_who_endorse_at_once_begin_one_endorsement(cast: Cast) -> None:
    with writing(cast.engine) as connection:
        eve = cast.people[EVE]
        own = open_application(connection, eve, "NCIMHA", "IFS", OPENED, by=CAROL)

    def endorsed(_: int) -> int:
        with writing(cast.engine) as connection:
            return endorse(connection, own, DECIDED, by=CAROL)

    with ThreadPoolExecutor(2) as threads:
        ids = set(threads.map(endorsed, range(2)))
    assert len(ids) == 1
    with reading(cast.engine) as connection:
        assert len(rows(connection, "audit_event")) == 3
