"""What the dashboard lists: renewals and their states, what is short, and named providers."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import true
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, CasePeople, insert_row, populate
from tests.services.evaluation.test_stored_standings import FORMATS
from tests.support.cast import NOW
from tracker.services.dashboard import (
    STATES,
    ListedStanding,
    NamedProvider,
    ProviderUser,
    RenewalLine,
    ShortRequirement,
    count_renewals,
    list_lines,
    list_named_providers,
    list_short,
)
from tracker.services.evaluation import format_results, judge_current, parse_results

HERE, ELSEWHERE = "NCIMHA", "CT-AIMH"
TODAY, DAY = date(2026, 11, 22), timedelta(days=1)
YEAR, DUE = date(2026, 1, 1), date(2026, 12, 31)


@pytest.fixture
def session(empty_session: Session) -> Session:
    return empty_session


@pytest.fixture
def people(session: Session) -> CasePeople:
    """Amy and Ben are endorsed here, Amy twice, and Cora is elsewhere."""
    people = CasePeople(session)
    people.add("Amy", [f"{HERE} IFS 2020-05-01", f"{HERE} IFA 2020-05-01"])
    people.add("Ben", [f"{HERE} IFS 2020-05-01"])
    people.add("Cora", [f"{ELSEWHERE} IFS 2020-05-01"])
    return people


def judge(people: CasePeople, held: str, starts_on: date = YEAR, /, **values: object) -> int:
    """Store a standing, by default that of a renewal due on December 31; the endorsement's id."""
    row: dict[str, Any] = {
        "endorsement_id": people.endorsements[held],
        "cycle_starts_on": starts_on,
        "cycle_ends_on": DUE,
        "due_on": DUE,
        "association": held.split()[1],
        "status": "open",
        "status_since": starts_on,
        "requirements": "[]",
        "judged_on": TODAY,
        "rules_digest": "",
        **values,
    }
    insert_row(people.session, "standing", **row)
    return people.endorsements[held]


def log(people: CasePeople, name: str, provider: str | None, day: date, minutes: int) -> None:
    row = {"person_id": people.ids[name], "activity": "rsc", "title": "RSC"}
    insert_row(people.session, "entry", held_on=day, minutes=minutes, provider_name=provider, **row)


def decline(people: CasePeople, association: str, name: str) -> None:
    key = name.casefold()
    declined = {"person_id": people.ids["Ben"], "reason": "No", "declined_by": "carol@example.org"}
    insert_row(
        people.session,
        "declined_provider",
        association=association,
        name=name,
        name_key=key,
        declined_at=NOW,
        **declined,
    )


def list_states(session: Session) -> list[tuple[str, str]]:
    return [(line.name, line.state) for line in list_lines(session, HERE, TODAY, true())]


def test_a_line_has_its_renewal_and_person(session: Session, people: CasePeople) -> None:
    training = {"id": "t", "label": "Training", "counts": "training", "topic": "DEIA"}
    amounts = {"required": 360, "counted": 300, "short": 60}
    part = {"unit": "months", "year": 2, "formats": "individual", "too_late": True}
    rsc = {**training, "counts": "rsc", "topic": None, **amounts, "short": 30, "outcome": "short"}
    met = {**training, **amounts, "outcome": "met"}
    stored = json.dumps([{**training, **amounts, "outcome": "short", **part}, met, rsc])
    behind, until = TODAY + DAY, date(2026, 6, 30)
    values = {"falls_behind_on": behind, "membership_until": until, "short_minutes": 90}
    amy = judge(people, "Amy: NCIMHA IFS", **values, requirements=stored)
    judge(people, "Cora: CT-AIMH IFS")
    short = (
        ShortRequirement("training", "DEIA", 60, "months", 2, "individual", too_late=True),
        ShortRequirement("rsc", None, 30),
    )
    email = "amy@example.org"
    assert list_lines(session, HERE, TODAY, true()) == [
        RenewalLine(
            ListedStanding(amy, YEAR, DUE, behind, until, 90),
            "IFS",
            "Amy",
            email,
            "open",
            people.ids["Amy"],
            short,
        )
    ]
    assert list_short(stored) == short
    assert [each.is_part for each in short] == [True, False]


@pytest.mark.parametrize(
    ("part", "is_part"),
    [
        ({}, False),
        ({"topic": "DEIA"}, True),
        ({"year": 1}, True),
        ({"formats": "group"}, True),
        ({"unit": "months"}, True),
    ],
)
def test_hours_of_a_part_lie_within_others(part: dict[str, Any], *, is_part: bool) -> None:
    assert ShortRequirement(**{"counts": "rsc", "topic": None, "minutes": 60, **part}).is_part == (
        is_part
    )


def test_results_are_as_short_as_when_stored(session: Session) -> None:
    endorsed = [*FORMATS["endorsed"], "FIRST IFS 2020-05-01"]
    populate(session, IMAGINED, {**FORMATS, "endorsed": endorsed})
    standings = list(judge_current(session, IMAGINED, lambda _: date(2026, 6, 1)))
    judged = [ShortRequirement.of_result(each) for one in standings for each in one.results]
    stored = [each for one in standings for each in parse_results(format_results(one.results))]
    assert judged == [ShortRequirement.of_stored(each) for each in stored]
    assert {(each.unit, each.topic, each.year, each.formats) for each in judged} >= {
        ("months", None, 0, ""),
        ("hours", "DEIA", 0, ""),
        ("hours", None, 2, ""),
        ("hours", None, 0, "individual,group"),
    }
    assert any(each.too_late for each in judged)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"falls_behind_on": TODAY}, "behind"),
        ({"falls_behind_on": TODAY + DAY}, "open"),
        ({"falls_behind_on": TODAY, "status": "excused"}, "excused"),
        ({"cycle_ends_on": TODAY, "status": "met"}, "met"),
        ({"cycle_ends_on": TODAY - DAY, "status": "met"}, None),
        ({"cycle_ends_on": TODAY - DAY, "status": "excused"}, None),
        ({"cycle_ends_on": TODAY - DAY, "status": "open"}, "open"),
        ({"cycle_ends_on": TODAY - DAY, "status": "overdue"}, "overdue"),
        ({"cycle_ends_on": TODAY - DAY, "status": "lapsed"}, "lapsed"),
        ({"cycle_ends_on": None, "due_on": None, "status": "no rules"}, "no rules"),
    ],
)
def test_current_and_unsettled_renewals_are_listed(
    session: Session, people: CasePeople, values: dict[str, object], state: str | None
) -> None:
    judge(people, "Amy: NCIMHA IFS", **values)
    assert list_states(session) == ([("Amy", state)] if state else [])
    assert count_renewals(session, HERE, TODAY) == {name: int(name == state) for name in STATES}


@pytest.mark.parametrize(
    ("kind", "values", "state"),
    [
        ("inactive", {}, "inactive"),
        ("emeritus", {}, "emeritus"),
        ("leave", {}, "open"),
        ("inactive", {"cycle_ends_on": TODAY}, "inactive"),
        ("inactive", {"cycle_ends_on": TODAY - DAY}, "open"),
        ("inactive", {"cycle_ends_on": None, "due_on": None, "status": "no rules"}, "inactive"),
        ("inactive", {"due_on": TODAY - DAY, "status": "overdue"}, "overdue"),
    ],
)
def test_inactive_endorsements_have_their_own_state(
    session: Session, people: CasePeople, kind: str, values: dict[str, object], state: str
) -> None:
    held = judge(people, "Amy: NCIMHA IFS", **values)
    judge(people, "Ben: NCIMHA IFS")
    insert_row(session, "leave", endorsement_id=held, kind=kind, starts_on=YEAR)
    assert list_states(session) == [("Amy", state), ("Ben", "open")]


def test_named_providers_have_their_users_and_minutes(session: Session, people: CasePeople) -> None:
    # Amy's sessions could count for both of hers, and are counted once.
    amy = judge(people, "Amy: NCIMHA IFS", recheck_on=DUE)
    later = {"status": "excused", "due_on": DUE + DAY, "recheck_on": TODAY}
    judge(people, "Amy: NCIMHA IFA", **later)
    ben = judge(people, "Ben: NCIMHA IFS", due_on=TODAY)
    judge(people, "Ben: NCIMHA IFS", date(2025, 1, 1), cycle_ends_on=YEAR - DAY, due_on=YEAR)
    judge(people, "Cora: CT-AIMH IFS")
    decline(people, HERE, "Dee Doe")
    decline(people, ELSEWHERE, "Kim Lee")
    log(people, "Ben", "Dee Doe", YEAR, 60)
    log(people, "Ben", "Kim Lee", YEAR, 45)
    log(people, "Ben", None, YEAR, 45)
    log(people, "Ben", "Jo Hart", date(2026, 5, 1), 90)
    log(people, "Amy", "jo  HART", DUE, 60)
    log(people, "Amy", "Jo Hart", date(2026, 3, 1), 70)
    log(people, "Amy", "Jo Hart", YEAR - DAY, 500)
    log(people, "Amy", "Jo Hart", DUE + DAY, 500)
    log(people, "Cora", "Jo Hart", YEAR, 500)
    log(people, "Amy", "Al Poe", DUE, 45)
    log(people, "Ben", "Old Pro", date(2025, 6, 1), 300)
    bens = (ben, "Ben", "IFS")
    assert list_named_providers(session, HERE, TODAY) == [
        NamedProvider("Old Pro", 300, (ProviderUser(*bens, 300),), date(2025, 6, 1), None),
        NamedProvider(
            "Jo Hart",
            220,
            (ProviderUser(*bens, 90), ProviderUser(amy, "Amy", "IFS", 130)),
            date(2026, 3, 1),
            TODAY,
        ),
        NamedProvider("Al Poe", 45, (ProviderUser(amy, "Amy", "IFS", 45),), DUE, DUE),
        NamedProvider("Kim Lee", 45, (ProviderUser(*bens, 45),), YEAR, TODAY),
    ]
