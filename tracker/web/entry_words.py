"""One logged entry in words: what it was, whether it counts, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tracker.hours import count_hours
from tracker.rules.explain import LoggedEntry, Verdict
from tracker.rules.providers import Provider
from tracker.rules.standing import Standing
from tracker.web.renewal_words import anchor_of
from tracker.web.words import join, name_of


class Judged(NamedTuple):
    """What one renewal makes of an entry."""

    standing: Standing
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Line:
    """A verdict in words. ``endorsement`` is empty where it is the same for all of them.

    ``anchor`` names the rule's row on the page; empty where the rule is not about the entry.
    """

    endorsement: str
    counts: bool
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as My year lists it; minutes. ``activity`` is empty where the title says it."""

    id: int
    held_on: date
    title: str
    activity: str
    details: str
    minutes: int
    lines: Sequence[Line]


def entry_row(
    entry: LoggedEntry, providers: Mapping[int, Provider], judged: Sequence[Judged]
) -> EntryRow:
    """An entry with a verdict for each endorsement, or one for all that agree."""
    name = name_of(entry.activity, None)
    lines = [_line(entry, each) for each in judged]
    if len({(line.counts, line.text) for line in lines}) == 1:
        lines = [Line("", lines[0].counts, lines[0].text, lines[0].anchor)]
    return EntryRow(
        id=entry.id,
        held_on=entry.held_on,
        title=entry.title,
        activity="" if name.casefold() in entry.title.casefold() else name,
        details=_details(entry, providers),
        minutes=entry.minutes,
        lines=lines,
    )


def within_application(standing: Standing, entry: LoggedEntry, verdict: Verdict) -> Verdict:
    """The verdict where sessions must also fit a span of months, or follow a degree.

    Only an application asks that: a renewal's verdict stays as it is.
    """
    reasons = {
        result.ask.id: remark.reason
        for result in standing.results
        for remark in result.remarks
        if (remark.day, remark.title) == (entry.held_on, entry.title)
    }
    left = tuple(i for i in verdict.requirement_ids if i not in reasons)
    if left == verdict.requirement_ids:
        return verdict
    if left:
        return verdict._replace(requirement_ids=left)
    return Verdict(counts=False, requirement_ids=(), reason=reasons[verdict.requirement_ids[0]])


def _details(entry: LoggedEntry, providers: Mapping[int, Provider]) -> str:
    provider = providers.get(entry.provider_id) if entry.provider_id else None
    name = provider.name if provider else entry.provider_name
    topics = [f"{count_hours(minutes)} of {topic}" for topic, minutes in entry.topics.items()]
    parts = [
        f"with {name}" if name else "",
        entry.format or "",
        join(topics),
        entry.reference or "",
    ]
    return " · ".join(part for part in parts if part)


def _line(entry: LoggedEntry, judged: Judged) -> Line:
    standing, verdict = judged
    plan = standing.plan
    asked = {ask.id: ask for ask in plan.asks}
    if verdict.counts:
        named = [name_of(asked[i].counts, asked[i].topic) for i in verdict.requirement_ids]
        why = f": {verdict.reason}" if verdict.reason else ""
        text = f"Counts towards {join(named)}{why}"
    else:
        text = f"Does not count: {verdict.reason}"
    rule = next((a.id for a in plan.asks if a.counts == entry.activity and not a.topic), "")
    name = f"{plan.association} {plan.category}"
    if standing.facts.candidate is not None:
        # Its rules stand on a page of their own.
        name, rule = f"{name} application", ""
    return Line(
        endorsement=name,
        counts=verdict.counts,
        text=text,
        anchor=anchor_of(standing, rule) if rule else "",
    )
