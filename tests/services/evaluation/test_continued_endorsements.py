"""Hours in the cycle of endorsement, by the person's history: change, break, and move."""

from datetime import date

import pytest
from sqlmodel import Session

from tests.rules.case_data import REAL, CasePeople, format_outcomes, judge_person
from tracker.rules.standing import list_exemptions
from tracker.services.evaluation import judge_current

AS_OF = date(2026, 11, 29)


def outcomes(session: Session, held: list[str], name: str) -> dict[str, str]:
    """How the renewal of `name` (association and category) stands, by requirement."""
    people = CasePeople(session)
    people.add("Iris", held)
    people.log("Iris: training 3h 2026-02-10")
    session.flush()
    standing = judge_person(session, REAL, lambda _: AS_OF, people.ids["Iris"])[name]
    ids = [people.endorsements[f"Iris: {held[-1].rpartition(' ')[0]}"]]
    # Pages ask for a few endorsements, by another form of the query than the nightly run's.
    alone = list(judge_current(session, REAL, lambda _: AS_OF, endorsement_ids=ids))
    assert standing.facts.subject_id not in ids or standing in alone
    if not list_exemptions(standing.plan, standing):
        assert standing.plan.cycle
        assert not standing.plan.cycle.is_first
    return format_outcomes(standing)


@pytest.mark.parametrize(
    ("held", "name"),
    [
        pytest.param(
            ["CT-AIMH IFS 2021-04-01..2026-06-14", "CT-AIMH IMHS 2026-06-15"],
            "CT-AIMH IMHS",
            id="another category",
        ),
        pytest.param(
            ["CT-AIMH IFS 2021-04-01..2026-06-30", "CT-AIMH IMHS 2026-06-15"],
            "CT-AIMH IMHS",
            id="another category that overlaps",
        ),
        pytest.param(
            ["CT-AIMH IFS 2019-04-01..2026-03-31", "CT-AIMH IFS 2026-04-15"],
            "CT-AIMH IFS",
            id="back after two weeks",
        ),
        pytest.param(
            ["CT-AIMH IFS 2019-04-01..2026-08-31", "NCIMHA IFS 2026-09-01"],
            "NCIMHA IFS",
            id="from another association",
        ),
        pytest.param(
            ["CT-AIMH IFS 2019-04-01..2025-12-31", "CT-AIMH IFS 2026-01-31"],
            "CT-AIMH IFS",
            id="31 days over the end of a cycle",
        ),
        pytest.param(
            [
                "MI-AIMH IFS 2010-04-01..2012-12-31",
                "CT-AIMH IFS 2019-04-01..2026-03-31",
                "CT-AIMH IMHS 2026-04-15",
            ],
            "CT-AIMH IMHS",
            id="after two others",
        ),
    ],
)
def test_continued_endorsement_requires_hours(session: Session, held: list[str], name: str) -> None:
    found = outcomes(session, held, name)
    assert found["training"] == "3 of 15 short"
    assert found["rsc"] == "0 of 12 short"


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(["CT-AIMH IFS 2026-04-15"], id="the first one"),
        pytest.param(
            ["CT-AIMH IFS 2019-04-01..2026-03-13", "CT-AIMH IFS 2026-04-15"], id="after 32 days"
        ),
        pytest.param(
            ["CT-AIMH IMHS 2019-04-01", "CT-AIMH IFS 2026-04-15"], id="beside one that goes on"
        ),
        pytest.param(
            ["CT-AIMH IMHS 2019-04-01..2027-04-15", "CT-AIMH IFS 2026-04-15"],
            id="beside one that is still renewed",
        ),
        pytest.param(
            ["CT-AIMH IFS 2026-04-15", "CT-AIMH IMHS 2026-06-01..2026-06-30"],
            id="before the other one",
        ),
    ],
)
def test_new_endorsement_requires_no_hours(session: Session, held: list[str]) -> None:
    assert outcomes(session, held, "CT-AIMH IFS")["training"] == "3 of 15 excused"


def test_cycles_before_the_reading_stay_as_they_were(session: Session) -> None:
    people = CasePeople(session)
    people.add("Iris", ["CT-AIMH IFS 2021-04-01..2025-06-14", "CT-AIMH IMHS 2025-06-15"])
    session.flush()
    day = date(2025, 11, 29)
    found = judge_person(session, REAL, lambda _: day, people.ids["Iris"])["CT-AIMH IMHS"]
    assert format_outcomes(found)["training"] == "0 of 15 excused"


def test_the_next_cycle_is_an_ordinary_one(session: Session) -> None:
    people = CasePeople(session)
    people.add("Iris", ["CT-AIMH IFS 2021-04-01..2025-06-14", "CT-AIMH IMHS 2025-06-15"])
    session.flush()
    found = judge_person(session, REAL, lambda _: AS_OF, people.ids["Iris"])["CT-AIMH IMHS"]
    assert format_outcomes(found)["training"] == "0 of 15 short"


def test_the_rulebooks_record_each_reading() -> None:
    for association in ("CT-AIMH", "MI-AIMH", "NCIMHA"):
        rulebook = REAL.associations[association]
        ids = {interpretation.id for interpretation in rulebook.interpretations}
        cases = ("other-category", "break", "move")
        assert {f"first-year-after-{case}" for case in cases} <= ids
        assert rulebook.cycles[0].continues_within_days == 31
