"""The entries behind a standing: what does not count, and why, and an application's training."""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import ColumnElement
from sqlmodel import Session

from tests.rules import applicants
from tests.rules.case_data import IMAGINED, REAL, CasePeople, insert_row, populate
from tracker.plain_text import plain_name
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.providers import Provider
from tracker.rules.standing import ApplicationStanding, CountedItem, Standing
from tracker.services import uncounted as uncounted_module
from tracker.services.application_facts import judge_applications
from tracker.services.entries import select_entries
from tracker.services.evaluation import judge_all
from tracker.services.rsc_providers import load_providers
from tracker.services.uncounted import list_counted_training, with_uncounted

TODAY = date(2026, 6, 1)
Listed = list[tuple[str, int, str]]  # title, minutes, code


def list_uncounted(
    session: Session,
    rulebooks: Rulebooks,
    name: str,
    today: Callable[[str], date] = lambda _: TODAY,
) -> Listed:
    """What does not count of the renewals of one association and category."""
    standings = [*judge_all(session, rulebooks, today)]
    listed = []
    for standing, uncounted in with_uncounted(session, standings, today):
        if f"{standing.plan.association} {standing.plan.category}" == name:
            listed += describe(uncounted)
    return listed


def describe(uncounted: list[Any]) -> Listed:
    return [(entry.title, entry.minutes, reason.code) for entry, reason in uncounted]


def exclude(session: Session, people: CasePeople, entry_id: int | None, association: str) -> None:
    """Store that an association does not count an entry; without one, that it removed one."""
    insert_row(
        session,
        "entry_decision",
        person_id=people.ids["Alice"],
        entry_id=entry_id,
        association=association,
        kind="excluded" if entry_id else "removed",
        title="Training",
        held_on=date(2026, 3, 1),
        minutes=60,
        reason="No certificate",
        decided_at=datetime(2026, 4, 1, tzinfo=UTC),
        decided_by="carol@example.org",
    )


def test_entries_that_do_not_count_have_their_reasons(session: Session) -> None:
    case = {
        "endorsed": ["CT-AIMH IFS 2015-03-01"],
        "providers": {
            "Bob": ["CT-AIMH IFRS 2010-01-01"],
            "Cleo": ["CT-AIMH IMHS 2010-01-01"],
            "Dee": ["CT-AIMH IMHS 2010-01-01"],
        },
        "entries": [
            "rsc 1h 2025-12-31 with Jo",
            "rsc 1h 2026-01-01 with Jo",
            "rsc 1h 2026-02-01 with Bob",
            "rsc 1h 2026-02-02 with Cleo",
            "rsc 1h 2026-02-03",
            "rsc 1h 2026-02-04 with Max",
            "training 1h 2026-02-05",
            "training 1h 2026-06-01",
            "training 1h 2026-06-02",
            "rsc 1h 2026-12-31 with Bob",
            "rsc 1h 2027-01-01 with Bob",
        ],
    }
    people = populate(session, REAL, case)
    people.log("Cleo: rsc 2h 2026-02-01 with Jo")
    exclude(session, people, people.log("training 3h 2026-02-06"), "CT-AIMH")
    exclude(session, people, people.log("training 3h 2026-02-07"), "NCIMHA")
    insert_row(
        session,
        "declined_provider",
        person_id=people.ids["Alice"],
        association="CT-AIMH",
        name_key=plain_name("Max"),
        name="Max",
        reason="Not endorsed",
        declined_at=datetime(2026, 4, 1, tzinfo=UTC),
        declined_by="carol@example.org",
    )
    assert list_uncounted(session, REAL, "CT-AIMH IFS") == [
        ("rsc 1h 2026-12-31 with Bob", 60, "in_the_future"),
        ("training 1h 2026-06-02", 60, "in_the_future"),
        ("training 3h 2026-02-06", 180, "excluded"),
        ("rsc 1h 2026-02-04 with Max", 60, "provider_declined"),
        ("rsc 1h 2026-02-03", 60, "no_provider"),
        ("rsc 1h 2026-02-02 with Cleo", 60, "rule_ended"),
        ("rsc 1h 2026-01-01 with Jo", 60, "unconfirmed"),
    ]
    assert [row[:2] for row in list_uncounted(session, REAL, "CT-AIMH IMHS")] == [
        ("rsc 2h 2026-02-01 with Jo", 120)
    ]


def test_a_category_without_rules_has_no_uncounted_entries(session: Session) -> None:
    case = {"endorsed": ["VAIMH IFS 2015-03-01"], "entries": ["rsc 1h 2026-01-01 with Jo"]}
    populate(session, REAL, case)
    assert list_uncounted(session, REAL, "VAIMH IFS") == []


def test_an_application_without_rules_has_no_uncounted_entries(session: Session) -> None:
    case = {"applies": "PAYING IFS 2026-01-01", "entries": ["rsc 1h 2026-01-01 with Jo"]}
    applicants.populate(session, IMAGINED, case)
    standings = [*judge_applications(session, IMAGINED, lambda _: TODAY)]
    [(_, uncounted)] = with_uncounted(session, standings, lambda _: TODAY)
    assert uncounted == []


def test_only_what_may_not_count_is_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    case = {
        "endorsed": ["CT-AIMH IFS 2015-03-01"],
        "providers": {"Bob": ["CT-AIMH IFRS 2010-01-01"], "Cleo": ["CT-AIMH IFRS 2010-01-01"]},
        "entries": [
            "rsc 1h 2025-12-31 with Bob",
            "rsc 1h 2026-01-01 with Bob",
            "training 1h 2026-06-01",
            "training 1h 2026-06-02",
        ],
    }
    people = populate(session, REAL, case)
    people.log("Bob: rsc 2h 2026-02-01 with Cleo")
    titles, ids = list[str](), list[int]()

    def note_entries(session: Session, where: ColumnElement[bool]) -> Iterator[LoggedEntry]:
        for entry in select_entries(session, where):
            titles.append(entry.title)
            yield entry

    def note_ids(session: Session, person_ids: Collection[int]) -> dict[int, Provider]:
        ids.extend(person_ids)
        return load_providers(session, person_ids)

    monkeypatch.setattr(uncounted_module, "select_entries", note_entries)
    monkeypatch.setattr(uncounted_module, "load_providers", note_ids)
    held = [people.endorsements["Alice: CT-AIMH IFS"]]
    standings = [*judge_all(session, REAL, lambda _: TODAY, endorsement_ids=held)]
    assert len([*with_uncounted(session, standings, lambda _: TODAY)]) == 1
    assert titles == ["training 1h 2026-06-02", "rsc 1h 2026-01-01 with Bob"]
    assert ids == [people.ids["Bob"]]


def test_each_association_has_a_day_of_its_own(session: Session) -> None:
    case = {
        "endorsed": ["CT-AIMH IFS 2015-03-01", "NCIMHA IFS 2015-03-01"],
        "entries": ["training 1h 2026-06-01"],
    }
    populate(session, REAL, case)
    days = {"CT-AIMH": TODAY, "NCIMHA": date(2026, 5, 31)}
    found = {name: list_uncounted(session, REAL, f"{name} IFS", days.__getitem__) for name in days}
    assert found == {
        "CT-AIMH": [],
        "NCIMHA": [("training 1h 2026-06-01", 60, "in_the_future")],
    }


def test_hours_beyond_a_cap_are_listed_newest_first(session: Session) -> None:
    case = {
        "endorsed": ["FORMATS IFS 2020-05-01", "FORMATS IFA 2020-05-01"],
        "providers": {"Frances": ["FORMATS IFRS 2010-01-01"]},
        "entries": [
            "rsc 5h peer 2025-02-01 with Frances",
            "rsc 2h peer 2025-03-01 with Frances",
            "rsc 3h peer 2026-03-01 with Frances",
            "training 10h SELF-STUDY 10h 2025-04-01",
            "training 8h SELF-STUDY 8h 2025-05-01",
        ],
    }
    populate(session, IMAGINED, case)
    assert list_uncounted(session, IMAGINED, "FORMATS IFS") == [
        ("rsc 3h peer 2026-03-01 with Frances", 180, "format_cap"),
        ("training 8h SELF-STUDY 8h 2025-05-01", 180, "topic_cap"),
        ("rsc 2h peer 2025-03-01 with Frances", 60, "format_cap"),
    ]
    # This one requires no training.
    others = list_uncounted(session, IMAGINED, "FORMATS IFA")
    assert [code for _, _, code in others] == ["other_format"] * 3


def test_standings_are_read_a_batch_at_a_time(session: Session) -> None:
    case = {"endorsed": ["CT-AIMH IFS 2015-03-01"], "entries": ["rsc 1h 2026-01-01 with Jo"]}
    populate(session, REAL, case)
    [standing] = judge_all(session, REAL, lambda _: TODAY)
    taken = []

    def stream() -> Iterator[Standing]:
        for number in range(501):
            taken.append(number)
            yield standing

    results = with_uncounted(session, stream(), lambda _: TODAY)
    first = next(results)
    assert len(taken) == 500
    assert [first, *results] == [first] * 501
    assert describe(first[1]) == [("rsc 1h 2026-01-01 with Jo", 60, "unconfirmed")]


@pytest.fixture
def applicant(session: Session) -> CasePeople:
    """Applies for an endorsement that requires training, in all and about topics."""
    case = {
        "applies": "VAIMH IFRS 2026-01-01",
        "entries": [
            "training 1h 2009-02-01",
            "training 4h RSC 2h DEIA 1h 2026-02-02",
            "training 2h RSC 2h 2026-06-01",
            "training 2h RSC 2h 2026-06-02",
            "rsc 1h 2026-02-03 with Jo",
        ],
    }
    people = applicants.populate(session, REAL, case)
    people.add("Bob")
    people.log("Bob: training 9h 2026-03-01")
    return people


def judge(session: Session) -> ApplicationStanding:
    [standing] = judge_applications(session, REAL, lambda _: TODAY)
    return standing


def test_hours_of_any_day_matter_to_an_application(session: Session, applicant: CasePeople) -> None:
    applicant.log("rsc 1h 2001-02-03 with Jo")
    [(_, uncounted)] = with_uncounted(session, [judge(session)], lambda _: TODAY)
    assert [row[0] for row in describe(uncounted)] == [
        "training 2h RSC 2h 2026-06-02",
        "rsc 1h 2026-02-03 with Jo",
        "rsc 1h 2001-02-03 with Jo",
    ]


def test_counted_training_is_listed_by_requirement(session: Session, applicant: CasePeople) -> None:
    exclude(session, applicant, applicant.log("training 5h 2026-04-01"), "VAIMH")
    exclude(session, applicant, applicant.log("training 6h 2026-04-02"), "CT-AIMH")
    exclude(session, applicant, None, "VAIMH")
    mixed, last = "training 4h RSC 2h DEIA 1h 2026-02-02", "training 2h RSC 2h 2026-06-01"
    other = CountedItem(date(2026, 4, 2), "training 6h 2026-04-02", 360)
    old = CountedItem(date(2009, 2, 1), "training 1h 2009-02-01", 60)
    of_mixed, of_last = date(2026, 2, 2), date(2026, 6, 1)
    assert list_counted_training(session, judge(session), TODAY) == {
        "training": (
            CountedItem(of_last, last, 120),
            other,
            CountedItem(of_mixed, mixed, 240),
            old,
        ),
        "training.imh": (other, CountedItem(of_mixed, mixed, 60), old),
        "training.rsc": (CountedItem(of_last, last, 120), CountedItem(of_mixed, mixed, 120)),
        "training.deia": (CountedItem(of_mixed, mixed, 60),),
    }
