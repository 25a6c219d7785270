"""Which notices a renewal calls for on a day, and which of them are skipped and why. Pure.

Notices of applications (`tracker.rules.application.notices`) share the steps with them. A *step*
is a number of days from the date that a notice is about (negative: before it). Of several steps
reached since the last run, only the latest is sent: after an outage nobody gets the backlog.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from tracker.formatting import format_count
from tracker.rules.absence_rules import ABSENCE_WORDS
from tracker.rules.absences import find_absence, find_effect, list_counted
from tracker.rules.counting import is_covered
from tracker.rules.cycles import Cycle
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.providers import Ending
from tracker.rules.standing import (
    Absence,
    AnyStanding,
    ApplicationStanding,
    Outcome,
    Result,
    Span,
    Standing,
    Status,
    lasts_for_life,
    list_short,
)
from tracker.rules.way_notices import (
    WayKind,
    WayNotice,
    list_term_notices,
    list_way_notices,
)

_DAY = timedelta(days=1)
StandingT = TypeVar("StandingT", Standing, ApplicationStanding)
_NOT_REQUIRED = (Outcome.WAIVED, Outcome.EXCUSED, Outcome.NOT_NEEDED)


class Kind(StrEnum):
    """What a notice is about; only an application has an RSC window and references."""

    RENEWAL = "renewal"
    LAPSE = "lapse"
    MEMBERSHIP = "membership"
    CUTOFF = "provider cutoff"
    RSC_WINDOW = "rsc window"
    REFERENCES = "references"
    WINDOW_OPENS = WayKind.WINDOW_OPENS.value
    WINDOW_CLOSES = WayKind.WINDOW_CLOSES.value
    ABSENCE_ENDS = WayKind.ABSENCE_ENDS.value
    TERM_ENDS = WayKind.TERM_ENDS.value


class Key(NamedTuple):
    """What identifies a decision within one endorsement or application; it is decided only once.

    ``subject_key`` is the cycle's first day for the renewal itself: two renewals may be due on
    one day, if the older one was extended. For a cutoff it is the provider's id, for an RSC
    window the requirement's id, otherwise empty.
    """

    kind: Kind
    subject_key: str
    due_on: date
    step: int


class Cutoff(NamedTuple):
    """A provider with recent sessions, of ``minutes``, whose sessions stop counting."""

    provider_id: int
    provider_name: str
    ending: Ending
    minutes: int


class Decision(NamedTuple):
    """A step, and why it is skipped (None: it is sent).

    ``lacking`` is what an application's open RSC window is short of.
    """

    standing: AnyStanding
    key: Key
    skipped: str | None
    cutoff: Cutoff | None = None
    lacking: tuple[Result, ...] = ()

    @property
    def is_about_application(self) -> bool:
        """Whether it is about an application; otherwise about a renewal."""
        return isinstance(self.standing, ApplicationStanding)

    @property
    def renewal(self) -> Standing:
        """The standing of the renewal, for a decision that is about one."""
        if not isinstance(self.standing, Standing):
            raise TypeError(self.key)
        return self.standing

    @property
    def application(self) -> ApplicationStanding:
        """The standing of the application, for a decision that is about one."""
        if not isinstance(self.standing, ApplicationStanding):
            raise TypeError(self.key)
        return self.standing

    @property
    def subject(self) -> tuple[bool, int]:
        """What its key is unique within: one application, or one endorsement."""
        return self.is_about_application, self.standing.facts.subject_id


@dataclass(frozen=True, slots=True)
class NoticeBasis(Generic[StandingT]):
    """What the notices of one renewal or application follow from.

    ``decided`` holds the decisions on record: of a renewal with the first day of its cycle, of an
    application with whether it was sent.
    """

    config: NoticeConfig
    standing: StandingT
    decided: Mapping[Key, object]
    as_of: date

    def due_steps(
        self, about: tuple[Kind, str, date], steps: Iterable[int]
    ) -> Iterator[tuple[Key, str | None]]:
        """The steps reached and not yet decided, each with why it is skipped (None: the latest).

        A step is days after the date of ``about``, or before it if negative. One of 0 or less is
        skipped once that date has passed, so a notice that a missed night must not lose has a
        step above 0.
        """
        due_on, as_of = about[2], self.as_of
        reached = [Key(*about, step) for step in sorted(steps) if due_on + step * _DAY <= as_of]
        for key in reached:
            if key in self.decided:
                continue
            late = (as_of - due_on).days - key.step
            if key != reached[-1]:
                yield key, "a later step was due as well"
            elif key.step <= 0 and as_of > due_on:
                yield key, "the day that it is about has passed"
            elif key.step > 0 and late > self.config.too_late_after_days:
                yield key, f"it fell due {format_count(late, 'day')} ago"
            else:
                yield key, None

    def decide_membership(self, skipped: str | None = None) -> Iterator[Decision]:
        """The decisions due about a required membership; ``skipped`` says why none is sent."""
        standing = self.standing
        until = standing.covered_until or last_membership(standing, self.as_of)
        for result in standing.results:
            is_membership = result.requirement.counts == "membership"
            if not is_membership or until is None or lasts_for_life(until):
                continue
            quiet = _skip_membership(standing, until)
            if result.outcome in _NOT_REQUIRED:
                quiet = f"membership is {result.outcome}"
            quiet = skipped or quiet
            about = (Kind.MEMBERSHIP, "", until)
            for key, late in self.due_steps(about, self.config.membership.steps):
                yield Decision(standing, key, late or quiet)

    def decide_cutoff(self, cutoff: Cutoff, skipped: str | None) -> Iterator[Decision]:
        """The decisions due about one provider; ``skipped`` says why none is sent."""
        last = cutoff.ending.last_day
        if self.as_of > last:
            return
        steps = [-days for days in self.config.provider_cutoff.before]
        about = (Kind.CUTOFF, str(cutoff.provider_id), last)
        for key, late in self.due_steps(about, steps):
            yield Decision(self.standing, key, late or skipped, cutoff)


def last_membership(standing: AnyStanding, as_of: date) -> date | None:
    """The last day of the latest accepted membership that ended before ``as_of``."""
    ended = [s.ends_on for s in standing.facts.memberships if s.ends_on < as_of]
    return max(ended, default=None)


def find_next_membership(standing: AnyStanding, after: date) -> Span | None:
    """The first accepted membership on record that begins later than the day ``after``."""
    later = [span for span in standing.facts.memberships if span.starts_on > after]
    return min(later, default=None)


def _skip_membership(standing: AnyStanding, until: date) -> str | None:
    """Why nobody needs to hear that the membership ends on ``until``: the next one is on record.

    A gap is not overlooked if it is longer than the cycle's grace period, or includes the cycle's
    last day, on which the membership is checked. An application has no such days. Memberships with
    a gap within their own grace period count as one, which ends with the last of them.
    """
    following = find_next_membership(standing, until)
    cycle = standing.plan.cycle if isinstance(standing, Standing) else None
    if following is None or cycle is None:
        return None
    is_short = (following.starts_on - until).days - 1 <= cycle.count_grace_days(cycle.due_on)
    if not is_short or until < cycle.ends_on < following.starts_on:
        return None
    return _format_next_term(following)


def _format_next_term(span: Span) -> str:
    return f"the next membership, from {span.starts_on}, is on record"


def decide(
    config: NoticeConfig,
    standing: Standing,
    cutoffs: Iterable[Cutoff],
    decided: Mapping[Key, date],
    as_of: date,
) -> list[Decision]:
    """Every decision about one renewal that is due by ``as_of`` and not in ``decided``.

    ``decided`` holds the endorsement's decisions, each with the first day of its cycle.

    Only people whom `tracker.services.notices.list_people_to_consider` lists are considered. A new
    kind needs a condition there, or most of its notices are never decided.
    """
    basis = NoticeBasis(config, standing, decided, as_of)
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None:
        return []
    decisions: list[Decision] = []
    if due_on is not None:
        quiet = _skip_inactive(standing, due_on, as_of) or _skip_renewal(standing)
        decisions += _decide_reminders(basis, cycle, due_on, quiet)
        if standing.status is Status.LAPSED and config.lapse.notify:
            about = (Kind.LAPSE, cycle.starts_on.isoformat(), due_on)
            for key, late in basis.due_steps(about, [cycle.count_grace_days(due_on) + 1]):
                decisions.append(Decision(standing, key, late or quiet))
        decisions += _decide_way(basis, list_way_notices(config, standing, as_of), quiet)
    # The membership and the providers of an old cycle are also the new cycle's: it has the notice.
    if as_of <= cycle.ends_on:
        decisions += _decide_for_cycle(basis, cutoffs)
    return decisions


def decide_term(
    config: NoticeConfig, standing: Standing, decided: Mapping[Key, date], as_of: date
) -> list[Decision]:
    """The decisions due about a limited term, of an endorsement that ends before it is due."""
    basis = NoticeBasis(config, standing, decided, as_of)
    return [*_decide_way(basis, list_term_notices(config, standing), None)]


def _decide_way(
    basis: NoticeBasis[Standing], notices: Iterable[WayNotice], quiet: str | None
) -> Iterator[Decision]:
    """What is decided about windows, days away, and limited terms; ``quiet`` is of windows."""
    windows = (WayKind.WINDOW_OPENS, WayKind.WINDOW_CLOSES)
    for notice in notices:
        about = (Kind(notice.kind.value), notice.subject_key, notice.day)
        skipped = notice.skipped or (quiet if notice.kind in windows else None)
        for key, late in basis.due_steps(about, notice.steps):
            yield Decision(basis.standing, key, late or skipped)


def _decide_for_cycle(
    basis: NoticeBasis[Standing], cutoffs: Iterable[Cutoff]
) -> Iterator[Decision]:
    """What is decided about a membership and providers while hours can still be logged."""
    standing = basis.standing
    away = find_inactive(standing, basis.as_of)
    yield from basis.decide_membership(_skip_membership_away(standing, away))
    for cutoff in cutoffs:
        skipped = _describe_inactive(away) if away else _skip_cutoff(standing, cutoff)
        yield from basis.decide_cutoff(cutoff, skipped)


def find_inactive(standing: Standing, day: date) -> Absence | None:
    """The inactive or emeritus status of an endorsement on a day, as far as it counts."""
    inactive = [each for each in standing.facts.leaves if each.kind != "leave"]
    if not inactive:
        return None
    return find_absence(list_counted(standing.plan.rulebook, inactive), day)


def _describe_inactive(absence: Absence) -> str:
    return f"the endorsement is {ABSENCE_WORDS[absence.kind]}"


def _skip_inactive(standing: Standing, due_on: date, as_of: date) -> str | None:
    """Why an inactive endorsement needs no reminder: its renewal is due only afterwards.

    If it is due before, and something is still missing, it would lapse without a word.
    """
    inactive = find_inactive(standing, as_of)
    return _describe_inactive(inactive) if inactive and inactive.ends_on < due_on else None


def _skip_membership_away(standing: Standing, inactive: Absence | None) -> str | None:
    """Why nobody needs to hear about a membership: none is required while inactive."""
    facts, due_on = standing.facts, standing.due_on
    if inactive is None or due_on is None:
        return None
    effect = find_effect(standing.plan, facts.leaves, facts.starts_on, due_on)
    is_excused = is_covered(effect.without_membership, inactive.starts_on)
    for result in standing.results:
        is_excused |= result.requirement.counts == "membership" and (
            result.requirement.id in effect.excused
        )
    return _describe_inactive(inactive) if is_excused else None


def _skip_renewal(standing: Standing) -> str | None:
    if standing.status is Status.MET:
        return "every requirement is met"
    if standing.status is Status.EXCUSED:
        return _describe_excuse(standing)
    if standing.facts.submitted is not None and not list_short(standing):
        return "the renewal is submitted, and waits for the association"
    return _skip_covered(standing)


def _describe_excuse(standing: Standing) -> str:
    due_on = standing.due_on
    absence = find_absence(standing.facts.leaves, due_on) if due_on else None
    if absence is None:
        return "excused in this cycle"
    return f"{ABSENCE_WORDS[absence.kind]} on the due date"


def _skip_covered(standing: Standing) -> str | None:
    """Why a renewal needs no reminder whose membership on record begins by the cycle's last day."""
    cycle = standing.plan.cycle
    if cycle is None or standing.covered_until is not None:
        return None
    for result in standing.results:
        is_membership = result.requirement.counts == "membership"
        # More than one day is short if past years are: nothing on record changes those.
        if result.outcome is Outcome.SHORT and not (is_membership and result.short == 1):
            return None
    covering = [s for s in standing.facts.memberships if s.starts_on <= cycle.ends_on <= s.ends_on]
    return _format_next_term(covering[0]) if covering else None


def _decide_reminders(
    basis: NoticeBasis[Standing], cycle: Cycle, due_on: date, quiet: str | None
) -> Iterator[Decision]:
    standing = basis.standing
    was_moved = _was_moved(due_on, cycle.starts_on, basis.decided)
    about = (Kind.RENEWAL, cycle.starts_on.isoformat(), due_on)
    for key, late in basis.due_steps(about, basis.config.renewal.steps):
        skipped = late or quiet
        if skipped is None and standing.status is Status.LAPSED:
            skipped = "the renewal has lapsed, which has a notice of its own"
        elif skipped is None and was_moved and due_on + key.step * _DAY < basis.as_of:
            # A changed deadline is no reason to repeat a notice. A step whose day comes after the
            # change is not a repetition.
            skipped = "the due date was moved; the next step follows"
        yield Decision(standing, key, skipped)


def _was_moved(due_on: date, cycle_starts_on: date, decided: Mapping[Key, object]) -> bool:
    """Whether this renewal had notices under another due date, and none yet under this one."""
    due_dates = set()
    for key, starts_on in decided.items():
        if key.kind is Kind.RENEWAL and starts_on == cycle_starts_on:
            due_dates.add(key.due_on)
    return bool(due_dates) and due_on not in due_dates


def _skip_cutoff(standing: Standing, cutoff: Cutoff) -> str | None:
    for result in standing.results:
        is_whole = result.requirement.counts == "rsc" and not result.requirement.is_part
        if is_whole and result.outcome is Outcome.WAIVED:
            return "RSC is waived"
    ends_on = standing.facts.ends_on
    if ends_on and ends_on <= cutoff.ending.last_day:
        return "the endorsement ends before"
    return None
