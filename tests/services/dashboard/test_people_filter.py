"""Filtering, counting, and sorting rows of the list of people, without a database."""

import json
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import pytest

from tracker.services.evaluation import StoredResult
from tracker.services.people_filter import (
    Facet,
    FilteredPeople,
    PeopleFilter,
    Sort,
    apply_filter,
    list_rows_of_only_match,
    parse_filter,
    parse_query,
)
from tracker.services.people_list import People, PeopleRow, RowKind

TODAY = date(2026, 11, 22)
_ROW = PeopleRow(
    RowKind.RENEWAL,
    1,
    1,
    "Ann O'Neil",
    "ann@example.org",
    "Home@Example.com",
    None,
    None,
    has_signed_in=True,
    category="IFS",
    starts_on=date(2024, 1, 1),
    status="open",
)


def row(number: int = 1, **values: object) -> PeopleRow:
    return _ROW._replace(id=number, person_id=number, **values)  # type: ignore[arg-type]


def show(query: str, *rows: PeopleRow) -> FilteredPeople:
    people = People(list(rows), {"7": "Dana Ruiz", "8": "Jo Hart"})
    return apply_filter(people, parse_query(query), TODAY)


def test_rows_of_one_place_follow_further_orders() -> None:
    day = date(2026, 12, 1)
    rows = [
        row(1, status="lapsed", category="IFS", name="Eve"),
        row(2, due_on=day, category="IFA", name="Zed", short_minutes=90),
        row(3, due_on=day, category="IFA", name="ann", short_minutes=60),
        row(4, due_on=day, category="IFA", name="Bob", short_minutes=60),
        row(5, due_on=day, category="IFA", name="bob", short_minutes=60),
        row(6, due_on=day + timedelta(days=1), category="IFA", name="Ann", short_minutes=120),
        row(7, category="IFS", name="\N{LATIN CAPITAL LETTER A WITH ACUTE}bel"),
    ]
    orders = {
        "urgency": [1, 2, 3, 4, 5, 6, 7],
        "-urgency": [7, 6, 5, 4, 3, 2, 1],
        "name": [7, 3, 6, 4, 5, 1, 2],
        "category": [2, 3, 4, 5, 6, 1, 7],
        "due": [2, 3, 4, 5, 6, 1, 7],
        "hours": [6, 2, 3, 4, 5, 1, 7],
    }
    for sort, expected in orders.items():
        shown = show(f"sort={sort}", *reversed(rows)).rows
        assert [each.id for each in shown] == expected, sort


@pytest.mark.parametrize(
    ("days", "span"),
    [(-1, "past"), (0, "30"), (30, "30"), (31, "90"), (90, "90"), (91, "later")],
)
def test_due_dates_are_grouped_by_days_left(days: int, span: str) -> None:
    shown = show("", row(due_on=TODAY + timedelta(days=days)))
    assert shown.counts[Facet.DUE] == {span: 1}


def test_a_row_counts_under_its_options() -> None:
    training = StoredResult("training", "Training", "training", None, 60, 0, 60, "short")
    rsc = training._replace(id="rsc", label="RSC", outcome="met")
    short = json.dumps([training._asdict(), rsc._asdict()])
    refused_at = datetime(2026, 11, 1, tzinfo=UTC)
    full = row(
        refused_at=refused_at,
        has_signed_in=False,
        requirements=short,
        due_on=TODAY,
        marks=("called",),
        providers=("7", "8"),
        stage="window",
    )
    shown = show("", full)
    assert shown.labels == {"training": "Training"}
    assert shown.counts == {
        Facet.STAGE: {"window": 1},
        Facet.STATUS: {"open": 1},
        Facet.CATEGORY: {"IFS": 1},
        Facet.MISSING: {"training": 1},
        Facet.DUE: {"30": 1},
        Facet.FLAG: {"bounced": 1, "never": 1},
        Facet.MARK: {"called": 1},
        Facet.PROVIDER: {"7": 1, "8": 1},
    }
    bare = show("", row(category=""))
    assert {facet for facet, counts in bare.counts.items() if counts} == {Facet.STATUS}


def test_a_row_that_two_facets_hide_counts_nowhere() -> None:
    shown = show("status=met&category=IFA", row(), row(2, status="met"))
    assert shown.rows == []
    assert shown.counts[Facet.CATEGORY] == {"IFS": 1}
    assert not shown.counts[Facet.STATUS]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("", True),
        (" Ann@Example ", True),
        ("HOME@example", True),
        ("oneil", True),
        ("ann oneil", True),
        ("neil", True),
        ("eil", False),
        ("dana", True),
        ("jo hart", False),
        ("'", False),
        ("@", False),
    ],
)
def test_text_is_looked_for_in_names(text: str, is_found: bool) -> None:  # noqa: FBT001
    chosen = PeopleFilter(text)
    people = People([row(providers=("7",))], {"7": "Dana Ruiz", "8": "Jo Hart"})
    assert bool(apply_filter(people, chosen, TODAY).rows) == is_found


def test_a_row_without_a_second_email_is_not_searched_there() -> None:
    assert show("q=xx", row(second_email=None)).rows == []


def test_the_only_person_with_the_text_is_opened() -> None:
    two = [row(), row()._replace(id=2)]
    assert list_rows_of_only_match(two, "ann") == two
    assert list_rows_of_only_match(two[:1], "ann") == two[:1]
    for rows, text in (
        (two, "dana"),
        (two, ""),
        (two, "@"),
        ([*two, row(3)], "ann"),
        ([], "ann"),
    ):
        assert not list_rows_of_only_match(rows, text)


def test_an_address_repeats_and_reaches_too_far() -> None:
    chosen = parse_query("mark=a&mark=b&mark=a&status=&nothing=a&sort=-name&sort=other")
    assert chosen == PeopleFilter("", {Facet.MARK: ("a", "b")}, Sort.NAME, is_reversed=True)
    many = parse_filter([("mark", str(number)) for number in range(41)])
    assert len(many.chosen[Facet.MARK]) == 40
    assert parse_filter([("status", "")]).is_empty
    assert parse_query("sort=due").is_empty
    assert not parse_query("q=a").is_empty
    assert not parse_query("mark=a").is_empty


def test_an_order_is_turned_around_once() -> None:
    usual = PeopleFilter()
    assert usual.query() == ""
    turned = usual.sorted_by(Sort.URGENCY)
    assert turned == PeopleFilter(is_reversed=True)
    assert turned.query() == urlencode({"sort": "-urgency"})
    assert turned.sorted_by(Sort.URGENCY) == usual
    assert turned.sorted_by(Sort.DUE) == PeopleFilter(sort=Sort.DUE)
    assert usual.toggle(Facet.MARK, "a").toggle(Facet.MARK, "a") == usual


def test_providers_are_read_if_they_are_looked_for() -> None:
    assert PeopleFilter().wants_provider is None
    for query, expected in (
        ("q=da", ["7"]),
        ("provider=8", ["8"]),
        ("q=da&provider=8", ["7", "8"]),
    ):
        wants = parse_query(query).wants_provider
        assert wants is not None
        names = {"7": "Dana Ruiz", "8": "Jo Hart"}
        assert [key for key, name in names.items() if wants(key, name)] == expected
