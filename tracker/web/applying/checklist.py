"""An applicant's checklist: a row for each requirement, in the rulebook's order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection

from tracker.hours import count_hours
from tracker.records.applying.applicants import standings_of
from tracker.records.applying.applications import Applied
from tracker.records.entries.uncounted import Uncounted, belongs_to, with_uncounted
from tracker.records.judging.evaluation import days_at
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import Ask
from tracker.rules.readiness_words import say_months, say_progress
from tracker.rules.schema import Rulebook
from tracker.rules.sources import Advice
from tracker.rules.standing import Outcome, Remark, Result, Standing
from tracker.web.applying.checklist_words import (
    Tone,
    say_closing,
    say_headline,
    say_lead,
    say_note,
    say_remark,
    say_state,
    say_step,
)
from tracker.web.applying.told_references import for_applicant, is_references, say_received

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
    doubts: Sequence[Doubt]
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
    connection: Connection,
    books: Rulebooks,
    application: Applied,
    at: datetime,
    *,
    judged: bool = False,
) -> Checklist | None:
    """An undecided application in words; None where there is nothing to judge it by yet.

    ``judged``, for the association alone: references are told of by what they come to.
    """
    day_of = days_at(books, at)
    found = standings_of(connection, books, day_of, [application.id])
    standing = found.get(application.id)
    if standing is None:
        return None
    ((_, uncounted),) = with_uncounted(connection, books, [standing], day_of)
    if judged:
        return _checklist(books, application, standing, uncounted)
    told = for_applicant(standing)
    return _as_told(_checklist(books, application, told, uncounted), told)


def _checklist(
    books: Rulebooks, application: Applied, standing: Standing, uncounted: Uncounted
) -> Checklist:
    book = books.associations[application.association]
    category = book.categories.get(application.category)
    tips = [a for a in book.advice if application.category in a.categories]
    asked = {result.ask.id for result in standing.results}
    return Checklist(
        application=application,
        association=book.id,
        category_name=category.name if category else application.category,
        status=standing.status.value,
        headline=say_headline(standing),
        lead=say_lead(standing),
        step=say_step(standing, application.submitted_on),
        effect=_effect(standing),
        tasks=[_task(book, application, standing, r, tips, uncounted) for r in standing.results],
        tips=[_tip(book, tip) for tip in tips if tip.requirement not in asked],
    )


def _as_told(checklist: Checklist, told: Standing) -> Checklist:
    """The applicant's checklist, where the progress of references is what came."""
    came = {r.ask.id: say_received(r) for r in told.results if is_references(r)}
    tasks = [replace(t, progress=came.get(t.id, t.progress)) for t in checklist.tasks]
    return replace(checklist, tasks=tasks)


def _task(
    book: Rulebook,
    application: Applied,
    standing: Standing,
    result: Result,
    tips: Sequence[Advice],
    uncounted: Uncounted,
) -> Task:
    ask = result.ask
    state, tone = say_state(result)
    act, act_url = _act(application, result)
    readings = {i.id: i.taken for i in book.interpretations}
    return Task(
        id=ask.id,
        label=ask.label,
        about=ask.about,
        is_part=bool(ask.topic or ask.rule.inside or ask.rule.besides),
        progress="" if result.outcome is Outcome.NOT_NEEDED else say_progress(result),
        counted=min(result.counted, result.required),
        required=_bar(result),
        state=state,
        tone=tone,
        mark=result.outcome.value.replace(" ", "-"),
        note=say_note(result, standing.covered_until),
        closing=say_closing(result),
        doubts=[*_doubts(result, uncounted)],
        tips=[_tip(book, tip) for tip in tips if tip.requirement == ask.id],
        document=ask.source_document,
        section=ask.source_section,
        reading=readings.get(ask.rule.interpretation or "", ""),
        act=act,
        act_url=act_url,
    )


def _effect(standing: Standing) -> str:
    """How far the hours are, in a few words: "Training 12 of 30 hours; of which DEIA done"."""
    hours = [r for r in standing.results if r.ask.unit == "hours"]
    said = [
        f"{r.ask.label} {'done' if r.outcome is Outcome.MET else say_progress(r)}" for r in hours
    ]
    return "; ".join(said)


def _bar(result: Result) -> int:
    return result.required if result.required > 1 and result.outcome in _OPEN | {Outcome.MET} else 0


def _act(application: Applied, result: Result) -> tuple[str, str]:
    """What the applicant can do here, and where; both empty where somebody else does it."""
    counts = result.ask.counts
    if result.outcome not in _OPEN:
        return "", ""
    if counts == "references":
        return "Your references", f"/application/{application.id}/references"
    return (_ACTS[counts], f"/log?activity={counts}") if counts in _ACTS else ("", "")


def _doubts(result: Result, uncounted: Uncounted) -> Iterator[Doubt]:
    """What does not count: by the rule's own words, and by the provider's."""
    ask = result.ask
    if ask.rule.inside or result.outcome is Outcome.NOT_NEEDED:
        # Hours inside others are the same sessions: their row says it.
        return
    remarks = [
        *result.remarks,
        *(
            Remark(entry.held_on, entry.title, entry.minutes, reason)
            for entry, reason in uncounted
            if belongs_to(ask, entry)
        ),
    ]
    for remark in sorted(remarks, key=lambda r: r.day, reverse=True):
        yield Doubt(remark.day, remark.title, _amount(ask, remark.amount), say_remark(remark))


def _amount(ask: Ask, amount: int) -> str:
    if ask.unit == "hours":
        return count_hours(amount)
    # Work is remarked upon in months, whatever is counted of it.
    return say_months(amount) if ask.counts == "work" and amount else ""


def _tip(book: Rulebook, advice: Advice) -> Tip:
    hours = f"typical: {round(advice.hours, 2):g} hours" if advice.hours else ""
    document = book.documents[advice.source.document].title
    return Tip(hours, advice.says, document, advice.source.section)
