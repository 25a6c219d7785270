"""Which reminders a renewal had, will have, or did not get, and why."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlmodel import Session

from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.notice_config import NoticeConfig, NoticeConfigs
from tracker.rules.notices import Kind
from tracker.rules.standing import Standing
from tracker.services.evaluation import DayOf, judge_current
from tracker.services.run_ledger import list_failures
from tracker.services.timeline import DecidedNotice, SentEmail, TimelineItem, list_noticed

_DAY = timedelta(days=1)


class ReminderState(StrEnum):
    """What became of one step of a notice."""

    SENT = "sent"
    WAITING = "waiting"
    FAILED = "failed"
    SKIPPED = "skipped"
    AHEAD = "ahead"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One step of one notice. ``planned_on`` is its day; ``due_on`` the date that it is about.

    ``reason`` says why it was skipped. ``notice`` is None before it is decided, ``email`` unless
    one was written.
    """

    kind: str
    step: int
    due_on: date
    planned_on: date
    state: ReminderState
    reason: str | None = None
    notice: DecidedNotice | None = None
    email: SentEmail | None = None


@dataclass(frozen=True, slots=True)
class ReminderHistory:
    """The reminders of one renewal, by day.

    ``error`` is why the last attempt to decide failed, or empty.
    """

    standing: Standing
    reminders: Sequence[Reminder]
    error: str


def list_reminders(
    session: Session,
    rulebooks: Rulebooks,
    configs: NoticeConfigs,
    day_of: DayOf,
    items: Sequence[TimelineItem],
    endorsement_ids: Collection[int],
) -> list[ReminderHistory]:
    """The reminders of each endorsement's current renewal, and of the one before if it is open.

    They are in order of association and category, the newest renewal first.
    ``items`` are the timeline of the person whose ``endorsement_ids`` these are.
    """
    noticed = list_noticed(items)
    histories = []
    standings = judge_current(session, rulebooks, day_of, endorsement_ids=endorsement_ids)
    for standing in sorted(standings, key=_get_place):
        cycle, due_on = standing.plan.cycle, standing.due_on
        if cycle is None or due_on is None:
            continue
        today = day_of(standing.plan.association)
        grace_days = cycle.count_grace_days(due_on)
        if cycle.grace_ends_on(due_on) < today - timedelta(days=grace_days + 1):
            continue
        own = [each for each in noticed if is_about(each[0], standing)]
        reminders = [_view_decided(notice, email) for notice, email in own]
        if standing.settled_on is None:
            steps = _list_steps(configs.of(standing.plan.association), cycle, due_on)
            reminders += _list_undecided(steps, due_on, [notice for notice, _ in own], today)
        reminders.sort(key=lambda reminder: (reminder.planned_on, reminder.kind, reminder.due_on))
        error = _find_error(session, standing)
        histories.append(ReminderHistory(standing, reminders, error))
    return histories


def _get_place(standing: Standing) -> tuple[str, str, int]:
    due_on = standing.due_on or date.max
    return standing.plan.association, standing.plan.category, -due_on.toordinal()


def is_about(notice: DecidedNotice, standing: Standing) -> bool:
    """Whether a notice is about the renewal of a standing."""
    cycle = standing.plan.cycle
    names = (standing.plan.association, standing.plan.category)
    return cycle is not None and (
        (notice.association, notice.category) == names and notice.cycle_starts_on == cycle.starts_on
    )


def _view_decided(notice: DecidedNotice, email: SentEmail | None) -> Reminder:
    state = ReminderState.SKIPPED if notice.message_id is None else ReminderState.SENT
    if email is not None:
        states = {"sent": ReminderState.SENT, "failed": ReminderState.FAILED}
        state = states.get(email.state, ReminderState.WAITING)
    planned_on = notice.due_on + notice.step * _DAY
    return Reminder(
        notice.kind, notice.step, notice.due_on, planned_on, state, notice.reason, notice, email
    )


def _list_undecided(
    steps: Iterable[tuple[str, int]],
    due_on: date,
    notices: Iterable[DecidedNotice],
    today: date,
) -> Iterator[Reminder]:
    """The steps toward the due date that are not decided: most are ahead."""
    decided = {(notice.kind, notice.due_on, notice.step) for notice in notices}
    for kind, step in steps:
        planned_on = due_on + step * _DAY
        if (kind, due_on, step) not in decided:
            state = ReminderState.AHEAD if planned_on > today else ReminderState.UNDECIDED
            yield Reminder(kind, step, due_on, planned_on, state)


def _list_steps(config: NoticeConfig, cycle: Cycle, due_on: date) -> list[tuple[str, int]]:
    """The kind and the days from the due date of each reminder of a renewal."""
    steps = [(Kind.RENEWAL.value, step) for step in config.renewal.steps]
    if config.lapse.notify:
        steps.append((Kind.LAPSE.value, cycle.count_grace_days(due_on) + 1))
    return steps


def _find_error(session: Session, standing: Standing) -> str:
    """Why the notices job failed for the person at its last attempt; empty if it did not."""
    subjects = {"", str(standing.facts.person_id)}
    for failure in list_failures(session, standing.plan.association):
        if failure.job == "notices" and failure.subject in subjects:
            return failure.error
    return ""
