"""One logged entry in words: what it was, whether it counts, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from tracker.formatting import format_hours_with_unit, format_list
from tracker.rules.explain import Background, LoggedEntry
from tracker.rules.plan import Plan, RenewalPlan
from tracker.rules.providers import Provider
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Standing
from tracker.services.cycle_locks import CycleLock
from tracker.services.evidence import File
from tracker.web.pages.renewal_view import Tone, anchor_of
from tracker.web.pages.verdicts import Judged
from tracker.web.text import format_closed, format_cycle, name_of


@dataclass(frozen=True, slots=True)
class Line:
    """A verdict in words. ``endorsement`` is empty where it is the same for all of them.

    ``tone`` is plain where it counts and nothing is asked. ``anchor`` names the rule's row on the
    page; empty where the page does not show it.
    """

    endorsement: str
    counts: bool
    text: str
    anchor: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Why:
    """What stands behind the verdict of one endorsement: each rule, and what would help.

    ``remedy`` is empty if nothing would; ``by_association``: only the association can do it.
    """

    association: str
    endorsement: str
    line: Line
    background: Background
    remedy: str
    by_association: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as My year lists it; minutes. ``activity`` is empty where the title says it.

    ``closed`` says why it can no longer be changed, ``closed_by`` names the association that
    closed it; both are empty where it can.
    """

    id: int
    held_on: date
    title: str
    activity: str
    details: str
    minutes: int
    lines: Sequence[Line]
    whys: Sequence[Why]
    closed: str
    closed_by: str
    files: Sequence[File]


def entry_row(
    entry: LoggedEntry,
    providers: Mapping[int, Provider],
    judged: Sequence[Judged],
    closed: CycleLock | None,
    files: Sequence[File],
) -> EntryRow:
    """An entry with a verdict for each endorsement, or one for all that agree."""
    name = name_of(entry.activity, None)
    lines = [_line(entry, each) for each in judged]
    whys = [_why(each, line) for each, line in zip(judged, lines, strict=True)]
    if len({(line.counts, line.text) for line in lines}) == 1:
        lines = [replace(lines[0], endorsement="")]
    return EntryRow(
        id=entry.id,
        held_on=entry.held_on,
        title=entry.title,
        activity="" if name.casefold() in entry.title.casefold() else name,
        details=_details(entry, providers),
        minutes=entry.minutes,
        lines=lines,
        whys=whys,
        closed=format_closed(closed) if closed else "",
        closed_by=closed.association if closed else "",
        files=files,
    )


def _details(entry: LoggedEntry, providers: Mapping[int, Provider]) -> str:
    provider = providers.get(entry.provider_id) if entry.provider_id else None
    name = provider.name if provider else entry.provider_name
    topics = [
        f"{format_hours_with_unit(minutes)} of {topic}" for topic, minutes in entry.topics.items()
    ]
    parts = [
        f"with {name}" if name else "",
        entry.format or "",
        format_list(topics),
        entry.reference or "",
    ]
    return " · ".join(part for part in parts if part)


def _why(judged: Judged, line: Line) -> Why:
    remedy = judged.verdict.remedy
    return Why(
        association=judged.plan.association,
        endorsement=line.endorsement,
        line=line,
        background=judged.background,
        remedy=f"{format_reason(remedy.what)}." if remedy else "",
        by_association=remedy is not None and remedy.by_association,
    )


def _line(entry: LoggedEntry, judged: Judged) -> Line:
    plan = judged.plan
    name = f"{plan.association} {plan.category}"
    return Line(
        endorsement=f"{name} application" if judged.for_application else name,
        counts=judged.verdict.counts,
        text=_text(judged),
        anchor=_anchor(entry, judged),
        tone=_tone(judged),
    )


def _tone(judged: Judged) -> Tone:
    if not judged.verdict.counts:
        return "warm"
    return "plain" if judged.exemptions.keys() >= {*judged.verdict.requirement_ids} else "good"


def _text(judged: Judged) -> str:
    plan, verdict = judged.plan, judged.verdict
    if not verdict.counts:
        return f"Does not count: {format_reason(verdict.reason)}" if verdict.reason else ""
    asked = [i for i in verdict.requirement_ids if i not in judged.exemptions]
    left_out = [i for i in verdict.requirement_ids if i in judged.exemptions]
    cycle = ""
    if isinstance(plan, RenewalPlan) and plan.cycle and judged.is_over:
        cycle = f" for {format_cycle(plan.cycle)}"
    why_left_out = format_list(
        list(dict.fromkeys(format_reason(judged.exemptions[i]) for i in left_out))
    )
    if not asked:
        return f"Logged as {_named(plan, left_out)}{cycle}: {why_left_out}"
    why = f": {format_reason(verdict.reason)}" if verdict.reason else ""
    besides = f" (not {_named(plan, left_out)}: {why_left_out})" if left_out else ""
    return f"Counts toward {_named(plan, asked)}{cycle}{why}{besides}"


def _named(plan: Plan, requirement_ids: Sequence[str]) -> str:
    requirements = {requirement.id: requirement for requirement in plan.requirements}
    return format_list(
        [name_of(requirements[i].counts, requirements[i].topic) for i in requirement_ids]
    )


def _anchor(entry: LoggedEntry, judged: Judged) -> str:
    """The rule's row; an application's rules stand on a page of their own."""
    if not isinstance(judged.standing, Standing):
        return ""
    requirements = judged.plan.requirements
    rule = next((a.id for a in requirements if a.counts == entry.activity and not a.topic), "")
    return anchor_of(judged.standing, rule) if rule else ""
