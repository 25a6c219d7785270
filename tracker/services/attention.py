"""What needs a coordinator's attention, and why: the queue, derived from facts each time.

The start page, the weekly digest, `tracker attention`, and attention.csv all read it here, so they
agree. A new kind of cause is a member of `AttentionKind`, a function in `_FINDERS`, and words in
`tracker.notifications.attention_text`.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, or_, select

from tracker.clock import local_day
from tracker.db.applications import UNDECIDED, Application
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.people import Endorsement, Person
from tracker.db.snoozes import Snooze
from tracker.plain_text import plain_name
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.rules.standing import ApplicationStanding, Status
from tracker.services.applications import list_applicants
from tracker.services.audits import AuditedRenewal, list_waiting
from tracker.services.dashboard import (
    ListedStanding,
    NamedProvider,
    RenewalLine,
    is_listed,
    list_lines,
    list_named_providers,
    needs_attention,
)
from tracker.services.dead_addresses import list_addresses, list_complaints
from tracker.services.entry_questions import OpenQuestion, list_answered_questions
from tracker.services.lapse_removals import LapsedEndorsement, list_lapsed
from tracker.services.run_health import JobTrouble, UnsentMail, find_unsent, list_job_troubles
from tracker.services.settlements import list_differing
from tracker.services.submissions import SubmittedRenewal, list_unaccepted
from tracker.services.time_requests import SubmittedRequest, list_requests

_DAY = timedelta(days=1)
# A membership that is missing although none ended is looked at in the last weeks before the due
# date: until then, most people simply have not paid yet.
_MEMBERSHIP_DUE = timedelta(days=30)
_HASH_LENGTH = 12
# More minutes than any renewal can be short of.
_LEVEL = 1_000_000


class AttentionKind(StrEnum):
    """Why something needs a coordinator's attention, the most urgent reason first."""

    JOB = "failed job"
    REMOVAL = "removal"
    LAPSED = "lapsed"
    OVERDUE = "overdue"
    UNREACHABLE = "unreachable"
    UNSENT = "unsent email"
    REQUEST = "request"
    ANSWER = "answer"
    SUBMISSION = "submitted renewal"
    AUDIT = "audit"
    APPLICANT = "applicant"
    RECORDS_CHANGED = "records changed"
    UNCONFIRMED = "unconfirmed provider"
    BOUNCED = "bounced address"
    COMPLAINT = "complaint"
    MEMBERSHIP = "membership"
    BEHIND = "behind"


_RANKS = {kind: rank for rank, kind in enumerate(AttentionKind)}
# How grave the reasons of a renewal are: one that is snoozed is shown again when it gets graver.
_LEVELS = (
    AttentionKind.MEMBERSHIP,
    AttentionKind.BEHIND,
    AttentionKind.OVERDUE,
    AttentionKind.LAPSED,
    AttentionKind.REMOVAL,
)


class BouncedAddress(NamedTuple):
    """A person's first address, which does not work; ``reason`` is what a mail server said.

    ``working`` is the second address, to which mail goes now; None if no mail reaches them.
    ``has_second``: there is another one, whether it works or not.
    """

    email: str
    reason: str
    working: str | None
    has_second: bool


class ReportedSpam(NamedTuple):
    """An address whose owner marked our mail as spam, and gets no optional mail since then."""

    email: str


About = (
    RenewalLine
    | BouncedAddress
    | ReportedSpam
    | SubmittedRequest
    | OpenQuestion
    | SubmittedRenewal
    | AuditedRenewal
    | NamedProvider
    | SettledCycle
    | ApplicationStanding
    | JobTrouble
    | UnsentMail
)


@dataclass(frozen=True, slots=True)
class Attention:
    """One cause for a coordinator to act: about a person, a provider, an email, or a job.

    ``key`` names the cause for as long as it lasts, however grave it gets. ``since`` is the first
    day on which it was so, if that is known; ``deadline`` the day on which it gets worse if nothing
    is done. ``gravity`` grows as it gets worse.
    """

    kind: AttentionKind
    key: str
    name: str
    about: About
    category: str = ""
    person_id: int | None = None
    endorsement_id: int | None = None
    since: date | None = None
    deadline: date | None = None
    gravity: int = 0

    @property
    def urgency(self) -> tuple[int, int, date, str, str]:
        """Its place in the queue."""
        return _RANKS[self.kind], -self.gravity, self.since or date.min, self.name, self.key


class QueueItem(NamedTuple):
    """A cause, and the latest snooze of it (None: there was none lately)."""

    attention: Attention
    snooze: Snooze | None = None


class Queue(NamedTuple):
    """What needs attention now, the most urgent first, and what is snoozed, the next to end first.

    An open item has a snooze if it has come back from one.
    """

    open: Sequence[QueueItem]
    snoozed: Sequence[QueueItem]

    def find(self, key: str) -> QueueItem | None:
        """The open or snoozed item with this key."""
        items = (*self.open, *self.snoozed)
        return next((item for item in items if item.attention.key == key), None)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The association whose causes are looked for, and its day at the instant ``now``.

    ``submitted`` are the renewals that wait for a coordinator. ``lapses`` are the results of
    `find_lapse`: most renewals have the same few cycles.
    """

    session: Session
    rulebooks: Rulebooks
    association: str
    today: date
    now: datetime
    submitted: Sequence[SubmittedRenewal]
    lapses: dict[tuple[date, date], date | None] = field(default_factory=dict)

    @property
    def zone(self) -> str:
        """The association's time zone."""
        return self.rulebooks.associations[self.association].time_zone

    def find_lapse(self, standing: ListedStanding) -> date | None:
        """The day after the grace period of a renewal."""
        if standing.due_on is None:
            return None
        key = standing.cycle_starts_on, standing.due_on
        if key not in self.lapses:
            schemes = self.rulebooks.associations[self.association].cycles
            cycle = cycle_containing(schemes, standing.cycle_starts_on, standing.cycle_starts_on)
            self.lapses[key] = cycle.grace_ends_on(standing.due_on) + _DAY if cycle else None
        return self.lapses[key]

    def list_lines(self, condition: ColumnElement[bool]) -> list[RenewalLine]:
        """The listed renewals that a condition is true of."""
        return list_lines(self.session, self.association, self.today, condition)


def _find_failed_jobs(scope: _Scope) -> Iterator[Attention]:
    for trouble in list_job_troubles(scope.session, scope.association, scope.zone, scope.today):
        key = f"job-{trouble.job}"
        yield Attention(AttentionKind.JOB, key, "", trouble, since=trouble.since)


def _find_renewals_in_need(scope: _Scope) -> Iterator[Attention]:
    lapsed = list_lapsed(scope.session, scope.rulebooks, scope.association, lambda _: scope.today)
    removed_on = {(one.endorsement.id, one.cycle_starts_on): one for one in lapsed}
    submitted = {
        (one.submission.endorsement_id, one.submission.cycle_starts_on) for one in scope.submitted
    }
    for line in scope.list_lines(needs_attention(scope.today)):
        key = line.standing.endorsement_id, line.standing.cycle_starts_on
        kind, removal = AttentionKind(line.state), removed_on.get(key)
        if key in submitted and kind is not AttentionKind.LAPSED:
            # What is short is on the review of the submission, which is a cause of its own.
            continue
        cause = _describe_renewal(scope, kind, line)
        yield _add_removal(scope, cause, line, removal) if removal else cause


def _add_removal(
    scope: _Scope, cause: Attention, line: RenewalLine, removal: LapsedEndorsement
) -> Attention:
    """A lapse's cause with the day of the removal; once a coordinator decides, that cause."""
    if removal.by_itself or scope.today < removal.removal_on:
        return replace(cause, deadline=removal.removal_on)
    cause = _describe_renewal(scope, AttentionKind.REMOVAL, line)
    return replace(cause, since=removal.removal_on)


def _find_memberships(scope: _Scope) -> Iterator[Attention]:
    """Renewals on pace whose membership ended, or is missing shortly before they are due."""
    has_ended = col(StandingRow.membership_until) < scope.today
    is_near = col(StandingRow.due_on).between(scope.today, scope.today + _MEMBERSHIP_DUE)
    is_open = and_(StandingRow.status == "open", ~needs_attention(scope.today))
    for line in scope.list_lines(and_(is_open, or_(has_ended, is_near))):
        if any(item.counts == "membership" for item in line.short):
            yield _describe_renewal(scope, AttentionKind.MEMBERSHIP, line)


def _describe_renewal(scope: _Scope, kind: AttentionKind, line: RenewalLine) -> Attention:
    """A renewal's cause: since when it is so, and when it becomes overdue or lapses."""
    standing, due_on = line.standing, line.standing.due_on
    overdue_on = due_on + _DAY if due_on else None
    since, deadline = standing.falls_behind_on, overdue_on
    if kind is AttentionKind.MEMBERSHIP:
        since = standing.membership_until + _DAY if standing.membership_until else None
    elif kind is AttentionKind.OVERDUE:
        since, deadline = overdue_on, scope.find_lapse(standing)
    elif kind in (AttentionKind.LAPSED, AttentionKind.REMOVAL):
        since, deadline = scope.find_lapse(standing), None
    return Attention(
        kind,
        f"renewal-{standing.endorsement_id}-{standing.cycle_starts_on}",
        line.name,
        line,
        category=line.category,
        person_id=line.person_id,
        endorsement_id=standing.endorsement_id,
        since=since,
        deadline=deadline,
        gravity=_LEVELS.index(kind) * _LEVEL + standing.short_minutes,
    )


def _list_own_people(
    scope: _Scope, condition: ColumnElement[bool]
) -> dict[int, tuple[Person, str, int | None]]:
    """Endorsees and applicants of whom a condition is true, with category and endorsement.

    Each stands here once, however many endorsements they hold.
    """
    listed = (
        select(Person, Endorsement.category, Endorsement.id)
        .join(Endorsement)
        .join(StandingRow)
        .where(is_listed(scope.association, scope.today), condition)
        .order_by(col(Endorsement.id))
    )
    found: dict[int, tuple[Person, str, int | None]] = {}
    for person, category, endorsement_id in scope.session.exec(listed):
        found.setdefault(person.id, (person, category, endorsement_id))
    applying = (
        select(Person, Application.category)
        .join(Application)
        .where(
            Application.association == scope.association,
            col(Application.state).in_(UNDECIDED),
            condition,
        )
        .order_by(col(Application.id))
    )
    for person, category in scope.session.exec(applying):
        found.setdefault(person.id, (person, category, None))
    return found


def _find_bounced_addresses(scope: _Scope) -> Iterator[Attention]:
    """First addresses that do not work; graver if no email reaches the person."""
    people = _list_own_people(scope, col(Person.email_refused_at).is_not(None))
    addresses = list_addresses(scope.session, people)
    for person, category, endorsement_id in people.values():
        own = addresses[person.id]
        refused_at = person.email_refused_at
        about = BouncedAddress(
            person.email, person.email_refused_reason or "", own.working, bool(own.second)
        )
        yield Attention(
            AttentionKind.BOUNCED if own.working else AttentionKind.UNREACHABLE,
            f"address-{person.id}",
            person.name,
            about,
            category=category,
            person_id=person.id,
            endorsement_id=endorsement_id,
            since=local_day(refused_at, scope.zone) if refused_at else None,
            gravity=0 if own.working else 1,
        )


def _find_complaints(scope: _Scope) -> Iterator[Attention]:
    """People who lately marked mail as spam at an address that they still have."""
    complaints = list_complaints(scope.session, scope.now)
    people = _list_own_people(scope, col(Person.id).in_(complaints))
    for person, category, endorsement_id in people.values():
        complaint = complaints[person.id]
        yield Attention(
            AttentionKind.COMPLAINT,
            f"complaint-{complaint.id}",
            person.name,
            ReportedSpam(complaint.email),
            category=category,
            person_id=person.id,
            endorsement_id=endorsement_id,
            since=local_day(complaint.read_at, scope.zone),
        )


def _find_unsent_mail(scope: _Scope) -> Iterator[Attention]:
    unsent = find_unsent(scope.session, scope.association, scope.zone, scope.now)
    if unsent:
        yield Attention(
            AttentionKind.UNSENT,
            "unsent",
            "",
            unsent,
            since=unsent.since,
            gravity=unsent.total,
        )


def _find_requests(scope: _Scope) -> Iterator[Attention]:
    for one in list_requests(scope.session, scope.association, undecided=True):
        yield Attention(
            AttentionKind.REQUEST,
            f"request-{one.request.id}",
            one.person.name,
            one,
            category=one.endorsement.category,
            person_id=one.person.id,
            endorsement_id=one.endorsement.id,
            since=local_day(one.request.asked_at, scope.zone),
        )


def _find_answers(scope: _Scope) -> Iterator[Attention]:
    """Answers to questions about sessions."""
    for question in list_answered_questions(scope.session, scope.association):
        yield Attention(
            AttentionKind.ANSWER,
            f"answer-{question.question_id}",
            question.name,
            question,
            person_id=question.person_id,
            since=local_day(question.since, scope.zone),
        )


def _find_submissions(scope: _Scope) -> Iterator[Attention]:
    """Submitted renewals that do not meet every requirement."""
    for renewal in scope.submitted:
        yield Attention(
            AttentionKind.SUBMISSION,
            f"submission-{renewal.submission.id}",
            renewal.person.name,
            renewal,
            category=renewal.endorsement.category,
            person_id=renewal.person.id,
            endorsement_id=renewal.endorsement.id,
            since=local_day(renewal.submission.submitted_at, scope.zone),
        )


def _find_audits(scope: _Scope) -> Iterator[Attention]:
    """Audits for which documents or an appeal came, or nothing by the due date."""
    for audited in list_waiting(scope.session, scope.association, scope.today):
        case = audited.case
        came_at = case.appealed_at or case.sent_at
        since = local_day(came_at, scope.zone) if came_at else case.due_on
        yield Attention(
            AttentionKind.AUDIT,
            f"audit-{case.id}",
            audited.person.name,
            audited,
            category=audited.endorsement.category,
            person_id=audited.person.id,
            endorsement_id=audited.endorsement.id,
            since=since + _DAY if since and not came_at else since,
            gravity=int(case.appealed_at is not None),
        )


def _find_applicants(scope: _Scope) -> Iterator[Attention]:
    """Applications that only the association keeps from a decision."""
    for standing in list_applicants(scope.session, scope.rulebooks, scope.association, scope.today):
        if standing.status in (Status.READY, Status.NEEDS_REVIEW):
            facts = standing.facts
            yield Attention(
                AttentionKind.APPLICANT,
                f"application-{facts.subject_id}",
                facts.name,
                standing,
                category=standing.plan.category,
                person_id=facts.person_id,
                since=facts.candidate.submitted_on or facts.candidate.opened_on,
                gravity=int(standing.status is Status.READY),
            )


def _find_changed_records(scope: _Scope) -> Iterator[Attention]:
    for settled, endorsement, person in list_differing(scope.session, scope.association):
        yield Attention(
            AttentionKind.RECORDS_CHANGED,
            f"settled-{endorsement.id}-{settled.cycle_starts_on}",
            person.name,
            settled,
            category=endorsement.category,
            person_id=person.id,
            endorsement_id=endorsement.id,
            since=settled.differs_since,
        )


def _find_unconfirmed_providers(scope: _Scope) -> Iterator[Attention]:
    """Names of providers; one is graver the more people wait for it."""
    for provider in list_named_providers(scope.session, scope.association, scope.today):
        digest = hashlib.sha256(plain_name(provider.name).encode()).hexdigest()
        yield Attention(
            AttentionKind.UNCONFIRMED,
            f"provider-{digest[:_HASH_LENGTH]}",
            provider.name,
            provider,
            since=provider.since,
            deadline=provider.due_on,
            gravity=len(provider.users),
        )


_FINDERS: tuple[Callable[[_Scope], Iterator[Attention]], ...] = (
    _find_failed_jobs,
    _find_renewals_in_need,
    _find_bounced_addresses,
    _find_complaints,
    _find_unsent_mail,
    _find_requests,
    _find_answers,
    _find_submissions,
    _find_audits,
    _find_applicants,
    _find_changed_records,
    _find_unconfirmed_providers,
    _find_memberships,
)


def list_attention(
    session: Session, rulebooks: Rulebooks, association: str, now: datetime
) -> list[Attention]:
    """What needs a coordinator's attention and is not snoozed, the most urgent first."""
    queue = read_queue(session, rulebooks, association, now)
    return [item.attention for item in queue.open]


def read_queue(session: Session, rulebooks: Rulebooks, association: str, now: datetime) -> Queue:
    """Everything that needs a coordinator's attention, and everything that is snoozed.

    Each cause stands here once. An endorsement with two renewals in need has its worst one here;
    the other one follows once that is solved or snoozed.
    """
    today = local_day(now, rulebooks.associations[association].time_zone)
    submitted = list_unaccepted(session, association)
    scope = _Scope(session, rulebooks, association, today, now, submitted)
    causes = [cause for find in _FINDERS for cause in find(scope)]
    causes.sort(key=lambda cause: cause.urgency)
    snoozes = _read_snoozes(session, association)
    waiting, snoozed, endorsements = [], [], set[int]()
    for cause in causes:
        snooze = snoozes.get(cause.key)
        if snooze and snooze.until > today and cause.gravity <= snooze.gravity:
            snoozed.append((snooze.until, QueueItem(cause, snooze)))
        elif not isinstance(cause.about, RenewalLine):
            waiting.append(QueueItem(cause, snooze))
        elif cause.about.standing.endorsement_id not in endorsements:
            endorsements.add(cause.about.standing.endorsement_id)
            waiting.append(QueueItem(cause, snooze))
    # The sort is stable: those that end on one day stay in the order of the queue.
    return Queue(waiting, [item for _, item in sorted(snoozed, key=lambda pair: pair[0])])


def _read_snoozes(session: Session, association: str) -> dict[str, Snooze]:
    query = select(Snooze).where(Snooze.association == association)
    return {snooze.cause: snooze for snooze in session.exec(query)}
