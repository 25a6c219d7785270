"""What an applicant is told of references: how many came and are waited for, and nothing else.

The rule judges what referees wrote (who denied a role, who is endorsed), and a referee is promised
that only the association reads that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session

from tracker.formatting import capitalize_first, format_date, format_hours_with_unit, format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.application.candidate import Candidate
from tracker.rules.application.notices import references_so_far
from tracker.rules.application.wording import (
    NO_INITIAL_RULES,
    format_months,
    format_progress,
    format_short,
    labels,
    lower,
    missing_results,
    review_results,
    tally,
)
from tracker.rules.model import Advice, Rulebook
from tracker.rules.plan import PlannedRequirement
from tracker.rules.standing import Outcome, Remark, Result, Standing, Status
from tracker.services.applications import Applied, standings_of
from tracker.services.evaluation import days_at
from tracker.services.uncounted import Uncounted, belongs_to, with_uncounted

_ASK = "Your coordinator can tell you what is still needed"


def for_applicant(standing: Standing) -> Standing:
    """The standing with each references requirement counted by what came, not by what it says."""
    candidate = standing.facts.candidate
    if candidate is None:
        return standing
    results = tuple(
        _told(result, candidate) if is_references(result) else result for result in standing.results
    )
    return standing._replace(results=results)


def is_references(result: Result) -> bool:
    """Whether a requirement asks for references."""
    return result.requirement.counts == "references"


def format_received(result: Result) -> str:
    """How far it is for the applicant: ``2 of 3 received``."""
    return f"{result.counted} of {result.required} received"


def _told(result: Result, candidate: Candidate) -> Result:
    received, waiting = references_so_far(candidate)
    counted = min(received, result.required)
    short = result.required - counted
    note = f"{received} received, {waiting} waiting"
    if result.outcome is Outcome.SHORT and not short:
        note += f". {_ASK}"
    return result._replace(counted=counted, short=short, note=note)


Tone = Literal["good", "plain", "warm"]
NO_RULES = f"{capitalize_first(NO_INITIAL_RULES)}."
STATUS_WORDS = {
    Status.READY: "ready",
    Status.NEEDS_REVIEW: "needs review",
    Status.NOT_READY: "not ready",
    Status.NO_RULES: "no rules",
}
# How the rules end a reason that does not rule something out.
_IF_AGREED = "if the reviewers agree"


def format_headline(standing: Standing) -> str:
    """Where the application stands, in one sentence: status, how much is done, what comes next."""
    count = tally(standing)
    if standing.status is Status.NO_RULES:
        return NO_RULES
    if standing.status is Status.READY:
        return f"Ready: all {count.of} are done."
    if standing.status is Status.NEEDS_REVIEW:
        rest = "1 is" if count.review == 1 else f"{count.review} are"
        return f"Needs review: {count} done, {rest} for the reviewers."
    return f"Not ready: {count} done, {lower(_next(standing).requirement.label)} next."


def format_lead(standing: Standing) -> str:
    """What is missing, and what is for the reviewers; empty where the headline says it all."""
    if standing.status is Status.NO_RULES:
        return "So nothing is asked here, and nothing is guessed. What is logged is kept."
    sentences = []
    if missing := missing_results(standing):
        sentences.append(f"Missing: {format_missing(standing, most=len(missing))}.")
    if review := review_results(standing):
        sentences.append(f"For the reviewers: {format_list(labels(review))}.")
    return " ".join(sentences)


def format_step(standing: Standing, submitted_on: date | None) -> str:
    """What happens to the application next, for the applicant; empty while something is missing."""
    if submitted_on:
        return f"Submitted on {format_date(submitted_on)}; the association decides."
    if missing_results(standing) or standing.status is Status.NO_RULES:
        return ""
    return "Tell your association that it can decide."


def format_missing(standing: Standing, *, most: int) -> str:
    """What is short, of which ``most`` are named: "6 hours of training and 1 reference"."""
    # References can all have come and yet not be enough: then there is no number to tell.
    parts = [
        format_short(r) if r.short else lower(r.requirement.label)
        for r in missing_results(standing)
    ]
    rest = len(parts) - most
    return format_list([*parts[:most], f"{rest} more"] if rest > 0 else parts)


def format_state(result: Result) -> tuple[str, Tone]:
    """A requirement's outcome in words, and how it is painted."""
    if result.outcome is Outcome.MET:
        return "Done", "good"
    if result.outcome is Outcome.REVIEW:
        return "For the reviewers", "plain"
    if result.outcome is Outcome.NOT_NEEDED:
        return f"Not needed: {lower(result.note)}", "plain"
    return "To do", "warm"


def format_note(result: Result, covered_until: date | None) -> str:
    """On what the counted amount rests; empty where there is nothing to add."""
    window = result.requirement.rule.window
    if result.outcome is Outcome.NOT_NEEDED:
        return ""
    if result.requirement.counts == "membership":
        return f"Paid to {format_date(covered_until)}" if covered_until else ""
    if result.requirement.counts == "rsc" and window and window.months and result.note:
        return f"Counted over the best {window.months} months, {result.note}"
    return capitalize_first(result.note)


def format_closing(result: Result) -> str:
    """When the RSC window that is open now closes; empty where none does."""
    if result.closes_on is None:
        return ""
    return (
        f"The span that is open now ends on {format_date(result.closes_on)}: "
        "hours after that day begin another one"
    )


def format_remark(remark: Remark) -> str:
    """Why something does not count, or who has to agree that it does."""
    return remark.reason if _IF_AGREED in remark.reason else f"Does not count: {remark.reason}"


def _next(standing: Standing) -> Result:
    """What to do first: whatever has a day on which a window closes, else the rulebook's first."""
    return min(missing_results(standing), key=lambda r: r.closes_on or date.max)


_ACTS = {"training": "Log training", "rsc": "Log reflective supervision"}
_OPEN = {Outcome.SHORT, Outcome.REVIEW}


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something of the applicant's that does not count, or only if the reviewers agree."""

    day: date
    title: str
    amount: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tip:
    """Advice: what a source calls typical and nobody must do. ``typical`` may be empty."""

    typical: str
    says: str
    document: str
    section: str


@dataclass(frozen=True, slots=True)
class Task:
    """One requirement. ``required`` is 0 where there is no progress bar to draw."""

    id: str
    label: str
    about: str
    is_part: bool
    progress: str
    counted: int
    required: int
    state: str
    tone: Tone
    mark: str
    note: str
    closing: str
    warnings: Sequence[Doubt]
    tips: Sequence[Tip]
    document: str
    section: str
    reading: str
    act: str
    act_url: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """An application in words. ``tasks`` is empty where it is decided, or asks nothing.

    ``tips`` are those beside no requirement of it; ``effect`` is how far the hours are, ``step``
    what comes next for the applicant.
    """

    application: Applied
    association: str
    category_name: str
    status: str
    headline: str
    lead: str
    step: str
    effect: str
    tasks: Sequence[Task]
    tips: Sequence[Tip]


def read_checklist(
    session: Session,
    rulebooks: Rulebooks,
    application: Applied,
    at: datetime,
    *,
    judged: bool = False,
) -> Checklist | None:
    """An undecided application in words; None where there is nothing to judge it by yet.

    ``judged``, for the association alone: references are told of by what they come to.
    """
    day_of = days_at(rulebooks, at)
    found = standings_of(session, rulebooks, day_of, [application.id])
    standing = found.get(application.id)
    if standing is None:
        return None
    ((_, uncounted),) = with_uncounted(session, rulebooks, [standing], day_of)
    if judged:
        return _checklist(rulebooks, application, standing, uncounted)
    told = for_applicant(standing)
    return _as_told(_checklist(rulebooks, application, told, uncounted), told)


def _checklist(
    rulebooks: Rulebooks, application: Applied, standing: Standing, uncounted: Uncounted
) -> Checklist:
    rulebook = rulebooks.associations[application.association]
    category = rulebook.categories.get(application.category)
    tips = [a for a in rulebook.advice if application.category in a.categories]
    asked = {result.requirement.id for result in standing.results}
    return Checklist(
        application=application,
        association=rulebook.id,
        category_name=category.name if category else application.category,
        status=standing.status.value,
        headline=format_headline(standing),
        lead=format_lead(standing),
        step=format_step(standing, application.submitted_on),
        effect=_effect(standing),
        tasks=[
            _task(rulebook, application, standing, r, tips, uncounted) for r in standing.results
        ],
        tips=[_tip(rulebook, tip) for tip in tips if tip.requirement not in asked],
    )


def _as_told(checklist: Checklist, told: Standing) -> Checklist:
    """The applicant's checklist, where the progress of references is what came."""
    came = {r.requirement.id: format_received(r) for r in told.results if is_references(r)}
    tasks = [replace(t, progress=came.get(t.id, t.progress)) for t in checklist.tasks]
    return replace(checklist, tasks=tasks)


def _task(
    rulebook: Rulebook,
    application: Applied,
    standing: Standing,
    result: Result,
    tips: Sequence[Advice],
    uncounted: Uncounted,
) -> Task:
    requirement = result.requirement
    state, tone = format_state(result)
    act, act_url = _act(application, result)
    readings = {i.id: i.taken for i in rulebook.interpretations}
    return Task(
        id=requirement.id,
        label=requirement.label,
        about=requirement.about,
        is_part=bool(requirement.topic or requirement.rule.inside or requirement.rule.besides),
        progress="" if result.outcome is Outcome.NOT_NEEDED else format_progress(result),
        counted=min(result.counted, result.required),
        required=_bar(result),
        state=state,
        tone=tone,
        mark=result.outcome.value.replace(" ", "-"),
        note=format_note(result, standing.covered_until),
        closing=format_closing(result),
        warnings=[*_doubts(result, uncounted)],
        tips=[_tip(rulebook, tip) for tip in tips if tip.requirement == requirement.id],
        document=requirement.source_document,
        section=requirement.source_section,
        reading=readings.get(requirement.rule.interpretation or "", ""),
        act=act,
        act_url=act_url,
    )


def _effect(standing: Standing) -> str:
    """How far the hours are, in a few words: "Training 12 of 30 hours; of which DEIA done"."""
    hours = [r for r in standing.results if r.requirement.unit == "hours"]
    said = [
        f"{r.requirement.label} {'done' if r.outcome is Outcome.MET else format_progress(r)}"
        for r in hours
    ]
    return "; ".join(said)


def _bar(result: Result) -> int:
    return result.required if result.required > 1 and result.outcome in _OPEN | {Outcome.MET} else 0


def _act(application: Applied, result: Result) -> tuple[str, str]:
    """What the applicant can do here, and where; both empty where somebody else does it."""
    counts = result.requirement.counts
    if result.outcome not in _OPEN:
        return "", ""
    if counts == "references":
        return "Your references", f"/application/{application.id}/references"
    return (_ACTS[counts], f"/log?activity={counts}") if counts in _ACTS else ("", "")


def _doubts(result: Result, uncounted: Uncounted) -> Iterator[Doubt]:
    """What does not count: by the rule's own words, and by the provider's."""
    requirement = result.requirement
    if requirement.rule.inside or result.outcome is Outcome.NOT_NEEDED:
        # Hours inside others are the same sessions: their row says it.
        return
    remarks = [
        *result.remarks,
        *(
            Remark(entry.held_on, entry.title, entry.minutes, reason)
            for entry, reason in uncounted
            if belongs_to(requirement, entry)
        ),
    ]
    for remark in sorted(remarks, key=lambda r: r.day, reverse=True):
        yield Doubt(
            remark.day, remark.title, _amount(requirement, remark.amount), format_remark(remark)
        )


def _amount(requirement: PlannedRequirement, amount: int) -> str:
    if requirement.unit == "hours":
        return format_hours_with_unit(amount)
    # Work is remarked upon in months, whatever is counted of it.
    return format_months(amount) if requirement.counts == "work" and amount else ""


def _tip(rulebook: Rulebook, advice: Advice) -> Tip:
    hours = f"typical: {round(advice.hours, 2):g} hours" if advice.hours else ""
    document = rulebook.documents[advice.source.document].title
    return Tip(hours, advice.says, document, advice.source.section)
