"""Recording membership terms, and the standing that follows from each."""

import re
from collections.abc import Callable
from datetime import date

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tests.support.cast import ALICE, BOB, CAROL, EVE
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.rules.cycles import end_of_years
from tracker.web.pages.memberships import list_membership_choices, parse_membership_choice

NEXT_YEAR = {
    "organization": "NCIMHA",
    "starts_day": "1",
    "starts_month": "jan",
    "starts_year": "2027",
    "length": "year",
}
OVERLAP = (
    "You already have a NCIMHA term from January 1, 2026 to December 31, 2026. "
    "Terms cannot overlap: this one can start on January 1, 2027 or later."
)


def until(day: int, month: int, year: int) -> dict[str, str]:
    last = {"ends_day": str(day), "ends_month": str(month), "ends_year": str(year)}
    return {**NEXT_YEAR, "length": "until", **last}


def test_a_term_counts_immediately(web: WebClient) -> None:
    bob = web.visit(BOB)
    assert "none in force" in text_of(bob.get("/membership"))
    this_year = {**NEXT_YEAR, "starts_year": "2026"}
    words = text_of(bob.follow(bob.post("/membership/new", this_year)))
    assert "The term is recorded. Membership: done to December 31, 2026" in words
    assert "Dec 31, 2026 Current Entered by you" in words.replace("\xa0", " ")
    [row] = web.cast.rows("membership", person_id=web.cast.people[BOB])
    assert (row["ends_on"], row["recorded_by"]) == (date(2026, 12, 31), BOB)
    [event] = web.cast.rows("audit_event", table_name="membership")
    assert (event["who"], event["row_id"], event["before"]) == (BOB, row["id"], None)
    number = web.cast.endorsements[BOB]
    stored = web.cast.rows("standing", endorsement_id=number)
    assert date(2026, 12, 31) in [one["membership_until"] for one in stored]


def test_a_term_starts_today_without_typing_it(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    assert 'value="2026-11-22"' in bob.get("/membership/new").text
    form = {"organization": "NCIMHA", "length": "year", "starts_today": "2026-11-22"}
    assert bob.post("/membership/new", form).status_code == 303
    (row,) = sqlite_web.cast.rows("membership", recorded_by=BOB)
    assert (row["starts_on"], row["ends_on"]) == (date(2026, 11, 22), date(2027, 11, 21))


def test_a_box_checked_before_midnight_means_that_day(sqlite_web: WebClient) -> None:
    sqlite_web.pass_time(hours=12)
    form = {"organization": "NCIMHA", "length": "year", "starts_today": "2026-11-22"}
    assert sqlite_web.visit(BOB).post("/membership/new", form).status_code == 303
    (row,) = sqlite_web.cast.rows("membership", recorded_by=BOB)
    assert row["starts_on"] == date(2026, 11, 22)


@pytest.mark.parametrize("value", ["2026-11-20", "yes", "2026-13-01"])
def test_an_old_box_for_today_is_refused(sqlite_web: WebClient, value: str) -> None:
    form = {"organization": "NCIMHA", "length": "year", "starts_today": value}
    answer = sqlite_web.visit(BOB).post("/membership/new", form)
    assert "This page is old. Enter the first day" in answer.text


def test_two_first_days_are_asked_about(sqlite_web: WebClient) -> None:
    form = {**NEXT_YEAR, "starts_today": "2026-11-22"}
    answer = text_of(sqlite_web.visit(BOB).post("/membership/new", form))
    assert "Uncheck November 22, 2026, or leave the other first day empty" in answer
    assert sqlite_web.cast.rows("membership", recorded_by=BOB) == []


def test_a_membership_for_life_meets_every_renewal(web: WebClient) -> None:
    bob = web.visit(BOB)
    life = {**NEXT_YEAR, "starts_year": "1995", "length": "life"}
    words = text_of(bob.follow(bob.post("/membership/new", life))).replace("\xa0", " ")
    assert "The term is recorded. Membership: done for life" in words
    assert "Jan 1, 1995 \N{EN DASH} for life Current Entered by you" in words
    [row] = web.cast.rows("membership", person_id=web.cast.people[BOB])
    assert row["ends_on"] is None
    year = bob.get("/my-year")
    assert "for life" in text_of(year)
    assert "9999" not in year.text + bob.get("/membership").text
    form = bob.get(f"/membership/{row['id']}").text
    assert 'value="life" id="length-life" checked' in form
    assert "for life. It will no longer count" in text_of(
        bob.get(f"/membership/{row['id']}/remove")
    )


def test_a_term_paid_ahead_extends_coverage(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    words = text_of(alice.follow(alice.post("/membership/new", NEXT_YEAR)))
    assert "Membership: done to December 31, 2027" in words
    assert "Upcoming" in words


def test_the_same_term_is_saved_once(web: WebClient) -> None:
    bob = web.visit(BOB)
    for _ in range(2):
        assert bob.post("/membership/new", NEXT_YEAR).status_code == 303
    assert len(web.cast.rows("membership", person_id=web.cast.people[BOB])) == 1
    assert len(web.cast.rows("audit_event")) == 1


def test_people_change_and_remove_their_terms(web: WebClient) -> None:
    bob = web.visit(BOB)
    bob.post("/membership/new", {**NEXT_YEAR, "starts_year": "2026"})
    [row] = web.cast.rows("membership", person_id=web.cast.people[BOB])
    page = bob.get(f"/membership/{row['id']}")
    assert 'name="starts_year" value="2026"' in page.text
    later = {**until(31, 3, 2027), "starts_year": "2026"}
    words = text_of(bob.follow(bob.post(f"/membership/{row['id']}", later)))
    assert "The term is changed. Membership: done to March 31, 2027" in words
    assert "Remove this term?" in text_of(bob.get(f"/membership/{row['id']}/remove"))
    words = text_of(bob.follow(bob.post(f"/membership/{row['id']}/remove")))
    assert "The term is removed. Membership: none in force" in words
    assert len(web.cast.rows("audit_event", table_name="membership")) == 3
    assert bob.post(f"/membership/{row['id']}/remove").status_code == 404


def test_terms_of_the_association_cannot_be_changed(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    assert "Entered by your association" in text_of(alice.get("/membership"))
    for row in sqlite_web.cast.rows("membership"):
        path = f"/membership/{row['id']}"
        assert alice.get(path).status_code == 404
        assert alice.post(path, NEXT_YEAR).status_code == 404
        assert alice.post(f"{path}/remove").status_code == 404


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"organization": ""}, [("organization", "Choose an organization from the list"),
              ("starts_day", "Enter the first day"), ("length", "Choose how long the term is")]),
        ({**NEXT_YEAR, "organization": "CT-AIMH"},
         [("organization", "Choose an organization from the list")]),
        ({**NEXT_YEAR, "starts_month": "14"},
         [("starts_month", "The month must be 1 to 12, or a name like Jan")]),
        ({**NEXT_YEAR, "starts_year": ""}, [("starts_year", "The first day must have a year")]),
        ({**NEXT_YEAR, "starts_year": "2207"}, [("starts_year",
         "The first day must be between November 22, 1976 and November 22, 2036")]),
        ({**NEXT_YEAR, "starts_year": "50"}, [("starts_year",
         "For the year 50 write all four digits, like 2026")]),
        (until(31, 12, 2026), [("ends_day", "The last day must be January 1, 2027 or later")]),
        ({**NEXT_YEAR, "starts_month": "12", "starts_year": "2026"}, [("starts_day",
         OVERLAP)]),
    ],
)  # fmt: skip
def test_each_problem_is_shown_at_its_field(
    sqlite_web: WebClient, form: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    answer = sqlite_web.visit(ALICE).post("/membership/new", form)
    assert answer.status_code == 422
    assert problems(answer) == wrong
    assert "<title>Error: " in answer.text
    for name in ("starts_day", "starts_month", "starts_year", "ends_year"):
        if form.get(name):
            assert f'name="{name}" value="{form[name]}"' in answer.text
    assert sqlite_web.cast.rows("audit_event") == []


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2027, 1, 1), date(2027, 12, 31)),
        (date(2024, 2, 29), date(2025, 2, 27)),
        (date(2025, 2, 28), date(2026, 2, 27)),
        (date(2023, 3, 1), date(2024, 2, 29)),
    ],
)
def test_a_year_ends_the_day_before_its_anniversary(first: date, last: date) -> None:
    assert end_of_years(first, 1) == last


def test_no_endorsement_needs_no_membership(sqlite_web: WebClient) -> None:
    eve = sqlite_web.visit(EVE)
    assert "You don't need a membership" in text_of(eve.get("/membership"))
    assert eve.post("/membership/new", NEXT_YEAR).status_code == 422


def test_coordinators_see_who_entered_a_term(
    sqlite_web: WebClient, record: Callable[[Visitor], None]
) -> None:
    record(sqlite_web.visit(ALICE))
    number = sqlite_web.cast.endorsements[ALICE]
    words = text_of(sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}"))
    assert "Entered by alice@example.org" in words
    assert "Entered by the association" in words


@pytest.fixture
def record() -> Callable[[Visitor], None]:
    def do(visitor: Visitor) -> None:
        assert visitor.post("/membership/new", NEXT_YEAR).status_code == 303

    return do


def test_terms_of_a_closed_cycle_are_locked(
    sqlite_web: WebClient,
) -> None:
    bob = sqlite_web.visit(BOB)
    old = {**NEXT_YEAR, "starts_year": "2025"}
    assert problems(bob.post("/membership/new", old))[0][1].startswith("2025 is closed at NCIMHA")
    sqlite_web.now = sqlite_web.now.replace(year=2025)
    bob = sqlite_web.visit(BOB)
    assert bob.post("/membership/new", old).status_code == 303
    [row] = sqlite_web.cast.rows("membership", person_id=sqlite_web.cast.people[BOB])
    sqlite_web.now = sqlite_web.now.replace(year=2026)
    bob = sqlite_web.visit(BOB)
    path = f"/membership/{row['id']}/remove"
    assert "2025 is closed at NCIMHA" in text_of(bob.follow(bob.post(path)))
    later = {**old, "starts_year": "2026"}
    assert bob.post(f"/membership/{row['id']}", later).status_code == 422
    assert sqlite_web.cast.rows("membership", person_id=sqlite_web.cast.people[BOB]) == [row]


def test_a_term_may_begin_in_a_closed_cycle(
    sqlite_web: WebClient,
) -> None:
    bob = sqlite_web.visit(BOB)
    mid_year = {**NEXT_YEAR, "starts_month": "7", "starts_year": "2025"}
    assert bob.post("/membership/new", mid_year).status_code == 303


def remove_term(web: WebClient) -> dict[str, str]:
    """Bob records a term and removes it; what the Undo button sends."""
    bob = web.visit(BOB)
    bob.post("/membership/new", {**NEXT_YEAR, "starts_year": "2026"})
    [row] = web.cast.rows("membership", person_id=web.cast.people[BOB])
    page = bob.follow(bob.post(f"/membership/{row['id']}/remove")).text
    button = re.search(r'name="removal" value="(\d+)"', page)
    assert button is not None
    return {"removal": button[1]}


def test_a_removed_term_comes_back_as_it_was(web: WebClient) -> None:
    button, bob = remove_term(web), web.visit(BOB)
    for _ in range(2):
        words = text_of(bob.follow(bob.post("/membership/undo-removal", button)))
        assert "The term is back. Membership: done to" in words
    [row] = web.cast.rows("membership", person_id=web.cast.people[BOB])
    assert row["recorded_by"] == BOB
    assert 'name="removal"' not in bob.get("/membership").text


def test_a_term_whose_days_are_taken_stays_removed(sqlite_web: WebClient) -> None:
    button, bob = remove_term(sqlite_web), sqlite_web.visit(BOB)
    bob.post("/membership/new", {**NEXT_YEAR, "starts_year": "2026"})
    words = text_of(bob.follow(bob.post("/membership/undo-removal", button)))
    assert "The term could not be brought back." in words
    assert len(sqlite_web.cast.rows("membership", person_id=sqlite_web.cast.people[BOB])) == 1


@pytest.mark.parametrize("hours", [0, 24])
def test_nobody_undoes_a_removal_late_or_for_others(sqlite_web: WebClient, hours: int) -> None:
    button = remove_term(sqlite_web)
    sqlite_web.pass_time(hours=hours)
    visitor = sqlite_web.visit(BOB if hours else ALICE)
    visitor.post("/membership/undo-removal", button)
    assert sqlite_web.cast.rows("membership", person_id=sqlite_web.cast.people[BOB]) == []


def test_agency_memberships_can_be_chosen_where_kinds_matter() -> None:
    names = [("GRACE", "Grace"), ("UNION", "Union")]
    assert list_membership_choices(REAL, names) == names
    choices = list_membership_choices(IMAGINED, names)
    assert choices == [
        ("GRACE", "Grace"),
        ("GRACE|agency", "Grace, agency membership"),
        ("UNION", "Union"),
        ("UNION|agency", "Union, agency membership"),
    ]
    assert [parse_membership_choice(value) for value, _ in choices[:2]] == [
        ("GRACE", "individual"),
        ("GRACE", "agency"),
    ]


def test_an_agency_membership_is_recorded_and_shown(visit: Callable[[str], Visitor]) -> None:
    bob = visit(BOB)
    bob.post("/membership/new", {**NEXT_YEAR, "organization": "NCIMHA|agency"})
    assert "Agency membership." in text_of(bob.get("/membership"))
