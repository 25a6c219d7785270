"""Which notices a renewal calls for on a day, and which of them are skipped and why. Pure.

What they share with an application's (`tracker.rules.application.notices`) is here, too. A *step*
is a number of days from the date that a notice is about (negative: before it). Of several steps
that were reached since the last look, only the latest is sent: after an outage nobody gets the
backlog.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.notice_config import NoticeConfig
from tracker.rules.providers import Ending
from tracker.rules.standing import Outcome, Result, Standing, Status

_DAY = timedelta(days=1)
_NOT_ASKED = (Outcome.WAIVED, Outcome.EXCUSED, Outcome.NOT_NEEDED)


class Kind(StrEnum):
    """What a notice is about."""

    RENEWAL = "renewal"
    LAPSE = "lapse"
    MEMBERSHIP = "membership"
    CUTOFF = "provider cutoff"
    # An application's only.
    RSC_WINDOW = "rsc window"
    REFERENCES = "references"


class Key(NamedTuple):
    """What identifies a decision within one endorsement or application; taken once, for ever.

    ``subject_key`` is the cycle's first day where the renewal itself is meant: two renewals may
    fall due on one day, when the older one was extended. For a cutoff it is the provider's id,
    for an RSC window the requirement's.
    """

    kind: Kind
    subject_key: str
    due_on: date
    step: int


class Cutoff(NamedTuple):
    """A provider lately seen whose sessions stop counting: ``minutes`` counted in this cycle."""

    provider_id: int
    provider_name: str
    ending: Ending
    minutes: int


class Decision(NamedTuple):
    """A step, and why it is skipped (None: it is sent).

    ``lacking`` is what an application's open RSC window is short of, in the measure of `Result`.
    """

    standing: Standing
    key: Key
    skipped: str | None
    cutoff: Cutoff | None = None
    lacking: tuple[Result, ...] = ()

    @property
    def is_about_application(self) -> bool:
        """Whether it is about an application; else about a renewal."""
        return self.standing.facts.candidate is not None

    @property
    def subject(self) -> tuple[bool, int]:
        """What its key is unique within: one application, or one endorsement."""
        return self.is_about_application, self.standing.facts.subject_id


def decide(
    config: NoticeConfig,
    standing: Standing,
    cutoffs: Iterable[Cutoff],
    decided: Mapping[Key, date],
    as_of: date,
    *,
    judged_from: date | None = None,
) -> list[Decision]:
    """Every decision about one renewal that is due by ``as_of`` and not in ``decided``.

    ``decided`` holds the endorsement's decisions, with the first day of the cycle of each.
    Renewals due before ``judged_from`` are not told of: their records are not all here.
    """
    if standing.due_on is None or standing.plan.cycle is None:
        return []
    decisions = [
        *_about_renewal(config, standing, decided, as_of, judged_from),
        *about_membership(config, standing, decided, as_of),
    ]
    # An old cycle's provider is the new cycle's, too: told of once, there.
    if as_of <= standing.plan.cycle.ends_on:
        for cutoff in cutoffs:
            quiet = _why_cutoff_is_quiet(standing, cutoff)
            decisions += about_cutoff(config, standing, cutoff, decided, as_of, quiet=quiet)
    return decisions


def _why_cutoff_is_quiet(standing: Standing, cutoff: Cutoff) -> str | None:
    if any(r.requirement.counts == "rsc" and r.outcome is Outcome.WAIVED for r in standing.results):
        return "RSC is waived"
    ends_on = standing.facts.ends_on
    return "the endorsement ends before" if ends_on and ends_on <= cutoff.ending.last_day else None


def last_membership(standing: Standing, as_of: date) -> date | None:
    """The last day of the latest accepted membership that ended before ``as_of``."""
    ended = [s.ends_on for s in standing.facts.memberships if s.ends_on < as_of]
    return max(ended, default=None)


def _about_renewal(
    config: NoticeConfig,
    standing: Standing,
    decided: Mapping[Key, date],
    as_of: date,
    judged_from: date | None,
) -> Iterator[Decision]:
    due_on, cycle = standing.due_on, standing.plan.cycle
    if due_on is None or cycle is None:
        return
    steps = [-d for d in config.renewal.before] + list(config.renewal.after)
    last = cycle.grace_days + 1
    quiet = _why_renewal_is_quiet(standing, judged_from)
    lapsed = standing.status is Status.LAPSED
    moved = _was_moved(due_on, cycle.starts_on, decided)
    subject = cycle.starts_on.isoformat()
    for key, why in due_steps(config, (Kind.RENEWAL, subject, due_on), steps, decided, as_of):
        skipped = why or quiet
        if skipped is None and lapsed:
            skipped = "the renewal has lapsed, which has a notice of its own"
        if skipped is None and moved and due_on + key.step * _DAY < as_of:
            # A changed deadline is no reason to repeat what was said; a step whose day comes
            # after the change is none of what was said.
            skipped = "the due date was moved; the next step follows"
        yield Decision(standing, key, skipped)
    if config.lapse.notify and lapsed:
        for key, why in due_steps(config, (Kind.LAPSE, subject, due_on), [last], decided, as_of):
            yield Decision(standing, key, why or quiet)


def _was_moved(due_on: date, cycle_starts_on: date, decided: Mapping[Key, date]) -> bool:
    """Whether this renewal was told of under another due date, and not yet under this one."""
    told = {
        key.due_on
        for key, starts_on in decided.items()
        if key.kind is Kind.RENEWAL and starts_on == cycle_starts_on
    }
    return bool(told) and due_on not in told


def _why_renewal_is_quiet(standing: Standing, judged_from: date | None) -> str | None:
    if standing.status is Status.MET:
        return "every requirement is met"
    if standing.status is Status.EXCUSED:
        return "on leave on the due date"
    if judged_from and standing.due_on and standing.due_on < judged_from:
        return f"renewals due before {judged_from} are not judged"
    return None


def about_membership(
    config: NoticeConfig, standing: Standing, decided: Collection[Key], as_of: date
) -> Iterator[Decision]:
    """The decisions due by ``as_of`` about the membership that a renewal or application asks."""
    result = next((r for r in standing.results if r.requirement.counts == "membership"), None)
    cycle = standing.plan.cycle
    if result is None or cycle is None or as_of > cycle.ends_on:
        return
    until = standing.covered_until or last_membership(standing, as_of)
    if until is None:
        return
    steps = [-d for d in config.membership.before] + [1] * config.membership.on_lapse
    quiet = f"membership is {result.outcome}" if result.outcome in _NOT_ASKED else None
    for key, why in due_steps(config, (Kind.MEMBERSHIP, "", until), steps, decided, as_of):
        yield Decision(standing, key, why or quiet)


def about_cutoff(
    config: NoticeConfig,
    standing: Standing,
    cutoff: Cutoff,
    decided: Collection[Key],
    as_of: date,
    *,
    quiet: str | None,
) -> Iterator[Decision]:
    """The decisions due by ``as_of`` about one provider; ``quiet`` says why none is sent."""
    last = cutoff.ending.last_day
    if as_of > last:
        return
    about = (Kind.CUTOFF, str(cutoff.provider_id), last)
    steps = [-d for d in config.provider_cutoff.before]
    for key, why in due_steps(config, about, steps, decided, as_of):
        yield Decision(standing, key, why or quiet, cutoff)


def due_steps(
    config: NoticeConfig,
    about: tuple[Kind, str, date],
    steps: Sequence[int],
    decided: Collection[Key],
    as_of: date,
) -> Iterator[tuple[Key, str | None]]:
    """The steps reached and not decided, each with why it is skipped: None for the latest."""
    due_on = about[2]
    reached = [Key(*about, step) for step in sorted(steps) if due_on + step * _DAY <= as_of]
    for key in reached:
        if key in decided:
            continue
        late = (as_of - due_on).days - key.step
        if key != reached[-1]:
            yield key, "a later step was due as well"
        elif key.step <= 0 and as_of > due_on:
            yield key, "the day that it is about has passed"
        elif key.step > 0 and late > config.too_late_after_days:
            yield key, f"it fell due {late} days ago"
        else:
            yield key, None
