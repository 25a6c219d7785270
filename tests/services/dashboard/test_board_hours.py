"""Which hours the report for the board counts, by the rules of their day, and past renewals."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import delete
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, REAL, CasePeople, insert_row, populate
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.movements import HeldTerm, RenewalOutcome
from tracker.rules.providers import Provider
from tracker.rules.standing import CycleSettlement, Status
from tracker.services import board_report
from tracker.services.board_report import (
    NOT_ENDORSED,
    HoursReport,
    ReportPeriod,
    count_hours,
    list_terms,
)
from tracker.services.facts import format_settlement
from tracker.services.rsc_providers import load_providers, refresh_provider_spans

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 17, tzinfo=UTC)
YEAR = date(2025, 1, 1), date(2025, 12, 31)


@pytest.fixture
def session(empty_session: Session) -> Session:
    return empty_session


def report(
    session: Session,
    books: Rulebooks,
    association: str,
    first: date,
    last: date,
    category: str = "",
) -> HoursReport:
    return count_hours(session, books, ReportPeriod(association, first, last, category), TODAY)


def uncounted(found: HoursReport) -> dict[tuple[str, str], tuple[int, int, int]]:
    """The minutes, entries, and people by activity and reason."""
    return {(u.activity, u.code): (u.minutes, u.entries, u.people) for u in found.uncounted}


# Frances qualifies all year; the others do so elsewhere, later, or for a part of it.
SPANS = {
    "endorsed": ["NCIMHA IFS 2020-05-01"],
    "providers": {
        "Frances": ["vetted NCIMHA 2025-01-01..2025-12-31"],
        "Gil": ["vetted CT-AIMH 2010-01-01"],
        "Hana": ["vetted NCIMHA 2025-01-02"],
        "Ida": ["vetted NCIMHA 2010-01-01..2025-12-30"],
    },
    "entries": [
        "rsc 1h 2025-01-01 with Frances",
        "rsc 2h 2025-12-31 with Frances",
        "rsc 3h 2025-06-01 with Gil",
        "rsc 4h 2025-01-01 with Hana",
        "rsc 4h 2025-01-02 with Hana",
        "rsc 5h 2025-12-31 with Ida",
        "rsc 6h 2025-06-02",
        "training 7h 2025-06-03",
    ],
}


def test_rsc_counts_by_the_qualification_of_its_day(session: Session) -> None:
    people = populate(session, REAL, SPANS)
    assert people.ids["Frances"] == 1
    found = report(session, REAL, "NCIMHA", *YEAR)
    assert found.logged == {"training": 7 * 60, "rsc": 25 * 60}
    assert found.counted == {"training": 7 * 60, "rsc": 7 * 60}
    assert (found.entries, found.people) == (8, 1)
    assert sum(each.minutes for each in found.uncounted) == 18 * 60
    assert uncounted(found)["rsc", "no_provider"] == (6 * 60, 1, 1)


def test_hours_that_surely_count_are_not_judged(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all count, and to judge each of them would take long."""
    people = populate(session, REAL, SPANS)
    people.add("Bob", ["NCIMHA IFA 2020-05-01"])
    # Whose RSC counts for an IMHS is not who qualifies for an IFS.
    people.add("Cora", ["CT-AIMH IMHS 2020-05-01"])
    people.add("Dora", ["CT-AIMH IFS 2020-05-01", "MI-AIMH IMHS 2020-05-01"])
    people.add("Ruth", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=True)
    judge = board_report._HoursCounter._judge
    judged: list[int] = []
    loaded: list[Collection[int] | None] = []

    def note(counter: Any, row: Any) -> Any:  # noqa: ANN401 - as the original
        judged.append(row.minutes)
        return judge(counter, row)

    def note_ids(session: Session, ids: Collection[int] | None = None) -> dict[int, Provider]:
        loaded.append(ids)
        return load_providers(session, ids)

    monkeypatch.setattr(board_report._HoursCounter, "_judge", note)
    monkeypatch.setattr(board_report, "load_providers", note_ids)
    report(session, REAL, "NCIMHA", *YEAR)
    assert sorted(judged) == [180, 240, 240, 300, 360]
    assert loaded == [{people.ids[name] for name in ("Gil", "Hana", "Ida")}]
    judged.clear()
    for entry in ("Dora: rsc 1h 2026-06-01 with Ruth", "Cora: rsc 2h 2026-06-01 with Ruth"):
        people.log(entry)
    refresh_provider_spans(session, REAL)
    report(session, REAL, "CT-AIMH", date(2026, 1, 1), TODAY)
    assert judged == [120]


def test_rules_may_change_on_the_last_day(session: Session) -> None:
    """From 2026 on, training is not required there any more."""
    entries = ["training 1h 2025-12-31", "training 2h 2026-01-01"]
    populate(session, IMAGINED, {"endorsed": ["HISTORY IFS 2020-05-01"], "entries": entries})
    found = report(session, IMAGINED, "HISTORY", date(2025, 12, 1), date(2026, 1, 1))
    assert uncounted(found) == {("training", "not_required"): (120, 1, 1)}


def test_formats_future_days_and_the_end_have_reasons(session: Session) -> None:
    """The reason is that of the endorsement that has rules; the other one has none."""
    case = {
        "endorsed": ["FORMATS IFRS 2020-05-01", "FORMATS IFA 2020-05-01..2026-12-01"],
        "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
        "entries": [
            "rsc 1h individual 2026-03-01 with Frances",
            "rsc 1h group 2026-11-22 with Frances",
            "rsc 2h peer 2026-03-01 with Frances",
            "rsc 3h 2026-03-01 with Frances",
            "rsc 4h individual 2026-11-23 with Frances",
            "rsc 6h individual 2026-03-01",
            "training 5h 2026-11-22",
        ],
    }
    people = populate(session, IMAGINED, case)
    found = report(session, IMAGINED, "FORMATS", date(2026, 1, 1), date(2026, 11, 30))
    assert found.counted == {"training": 0, "rsc": 120}
    assert uncounted(found) == {
        ("training", "not_required"): (300, 1, 1),
        ("rsc", "no_provider"): (360, 1, 1),
        ("rsc", "in_the_future"): (240, 1, 1),
        ("rsc", "no_format"): (180, 1, 1),
        ("rsc", "other_format"): (120, 1, 1),
    }
    # What was known in the night about the providers decides, not what is known by now.
    session.connection().execute(delete(METADATA.tables["provider_span"]))
    found = report(session, IMAGINED, "FORMATS", date(2026, 3, 1), TODAY)
    assert uncounted(found)["rsc", "not_required"] == (120, 2, 1)
    people.add("Bob", ["FORMATS IFA 2020-05-01..2026-03-01"])
    for day in ("2026-03-01", "2026-03-02"):
        people.log(f"Bob: rsc 1h individual {day} with Frances")
    refresh_provider_spans(session, IMAGINED)
    found = report(session, IMAGINED, "FORMATS", date(2026, 3, 1), date(2026, 3, 31))
    assert uncounted(found)["rsc", NOT_ENDORSED] == (60, 1, 1)
    assert (found.counted["rsc"], found.people) == (120, 2)


def test_all_formats_count_where_one_rule_takes_them(session: Session) -> None:
    """Some of the hours have to be individual there."""
    case = {
        "endorsed": ["WHOLE IFS 2020-05-01", "WHOLE MIT 2022-05-01"],
        "providers": {"Frances": ["WHOLE IFRS 2010-01-01"]},
        "entries": ["rsc 1h group 2025-03-02 with Frances"],
    }
    populate(session, IMAGINED, case)
    found = report(session, IMAGINED, "WHOLE", *YEAR, "MIT")
    assert (uncounted(found), found.counted["rsc"]) == ({}, 60)


def test_one_categorys_hours_are_those_of_its_people(session: Session) -> None:
    people = populate(session, REAL, {"endorsed": ["NCIMHA IFS 2020-05-01"], "entries": []})
    people.add("Bob", ["NCIMHA IFA 2020-05-01"])
    people.add("Cora", ["CT-AIMH IFS 2020-05-01"])
    for hours, name in enumerate(("Alice", "Bob", "Cora"), 1):
        people.log(f"{name}: training {hours}h 2025-06-01")
    assert report(session, REAL, "NCIMHA", *YEAR, "IFS").counted["training"] == 60
    assert report(session, REAL, "NCIMHA", *YEAR).logged["training"] == 180


def test_only_the_associations_own_decisions_matter(session: Session) -> None:
    people = populate(session, REAL, {"endorsed": ["NCIMHA IFS 2020-05-01"], "entries": []})
    decision = {
        "person_id": people.ids["Alice"],
        "entry_id": people.log("training 1h 2025-06-01"),
        "association": "CT-AIMH",
        "kind": "excluded",
        "title": "Book club",
        "held_on": YEAR[0],
        "minutes": 60,
        "reason": "A staff meeting",
        "decided_at": NOON,
        "decided_by": "carol@example.org",
    }
    insert_row(session, "entry_decision", **decision)
    assert report(session, REAL, "NCIMHA", *YEAR).uncounted == ()
    insert_row(session, "entry_decision", **{**decision, "association": "NCIMHA"})
    assert uncounted(report(session, REAL, "NCIMHA", *YEAR)) == {
        ("training", "excluded"): (60, 1, 1)
    }


def test_caps_limit_the_sessions_of_each_person(session: Session) -> None:
    """Six hours among peers count in each cycle; the second one here begins with 2025."""
    case = {
        "endorsed": ["FORMATS IFS 2020-05-01"],
        "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
        "entries": [
            "rsc 5h peer 2024-12-31 with Frances",
            # Takes none of the room: nobody is named.
            "rsc 9h peer 2025-01-01",
            "rsc 2h peer 2025-01-01 with Frances",
            "rsc 5h peer 2025-02-01 with Frances",
            "rsc 2h peer 2025-03-01 with Frances",
        ],
    }
    people = populate(session, IMAGINED, case)
    people.add("Bob", ["FORMATS IFS 2020-05-01"])
    for day in ("2025-01-01", "2025-02-01"):
        people.log(f"Bob: rsc 5h peer {day} with Frances")
    found = report(session, IMAGINED, "FORMATS", date(2024, 12, 31), date(2025, 12, 31))
    assert uncounted(found) == {
        ("rsc", "no_provider"): (540, 1, 1),
        ("rsc", "format_cap"): (60 + 120 + 240, 3, 2),
    }
    assert found.counted["rsc"] == 60 * (5 + 6 + 6)


def test_renewals_of_lapsed_endorsements_have_outcomes(session: Session) -> None:
    """What was settled stays, unless it was reopened; the others' never matter."""
    held = "WHOLE-LEAP IFS 2020-05-01"
    people = CasePeople(session)
    for name in ("Lapsed", "Settled", "Reopened", "Met", "Early"):
        people.add(name, [held])
    people.hold("Met", "WHOLE IFRS 2021-05-01..2022-05-01")
    people.add("Elsewhere", ["WHOLE IFS 2020-05-01"])
    ids = {key.split(":")[0]: number for key, number in reversed(people.endorsements.items())}
    first, second, third = (date(year, 5, 1) for year in (2020, 2023, 2026))
    due = {first: date(2023, 4, 30), second: date(2026, 4, 30), third: date(2029, 4, 30)}
    stored = [
        ("Lapsed", first, "lapsed"),
        ("Lapsed", second, "met"),
        ("Lapsed", third, "open"),
        ("Settled", second, "excused"),
        ("Reopened", first, "met"),
        ("Met", first, "met"),
        ("Elsewhere", first, "lapsed"),
    ]
    for name, starts_on, status in stored:
        association = "WHOLE" if name == "Elsewhere" else "WHOLE-LEAP"
        row = {"association": association, "status": status, "due_on": due[starts_on]}
        row |= {"status_since": TODAY, "requirements": "[]", "rules_digest": ""}
        row |= {"endorsement_id": ids[name], "cycle_starts_on": starts_on, "judged_on": TODAY}
        insert_row(session, "standing", **row)
    reopened = {"reopened_at": NOON, "reopened_by": "carol@example.org"}
    settled = [
        ("Settled", first, Status.LAPSED, {}),
        ("Settled", second, Status.MET, {}),
        ("Reopened", first, Status.LAPSED, reopened),
        ("Met", second, Status.MET, {}),
        ("Elsewhere", second, Status.LAPSED, {}),
    ]
    for name, starts_on, status, more in settled:
        settlement = CycleSettlement(TODAY, "", status, due[starts_on], None, (), {}, (), (), ())
        row = {"endorsement_id": ids[name], "cycle_starts_on": starts_on, "settled_on": TODAY}
        row |= {"content": format_settlement(settlement), **more}
        insert_row(session, "settled_cycle", **row)
    grace = {first: date(2024, 2, 29), second: date(2027, 2, 28)}

    def outcome(status: Status, starts_on: date) -> RenewalOutcome:
        return RenewalOutcome(status, due[starts_on], grace[starts_on])

    def due_date(outcome: RenewalOutcome) -> date:
        return outcome.due_on

    def term(name: str, *outcomes: RenewalOutcome) -> HeldTerm:
        return HeldTerm(ids[name], people.ids[name], "IFS", first, None, outcomes)

    lapsed = outcome(Status.LAPSED, first)
    terms = list_terms(session, IMAGINED, "WHOLE-LEAP", "")
    in_order = [t._replace(outcomes=tuple(sorted(t.outcomes, key=due_date))) for t in terms]
    assert in_order == [
        term("Lapsed", lapsed, outcome(Status.MET, second)),
        term("Settled", lapsed, outcome(Status.MET, second)),
        term("Reopened", outcome(Status.MET, first)),
        term("Met"),
        term("Early"),
    ]
    [other] = list_terms(session, IMAGINED, "WHOLE", "IFRS")
    last = date(2022, 5, 1)
    assert other[1:] == (people.ids["Met"], "IFRS", date(2021, 5, 1), last, ())
    [one] = list_terms(session, IMAGINED, "WHOLE", "IFS")
    assert [each.status for each in one.outcomes] == [Status.LAPSED, Status.LAPSED]
