"""The stored days on which providers qualify, on both engines."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlmodel import Session

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, CasePeople, populate
from tests.rules.strategies import cases, holdings
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import qualified_spans
from tracker.services.rsc_providers import (
    list_supervised_people,
    load_providers,
    refresh_provider_spans,
)

SPAN = METADATA.tables["provider_span"]
BOOKS = [pytest.param(REAL, id="real"), pytest.param(IMAGINED, id="imagined")]


def stored(session: Session, person_id: int) -> list[tuple[str, str, str]]:
    query = select(SPAN.c.rule, SPAN.c.starts_on, SPAN.c.ends_on)
    rows = session.connection().execute(query.where(SPAN.c.provider_id == person_id))
    return sorted((rule, str(starts_on), str(ends_on)) for rule, starts_on, ends_on in rows)


@pytest.mark.parametrize("rulebooks", BOOKS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_stored_spans_are_those_of_the_rules(
    engine: Engine, rulebooks: Rulebooks, data: st.DataObject
) -> None:
    case = data.draw(cases(rulebooks))
    with Session(engine) as connection:
        populate(connection, rulebooks, case)
        wanted = {
            (name, provider_id, *span)
            for name, (association, rule) in rulebooks.provider_rules.items()
            for provider_id, provider in load_providers(connection).items()
            for span in qualified_spans(association, rule, provider)
        }
        assert {tuple(row) for row in connection.execute(select(SPAN))} == wanted
        connection.rollback()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_refreshing_twice_finds_nobody_changed(engine: Engine, data: st.DataObject) -> None:
    with Session(engine) as connection:
        people = CasePeople(connection)
        people.add("Bob", data.draw(holdings(REAL)), provides_rsc=True)
        refresh_provider_spans(connection, REAL)
        assert refresh_provider_spans(connection, REAL) == set()
        connection.rollback()


def test_an_open_endorsement_is_stored_to_the_end_of_time(session: Session) -> None:
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=True)
    assert refresh_provider_spans(session, REAL) == {people.ids["Bob"]}
    assert stored(session, people.ids["Bob"]) == [
        ("CT-AIMH/ecfs-rsc", "2010-01-01", "9999-12-31"),
        ("CT-AIMH/ifs-rsc", "2010-01-01", "9999-12-31"),
        ("VAIMH/rsc", "2010-01-01", "9999-12-31"),
    ]


def test_an_ended_endorsement_shortens_the_span(session: Session) -> None:
    people = CasePeople(session)
    people.add("Vera", ["vetted NCIMHA 2010-01-01"], provides_rsc=True)
    refresh_provider_spans(session, REAL)
    session.connection().execute(text("UPDATE vetting SET ends_on = '2026-06-30'"))
    assert refresh_provider_spans(session, REAL) == {people.ids["Vera"]}
    assert stored(session, people.ids["Vera"]) == [("NCIMHA/ifs-rsc", "2010-01-01", "2026-06-30")]


def test_closing_a_gap_in_what_was_held_moves_the_first_day(session: Session) -> None:
    people = CasePeople(session)
    held = ["JUNE IFRS 2018-03-01..2020-02-28", "JUNE IFRS 2020-03-01"]
    people.add("Bob", held, provides_rsc=True)
    refresh_provider_spans(session, IMAGINED)
    bob, rule = people.ids["Bob"], "PROVIDING/rsc"
    # February 29, 2020, is missing, so that the years began anew on the day after it.
    assert [span for span in stored(session, bob) if span[0] == rule] == [
        (rule, "2023-03-01", "9999-12-31")
    ]
    session.connection().execute(
        text("UPDATE endorsement SET ends_on = '2020-02-29' WHERE ends_on IS NOT NULL")
    )
    assert refresh_provider_spans(session, IMAGINED, person_ids={bob}) == {bob}
    assert [span for span in stored(session, bob) if span[0] == rule] == [
        (rule, "2021-03-01", "9999-12-31")
    ]


def test_who_provides_no_rsc_and_is_named_by_no_session_has_no_span(
    session: Session,
) -> None:
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=False)
    assert refresh_provider_spans(session, REAL) == set()


def test_whom_a_session_names_is_a_provider(session: Session) -> None:
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=False)
    people.add(ENDORSEE)
    people.log("rsc 1h 2026-01-05 with Bob")
    assert refresh_provider_spans(session, REAL) == {people.ids["Bob"]}


def test_the_supervised_are_those_who_ever_logged_a_session(session: Session) -> None:
    people = CasePeople(session)
    for name in ("Bob", "Carol", ENDORSEE, "Dora"):
        people.add(name)
    people.log("rsc 1h 2016-01-05 with Bob")
    people.log("Dora: rsc 1h 2026-01-05 with Carol")
    assert list_supervised_people(session, [people.ids["Bob"]]) == {people.ids[ENDORSEE]}


def test_what_a_provider_holds_is_loaded_with_the_degree(session: Session) -> None:
    people = CasePeople(session)
    held = ["vetted NCIMHA 2020-01-01", "CT-AIMH IFS 2010-01-01..2026-06-30", "degree master"]
    people.add("Martin", held, provides_rsc=True)
    martin = load_providers(session)[people.ids["Martin"]]
    assert (martin.name, martin.degree) == ("Martin", "master")
    assert sorted(martin.credentials, key=str) == [
        ("CT-AIMH", "IFS", date(2010, 1, 1), date(2026, 6, 30), None),
        ("NCIMHA", None, date(2020, 1, 1), None, None),
    ]
