"""A transcript: one endorsement in one cycle, in the order in which its association asks for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.plan import Plan
from tracker.rules.providers import Provider
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Outcome, Result, Span, Standing, Status
from tracker.services.endorsements import Endorsed, cycles_held, endorsements_of, standing_in
from tracker.services.entries import list_entries
from tracker.services.evaluation import days_at
from tracker.services.rsc_providers import load_providers

_HEADINGS = {
    "training": "Education and training",
    "membership": "Professional membership",
    "rsc": "Reflective supervision/consultation (RSC)",
}
_OUTCOMES = {
    Outcome.MET: "Done",
    Outcome.WAIVED: "Waived by the association",
    Outcome.EXCUSED: "Not asked in this cycle",
}


class Subject(NamedTuple):
    """Whose transcript it is and of what; ``printed_on`` is the legal day at the association."""

    name: str
    email: str
    association: str
    association_name: str
    category: str
    category_name: str
    cycle: Cycle
    printed_on: date


class TranscriptSession(NamedTuple):
    """One training or RSC session; minutes, also in ``topics`` (in the order of their names)."""

    held_on: date
    title: str
    provider: str
    format: str
    minutes: int
    topics: tuple[tuple[str, int], ...]
    counts: bool
    reason: str


class Term(NamedTuple):
    """One membership term; both days are covered."""

    starts_on: date
    ends_on: date
    organization: str
    counts: bool
    reason: str


class Total(NamedTuple):
    """What came of one requirement: minutes; ``required`` is 0 where no hours are asked."""

    label: str
    is_hours: bool
    is_topic: bool
    required: int
    counted: int
    state: str
    document: str
    section: str


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of thing that a renewal asks; only a membership has ``terms``."""

    kind: str
    heading: str
    totals: Sequence[Total]
    sessions: Sequence[TranscriptSession] = ()
    terms: Sequence[Term] = ()

    @property
    def counted(self) -> int:
        """The minutes of the sessions that count."""
        return sum(s.minutes for s in self.sessions if s.counts)

    @property
    def not_counted(self) -> int:
        """The minutes of the sessions that do not."""
        return sum(s.minutes for s in self.sessions if not s.counts)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the page, the PDF and the CSV file show; ``topics`` are those that any row names."""

    subject: Subject
    standing: str
    detail: str
    parts: Sequence[Part]
    topics: Sequence[str]


@dataclass(frozen=True, slots=True)
class Material:
    """What a transcript is made of: the cycle's entries, the memberships that reach into it."""

    rulebooks: Rulebooks
    plan: Plan
    standing: Standing | None
    entries: Sequence[LoggedEntry]
    providers: Mapping[int, Provider]
    memberships: Sequence[tuple[str, Span]]


def make_transcript(subject: Subject, material: Material) -> Transcript:
    """Put the transcript together; its words are those of the day of printing."""
    standing, detail = _format_standing(subject, material.standing)
    parts = [_part(kind, subject, material) for kind in _order(material.rulebooks, material.plan)]
    topics = {t for e in material.entries for t in e.topics} | set(material.plan.topics)
    return Transcript(subject, standing, detail, parts, sorted(topics))


def _order(rulebooks: Rulebooks, plan: Plan) -> list[str]:
    """The kinds as the association's document lists them; those that it asks not, last."""
    documents = rulebooks.associations[plan.association].documents
    names = list(documents)

    def place(kind: str) -> tuple[int, int]:
        sources = (v.source for a in plan.requirements if a.counts == kind for v in a.rule.values)
        return min(
            (
                (names.index(s.document), documents[s.document].sections.index(s.section))
                for s in sources
                if s.section in documents[s.document].sections
            ),
            default=(len(names), 0),
        )

    return sorted(_HEADINGS, key=place)


def _part(kind: str, subject: Subject, material: Material) -> Part:
    results = material.standing.results if material.standing else ()
    return Part(
        kind=kind,
        heading=_HEADINGS[kind],
        totals=[_total(r) for r in results if r.requirement.counts == kind],
        sessions=_sessions(kind, subject, material),
        terms=_terms(material) if kind == "membership" else (),
    )


def _sessions(kind: str, subject: Subject, material: Material) -> list[TranscriptSession]:
    """Trainings by day; RSC by provider, as applications ask for it, and then by day."""
    own = [e for e in material.entries if e.activity == kind]
    found = [_session(entry, subject, material) for entry in own]
    return sorted(found, key=lambda s: (s.provider.casefold(), s.held_on, s.title))


def _session(entry: LoggedEntry, subject: Subject, material: Material) -> TranscriptSession:
    plan = material.plan
    rule = material.rulebooks.provider_rules[plan.provider_rule][1] if plan.provider_rule else None
    provider = material.providers.get(entry.provider_id) if entry.provider_id else None
    verdict = explain(entry, plan, rule, provider, subject.printed_on)
    return TranscriptSession(
        held_on=entry.held_on,
        title=entry.title,
        provider=provider.name if provider else entry.provider_name or "",
        format=entry.format or "",
        minutes=entry.minutes,
        topics=tuple(sorted(entry.topics.items())),
        counts=verdict.counts,
        reason=format_reason(verdict.reason) if verdict.reason else "",
    )


def _terms(material: Material) -> list[Term]:
    rule = material.plan.membership_rule
    accepted = material.rulebooks.accepted_organizations(rule) if rule else ()
    return [_term(material, *each, accepted) for each in material.memberships]


def _term(material: Material, organization: str, span: Span, accepted: Iterable[str]) -> Term:
    known = material.rulebooks.organizations.get(organization)
    counts = organization in accepted
    why = "" if counts else f"{material.plan.association} does not accept this membership"
    name = f"{known.name} ({organization})" if known else organization
    return Term(span.starts_on, span.ends_on, name, counts, why)


def _total(result: Result) -> Total:
    requirement = result.requirement
    is_hours = requirement.counts != "membership"
    short = "Short" if is_hours else "Not current"
    asked = is_hours and result.outcome in {Outcome.MET, Outcome.SHORT}
    return Total(
        label=requirement.label,
        is_hours=is_hours,
        is_topic=requirement.topic is not None,
        required=result.required if asked else 0,
        counted=result.counted if is_hours else 0,
        state=_OUTCOMES.get(result.outcome, short),
        document=requirement.source_document,
        section=requirement.source_section,
    )


def _format_standing(subject: Subject, standing: Standing | None) -> tuple[str, str]:
    if standing is None:
        return "Not due", "The endorsement ended before this renewal fell due."
    if standing.status is Status.NO_RULES or standing.due_on is None:
        return "No rules", "The rulebook holds no renewal rules for this category."
    due = format_date(standing.due_on)
    grace = format_date(subject.cycle.grace_ends_on(standing.due_on))
    extended = " (extended)" if standing.facts.extended_due_on else ""
    words = {
        Status.MET: ("Complete", f"Due on {due}{extended}; all that was asked is in."),
        Status.OPEN: ("Not yet complete", f"Due on {due}{extended}."),
        Status.OVERDUE: ("Overdue", f"Was due on {due}{extended}; grace to the end of {grace}."),
        Status.LAPSED: ("Lapsed", f"Was due on {due}{extended}; grace ended with {grace}."),
        Status.EXCUSED: ("Excused", f"On leave on {due}, the due date."),
    }
    return words[standing.status]


_MEMBERSHIP = METADATA.tables["membership"]


def read_transcript(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    endorsement_id: int,
    cycle_starts_on: date,
    at: datetime,
) -> Transcript | None:
    """The transcript of a person's own endorsement for the cycle that starts on that very day.

    None where the endorsement is absent or somebody else's, or has no such cycle.
    """
    held = next((e for e in endorsements_of(session, person_id) if e.id == endorsement_id), None)
    if held is None or held.association not in rulebooks.associations:
        return None
    today = days_at(rulebooks, at)(held.association)
    cycles = cycles_held(rulebooks, held, today)
    cycle = next((c for c in cycles if c.starts_on == cycle_starts_on), None)
    if cycle is None:
        return None
    material = _material(session, rulebooks, held, cycle, at)
    return make_transcript(_subject(rulebooks, held, cycle, today), material)


def _subject(rulebooks: Rulebooks, held: Endorsed, cycle: Cycle, today: date) -> Subject:
    rulebook = rulebooks.associations[held.association]
    category = rulebook.categories.get(held.category)
    return Subject(
        name=held.name,
        email=held.email,
        association=held.association,
        association_name=rulebook.name,
        category=held.category,
        category_name=category.name if category else held.category,
        cycle=cycle,
        printed_on=today,
    )


def _material(
    session: Session, rulebooks: Rulebooks, held: Endorsed, cycle: Cycle, at: datetime
) -> Material:
    entries = list_entries(session, held.person_id, cycle.starts_on, cycle.ends_on)
    return Material(
        rulebooks=rulebooks,
        plan=rulebooks.plan_for(held.association, held.category, cycle),
        standing=standing_in(session, rulebooks, days_at(rulebooks, at), held.id, cycle),
        entries=entries,
        providers=load_providers(session, {e.provider_id for e in entries if e.provider_id}),
        memberships=_memberships(session, held.person_id, cycle),
    )


def _memberships(session: Session, person_id: int, cycle: Cycle) -> list[tuple[str, Span]]:
    """The terms that reach into the cycle, the earliest first."""
    table = _MEMBERSHIP.c
    query = (
        select(table.organization, table.starts_on, table.ends_on)
        .where(table.person_id == person_id)
        .where((table.starts_on <= cycle.ends_on) & (table.ends_on >= cycle.starts_on))
        .order_by(table.starts_on, table.organization)
    )
    return [(row[0], Span(row[1], row[2])) for row in session.connection().execute(query)]
