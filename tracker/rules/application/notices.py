"""Which notices an application calls for on a day, and which of them are skipped and why. Pure.

Only undecided applications have notices. A submitted one gets those about what it still lacks,
because the reviewers see it as of their own day.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from tracker.rules.application.references import judge_named_references
from tracker.rules.application.rsc import judge_rsc, last_day
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Cutoff, Decision, Key, Kind, NoticeBasis
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
    basis = NoticeBasis(config, standing, decided, as_of)
    decisions = [
        *_decide_windows(basis),
        *basis.decide_membership(),
        *_decide_references(basis, asked_on),
    ]
    skipped = None if _short_rsc(standing) else "no more RSC hours are needed"
    for cutoff in cutoffs:
        decisions += basis.decide_cutoff(cutoff, skipped)
    return decisions


def _short_rsc(standing: ApplicationStanding) -> list[Result]:
    short = [r for r in standing.results if r.outcome is Outcome.SHORT]
    return [r for r in short if r.requirement.counts == "rsc"]


def _decide_windows(basis: NoticeBasis[ApplicationStanding]) -> Iterator[Decision]:
    """About each RSC window that is open and short."""
    standing, before = basis.standing, basis.config.rsc_window.before
    if not before:
        return
    steps, reach = [-days for days in before], max(before)
    for requirement_id, closes_on in _list_open_windows(standing):
        skipped = None
        if _had_notice_before(requirement_id, closes_on, reach, basis.decided):
            skipped = "a notice about an earlier window was sent recently"
        about = (Kind.RSC_WINDOW, requirement_id, closes_on)
        due = list(basis.due_steps(about, steps))
        if not due:
            continue  # As on most days, on which nothing needs to be calculated.
        lacking = _find_lacking(basis, requirement_id, closes_on)
        for key, late in due:
            yield Decision(standing, key, late or skipped, lacking=lacking)


def _list_open_windows(standing: ApplicationStanding) -> list[tuple[str, date]]:
    """The last days of open windows, by requirement; hours inside others share their window."""
    windows = set()
    for result in _short_rsc(standing):
        if result.closes_on:
            requirement = result.requirement
            windows.add((requirement.rule.inside or requirement.id, result.closes_on))
    return sorted(windows)


def _had_notice_before(
    requirement_id: str, closes_on: date, reach: int, decided: Mapping[Key, object]
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
    basis: NoticeBasis[ApplicationStanding], requirement_id: str, closes_on: date
) -> tuple[Result, ...]:
    """What the open window is short of; the best window may be over, and lack less.

    Judged like the application, by only those sessions whose own windows reach its last day.
    """
    plan, candidate = basis.standing.plan, basis.standing.facts.candidate
    requirements = [r for r in plan.requirements if requirement_id in (r.id, r.rule.inside)]
    window = requirements[0].rule.window
    if window is None or window.months is None:
        return ()
    months = window.months
    sessions = [s for s in candidate.sessions if closes_on <= last_day(s.held_on, months)]
    results = judge_rsc(requirements, candidate._replace(sessions=tuple(sessions)), basis.as_of)
    return tuple(r for r in results if r.outcome is Outcome.SHORT)


def _decide_references(
    basis: NoticeBasis[ApplicationStanding], asked_on: date | None
) -> Iterator[Decision]:
    standing = basis.standing
    candidate = standing.facts.candidate
    since = max(asked_on or candidate.opened_on, candidate.opened_on)
    steps = basis.config.references.tell_applicant_after_days
    for result in standing.results:
        if result.requirement.counts != "references":
            continue
        rule = result.requirement.rule.references
        skipped = None
        if result.outcome is Outcome.NOT_NEEDED:
            skipped = "references are not needed"
        # By the roles in which referees were named: the mail must not reveal what they wrote.
        elif rule is None or not judge_named_references(result.requirement, rule, candidate).short:
            skipped = "as many references have come as are asked"
        about = (Kind.REFERENCES, "", since)
        for key, late in basis.due_steps(about, steps):
            yield Decision(standing, key, late or skipped)
