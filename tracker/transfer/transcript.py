"""A transcript: one endorsement in one cycle, in the order in which its association asks for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.plan import Plan
from tracker.rules.providers import Provider, say_day
from tracker.rules.standing import Outcome, Result, Span, Standing, Status

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


class Session(NamedTuple):
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
    sessions: Sequence[Session] = ()
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

    books: Rulebooks
    plan: Plan
    standing: Standing | None
    entries: Sequence[LoggedEntry]
    providers: Mapping[int, Provider]
    memberships: Sequence[tuple[str, Span]]


def make_transcript(subject: Subject, material: Material) -> Transcript:
    """Put the transcript together; its words are those of the day of printing."""
    standing, detail = _say_standing(subject, material.standing)
    parts = [_part(kind, subject, material) for kind in _order(material.books, material.plan)]
    topics = {t for e in material.entries for t in e.topics} | set(material.plan.topics)
    return Transcript(subject, standing, detail, parts, sorted(topics))


def _order(books: Rulebooks, plan: Plan) -> list[str]:
    """The kinds as the association's document lists them; those that it asks not, last."""
    documents = books.associations[plan.association].documents
    names = list(documents)

    def place(kind: str) -> tuple[int, int]:
        sources = (v.source for a in plan.asks if a.counts == kind for v in a.rule.values)
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
        totals=[_total(r) for r in results if r.ask.counts == kind],
        sessions=_sessions(kind, subject, material),
        terms=_terms(material) if kind == "membership" else (),
    )


def _sessions(kind: str, subject: Subject, material: Material) -> list[Session]:
    """Trainings by day; RSC by provider, as applications ask for it, and then by day."""
    own = [e for e in material.entries if e.activity == kind]
    found = [_session(entry, subject, material) for entry in own]
    return sorted(found, key=lambda s: (s.provider.casefold(), s.held_on, s.title))


def _session(entry: LoggedEntry, subject: Subject, material: Material) -> Session:
    plan = material.plan
    rule = material.books.provider_rules[plan.provider_rule][1] if plan.provider_rule else None
    provider = material.providers.get(entry.provider_id) if entry.provider_id else None
    verdict = explain(entry, plan, rule, provider, subject.printed_on)
    return Session(
        held_on=entry.held_on,
        title=entry.title,
        provider=provider.name if provider else entry.provider_name or "",
        format=entry.format or "",
        minutes=entry.minutes,
        topics=tuple(sorted(entry.topics.items())),
        counts=verdict.counts,
        reason=verdict.reason,
    )


def _terms(material: Material) -> list[Term]:
    rule = material.plan.membership_rule
    accepted = material.books.accepted_organizations(rule) if rule else ()
    return [_term(material, *each, accepted) for each in material.memberships]


def _term(material: Material, organization: str, span: Span, accepted: Iterable[str]) -> Term:
    known = material.books.organizations.get(organization)
    counts = organization in accepted
    why = "" if counts else f"{material.plan.association} does not accept this membership"
    name = f"{known.name} ({organization})" if known else organization
    return Term(span.starts_on, span.ends_on, name, counts, why)


def _total(result: Result) -> Total:
    ask = result.ask
    is_hours = ask.counts != "membership"
    short = "Short" if is_hours else "Not current"
    asked = is_hours and result.outcome in {Outcome.MET, Outcome.SHORT}
    return Total(
        label=ask.label,
        is_hours=is_hours,
        is_topic=ask.topic is not None,
        required=result.required if asked else 0,
        counted=result.counted if is_hours else 0,
        state=_OUTCOMES.get(result.outcome, short),
        document=ask.source_document,
        section=ask.source_section,
    )


def _say_standing(subject: Subject, standing: Standing | None) -> tuple[str, str]:
    if standing is None:
        return "Not due", "The endorsement ended before this renewal fell due."
    if standing.status is Status.NO_RULES or standing.due_on is None:
        return "No rules", "The rulebook holds no renewal rules for this category."
    due = say_day(standing.due_on)
    grace = say_day(subject.cycle.grace_ends_on(standing.due_on))
    extended = " (extended)" if standing.facts.extended_due_on else ""
    words = {
        Status.MET: ("Complete", f"Due on {due}{extended}; all that was asked is in."),
        Status.OPEN: ("Not yet complete", f"Due on {due}{extended}."),
        Status.OVERDUE: ("Overdue", f"Was due on {due}{extended}; grace to the end of {grace}."),
        Status.LAPSED: ("Lapsed", f"Was due on {due}{extended}; grace ended with {grace}."),
        Status.EXCUSED: ("Excused", f"On leave on {due}, the due date."),
    }
    return words[standing.status]
