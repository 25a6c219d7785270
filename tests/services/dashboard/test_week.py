"""What the coordinators' digest says about a week: which days, emails, and runs are counted."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import IMAGINED, REAL, CasePeople, insert_row
from tests.support.waiting_mail import add_mail
from tracker.db.ledgers import RunRow
from tracker.services.run_ledger import CAUGHT_UP, Failure, RunKey, record_failure
from tracker.services.way_counts import count_way
from tracker.services.week import FailedMail, Week, WeekFigures, count_week

HERE, ELSEWHERE = "ATTESTING", "FORMATS"
MONDAY, DAY = date(2026, 11, 23), timedelta(days=1)
FIRST, LAST = date(2026, 11, 16), date(2026, 11, 22)
# The digest is caught up on Wednesday. In Honolulu, Monday begins at this instant.
WEDNESDAY = datetime(2026, 11, 25, 20, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 23, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WEEK = timedelta(days=7)


@pytest.fixture
def people(empty_session: Session) -> CasePeople:
    """Alice is endorsed here, and Cora elsewhere."""
    people = CasePeople(empty_session)
    people.add("Alice", [f"{HERE} IFS 2020-05-01"])
    people.add("Cora", [f"{ELSEWHERE} IFS 2020-05-01"])
    return people


def count(session: Session) -> Week:
    return count_week(session, IMAGINED, HERE, MONDAY, WEDNESDAY, recent_months=12)


def test_only_this_weeks_changes_are_counted(people: CasePeople) -> None:
    def judge(owner: str, number: int, status: str, since: date, **values: object) -> None:
        """Store a standing of a cycle of its own, a current one by default."""
        [held] = [held for name, held in people.endorsements.items() if name.startswith(owner)]
        row: dict[str, object] = {
            "endorsement_id": held,
            "cycle_starts_on": date(2020 + number, 1, 1),
            "association": HERE if owner == "Alice" else ELSEWHERE,
            "status": status,
            "status_since": since,
            "due_on": date(2027, 12, 31),
            "requirements": "[]",
            "judged_on": LAST,
            "rules_digest": "",
            **values,
        }
        insert_row(people.session, "standing", **row)

    for number, day in enumerate((FIRST - DAY, FIRST, LAST, MONDAY)):
        judge("Alice", number, "met", day)
    judge("Alice", 4, "met", FIRST, cycle_ends_on=date(2025, 12, 31))
    judge("Cora", 0, "met", FIRST, falls_behind_on=FIRST)
    for number, day in enumerate((FIRST - DAY, FIRST, date(2026, 11, 25), date(2026, 11, 26)), 5):
        judge("Alice", number, "open", FIRST, falls_behind_on=day)
    old = {"falls_behind_on": FIRST, "cycle_ends_on": date(2025, 12, 31)}
    judge("Alice", 9, "met", FIRST - DAY, **old)
    people.log(f"training 1h {FIRST - DAY}")
    people.log(f"training 2h {FIRST}")
    people.log(f"training 3h {LAST}")
    people.log(f"training 4h {MONDAY}")
    people.log(f"Cora: training 5h {FIRST}")
    for association in (HERE, ELSEWHERE):
        key = RunKey("notices", association, LAST)
        record_failure(people.session, key, Failure("7", "Broken"), WEDNESDAY)
    week = count(people.session)
    assert (week.as_of, week.first, week.last) == (date(2026, 11, 25), FIRST, LAST)
    assert (week.completed, week.fell_behind, week.minutes) == (2, 2, 5 * 60)
    assert [each.association for each in week.failures] == [HERE]
    assert week.way == count_way(people.session, IMAGINED, HERE, week.as_of)
    assert week.way.stages


def test_reminders_that_went_out_or_failed_are_counted(people: CasePeople) -> None:
    own: dict[str, object] = {"association": HERE, "person_id": people.ids["Alice"]}

    def mail(key: str, state: str, at: datetime, **values: object) -> None:
        add_mail(people.session, key, **{**own, **values}, state=state, finished_at=at)

    start = MIDNIGHT - WEEK
    for number, at in enumerate((start - SECOND, start, MIDNIGHT - SECOND, MIDNIGHT)):
        mail(f"sent-{number}", "sent", at)
    mail("digest", "sent", start, kind="digest")
    mail("elsewhere", "sent", start, association=ELSEWHERE)
    mail("dropped", "dropped", start)
    mail("later", "failed", start + 2 * SECOND, last_error="No such mailbox", bounced=True)
    mail("earlier", "failed", start + SECOND, person_id=None, recipient="gone@example.org")
    week = count(people.session)
    assert week.mails_sent == 2
    unsent = FailedMail("", "gone@example.org", "", bounced=False)
    bounced = FailedMail("Alice", "alice@example.org", "No such mailbox", bounced=True)
    assert week.failed_mails == [unsent, bounced]
    assert (week.unsent, week.bounced) == ([unsent], [bounced])
    assert (
        count_week(people.session, IMAGINED, HERE, FIRST, MIDNIGHT - WEEK, recent_months=12).minutes
        == 0
    )


def test_applicants_are_those_of_the_association(people: CasePeople) -> None:
    for name, association in (("Alice", "NCIMHA"), ("Cora", "CT-AIMH")):
        applying = {"person_id": people.ids[name], "association": association, "category": "IFS"}
        insert_row(people.session, "application", **applying, opened_on=FIRST, state="open")
    week = count_week(people.session, REAL, "NCIMHA", MONDAY, WEDNESDAY, recent_months=12)
    assert [each.facts.person_id for each in week.applicants] == [people.ids["Alice"]]


def test_nights_and_earlier_digests_come_from_the_runs(people: CasePeople) -> None:
    def run(job: str, day: date, report: dict[str, object], association: str = HERE) -> None:
        row = RunRow(
            job=job,
            association=association,
            local_date=day,
            started_at=WEDNESDAY,
            finished_at=WEDNESDAY,
            report=json.dumps(report),
        )
        people.session.add(row)
        people.session.flush()

    figures: dict[str, object] = {"met": 3, "total": 9, "behind": 2}
    for weeks in range(6):
        run("digest", MONDAY - weeks * WEEK, {**figures, "met": weeks})
    run("digest", MONDAY - DAY, {CAUGHT_UP: "2026-11-23"})
    run("notices", MONDAY - 2 * DAY, figures)
    for day in (FIRST - DAY, FIRST, date(2026, 11, 25), date(2026, 11, 26)):
        run("evaluate", day, {CAUGHT_UP: "2026-11-27"})
    run("evaluate", LAST, {})
    run("evaluate", FIRST + DAY, {})
    run("notices", MONDAY, {})
    run("evaluate", MONDAY, {}, ELSEWHERE)
    week = count(people.session)
    assert (week.last_evaluation, week.missed_nights) == (LAST, 2)
    assert week.earlier == [
        WeekFigures(MONDAY - weeks * WEEK, weeks, 9, 2) for weeks in (4, 3, 2, 1)
    ]


def test_a_week_is_healthy_if_nothing_failed(people: CasePeople) -> None:
    counts = {"met": 3, "open": 4, "behind": 2, "no rules": 5}
    today = date(2026, 11, 25)
    bounced = FailedMail("Alice", "alice@example.org", "No such mailbox", bounced=True)
    week = replace(
        count(people.session),
        counts=counts,
        last_evaluation=today - DAY,
        failed_mails=[bounced],
    )
    assert (week.total, week.figures) == (9, WeekFigures(MONDAY, 3, 9, 2))
    assert week.figures.share == 3 / 9
    assert WeekFigures(MONDAY, 0, 0, 0).share == 0
    assert week.is_healthy
    key = RunKey("notices", HERE, LAST)
    record_failure(people.session, key, Failure("7", "Broken"), WEDNESDAY)
    [failure] = count(people.session).failures
    for change in (
        {"last_evaluation": None},
        {"last_evaluation": today - 2 * DAY},
        {"missed_nights": 1},
        {"failures": [failure]},
        {"failed_mails": [bounced._replace(bounced=False)]},
    ):
        assert not replace(week, **change).is_healthy
