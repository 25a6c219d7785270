"""Entries as programs of an association read and create them: within its endorsements."""

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped
from sqlmodel import Session, and_, col, exists, select

from tracker.db.applications import Application
from tracker.db.ledgers import LAST_DAY
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.formatting import capitalize_first
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry, Verdict, explain
from tracker.rules.plan import Plan
from tracker.rules.reasons import format_reason
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.declined_providers import load_declined_for
from tracker.services.entries import EntrySource, create_entry, select_entries
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import days_at
from tracker.services.rsc_providers import load_providers
from tracker.services.sign_in import normalize_email

# An association sees entries of its applicants, and those held before an endorsement ended.
_OWNER_AND_DAY = (col(Entry.person_id), col(Entry.held_on))


class ListFilter(NamedTuple):
    """Which entries or endorsements to list; both days are included.

    None and an empty text set no limit.
    """

    association: str
    email: str = ""
    held_from: date | None = None
    held_to: date | None = None


@dataclass(frozen=True, slots=True)
class ApiSession:
    """A session that a program sends: whose it is, and by which key it is saved once.

    ``provider_email`` is the address of a known provider, which ``entry`` leaves out.
    """

    email: str
    entry: EntryInput
    provider_email: str
    token_id: int
    key: str

    @property
    def form_key(self) -> str:
        """The key of its entry."""
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:40]
        return f"api-{self.token_id}-{digest}"


class EntryNotice(NamedTuple):
    """Why an RSC session does not count because of its provider, and what would make it count."""

    code: str
    message: str


def create_api_entry(context: ServiceContext, association: str, request: ApiSession) -> LoggedEntry:
    """Create an entry for a person who holds or applies for an endorsement of the association.

    Raises Refused, also for anybody else.
    """
    session = context.session
    today = days_at(context.rulebooks, context.now)(association)
    of_person = Person.email == normalize_email(request.email)
    person_id = session.exec(
        select(Person.id).where(of_person, _belongs_to(association, col(Person.id), today))
    ).first()
    if person_id is None:
        raise Refused(Refusal("email", "person-not-endorsed", {"association": association}))
    entry = request.entry
    if request.provider_email:
        is_provider = Person.email == normalize_email(request.provider_email)
        provider_id = session.exec(select(Person.id).where(is_provider)).first()
        # Nobody has the id 0, so an unknown provider is refused like one who is not offered.
        entry = dataclasses.replace(entry, provider_id=provider_id or 0)
    return create_entry(context, person_id, entry, EntrySource(request.form_key))


def find_api_entry(session: Session, association: str, request: ApiSession) -> LoggedEntry | None:
    """The entry that the same request created; None if it was deleted, or is no longer seen."""
    people = select(Person.id).where(Person.email == normalize_email(request.email))
    own = col(Entry.person_id).in_(people) & (col(Entry.form_key) == request.form_key)
    own &= _belongs_to(association, *_OWNER_AND_DAY)
    return next(select_entries(session, own), None)


def page_of_entries(
    session: Session, wanted: ListFilter, *, after: int, limit: int
) -> list[LoggedEntry]:
    """At most ``limit`` entries with an id above ``after``, by id."""
    where = [col(Entry.id) > after, _belongs_to(wanted.association, *_OWNER_AND_DAY)]
    if wanted.email:
        people = select(Person.id).where(Person.email == wanted.email)
        where.append(col(Entry.person_id).in_(people))
    if wanted.held_from:
        where.append(col(Entry.held_on) >= wanted.held_from)
    if wanted.held_to:
        where.append(col(Entry.held_on) <= wanted.held_to)
    query = select(Entry.id).where(and_(*where)).order_by(col(Entry.id)).limit(limit)
    ids = session.exec(query).all()
    return sorted(select_entries(session, col(Entry.id).in_(ids)), key=lambda entry: entry.id)


def entry_within(session: Session, association: str, entry_id: int) -> LoggedEntry | None:
    """One entry; None if it does not exist or the association may not see it."""
    where = (col(Entry.id) == entry_id) & _belongs_to(association, *_OWNER_AND_DAY)
    return next(select_entries(session, where), None)


def list_entry_notices(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    entries: Sequence[LoggedEntry],
    now: datetime,
) -> dict[int, list[EntryNotice]]:
    """What an association's programs should know about the providers of entries, by entry.

    It is what the endorsee's own page says: for each endorsement and undecided application at the
    association, as of today.
    """
    today = days_at(rulebooks, now)(association)
    sessions = [entry for entry in entries if entry.activity == "rsc"]
    people = {entry.person_id for entry in sessions}
    if not people:
        return {}
    holdings = _list_holdings(session, association, people)
    providers = load_providers(session, {e.provider_id for e in sessions if e.provider_id})
    declined = load_declined_for(session, sessions)
    notices: dict[int, list[EntryNotice]] = {}
    for entry in sessions:
        plans = _plans_on(rulebooks, holdings, entry, today)
        provider = providers.get(entry.provider_id or 0)
        reason = declined.reason(association, entry.provider_name)
        verdicts = (explain(entry, plan, provider, today, reason) for plan in filter(None, plans))
        found = _explain_provider(verdicts)
        notices[entry.id] = list(dict.fromkeys(found))
    return notices


def _list_holdings(
    session: Session, association: str, people: Collection[int]
) -> list[Endorsement | Application]:
    """Endorsements and undecided applications of people at an association."""
    held = select(Endorsement).where(
        Endorsement.association == association, col(Endorsement.person_id).in_(people)
    )
    applied = select(Application).where(
        Application.association == association,
        col(Application.person_id).in_(people),
        col(Application.decided_on).is_(None),
    )
    return [*session.exec(held), *session.exec(applied)]


def _plans_on(
    rulebooks: Rulebooks,
    holdings: Iterable[Endorsement | Application],
    entry: LoggedEntry,
    today: date,
) -> Iterator[Plan | None]:
    """What counts on the day of an entry for each of its person's holdings."""
    for holding in holdings:
        association, category = holding.association, holding.category
        if holding.person_id != entry.person_id:
            continue
        if isinstance(holding, Endorsement):
            yield rulebooks.plan_counting(association, category, holding.starts_on, entry.held_on)
        else:
            day, purpose = holding.submitted_on or today, holding.plan_purpose
            yield rulebooks.application_plan(association, category, day, purpose)


def _explain_provider(verdicts: Iterable[Verdict]) -> Iterator[EntryNotice]:
    for verdict in verdicts:
        if verdict.reason is not None and verdict.remedy is not None:
            sentences = [format_reason(each) for each in (verdict.reason, verdict.remedy.what)]
            message = " ".join(f"{capitalize_first(sentence)}." for sentence in sentences)
            yield EntryNotice(verdict.reason.code.replace("_", "-"), message)


def page_of_endorsements(
    session: Session, wanted: ListFilter, *, category: str, after: int, limit: int
) -> list[int]:
    """At most ``limit`` ids of the association's endorsements above ``after``, in order."""
    query = select(Endorsement.id).where(
        Endorsement.association == wanted.association, col(Endorsement.id) > after
    )
    if category:
        query = query.where(Endorsement.category == category)
    if wanted.email:
        people = select(Person.id).where(Person.email == wanted.email)
        query = query.where(col(Endorsement.person_id).in_(people))
    return list(session.exec(query.order_by(col(Endorsement.id)).limit(limit)))


def known_people(session: Session, ids: Sequence[int]) -> dict[int, Person]:
    """These people, by id."""
    people = session.exec(select(Person).where(col(Person.id).in_(ids)))
    return {person.id: person for person in people}


def _belongs_to(
    association: str, person_id: Mapped[int], day: date | Mapped[date]
) -> ColumnElement[bool]:
    """That an endorsement has not ended before ``day``, or an application is undecided."""
    endorsed = exists().where(
        col(Endorsement.person_id) == person_id,
        col(Endorsement.association) == association,
        LAST_DAY.is_(None) | (day <= LAST_DAY),
    )
    applied = exists().where(
        col(Application.person_id) == person_id,
        col(Application.association) == association,
        col(Application.decided_on).is_(None),
    )
    return endorsed | applied
