"""The list of everyone at an association: rows, filters, counts, and order."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast, fill
from tracker.db.tables import METADATA
from tracker.services.dashboard import count_renewals
from tracker.services.people_filter import (
    Facet,
    FilteredPeople,
    PeopleFilter,
    Sort,
    apply_filter,
    parse_query,
)
from tracker.services.people_list import list_people

TODAY = date(2026, 11, 22)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def add(session: Session, table: str, **values: object) -> None:
    session.connection().execute(insert(METADATA.tables[table]).values(**values))


def show(session: Session, query: str = "", association: str = "NCIMHA") -> FilteredPeople:
    chosen = parse_query(query)
    people = list_people(session, association, NOW, TODAY, chosen.wants_provider)
    return apply_filter(people, chosen, TODAY)


def names(session: Session, query: str = "") -> list[tuple[str, str]]:
    return [(row.name, row.status) for row in show(session, query).rows]


def test_everyone_of_the_association_and_nobody_else(session: Session, cast: Cast) -> None:
    add(
        session,
        "application",
        person_id=cast.people[EVE],
        association="NCIMHA",
        category="IFS",
        opened_on=date(2026, 5, 1),
        state="open",
    )
    assert names(session) == [
        ("Bob Osei", "lapsed"),
        ("Bob Osei", "behind"),
        ("Alice Moreno", "behind"),
        ("Eve Chen", "applying"),
        ("Dana Ruiz", "vetted"),
    ]
    assert [row.email for row in show(session, "", "CT-AIMH").rows] == [ERIN]


def test_counts_are_those_of_the_dashboard(session: Session, cast: Cast) -> None:  # noqa: ARG001
    counted = show(session).counts[Facet.STATUS]
    renewals = count_renewals(session, "NCIMHA", TODAY)
    assert {name: count for name, count in renewals.items() if count} == {
        name: count for name, count in counted.items() if name != "vetted"
    }


def test_an_endorsement_that_ended_is_shown_unless_it_goes_on(session: Session, cast: Cast) -> None:
    ended = {"association": "NCIMHA", "starts_on": date(2020, 1, 1), "ends_on": date(2022, 1, 1)}
    add(session, "endorsement", person_id=cast.people[ALICE], category="IFS", **ended)
    add(session, "endorsement", person_id=cast.people[ALICE], category="IFA", **ended)
    add(session, "endorsement", person_id=cast.people[EVE], category="IFS", **ended)
    rows = [(row.name, row.category) for row in show(session, "status=ended").rows]
    assert rows == [("Alice Moreno", "IFA"), ("Eve Chen", "IFS")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=mor", {"Alice Moreno"}),
        ("q=MORENO+alice", {"Alice Moreno"}),
        ("q=bob%40example", {"Bob Osei"}),
        ("q=alice%40home", {"Alice Moreno"}),
        ("q=dana", {"Alice Moreno", "Dana Ruiz"}),
        ("q=hart", {"Alice Moreno"}),
        ("q=nobody", set()),
        ("q=%27", set()),
        ("provider=jo+hart", {"Alice Moreno"}),
        ("missing=training.deia", {"Alice Moreno", "Bob Osei"}),
        ("missing=training&status=behind", {"Bob Osei"}),
        ("missing=membership&missing=rsc", {"Alice Moreno", "Bob Osei"}),
        ("due=past", {"Bob Osei"}),
        ("due=90", {"Alice Moreno", "Bob Osei"}),
        ("due=30", set()),
        ("category=IFS&status=vetted", set()),
        ("status=something", set()),
        ("flag=never", {"Alice Moreno", "Bob Osei", "Dana Ruiz"}),
        ("flag=bounced", set()),
        ("page=3&nothing=1", {"Alice Moreno", "Bob Osei", "Dana Ruiz"}),
    ],
)
def test_a_filter_shows(
    session: Session,
    cast: Cast,  # noqa: ARG001
    query: str,
    expected: set[str],
) -> None:
    assert {row.name for row in show(session, query).rows} == expected


def test_names_are_found_without_accents_and_apostrophes(session: Session, cast: Cast) -> None:
    person = METADATA.tables["person"]
    renamed = person.update().where(person.c.id == cast.people[BOB])
    name = "Zoë O\N{RIGHT SINGLE QUOTATION MARK}Keefe-Núñez"
    session.connection().execute(renamed.values(name=name))
    for typed in ("zoe", "o'keefe", "okeefe", "o keefe", "keefe-nu", "NÚÑEZ zoë"):
        assert {row.name for row in show(session, f"q={typed}").rows} == {name}
    for typed in ("keefeo", "eefe", "nunezkeefe"):
        assert names(session, f"q={typed}") == []


def test_who_bounced_signed_in_or_is_marked(session: Session, cast: Cast) -> None:
    person = METADATA.tables["person"]
    bounced = person.update().where(person.c.id == cast.people[BOB])
    session.connection().execute(bounced.values(email_refused_at=NOW))
    signed_in = {"kind": "sign-in", "outcome": "done", "at": datetime(2026, 8, 1, tzinfo=UTC)}
    add(session, "security_event", person_id=cast.people[ALICE], **signed_in)
    mark = {"association": "NCIMHA", "marked_by": "carol@example.org", "marked_at": NOW}
    add(session, "person_mark", person_id=cast.people[DANA], label="called", **mark)
    shown = show(session)
    assert shown.counts[Facet.FLAG] == {"bounced": 2, "never": 3}
    assert shown.counts[Facet.MARK] == {"called": 1}
    assert names(session, "mark=called") == [("Dana Ruiz", "vetted")]
    assert {row.name for row in show(session, "flag=bounced").rows} == {"Bob Osei"}


def test_each_option_counts_what_it_would_show(session: Session, cast: Cast) -> None:  # noqa: ARG001
    for query in ("", "status=behind", "missing=training&due=90", "q=o&status=lapsed"):
        base = parse_query(query)
        shown = show(session, query)
        for facet, counted in shown.counts.items():
            if facet is Facet.PROVIDER:
                continue
            for option, count in counted.items():
                alone = PeopleFilter(base.text, {**base.chosen, facet: (option,)})
                assert len(show(session, alone.query()).rows) == count


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("name", "Alice Moreno", "Dana Ruiz"),
        ("-name", "Dana Ruiz", "Alice Moreno"),
        ("due", "Bob Osei", "Dana Ruiz"),
        ("hours", "Bob Osei", "Dana Ruiz"),
        ("something", "Bob Osei", "Dana Ruiz"),
    ],
)
def test_the_list_is_sorted(
    session: Session,
    cast: Cast,  # noqa: ARG001
    sort: str,
    first: str,
    last: str,
) -> None:
    rows = show(session, f"sort={sort}").rows
    assert (rows[0].name, rows[-1].name) == (first, last)


def test_a_filter_is_its_address() -> None:
    query = "q=o%27neil&status=behind&status=lapsed&missing=rsc&sort=-due"
    chosen = parse_query(query)
    assert parse_query(chosen.query()) == chosen
    assert chosen.query() == query
    without = chosen.toggle(Facet.STATUS, "behind").toggle(Facet.MISSING, "rsc")
    assert without.query() == "q=o%27neil&status=lapsed&sort=-due"
    assert without.toggle(Facet.MISSING, "rsc").toggle(Facet.STATUS, "lapsed").query() == (
        "q=o%27neil&missing=rsc&sort=-due"
    )
    assert chosen.sorted_by(Sort.DUE).query().endswith("&sort=due")
    assert chosen.sorted_by(Sort.NAME).query().endswith("&sort=name")


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "status"),
    [
        (date(2026, 11, 22), None, "inactive"),
        (date(2026, 11, 1), date(2026, 11, 22), "inactive"),
        (date(2026, 11, 1), date(2026, 11, 21), "behind"),
        (date(2026, 11, 23), None, "behind"),
    ],
)
def test_an_inactive_endorsement_has_a_status_of_its_own(
    session: Session, cast: Cast, starts_on: date, ends_on: date | None, status: str
) -> None:
    days = {"starts_on": starts_on, "ends_on": ends_on}
    add(session, "leave", endorsement_id=cast.endorsements[ALICE], kind="inactive", **days)
    assert ("Alice Moreno", status) in names(session)
    is_listed = ("Alice Moreno", "inactive") in names(session, "status=inactive")
    assert is_listed == (status == "inactive")
    assert count_renewals(session, "NCIMHA", TODAY)["inactive"] == is_listed


def test_an_overdue_renewal_stays_so_while_inactive(session: Session, cast: Cast) -> None:
    inactive = {"kind": "inactive", "starts_on": date(2026, 1, 1)}
    add(session, "leave", endorsement_id=cast.endorsements[BOB], **inactive)
    assert ("Bob Osei", "lapsed") in names(session)
    assert ("Bob Osei", "inactive") in names(session)
