"""Which reminders of a renewal a coordinator sees, and what became of each."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import REAL, CasePeople
from tests.services.evaluation.test_settlements import settle
from tests.support.timeline_items import make_email, make_notice
from tracker.rules.notice_config import LapseSteps, NoticeConfig, NoticeConfigs, RenewalSteps
from tracker.services.reminder_history import (
    Reminder,
    ReminderHistory,
    ReminderState,
    list_reminders,
)
from tracker.services.run_ledger import Failure, RunKey, record_failure
from tracker.services.timeline import DecidedNotice, SentEmail, TimelineItem, TimelineKind

DAY = timedelta(days=1)
TODAY, DUE, CYCLE = date(2026, 12, 15), date(2026, 12, 31), date(2026, 1, 1)
NOON = datetime(2026, 12, 15, 12, tzinfo=UTC)
STEPS = NoticeConfig(renewal=RenewalSteps(before=(30, 16, 15), after=(14,)))
CONFIGS = NoticeConfigs(NoticeConfig(), {"CT-AIMH": STEPS})


@pytest.fixture
def people(empty_session: Session) -> CasePeople:
    """Bob, and Alice, whose endorsement as ECFA has no renewal rules."""
    people = CasePeople(empty_session)
    people.add("Bob", ["CT-AIMH IFS 2015-03-01"])
    people.add("Alice", ["CT-AIMH ECFA 2015-03-01", "CT-AIMH IFS 2015-03-01"])
    return people


def histories(
    people: CasePeople,
    today: date = TODAY,
    items: Sequence[TimelineItem] = (),
    configs: NoticeConfigs = CONFIGS,
) -> list[ReminderHistory]:
    """What a coordinator in Connecticut sees of Alice; elsewhere it is another day."""
    days = dict.fromkeys(REAL.associations, today - 400 * DAY) | {"CT-AIMH": today}
    ids = [number for held, number in people.endorsements.items() if held.startswith("Alice")]
    return list_reminders(people.session, REAL, configs, days.__getitem__, items, ids)


def decided(number: int, step: int, message: str | None, **values: object) -> DecidedNotice:
    """A decision about Alice's renewal in Connecticut."""
    reason = None if message else "nothing is missing"
    own = {"decided_on": TODAY, "step": step, "reason": reason, "message_id": message}
    return make_notice(number, **own, **values)


def item(content: DecidedNotice | SentEmail) -> TimelineItem:
    return TimelineItem(NOON, TimelineKind.EMAIL, content, ())


def test_each_step_has_what_became_of_it(people: CasePeople) -> None:
    sent, failed, waiting = decided(1, -90, "<a>"), decided(2, -60, "<b>"), decided(3, -45, "<c>")
    skipped, deleted = decided(4, -30, None), decided(5, -50, "<d>")
    elsewhere = [
        decided(6, -16, None, association="NCIMHA"),
        decided(7, -16, None, category="IMHS"),
        decided(8, -16, None, cycle_starts_on=date(2025, 1, 1)),
    ]
    emails = [
        make_email(1, sent),
        make_email(2, failed, state="failed"),
        make_email(3, waiting, state="sending"),
    ]
    items = [item(each) for each in emails]
    items += [item(each) for each in (skipped, deleted, *elsewhere)]
    [history] = histories(people, TODAY, items)
    assert (history.standing.due_on, history.error) == (DUE, "")

    def step(
        days: int,
        state: ReminderState,
        notice: DecidedNotice | None = None,
        mail: SentEmail | None = None,
        kind: str = "renewal",
    ) -> Reminder:
        reason = notice.reason if notice else None
        return Reminder(kind, days, DUE, DUE + days * DAY, state, reason, notice, mail)

    assert history.reminders == [
        step(-90, ReminderState.SENT, sent, emails[0]),
        step(-60, ReminderState.FAILED, failed, emails[1]),
        step(-50, ReminderState.SENT, deleted),
        step(-45, ReminderState.WAITING, waiting, emails[2]),
        step(-30, ReminderState.SKIPPED, skipped),
        step(-16, ReminderState.UNDECIDED),
        step(-15, ReminderState.AHEAD),
        step(14, ReminderState.AHEAD),
        step(32, ReminderState.AHEAD, kind="lapse"),
    ]


def test_reminders_of_one_day_are_in_order_of_kind_and_date(people: CasePeople) -> None:
    configs = NoticeConfigs(NoticeConfig(renewal=RenewalSteps(after=(32,))))
    items = [
        item(decided(1, 32, None, kind="membership")),
        item(decided(2, 31, None, due_on=DUE + DAY)),
    ]
    [history] = histories(people, TODAY, items, configs)
    assert [(each.kind, each.due_on) for each in history.reminders] == [
        ("lapse", DUE),
        ("membership", DUE),
        ("renewal", DUE),
        ("renewal", DUE + DAY),
    ]
    quiet = NoticeConfigs(NoticeConfig(lapse=LapseSteps(notify=False)))
    [history] = histories(people, TODAY, (), quiet)
    assert history.reminders == []


@pytest.mark.parametrize(("today", "number"), [(date(2026, 3, 4), 2), (date(2026, 3, 5), 1)])
def test_the_renewal_before_is_shown_for_a_second_grace_period(
    people: CasePeople, today: date, number: int
) -> None:
    people.hold("Alice", "CT-AIMH ECFS 2015-03-01")
    found = [
        (each.standing.plan.category, each.standing.due_on) for each in histories(people, today)
    ]
    days = [DUE, date(2025, 12, 31)][:number]
    assert found == [(category, day) for category in ("ECFS", "IFS") for day in days]


def test_a_settled_renewal_has_no_reminders_ahead(people: CasePeople) -> None:
    today = date(2027, 2, 1)
    [_, history] = histories(people, today)
    assert [each.state for each in history.reminders] == [ReminderState.UNDECIDED] * 5
    held = people.endorsements["Alice: CT-AIMH IFS"]
    assert settle(people.session, held, since=date(2027, 1, 31)) == 1
    [_, history] = histories(people, today)
    assert history.reminders == []


def fail(session: Session, job: str, association: str, subject: str) -> None:
    key = RunKey(job, association, TODAY)
    record_failure(session, key, Failure(subject, f"{job} of {subject or 'all'}"), NOON)


def test_a_failed_decision_is_that_of_the_person(people: CasePeople) -> None:
    fail(people.session, "digest", "CT-AIMH", "")
    fail(people.session, "notices", "NCIMHA", "")
    fail(people.session, "notices", "CT-AIMH", "77")
    [history] = histories(people)
    assert history.error == ""
    fail(people.session, "notices", "CT-AIMH", str(people.ids["Alice"]))
    [history] = histories(people)
    assert history.error == f"notices of {people.ids['Alice']}"
    fail(people.session, "notices", "CT-AIMH", "")
    [history] = histories(people)
    assert history.error == "notices of all"
