"""Which notices an application calls for on a day, and which of them are skipped and why. Pure.

Only undecided applications have notices. A submitted one gets those about what it still lacks,
because the reviewers see it as of their own day.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from tracker.rules.application.candidate import Candidate
from tracker.rules.application.rsc import judge_rsc, last_day
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import (
    Cutoff,
    Decision,
    Key,
    Kind,
    decide_cutoff,
    decide_membership,
    due_steps,
)
from tracker.rules.standing import ApplicationStanding, Outcome, Result

_DAY = timedelta(days=1)


def decide_application(
    config: NoticeConfig,
    standing: ApplicationStanding,
    cutoffs: Iterable[Cutoff],
    decided: Mapping[Key, bool],
    as_of: date,
    *,
    asked_on: date | None = None,
) -> list[Decision]:
    """Every decision about one application that is due by ``as_of`` and not in ``decided``.

    ``decided`` holds the application's decisions, each with whether it was sent; ``asked_on`` is
    the day on which the last referee was asked.
    """
    if not standing.results:
        return []
    decisions = [
        *_decide_windows(config, standing, decided, as_of),
        *decide_membership(config, standing, decided, as_of),
        *_decide_references(config, standing, decided, as_of, asked_on),
    ]
    skipped = None
    if not _short_rsc(standing):
        skipped = "no more RSC hours are needed"
    for cutoff in cutoffs:
        decisions += decide_cutoff(config, standing, cutoff, decided, as_of, skipped=skipped)
    return decisions


def references_so_far(candidate: Candidate) -> tuple[int, int]:
    """How many references were received, and how many are outstanding."""
    received = sum(reference.received for reference in candidate.references)
    return received, len(candidate.references) - received


def _short_rsc(standing: ApplicationStanding) -> list[Result]:
    short = [r for r in standing.results if r.outcome is Outcome.SHORT]
    return [r for r in short if r.requirement.counts == "rsc"]


def _decide_windows(
    config: NoticeConfig,
    standing: ApplicationStanding,
    decided: Mapping[Key, bool],
    as_of: date,
) -> Iterator[Decision]:
    """About each RSC window that is open and short; hours inside others share their window."""
    windows = set()
    for result in _short_rsc(standing):
        if result.closes_on:
            requirement = result.requirement
            windows.add((requirement.rule.inside or requirement.id, result.closes_on))
    steps = [-days for days in config.rsc_window.before]
    reach = max(config.rsc_window.before, default=0)
    for requirement_id, closes_on in sorted(windows):
        skipped = None
        if _had_notice_before(requirement_id, closes_on, reach, decided):
            skipped = "a notice about an earlier window was sent recently"
        about = (Kind.RSC_WINDOW, requirement_id, closes_on)
        due = list(due_steps(config, about, steps, decided, as_of))
        # On most days no step is due, and nothing needs to be calculated.
        lacking = _find_lacking(standing, requirement_id, closes_on, as_of) if due else ()
        for key, late in due:
            yield Decision(standing, key, late or skipped, lacking=lacking)


def _had_notice_before(
    requirement_id: str, closes_on: date, reach: int, decided: Mapping[Key, bool]
) -> bool:
    """Whether a notice was sent about a window that closes at most ``reach`` days earlier.

    When a window has closed the next one takes its place, often only days later: without this, a
    session every two weeks would cause a mail every two weeks.
    """
    for key, was_sent in decided.items():
        is_about_it = key.kind is Kind.RSC_WINDOW and key.subject_key == requirement_id
        if was_sent and is_about_it and 0 < (closes_on - key.due_on).days <= reach:
            return True
    return False


def _find_lacking(
    standing: ApplicationStanding, requirement_id: str, closes_on: date, as_of: date
) -> tuple[Result, ...]:
    """What the open window is short of; the best window may be over, and lack less.

    Judged like the application, by only those sessions whose own windows reach its last day.
    """
    plan, candidate = standing.plan, standing.facts.candidate
    requirements = [r for r in plan.requirements if requirement_id in (r.id, r.rule.inside)]
    window = requirements[0].rule.window
    if window is None or window.months is None:
        return ()
    months = window.months
    sessions = [s for s in candidate.sessions if closes_on <= last_day(s.held_on, months)]
    results = judge_rsc(requirements, candidate._replace(sessions=tuple(sessions)), as_of)
    return tuple(r for r in results if r.outcome is Outcome.SHORT)


def _decide_references(
    config: NoticeConfig,
    standing: ApplicationStanding,
    decided: Mapping[Key, bool],
    as_of: date,
    asked_on: date | None,
) -> Iterator[Decision]:
    candidate = standing.facts.candidate
    since = max(asked_on or candidate.opened_on, candidate.opened_on)
    steps = config.references.tell_applicant_after_days
    for result in standing.results:
        if result.requirement.counts != "references":
            continue
        skipped = None
        if result.outcome is Outcome.NOT_NEEDED:
            skipped = "references are not needed"
        # Counted, not judged: the mail must not reveal what a referee wrote.
        elif references_so_far(candidate)[0] >= result.required:
            skipped = "as many references have come as are asked"
        about = (Kind.REFERENCES, "", since)
        for key, late in due_steps(config, about, steps, decided, as_of):
            yield Decision(standing, key, late or skipped)
