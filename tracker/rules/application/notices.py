"""Which notices an application calls for on a day, and which of them are skipped and why. Pure.

Only of one that is not decided: whoever judges gives no other. A submitted one is told of what it
still lacks, since the reviewers see it as of their own day, and of nothing that is complete.
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
    about_cutoff,
    about_membership,
    due_steps,
)
from tracker.rules.standing import Outcome, Result, Standing

_DAY = timedelta(days=1)


def decide_application(
    config: NoticeConfig,
    standing: Standing,
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
    candidate = standing.facts.candidate
    if candidate is None or not standing.results:
        return []
    decisions = [
        *_about_windows(config, standing, candidate, decided, as_of),
        *about_membership(config, standing, decided, as_of),
        *_about_references(config, standing, candidate, decided, as_of, asked_on),
    ]
    quiet = None if _is_rsc_short(standing) else "no more RSC hours are needed"
    for cutoff in cutoffs:
        decisions += about_cutoff(config, standing, cutoff, decided, as_of, quiet=quiet)
    return decisions


def references_so_far(candidate: Candidate) -> tuple[int, int]:
    """How many references were received, and how many are waited for."""
    received = sum(r.received for r in candidate.references)
    return received, len(candidate.references) - received


def _is_rsc_short(standing: Standing) -> bool:
    return any(
        r.requirement.counts == "rsc" and r.outcome is Outcome.SHORT for r in standing.results
    )


def _about_windows(
    config: NoticeConfig,
    standing: Standing,
    candidate: Candidate,
    decided: Mapping[Key, bool],
    as_of: date,
) -> Iterator[Decision]:
    """About each RSC window that is open and short; hours inside others share theirs."""
    short = {
        (r.requirement.rule.inside or r.requirement.id, r.closes_on)
        for r in standing.results
        if r.requirement.counts == "rsc" and r.outcome is Outcome.SHORT
    }
    steps = [-d for d in config.rsc_window.before]
    for requirement, closes_on in sorted((name, day) for name, day in short if day):
        quiet = _why_window_is_quiet(requirement, closes_on, steps, decided)
        about = (Kind.RSC_WINDOW, requirement, closes_on)
        found = list(due_steps(config, about, steps, decided, as_of))
        # Worked out for few: on most days no step has come.
        lacking = _lacking(standing, candidate, requirement, closes_on, as_of) if found else ()
        for key, why in found:
            yield Decision(standing, key, why or quiet, lacking=lacking)


def _why_window_is_quiet(
    requirement: str, closes_on: date, steps: Iterable[int], decided: Mapping[Key, bool]
) -> str | None:
    """Once a window has closed the next one takes its place, often by days only.

    Whoever was told of one is not told of those that close within its first step's time after:
    a session every fortnight would else bring a mail every fortnight, for ever.
    """
    reach = max((-step for step in steps), default=0) * _DAY
    told = (
        k.due_on
        for k, sent in decided.items()
        if sent and k.kind is Kind.RSC_WINDOW and k.subject_key == requirement
    )
    if any(day < closes_on <= day + reach for day in told):
        return "a window that closed shortly before was told of"
    return None


def _lacking(
    standing: Standing, candidate: Candidate, requirement: str, closes_on: date, as_of: date
) -> tuple[Result, ...]:
    """What the open window is short of: the best one may be over, and lack less.

    The same judgment, of only those sessions whose own windows reach to its last day.
    """
    requirements = [a for a in standing.plan.requirements if requirement in (a.id, a.rule.inside)]
    window = next((a.rule.window for a in requirements if a.id == requirement), None)
    if window is None or window.months is None:
        return ()
    inside = tuple(s for s in candidate.sessions if closes_on <= last_day(s.held_on, window.months))
    results = judge_rsc(requirements, candidate._replace(sessions=inside), as_of)
    return tuple(r for r in results if r.outcome is Outcome.SHORT)


def _about_references(
    config: NoticeConfig,
    standing: Standing,
    candidate: Candidate,
    decided: Mapping[Key, bool],
    as_of: date,
    asked_on: date | None,
) -> Iterator[Decision]:
    result = next((r for r in standing.results if r.requirement.counts == "references"), None)
    if result is None:
        return
    since = max(asked_on or candidate.opened_on, candidate.opened_on)
    quiet = None
    if result.outcome is Outcome.NOT_NEEDED:
        quiet = "references are not needed"
    # Counted, not judged: what a referee said must not be read from a mail's coming.
    elif references_so_far(candidate)[0] >= result.required:
        quiet = "as many references have come as are asked"
    steps = config.references.tell_applicant_after_days
    about = (Kind.REFERENCES, "", since)
    for key, why in due_steps(config, about, steps, decided, as_of):
        yield Decision(standing, key, why or quiet)
