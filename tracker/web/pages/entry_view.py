"""One logged entry: what it was, whether it counts for each renewal and application, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session

from tracker.formatting import format_hours_with_unit, format_list, hours_word
from tracker.refusal_text import format_refusal
from tracker.rules.caps import list_cap_sentences
from tracker.rules.explain import Background, LoggedEntry, Verdict, describe_background
from tracker.rules.plan import Plan, RenewalPlan
from tracker.rules.reasons import Reason, format_reason
from tracker.rules.standing import ApplicationStanding, Standing, list_exemptions
from tracker.services.endorsements import Endorsed, refusal_of_lock
from tracker.services.entries import find_entry
from tracker.services.evidence import EntryFile
from tracker.web.page_request import PageRequest, require
from tracker.web.pages.renewal_view import Tone, anchor_of
from tracker.web.pages.year_data import YearData, find_standing, read_entry_data
from tracker.web.rendering import format_cycle


@dataclass(slots=True)
class VerdictLine:
    """Whether an entry counts, in a sentence, and what stands behind it.

    ``reason`` is why it does or does not count. ``tone`` is plain if the entry counts and nothing
    is required. ``anchor`` names the rule's row on the page; empty if the page does not show it.
    ``remedy`` tells what would make the entry count, or is empty; ``by_association``: only the
    association can do it. ``is_tracked``: there are rules by which it could count.
    """

    association: str
    endorsement: str
    counts: bool
    text: str
    reason: str
    anchor: str
    tone: Tone
    background: Background
    remedy: str
    by_association: bool
    is_tracked: bool


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry with a verdict for each endorsement and each application, as the pages show it.

    ``activity`` is empty if the title says it. ``whys`` has a verdict for each endorsement;
    ``lines`` are the same, or only the first one if they all agree. ``closed`` tells why the entry
    can no longer be changed, and ``closed_by`` names the association; both are empty if it can.
    """

    entry: LoggedEntry
    activity: str
    details: str
    lines: Sequence[VerdictLine]
    whys: Sequence[VerdictLine]
    closed: str
    closed_by: str
    files: Sequence[EntryFile]

    @property
    def is_uncounted(self) -> bool:
        """Whether it is judged for something, and counts for none of it."""
        return bool(self.whys) and not any(why.counts for why in self.whys)

    @property
    def is_tracked(self) -> bool:
        """Whether there are rules by which it could count for something."""
        return any(why.is_tracked for why in self.whys)


def read_entry(session: Session, page: PageRequest, entry_id: int) -> EntryView:
    """One of the viewer's own entries; 404 for any other."""
    entry = require(find_entry(session, page.person_id, entry_id))
    return view_entry(read_entry_data(session, page, entry), entry)


def view_entry(data: YearData, entry: LoggedEntry) -> EntryView:
    """An entry as the pages show it."""
    whys = []
    for endorsement in data.endorsements:
        line = _judge_for_endorsement(data, endorsement, entry)
        if line is not None:
            whys.append(line)
    whys += [_judge_for_application(data, s, entry) for s in data.application_standings]
    agree = len({line.text for line in whys}) == 1
    activity = hours_word(entry.activity, "")
    closed, closed_by = "", ""
    lock = data.locks.lock_of(entry.id, entry.held_on)
    if lock is not None:
        refusal = refusal_of_lock("", lock)
        closed, closed_by = format_refusal(refusal.code, refusal.facts), lock.association
    return EntryView(
        entry=entry,
        activity="" if activity.casefold() in entry.title.casefold() else activity,
        details=_format_details(data, entry),
        lines=whys[:1] if agree else whys,
        whys=whys,
        closed=closed,
        closed_by=closed_by,
        files=data.files.get(entry.id, ()),
    )


def _format_details(data: YearData, entry: LoggedEntry) -> str:
    """``with Rosa Lim · group · 1 hour of DEIA · NC-123``."""
    provider = data.provider_of(entry)
    name = provider.name if provider else entry.provider_name
    parts = []
    if name:
        parts.append(f"with {name}")
    if entry.format:
        parts.append(entry.format)
    if entry.topics:
        topics = [
            f"{format_hours_with_unit(entry.topics[topic])} of {topic}" for topic in entry.topics
        ]
        parts.append(format_list(topics))
    if entry.reference:
        parts.append(entry.reference)
    return " · ".join(parts)


def _judge_for_endorsement(
    data: YearData, endorsement: Endorsed, entry: LoggedEntry
) -> VerdictLine | None:
    """The verdict of the cycle that contains the entry; None if there is nothing to renew."""
    if endorsement.association not in data.rulebooks.associations:
        return None
    today = data.day_of(endorsement.association)
    shown = find_standing(data.standings, endorsement.id, entry.held_on)
    standing = shown or find_standing(data.other_standings, endorsement.id, entry.held_on)
    if data.is_final(standing):
        return None
    plan = standing.plan if standing else _find_plan(data, endorsement, entry.held_on, today)
    if plan is None:
        return None
    exemptions = list_exemptions(standing.plan if standing else plan, standing)
    verdict = data.explain(plan, entry)
    line = _make_line(data, plan, entry, verdict, exemptions, _list_required(standing))
    if shown is not None:
        line.anchor = _find_anchor(shown, entry)
    elif plan.cycle is not None and plan.cycle.ends_on < today:
        cycle = f" for {format_cycle(plan.cycle)}"
        text = _format_verdict(plan, verdict, exemptions, cycle)
        line.text = text + _format_caps(plan, entry, verdict)
    return line


def _list_required(standing: Standing | None) -> dict[str, int]:
    """What a renewal requires, by requirement id: less than usual for people who were away."""
    if standing is None:
        return {}
    return {result.requirement.id: result.required for result in standing.results}


def _find_plan(data: YearData, endorsement: Endorsed, day: date, today: date) -> RenewalPlan | None:
    """The plan of the cycle that contains ``day``, or else of today's cycle.

    None if there is nothing to renew: the endorsement has not begun, or has ended before, or the
    renewal was due before the association's first day in this system.
    """
    if endorsement.starts_on > today:
        return None
    plan = data.rulebooks.plan_counting(*endorsement.triple, day)
    plan = plan or data.rulebooks.plan(*endorsement.triple, today)
    if plan is None or plan.cycle is None:
        return plan
    has_ended = endorsement.ends_on is not None and endorsement.ends_on < plan.cycle.due_on
    return None if has_ended or not data.has_records(endorsement, plan.cycle) else plan


def _judge_for_application(
    data: YearData, standing: ApplicationStanding, entry: LoggedEntry
) -> VerdictLine:
    """The verdict of an application, whose rules are on a page of their own.

    A requirement does not count if its window of months or degree excludes the entry.
    """
    verdict = data.explain(standing.plan, entry)
    excluded = {}
    for result in standing.results:
        for remark in result.remarks:
            if (remark.day, remark.title) == (entry.held_on, entry.title):
                excluded[result.requirement.id] = remark.reason
    left = tuple(i for i in verdict.requirement_ids if i not in excluded)
    if verdict.requirement_ids and not left:
        verdict = Verdict((), excluded[verdict.requirement_ids[0]])
    else:
        verdict = verdict._replace(requirement_ids=left)
    line = _make_line(data, standing.plan, entry, verdict, {}, {})
    line.endorsement += " application"
    return line


def _make_line(
    data: YearData,
    plan: Plan,
    entry: LoggedEntry,
    verdict: Verdict,
    exemptions: Mapping[str, Reason],
    required: Mapping[str, int],
) -> VerdictLine:
    tone: Tone = "good"
    if not verdict.counts:
        tone = "warm"
    elif exemptions.keys() >= {*verdict.requirement_ids}:
        tone = "plain"
    provider, remedy = data.provider_of(entry), verdict.remedy
    return VerdictLine(
        association=plan.association,
        endorsement=f"{plan.association} {plan.category}",
        counts=verdict.counts,
        text=_format_verdict(plan, verdict, exemptions) + _format_caps(plan, entry, verdict),
        reason=format_reason(verdict.reason) if verdict.reason else "",
        anchor="",
        tone=tone,
        background=describe_background(entry, plan, provider, verdict, exemptions, required),
        remedy=f"{format_reason(remedy.what)}." if remedy else "",
        by_association=remedy is not None and remedy.by_association,
        is_tracked=verdict.reason is None or verdict.reason.code != "not_tracked",
    )


def _format_verdict(
    plan: Plan, verdict: Verdict, exemptions: Mapping[str, Reason], cycle: str = ""
) -> str:
    """``Counts toward RSC: vetted by NCIMHA on that day``."""
    reason = f": {format_reason(verdict.reason)}" if verdict.reason else ""
    if not verdict.counts:
        return f"Does not count{reason}"
    required = [i for i in verdict.requirement_ids if i not in exemptions]
    exempt = [i for i in verdict.requirement_ids if i in exemptions]
    why_exempt = format_list(list(dict.fromkeys(format_reason(exemptions[i]) for i in exempt)))
    if not required:
        return f"Logged as {_format_names(plan, exempt)}{cycle}: {why_exempt}"
    text = f"Counts toward {_format_names(plan, required)}{cycle}{reason}"
    if exempt:
        text += f" (not {_format_names(plan, exempt)}: {why_exempt})"
    return text


def _format_caps(plan: Plan, entry: LoggedEntry, verdict: Verdict) -> str:
    """``; only 1 of 2 hours toward RSC: at most 6 hours of peer sessions count``, or empty."""
    return "".join(f"; {sentence}" for sentence in list_cap_sentences(plan, entry, verdict))


def _format_names(plan: Plan, requirement_ids: Sequence[str]) -> str:
    names = {r.id: r.hours_name for r in plan.requirements}
    return format_list([names[i] for i in requirement_ids])


def _find_anchor(standing: Standing, entry: LoggedEntry) -> str:
    for requirement in standing.plan.requirements:
        if requirement.counts == entry.activity and not requirement.topic:
            return anchor_of(standing, requirement.id)
    return ""
