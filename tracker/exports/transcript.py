"""A transcript: one endorsement in one cycle, in the order of its association's own document."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session, col, or_, select

from tracker.db.people import Membership
from tracker.formatting import capitalize_first, format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import ABSENCE_WORDS
from tracker.rules.absences import find_absence
from tracker.rules.caps import count_whole_minutes, limit_by_caps, list_cap_sentences
from tracker.rules.cycles import Cycle
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.reasons import because, format_reason
from tracker.rules.requirement import INDIVIDUAL
from tracker.rules.standing import Outcome, Result, Standing, Status
from tracker.services.declined_providers import load_declined_for
from tracker.services.endorsements import Endorsed, cycles_held, standing_in
from tracker.services.entries import list_entries
from tracker.services.evaluation import days_at
from tracker.services.first_days import list_without_records
from tracker.services.rsc_providers import load_providers

_HEADINGS = {
    "training": "Education and training",
    "membership": "Professional membership",
    "rsc": "Reflective supervision/consultation (RSC)",
    "submitted": "Submission and statements",
    "paid": "Fees",
}
# Kinds that are listed in the part of another.
_PART_OF = {"signed": "submitted"}
_OUTCOMES = {
    Outcome.MET: "Done",
    Outcome.ATTESTED: "Attested",
    Outcome.WAIVED: "Waived by the association",
    Outcome.EXCUSED: "Not required in this cycle",
}


_SHORT = {
    "membership": "Not current",
    "submitted": "Not submitted",
    "signed": "Not signed",
    "paid": "Not paid",
}


class TranscriptSession(NamedTuple):
    """One training or RSC session with its provider's name, and why it does not count.

    ``counted`` are the minutes of it that count: fewer than all beyond a cap.
    """

    entry: LoggedEntry
    provider: str
    counts: bool
    reason: str
    counted: int


class TranscriptTerm(NamedTuple):
    """One membership term, both days included; without ``ends_on`` it is for life."""

    starts_on: date
    ends_on: date | None
    organization: str
    counts: bool
    reason: str


class TranscriptTotal(NamedTuple):
    """The outcome for one requirement, in minutes for hours; ``unit`` is empty for a membership.

    ``required`` is 0 if nothing is required.
    """

    label: str
    unit: str
    is_part: bool
    required: int
    counted: int
    is_short: bool
    state: str
    document: str
    section: str


@dataclass(frozen=True, slots=True)
class TranscriptPart:
    """What a renewal requires of one kind, and what there is; only memberships have ``terms``."""

    kind: str
    heading: str
    totals: Sequence[TranscriptTotal]
    sessions: Sequence[TranscriptSession]
    terms: Sequence[TranscriptTerm]

    @property
    def counted(self) -> int:
        """The minutes of the sessions that count."""
        return sum(session.counted for session in self.sessions)

    @property
    def not_counted(self) -> int:
        """The minutes of the sessions that do not count."""
        return sum(session.entry.minutes - session.counted for session in self.sessions)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the page, the PDF, and the CSV file show.

    ``printed_on`` is the legal day at the association, and the day of ``standing`` and its
    ``detail``; without records (``has_records``) there is no standing of any day. ``topics`` are
    those of all sessions and requirements.
    """

    name: str
    email: str
    association: str
    association_name: str
    category: str
    category_name: str
    cycle: Cycle
    printed_on: date
    standing: str
    detail: str
    parts: Sequence[TranscriptPart]
    topics: Sequence[str]
    has_records: bool

    @property
    def standing_of_day(self) -> str:
        """The standing, and the day on which it was so."""
        if not self.has_records:
            return self.standing
        return f"{self.standing} on {format_date(self.printed_on)}"


def find_transcript(
    session: Session,
    rulebooks: Rulebooks,
    held: Endorsed,
    cycle_starts_on: date,
    now: datetime,
) -> Transcript | None:
    """The transcript of an endorsement for the cycle that starts on that very day.

    None if there is no such cycle.
    """
    rulebook = rulebooks.associations.get(held.association)
    if rulebook is None:
        return None
    today = days_at(rulebooks, now)(held.association)
    cycles = {cycle.starts_on: cycle for cycle in cycles_held(rulebooks, held, today)}
    cycle = cycles.get(cycle_starts_on)
    if cycle is None:
        return None
    standing = standing_in(session, rulebooks, days_at(rulebooks, now), held.id, cycle.starts_on)
    plan = rulebooks.plan_for(held.association, held.category, cycle, held.starts_on)
    if standing is not None:
        plan = standing.plan
    state, detail = _format_standing(cycle, standing)
    without_records = list_without_records(
        session,
        rulebooks,
        days_at(rulebooks, now),
        cycle_day=cycle.starts_on,
        endorsement_ids=[held.id],
    )
    has_records = True
    for renewal in without_records:
        has_records = False
        reason = format_reason(because("before_records", first_day=renewal.first_day))
        state, detail = "Before this system: no records", f"{capitalize_first(reason)}."
    entries = list_entries(session, held.person_id, cycle.counts_from, cycle.ends_on)
    sessions = _list_sessions(session, plan, entries, today)
    terms = _list_terms(session, rulebooks, held, plan)
    results = standing.results if standing else ()
    topics = set(plan.topics)
    for listed in sessions:
        topics.update(listed.entry.topics)
    parts = [_build_part(kind, results, sessions, terms) for kind in _order_kinds(plan)]
    category = rulebook.categories.get(held.category)
    return Transcript(
        name=held.name,
        email=held.email,
        association=held.association,
        association_name=rulebook.name,
        category=held.category,
        category_name=category.name if category else held.category,
        cycle=cycle,
        printed_on=today,
        standing=state,
        has_records=has_records,
        detail=detail,
        parts=parts,
        topics=sorted(topics),
    )


def _build_part(
    kind: str,
    results: Sequence[Result],
    sessions: Sequence[TranscriptSession],
    terms: Sequence[TranscriptTerm],
) -> TranscriptPart:
    return TranscriptPart(
        kind=kind,
        heading=_HEADINGS[kind],
        totals=[_total(result) for result in results if _find_part(result.requirement) == kind],
        sessions=[session for session in sessions if session.entry.activity == kind],
        terms=terms if kind == "membership" else (),
    )


def _format_standing(cycle: Cycle, standing: Standing | None) -> tuple[str, str]:
    if standing is None:
        return "Not due", "The endorsement ended before this renewal was due."
    if standing.status is Status.NO_RULES or standing.due_on is None:
        return "No rules", "The rulebook has no renewal rules for this category."
    due = format_date(standing.due_on)
    if standing.status is Status.EXCUSED:
        return "Excused", _format_excuse(standing, standing.due_on)
    if standing.facts.extended_due_on:
        due = f"{due} (extended)"
    grace = format_date(cycle.grace_ends_on(standing.due_on))
    texts = {
        Status.MET: ("Complete", f"Due on {due}. All requirements are met."),
        Status.OPEN: ("Not yet complete", f"Due on {due}."),
        Status.OVERDUE: ("Overdue", f"Was due on {due}. The grace period ends on {grace}."),
        Status.LAPSED: ("Lapsed", f"Was due on {due}. The grace period ended on {grace}."),
    }
    return texts[standing.status]


def _format_excuse(standing: Standing, due_on: date) -> str:
    absence = find_absence(standing.facts.leaves, due_on)
    if absence is None:
        return f"Due on {format_date(due_on)}. Nothing was required."
    status = capitalize_first(ABSENCE_WORDS[absence.kind])
    return f"{status} on the due date, {format_date(due_on)}."


def _order_kinds(plan: RenewalPlan) -> list[str]:
    """The kinds of requirements as the association's document lists them; the others last."""
    documents = plan.rulebook.documents
    places = dict.fromkeys(_HEADINGS, (len(documents), 0))
    for requirement in plan.requirements:
        for value in requirement.rule.values:
            sections = documents[value.source.document].sections
            if value.source.section in sections:
                number = list(documents).index(value.source.document)
                place = (number, sections.index(value.source.section))
                kind = _find_part(requirement)
                places[kind] = min(places[kind], place)
    if not plan.is_submitted:
        del places["submitted"]
    if not plan.needs_payments:
        del places["paid"]
    return sorted(places, key=lambda kind: places[kind])


def _find_part(requirement: PlannedRequirement) -> str:
    """The part of the transcript that lists a requirement."""
    return _PART_OF.get(requirement.counts, requirement.counts)


def _total(result: Result) -> TranscriptTotal:
    requirement = result.requirement
    has_amount = requirement.is_of_sessions
    shows_required = has_amount and result.outcome in {Outcome.MET, Outcome.SHORT}
    state = _OUTCOMES.get(result.outcome, _SHORT.get(requirement.counts, "Short"))
    if shows_required and result.notes:
        state += f" ({format_reason(result.notes[0])})"
    return TranscriptTotal(
        label=requirement.label,
        unit=requirement.unit if has_amount else "",
        is_part=requirement.is_part,
        required=result.required if shows_required else 0,
        counted=result.counted if has_amount else 0,
        is_short=result.outcome is Outcome.SHORT,
        state=state,
        document=requirement.source_document,
        section=requirement.source_section,
    )


def _list_sessions(
    session: Session,
    plan: RenewalPlan,
    entries: Sequence[LoggedEntry],
    today: date,
) -> list[TranscriptSession]:
    """The cycle's sessions: trainings by day, and RSC by provider and then by day."""
    providers = load_providers(session, {e.provider_id for e in entries if e.provider_id})
    declined = load_declined_for(session, entries)
    explained, sessions = [], []
    for entry in entries:
        provider = providers.get(entry.provider_id or 0)
        declined_because = declined.reason(plan.association, entry.provider_name)
        explained.append((entry, explain(entry, plan, provider, today, declined_because)))
    for entry, verdict in limit_by_caps(plan, explained):
        provider = providers.get(entry.provider_id or 0)
        name = provider.name if provider else entry.provider_name or ""
        reasons = [format_reason(verdict.reason)] if verdict.reason else []
        reasons += list_cap_sentences(plan, entry, verdict)
        counted = count_whole_minutes(plan, entry, verdict)
        sessions.append(TranscriptSession(entry, name, verdict.counts, "; ".join(reasons), counted))
    return sorted(sessions, key=lambda s: (s.provider.casefold(), s.entry.held_on, s.entry.title))


def _list_terms(
    session: Session, rulebooks: Rulebooks, held: Endorsed, plan: RenewalPlan
) -> list[TranscriptTerm]:
    """The membership terms that reach into the cycle, the earliest first."""
    if plan.cycle is None:
        return []
    query = (
        select(Membership)
        .where(Membership.person_id == held.person_id)
        .where(col(Membership.starts_on) <= plan.cycle.ends_on)
        .where(
            or_(col(Membership.ends_on) >= plan.cycle.starts_on, col(Membership.ends_on).is_(None))
        )
        .order_by(col(Membership.starts_on), col(Membership.organization))
    )
    rule = plan.membership_rule
    terms = []
    for term in session.exec(query):
        known = rulebooks.organizations.get(term.organization)
        name = f"{known.name} ({term.organization})" if known else term.organization
        if term.kind != INDIVIDUAL:
            name += f", {term.kind} membership"
        counts = rule is not None and rulebooks.accepts_membership(
            rule, term.organization, term.kind
        )
        reason = "" if counts else f"{plan.association} does not accept this membership"
        terms.append(TranscriptTerm(term.starts_on, term.ends_on, name, counts, reason))
    return terms
