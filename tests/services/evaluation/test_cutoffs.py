"""Which RSC providers stop counting soon, and whom that concerns."""

from datetime import date

import pytest
from sqlmodel import Session

from tests.rules.case_data import ENDORSEE, REAL, CasePeople
from tracker.services.cutoffs import CutoffAhead, list_cutoffs
from tracker.services.rsc_providers import refresh_provider_spans

FIRST = date(2024, 4, 1)
IFS, SESSION = "NCIMHA IFS 2020-01-01", "rsc 1h 2024-02-01 with Bob"
# Vetting by NCIMHA counts through its last day.
VETTED = "vetted NCIMHA 2015-01-01..{}"


def list_ahead(session: Session, association: str = "NCIMHA") -> list[CutoffAhead]:
    refresh_provider_spans(session, REAL)
    return list_cutoffs(session, association, FIRST, 12)


def test_cutoffs_name_providers_and_endorsees_by_day(session: Session) -> None:
    """Alice has two endorsements, and sessions with two of the three."""
    people = CasePeople(session)
    for name, last_day in (("Zoe", "2024-06-30"), ("Bob", "2024-07-31"), ("Ada", "2024-07-31")):
        people.add(name, [VETTED.format(last_day)], provides_rsc=True)
    people.add("Cora", [IFS])
    people.add(ENDORSEE, [IFS, "NCIMHA IMHS 2021-01-01"])
    for line in (SESSION, "Cora: rsc 1h 2024-02-02 with Ada", "rsc 1h 2024-02-03 with Zoe"):
        people.log(line)
    ids, held = people.ids, people.endorsements
    ahead = list_ahead(session)
    alices, coras = {held["Alice: NCIMHA IFS"]: ENDORSEE}, {held["Cora: NCIMHA IFS"]: "Cora"}
    assert ahead == [
        CutoffAhead(date(2024, 6, 30), {ids["Zoe"]: "Zoe"}, alices),
        CutoffAhead(date(2024, 7, 31), {ids["Bob"]: "Bob", ids["Ada"]: "Ada"}, {**alices, **coras}),
    ]
    # By the providers' names, and then by theirs.
    assert [*ahead[1].providers.values(), *ahead[1].endorsees.values()] == [
        "Ada",
        "Bob",
        "Cora",
        ENDORSEE,
    ]


def test_endorsees_of_one_provider_are_in_order(session: Session) -> None:
    people = CasePeople(session)
    people.add("Bob", [VETTED.format("2024-06-30")], provides_rsc=True)
    for name in ("Cora", "Beth", "Dora"):
        people.add(name, [IFS])
        people.log(f"{name}: {SESSION}")
    [ahead] = list_ahead(session)
    assert [*ahead.endorsees.values()] == ["Beth", "Cora", "Dora"]


@pytest.mark.parametrize(
    ("last_day", "endorsed", "logged", "number"),
    [
        ("2024-04-01", IFS, SESSION, 1),
        ("2024-03-31", IFS, SESSION, 0),
        ("2025-10-01", IFS, SESSION, 1),
        ("2025-10-02", IFS, SESSION, 0),
        ("2024-06-30", IFS, "rsc 1h 2023-04-01 with Bob", 1),
        ("2024-06-30", IFS, "rsc 1h 2023-03-31 with Bob", 0),
        ("2024-06-30", IFS, "training 1h 2024-02-01 with Bob", 0),
        ("2024-06-30", IFS, "rsc 1h 2024-02-01 with Stranger", 0),
        ("2024-06-30", f"{IFS}..2024-04-01", SESSION, 1),
        ("2024-06-30", f"{IFS}..2024-03-31", SESSION, 0),
        ("2024-06-30", "CT-AIMH IFS 2020-01-01", SESSION, 0),
    ],
)
def test_cutoffs_concern_recent_sessions_of_current_endorsees(
    session: Session, last_day: str, endorsed: str, logged: str, number: int
) -> None:
    people = CasePeople(session)
    people.add("Bob", [VETTED.format(last_day)], provides_rsc=True)
    people.add(ENDORSEE, [endorsed])
    people.log(logged)
    assert [each.last_day.isoformat() for each in list_ahead(session)] == [last_day] * number


def test_cutoffs_are_those_of_the_association(session: Session) -> None:
    """By a rule of CT-AIMH, supervisors endorsed as IMHS counted through April 2024."""
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IMHS 2015-01-01"], provides_rsc=True)
    people.add(ENDORSEE, ["CT-AIMH IFS 2020-01-01", IFS])
    people.log(SESSION)
    [ahead] = list_ahead(session, "CT-AIMH")
    assert ahead.last_day == date(2024, 4, 30)
    assert [*ahead.endorsees] == [people.endorsements["Alice: CT-AIMH IFS"]]
    assert list_ahead(session, "NCIMHA") == []
