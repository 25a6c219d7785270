"""The list of everyone at an association: rows, filters, counts, and order."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast, fill
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
from tracker.services.people_list import PeopleRow, RowKind, WantsProvider, list_people

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


def test_a_row_has_what_is_on_record(session: Session, cast: Cast) -> None:
    person = METADATA.tables["person"].update()
    alice = person.where(person.table.c.id == cast.people[ALICE])
    refused = {"email_refused_at": NOW, "email_refused_reason": "No such user"}
    session.connection().execute(alice.values(refused))
    rows = {row.person_id: row for row in list_people(session, "NCIMHA", NOW, TODAY).rows}
    day = date(2026, 1, 1)
    row = rows[cast.people[ALICE]]
    assert json.loads(row.requirements)
    assert row._replace(requirements="[]") == PeopleRow(
        RowKind.RENEWAL,
        cast.endorsements[ALICE],
        cast.people[ALICE],
        "Alice Moreno",
        ALICE,
        "alice@home.example",
        NOW,
        "No such user",
        has_signed_in=False,
        category="IFS",
        starts_on=date(2024, 3, 1),
        cycle_starts_on=day,
        cycle_ends_on=date(2026, 12, 31),
        due_on=date(2026, 12, 31),
        status="behind",
        short_minutes=270,
        membership_until=date(2026, 12, 31),
    )
    vetted = rows[cast.people[DANA]]
    assert (vetted.kind, vetted.category, vetted.starts_on) == ("vetting", "", date(2020, 1, 1))
    assert (vetted.cycle_starts_on, vetted.short_minutes, vetted.requirements) == (None, 0, "[]")


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "status", "vetting"),
    [
        (date(2026, 11, 22), date(2026, 11, 22), "no renewal", "vetted"),
        (date(2026, 1, 1), date(2026, 11, 21), "ended", "ended"),
        (date(2026, 11, 23), None, "upcoming", "vetted"),
    ],
)
def test_a_row_without_renewal_has_a_status(
    session: Session, cast: Cast, starts_on: date, ends_on: date | None, status: str, vetting: str
) -> None:
    term = {"association": "NCIMHA", "starts_on": starts_on, "ends_on": ends_on}
    eve = cast.people[EVE]
    add(session, "endorsement", person_id=eve, category="IFS", **term)
    # Of several vettings, the latest counts, in any order of their ids.
    add(session, "vetting", person_id=cast.people[DANA], **term)
    add(session, "vetting", person_id=cast.people[DANA], **{**term, "starts_on": date(2019, 1, 1)})
    rows = list_people(session, "NCIMHA", NOW, TODAY, rulebooks=BOOKS).rows
    found = [row for row in rows if row.person_id in (eve, cast.people[DANA])]
    assert [(row.status, row.ends_on, row.starts_on) for row in found] == [
        (status, ends_on, starts_on),
        (vetting, ends_on, starts_on),
    ]
    assert found[0].stage == ("ended" if status == "ended" else "")


def test_signing_in_counts_for_a_year(session: Session, cast: Cast) -> None:
    year_ago = NOW - timedelta(days=365)
    for email, kind, outcome, at in (
        (ALICE, "sign-in", "done", year_ago),
        (BOB, "sign-in", "done", year_ago - timedelta(seconds=1)),
        (BOB, "sign-out", "done", NOW),
        (BOB, "sign-in", "wrong-code", NOW),
    ):
        event = {"kind": kind, "outcome": outcome, "at": at}
        add(session, "security_event", person_id=cast.people[email], **event)
    application = {"category": "IFS", "opened_on": TODAY, "state": "open"}
    add(session, "application", person_id=cast.people[EVE], association="NCIMHA", **application)
    for email in (DANA, EVE):
        browser = {"token_hash": email, "email": email, "created_at": year_ago, "expires_at": NOW}
        add(session, "web_session", person_id=cast.people[email], **browser)
    rows = list_people(session, "NCIMHA", NOW, TODAY).rows
    signed_in = {row.name for row in rows if row.has_signed_in}
    assert signed_in == {"Alice Moreno", "Dana Ruiz", "Eve Chen"}


def test_applications_and_marks_of_others_are_not_shown(session: Session, cast: Cast) -> None:
    eve, day = cast.people[EVE], date(2026, 5, 1)
    application = {"person_id": eve, "category": "IFS", "opened_on": day}
    add(session, "application", **application, association="CT-AIMH", state="open")
    withdrawn = {"association": "NCIMHA", "state": "withdrawn", "decided_on": day}
    add(session, "application", **application, **withdrawn)
    marked = {"person_id": cast.people[BOB], "marked_by": CAROL, "marked_at": NOW}
    for association, label in (("NCIMHA", "b"), ("NCIMHA", "a"), ("CT-AIMH", "c")):
        add(session, "person_mark", association=association, label=label, **marked)
    rows = list_people(session, "NCIMHA", NOW, TODAY).rows
    assert eve not in {row.person_id for row in rows}
    assert {row.marks for row in rows if row.name == "Bob Osei"} == {("a", "b")}
    assert {row.marks for row in rows if row.name != "Bob Osei"} == {()}


def test_rows_have_the_wanted_providers_since_the_cycle(session: Session, cast: Cast) -> None:
    eve, bob, dana = (cast.people[each] for each in (EVE, BOB, DANA))
    application = {"person_id": eve, "category": "IFS", "opened_on": TODAY, "state": "open"}
    add(session, "application", **application, association="NCIMHA")
    rsc = {"activity": "rsc", "minutes": 60, "title": "RSC"}
    first = date(2025, 1, 1)
    before = first - timedelta(days=1)
    for person_id, day, provider in (
        (eve, first, {"provider_name": "JO  Hart"}),
        (eve, first, {"provider_name": "Jo Hart"}),
        (eve, first, {"provider_id": bob}),
        (eve, before, {"provider_name": "Lou Early"}),
        (bob, before, {"provider_id": dana}),
        (cast.people[ERIN], TODAY, {"provider_name": "Far Away"}),
    ):
        add(session, "entry", person_id=person_id, held_on=day, **rsc, **provider)

    def providers(wants: WantsProvider | None) -> tuple[dict[str, set[str]], object]:
        people = list_people(session, "NCIMHA", NOW, TODAY, wants)
        return {row.name: set(row.providers) for row in people.rows}, people.providers

    nobody = {name: set[str]() for name in ("Alice Moreno", "Bob Osei", "Dana Ruiz", "Eve Chen")}
    assert providers(None) == (nobody, {})
    used, names = providers(lambda _key, _name: True)
    alice = {str(dana), "jo hart"}
    assert used == {**nobody, "Alice Moreno": alice, "Eve Chen": {str(bob), "jo hart"}}
    assert isinstance(names, dict)
    assert {key: name.casefold().split() for key, name in names.items()} == {
        str(bob): ["bob", "osei"],
        str(dana): ["dana", "ruiz"],
        "jo hart": ["jo", "hart"],
    }
    used, names = providers(lambda key, name: (key, name) == (str(bob), "Bob Osei"))
    assert (used, names) == ({**nobody, "Eve Chen": {str(bob)}}, {str(bob): "Bob Osei"})


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
