"""Which renewals are judged, and what is stored of each."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, CasePeople, populate
from tests.services.evaluation.test_evaluation import IFS, noon
from tracker.db.ledgers import StandingRow
from tracker.db.people import REMOVED
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import Standing, Status
from tracker.services.evaluation import (
    StoredResult,
    evaluate_people,
    judge_all,
    judge_current,
    leave_out_removed,
    parse_results,
)
from tracker.services.facts import Triple
from tracker.services.standing_history import list_stored_on

TODAY = date(2026, 6, 1)
FORMATS: dict[str, Any] = {
    "endorsed": ["FORMATS IFS 2020-05-01", "FORMATS IFA 2020-05-01"],
    "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
    "entries": ["rsc 5:30 individual 2025-03-01 with Frances", "training 3:00 2025-04-01"],
}


def evaluate(session: Session, rulebooks: Rulebooks, case: dict[str, Any]) -> CasePeople:
    people = populate(session, rulebooks, case)
    evaluate_people(session, rulebooks, people.ids.values(), noon(TODAY))
    return people


def read_row(session: Session, endorsement_id: int, year: int | None) -> StandingRow:
    """What is stored of the cycle that starts in a year; None: of the category without rules."""
    query = select(StandingRow).where(StandingRow.endorsement_id == endorsement_id)
    if year is not None:
        query = query.where(StandingRow.cycle_starts_on == date(year, 1, 1))
    return session.exec(query).one()


def test_a_row_has_the_dates_of_its_renewal(session: Session) -> None:
    people = evaluate(session, IMAGINED, FORMATS)
    row = read_row(session, people.endorsements["Alice: FORMATS IFS"], 2025)
    assert row.model_dump(exclude={"endorsement_id", "requirements"}) == {
        "cycle_starts_on": date(2025, 1, 1),
        "cycle_ends_on": date(2027, 12, 31),
        "association": "FORMATS",
        "due_on": date(2027, 12, 31),
        "status": "open",
        "status_since": TODAY,
        "falls_behind_on": date(2025, 8, 31),
        "membership_until": None,
        # Of 45 training hours and 36 of RSC, and of 9 in each year. Months are no hours.
        "short_minutes": (42 + 30.5 + 3.5 + 9 + 9) * 60,
        # The second year is over then.
        "recheck_on": date(2027, 1, 1),
        "judged_on": TODAY,
        "rules_digest": IMAGINED.digest_of("FORMATS"),
    }
    without_rules = read_row(session, people.endorsements["Frances: FORMATS IFRS"], None)
    assert (without_rules.status, without_rules.recheck_on) == ("no rules", None)
    assert (without_rules.cycle_starts_on, without_rules.cycle_ends_on) == (date(2010, 1, 1), None)


@pytest.mark.parametrize(
    ("members", "until"),
    [
        (["CT-AIMH 2020-01-01..2026-06-01", "CT-AIMH 2019-01-01..2019-12-30"], date(2026, 6, 1)),
        (["CT-AIMH 2020-01-01..2026-05-31"], date(2026, 5, 31)),
        ([], None),
    ],
    ids=["in force", "the last one", "none"],
)
def test_a_row_has_the_last_day_of_the_membership(
    session: Session, members: list[str], until: date | None
) -> None:
    people = evaluate(session, REAL, {**IFS, "members": members})
    row = read_row(session, people.endorsements["Alice: CT-AIMH IFS"], 2026)
    assert row.membership_until == until


def test_stored_results_read_back_as_judged(session: Session) -> None:
    people = evaluate(session, IMAGINED, FORMATS)

    def results_of(category: str) -> list[StoredResult]:
        row = read_row(session, people.endorsements[f"Alice: FORMATS {category}"], 2025)
        return parse_results(row.requirements)

    yearly, rsc = "Yearly reflective supervision", "Reflective supervision"
    assert results_of("IFS") == [
        StoredResult("training", "Training", "training", None, 2700, 180, 2520, "short"),
        StoredResult("rsc", rsc, "rsc", None, 2160, 330, 1830, "short"),
        StoredResult(
            "rsc.yearly.1",
            f"{yearly}, first year",
            "rsc",
            None,
            540,
            330,
            210,
            "short",
            year=1,
            too_late=True,
        ),
        StoredResult(
            "rsc.yearly.2", f"{yearly}, second year", "rsc", None, 540, 0, 540, "short", year=2
        ),
        StoredResult(
            "rsc.yearly.3", f"{yearly}, third year", "rsc", None, 540, 0, 540, "short", year=3
        ),
        StoredResult(
            "rsc.months",
            "Months of reflective supervision",
            "rsc",
            None,
            18,
            1,
            17,
            "short",
            unit="months",
        ),
    ]
    assert [result.is_hours for result in results_of("IFS")] == [True] * 5 + [False]
    assert [result.formats for result in results_of("IFA")] == ["individual,group", "individual"]


def test_a_stored_membership_is_no_hours_but_a_topic_is(session: Session) -> None:
    people = evaluate(session, REAL, {"endorsed": ["NCIMHA IFS 2015-03-01"]})
    row = read_row(session, people.endorsements["Alice: NCIMHA IFS"], 2026)
    results = [(each.id, each.topic, each.is_hours) for each in parse_results(row.requirements)]
    assert results == [
        ("training", None, True),
        ("training.deia", "DEIA", True),
        ("rsc", None, True),
        ("membership", None, False),
    ]


def test_history_has_the_last_change_of_each_day(session: Session) -> None:
    people = evaluate(session, REAL, {**IFS, "entries": []})
    held = people.endorsements["Alice: CT-AIMH IFS"]

    def change(day: str, hours: str = "") -> None:
        if hours:
            people.log(f"training {hours} 2026-03-01")
        evaluate_people(session, REAL, people.ids.values(), noon(day))

    change("2026-06-09")
    change("2026-06-12", "1h")
    change("2026-06-12", "2h")
    people.extend("CT-AIMH IFS 2026-01-01 2027-02-28")
    change("2026-06-15")
    session.expire_all()

    def stored_on(day: int) -> dict[int, tuple[date, int, date | None]]:
        """By cycle: since when it is so, the minutes of training, and the due date."""
        return {
            starts_on.year: (row.since, parse_results(row.requirements)[0].counted, row.due_on)
            for (_, starts_on), row in list_stored_on(session, [held], date(2026, 6, day)).items()
        }

    assert list_stored_on(session, [held], date(2026, 5, 31)) == {}
    first, last_year = (TODAY, 0, date(2026, 12, 31)), (TODAY, 0, date(2025, 12, 31))
    assert stored_on(1) == stored_on(11) == {2026: first, 2025: last_year}
    logged = (date(2026, 6, 12), 180, date(2026, 12, 31))
    assert stored_on(12) == stored_on(14) == {2026: logged, 2025: last_year}
    assert stored_on(15)[2026] == (date(2026, 6, 15), 180, date(2027, 2, 28))
    everyone = list_stored_on(session, people.endorsements.values(), TODAY)
    assert {number for number, _ in everyone} == {*people.endorsements.values()}


def cycles_of(standings: Iterable[Standing]) -> list[tuple[str, int | None]]:
    """The association and the first year of the cycle of each standing."""
    return [
        (each.plan.association, each.plan.cycle.starts_on.year if each.plan.cycle else None)
        for each in standings
    ]


def test_the_cycle_of_a_day_is_judged_for_all_or_some(session: Session) -> None:
    held = ["CT-AIMH IFS 2015-03-01", "NCIMHA IFS 2015-03-01", "NOWHERE IFS 2015-03-01"]
    people = populate(session, REAL, {"endorsed": held})
    day_of = {"CT-AIMH": TODAY, "NCIMHA": date(2025, 6, 1)}.__getitem__
    for cycle_day, association, expected in (
        (None, None, [("CT-AIMH", 2026), ("NCIMHA", 2025)]),
        (date(2024, 6, 1), "NCIMHA", [("NCIMHA", 2024)]),
        (date(2014, 12, 31), "CT-AIMH", []),
    ):
        judged = judge_all(session, REAL, day_of, cycle_day=cycle_day, association=association)
        assert sorted(cycles_of(judged)) == expected
    ids = [people.endorsements["Alice: NCIMHA IFS"]]
    judged = judge_all(session, REAL, day_of, endorsement_ids=ids)
    assert cycles_of(judged) == [("NCIMHA", 2025)]


def test_other_cycles_are_judged_with_the_current_ones(session: Session) -> None:
    held = ["CT-AIMH IFS 2023-03-01", "NCIMHA IFS 2015-03-01"]
    populate(session, REAL, {"endorsed": held})

    def also(triple: Triple) -> set[date]:
        if triple[0] == "NCIMHA":
            return set()
        # The current one, two before, and a day before the endorsement.
        return {date(2026, 1, 1), date(2024, 1, 1), date(2023, 3, 1), date(2020, 1, 1)}

    judged = judge_current(session, REAL, lambda _: TODAY, also=also)
    assert sorted(cycles_of(judged)) == [
        *(("CT-AIMH", year) for year in (2023, 2024, 2025, 2026)),
        *(("NCIMHA", year) for year in (2025, 2026)),
    ]


def test_both_cycles_count_the_years_held(session: Session) -> None:
    """No training is required from the fifth year held on."""
    populate(session, IMAGINED, {"endorsed": ["HISTORY IFS 2020-01-01"]})
    asked = {
        each.plan.cycle and each.plan.cycle.starts_on.year: [r.id for r in each.plan.requirements]
        for each in judge_current(session, IMAGINED, lambda _: date(2025, 6, 1))
    }
    assert asked == {2025: ["rsc"], 2024: ["training", "rsc"]}


def test_only_removed_renewals_are_left_out(session: Session) -> None:
    people = populate(session, REAL, {"endorsed": ["CT-AIMH IFS 2015-03-01"]})
    for name, association in (("Beth", "CT-AIMH"), ("Cora", "CT-AIMH")):
        people.add(name, [f"{association} IFS 2015-03-01"])
    session.connection().execute(
        text("UPDATE endorsement SET ended_as = :how, ends_on = '2026-12-31' WHERE id = :id"),
        {"how": REMOVED, "id": people.endorsements["Beth: CT-AIMH IFS"]},
    )
    standings = [*judge_current(session, REAL, lambda _: TODAY)]
    kept = {each.facts.person_id for each in leave_out_removed(session, standings)}
    assert kept == {people.ids[ENDORSEE], people.ids["Cora"]}
    # Beth's current renewal has not lapsed.
    others = [
        each
        for each in standings
        if each.status is Status.OPEN or each.facts.person_id == people.ids[ENDORSEE]
    ]
    assert leave_out_removed(session, others) == others
