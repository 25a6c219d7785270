"""An application's checklist in words: each requirement, its progress, and what does not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.formatting import (
    capitalize_first,
    format_date,
    format_hours_with_unit,
    format_list,
    lowercase_first,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.application.notices import references_so_far
from tracker.rules.application.wording import (
    NO_INITIAL_RULES,
    format_months,
    format_notes,
    format_progress,
    format_short,
    labels,
    missing_results,
    progress_parts,
    review_results,
    tally,
)
from tracker.rules.model import Rulebook
from tracker.rules.reasons import because, format_reason
from tracker.rules.standing import ApplicationStanding, Outcome, Remark, Result, Status
from tracker.services.applications import get_application_standings
from tracker.services.evaluation import days_at
from tracker.services.uncounted import Uncounted, with_uncounted

Tone = Literal["good", "plain", "warm"]
NO_RULES = f"{capitalize_first(NO_INITIAL_RULES)}."


@dataclass(frozen=True, slots=True)
class ChecklistWarning:
    """Something of the applicant's that does not count, or only if the reviewers agree."""

    day: date
    title: str
    amount: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChecklistTip:
    """Advice that is not required; ``typical`` is what the source calls typical, or empty."""

    typical: str
    says: str
    document: str
    section: str


@dataclass(frozen=True, slots=True)
class ChecklistTask:
    """One requirement with its result.

    ``progress`` is what is counted and of what, None if there is nothing to measure;
    ``reading`` is the interpretation that the association has taken, if any.
    """

    result: Result
    state: str
    tone: Tone
    progress: tuple[str, str] | None
    note: str
    warnings: Sequence[ChecklistWarning]
    tips: Sequence[ChecklistTip]
    reading: str

    @property
    def has_bar(self) -> bool:
        """Whether there is a progress bar to draw."""
        return self.result.required > 1 and self.result.outcome is not Outcome.NOT_NEEDED

    @property
    def is_open(self) -> bool:
        """Whether the applicant may still do something for it."""
        return self.result.outcome in (Outcome.SHORT, Outcome.REVIEW)


@dataclass(frozen=True, slots=True)
class Checklist:
    """An undecided application in words.

    ``step`` is what the applicant does next, ``effect`` the progress of the hours; ``tips``
    are those that belong to none of its requirements.
    """

    status: str
    headline: str
    lead: str
    step: str
    effect: str
    tasks: Sequence[ChecklistTask]
    tips: Sequence[ChecklistTip]


def read_checklist(
    session: Session,
    rulebooks: Rulebooks,
    application: Application,
    now: datetime,
    *,
    for_association: bool = False,
) -> Checklist | None:
    """An undecided application's checklist; None before the day on which it opens.

    Only ``for_association`` does it show which references fill a requirement: that depends on
    what referees wrote, and they were promised that the applicant does not learn it.
    """
    day_of = days_at(rulebooks, now)
    standings = get_application_standings(session, rulebooks, day_of, [application.id])
    standing = standings.get(application.id)
    if standing is None:
        return None
    ((_, uncounted),) = with_uncounted(session, rulebooks, [standing], day_of)
    if not for_association:
        standing = _hide_reference_judgments(standing)
    rulebook = rulebooks.associations[application.association]
    readings = {each.id: each.taken for each in rulebook.interpretations}
    tips = _list_tips(rulebook, application.category)
    tasks = []
    for result in standing.results:
        state, tone = _format_state(result)
        task = ChecklistTask(
            result=result,
            state=state,
            tone=tone,
            progress=_progress(result, for_association=for_association),
            note=_format_note(result, standing.covered_until),
            warnings=_list_warnings(result, uncounted),
            tips=tips.pop(result.requirement.id, []),
            reading=readings.get(result.requirement.rule.interpretation or "", ""),
        )
        tasks.append(task)
    return Checklist(
        status=standing.status.value,
        headline=format_headline(standing),
        lead=format_lead(standing),
        step=_format_step(standing, application.submitted_on),
        effect=_format_effect(standing),
        tasks=tasks,
        tips=[tip for of_one in tips.values() for tip in of_one],
    )


def format_headline(standing: ApplicationStanding) -> str:
    """Where the application stands, in one sentence: status, how much is done, what is next."""
    count = tally(standing)
    if standing.status is Status.NO_RULES:
        return NO_RULES
    if standing.status is Status.READY:
        return f"Ready: all {count.of} are done."
    if standing.status is Status.NEEDS_REVIEW:
        rest = "1 is" if count.review == 1 else f"{count.review} are"
        return f"Needs review: {count} done, {rest} for the reviewers."
    # A window that closes comes first, else the rulebook's order.
    missing = missing_results(standing)
    following = min(missing, key=lambda result: result.closes_on or date.max)
    return f"Not ready: {count} done, {lowercase_first(following.requirement.label)} next."


def format_lead(standing: ApplicationStanding) -> str:
    """What is missing, and what the reviewers decide; empty if the headline says it all."""
    if standing.status is Status.NO_RULES:
        return (
            "We have no application requirements on file for this category. "
            "Your logged hours are kept."
        )
    sentences = []
    if missing := missing_results(standing):
        sentences.append(f"Missing: {format_missing(standing, most=len(missing))}.")
    if review := review_results(standing):
        sentences.append(f"For the reviewers: {format_list(labels(review))}.")
    return " ".join(sentences)


def format_missing(standing: ApplicationStanding, *, most: int) -> str:
    """What is short, with at most ``most`` names: "6 hours of training and 1 reference"."""
    parts = []
    for result in missing_results(standing):
        # All references can have come and yet not be enough: then there is no number to give.
        label = lowercase_first(result.requirement.label)
        parts.append(format_short(result) if result.short else label)
    rest = len(parts) - most
    return format_list([*parts[:most], f"{rest} more"] if rest > 0 else parts)


def _hide_reference_judgments(standing: ApplicationStanding) -> ApplicationStanding:
    """The standing with references counted by how many came, not by what they say."""
    received, waiting = references_so_far(standing.facts.candidate)
    results = []
    for result in standing.results:
        if result.requirement.counts == "references":
            counted = min(received, result.required)
            notes = [because("references", received=received, waiting=waiting)]
            if result.outcome is Outcome.SHORT and counted == result.required:
                notes.append(because("ask_coordinator"))
            short = result.required - counted
            results.append(result._replace(counted=counted, short=short, notes=tuple(notes)))
        else:
            results.append(result)
    return standing._replace(results=tuple(results))


def _format_step(standing: ApplicationStanding, submitted_on: date | None) -> str:
    """What happens next, for the applicant; empty while something is missing."""
    if submitted_on:
        return f"Submitted on {format_date(submitted_on)}. Your association decides next."
    if missing_results(standing) or standing.status is Status.NO_RULES:
        return ""
    return "Tell your association that your application is ready for a decision."


def _format_effect(standing: ApplicationStanding) -> str:
    """``Training 12 of 30 hours; Reflective supervision done``."""
    parts = []
    for result in standing.results:
        if result.requirement.unit == "hours":
            is_met = result.outcome is Outcome.MET
            progress = "done" if is_met else format_progress(result)
            parts.append(f"{result.requirement.label} {progress}")
    return "; ".join(parts)


def _progress(result: Result, *, for_association: bool) -> tuple[str, str] | None:
    if result.requirement.counts == "references" and not for_association:
        return str(result.counted), f"{result.required} received"
    return None if result.outcome is Outcome.NOT_NEEDED else progress_parts(result)


def _format_state(result: Result) -> tuple[str, Tone]:
    if result.outcome is Outcome.MET:
        return "Done", "good"
    if result.outcome is Outcome.REVIEW:
        return "For the reviewers", "plain"
    if result.outcome is Outcome.NOT_NEEDED:
        return f"Not needed: {lowercase_first(format_notes(result))}", "plain"
    return "To do", "warm"


def _format_note(result: Result, covered_until: date | None) -> str:
    """What the counted amount rests on; empty if there is nothing to add."""
    window = result.requirement.rule.window
    if result.outcome is Outcome.NOT_NEEDED:
        return ""
    if result.requirement.counts == "membership":
        return f"Paid through {format_date(covered_until)}" if covered_until else ""
    if result.requirement.counts == "rsc" and window and window.months and result.notes:
        return f"Counted over the best {window.months} months, {format_notes(result)}"
    return capitalize_first(format_notes(result))


def _list_warnings(result: Result, uncounted: Uncounted) -> list[ChecklistWarning]:
    """What does not count, the newest first: by the requirement's own rule, or by the provider."""
    requirement = result.requirement
    if requirement.rule.inside or result.outcome is Outcome.NOT_NEEDED:
        # Hours inside others are the same sessions, which the others list.
        return []
    remarks = list(result.remarks)
    for entry, reason in uncounted:
        if requirement.covers(entry.activity, entry.topics):
            remarks.append(Remark(entry.held_on, entry.title, entry.minutes, reason))
    warnings = []
    for remark in sorted(remarks, key=lambda remark: remark.day, reverse=True):
        amount = ""
        if requirement.unit == "hours":
            amount = format_hours_with_unit(remark.amount)
        elif requirement.counts == "work" and remark.amount:
            # Remarks about work are in months, whatever the requirement counts.
            amount = format_months(remark.amount)
        words = format_reason(remark.reason)
        if not remark.needs_review:
            words = f"Does not count: {words}"
        warnings.append(ChecklistWarning(remark.day, remark.title, amount, words))
    return warnings


def _list_tips(rulebook: Rulebook, category: str) -> dict[str | None, list[ChecklistTip]]:
    """Advice for a category, by the requirement that it is about."""
    tips: dict[str | None, list[ChecklistTip]] = {}
    for advice in rulebook.advice:
        if category in advice.categories:
            typical = f"typical: {round(advice.hours, 2):g} hours" if advice.hours else ""
            document = rulebook.documents[advice.source.document].title
            tip = ChecklistTip(typical, advice.says, document, advice.source.section)
            tips.setdefault(advice.requirement, []).append(tip)
    return tips
