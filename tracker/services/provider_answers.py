"""A coordinator's answer to a provider's name: who it is, what they hold, or that it is declined.

The answer is one change: person, credential, links, and standings in one transaction.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlmodel import Session

from tracker.addresses import is_address
from tracker.db.engine import lock_names
from tracker.db.people import DEGREES, EMAILS, Person
from tracker.plain_text import contains_link, space_initials
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_name,
    lock_records,
    require_other_person,
)
from tracker.services.declined_providers import remove_declines, store_decline
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.provider_credentials import (
    NewCredential,
    check_credential,
    store_credential,
)
from tracker.services.provider_matches import is_known_person, is_similar_name
from tracker.services.provider_names import (
    LinkedSession,
    LinkScope,
    check_may_confirm,
    link_names,
)
from tracker.services.sign_in import find_former_owner, find_person_by_email
from tracker.services.waiting_names import WaitingName, find_waiting_names

MAX_REASON_LENGTH = 200
_PERSON_AUDITED = {"email", "name", "highest_degree", "provides_rsc"}


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A provider who is not known here yet; ``email`` is normalized."""

    name: str
    email: str
    degree: str = "none"


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """Who the plain names ``keys`` are, for one association: a person's id, or a new person.

    Only sessions of ``person_ids`` are linked (None: of everyone in the association).
    """

    association: str
    keys: frozenset[str]
    provider: int | NewPerson
    credential: NewCredential | None = None
    person_ids: frozenset[int] | None = None


class ConfirmedNames(NamedTuple):
    """The sessions that an answer linked, and the person whom it created (None: nobody)."""

    linked: list[LinkedSession]
    created_id: int | None


def confirm_names(context: ServiceContext, answer: ProviderAnswer) -> ConfirmedNames:
    """Record the answer and link all waiting sessions of the association's people.

    Raises NotFound for another association, and Refused with every reason.
    """
    check_may_confirm(context, answer.association)
    refusals = _check_answer(context, answer)
    if refusals:
        raise Refused(*refusals)
    provider, is_new = _find_or_create(context, answer.provider)
    if answer.credential is not None:
        require_other_person(context, provider.id)
        store_credential(context, provider, answer.association, answer.credential)
    scope = LinkScope(answer.association, answer.person_ids)
    linked = link_names(context, answer.keys, provider.id, scope)
    if not linked:
        raise Refused(_explain_nothing_linked(context, answer, provider.id))
    # Anew, because days on which the provider qualifies may have changed.
    people = {provider.id, *(each.person_id for each in linked)}
    evaluate_people(context.session, context.rulebooks, people, context.now)
    return ConfirmedNames(linked, provider.id if is_new else None)


def decline_names(
    context: ServiceContext, association: str, names: Collection[WaitingName], reason: str
) -> list[int]:
    """Decline names, with a reason for the endorsees; return the ids of the declined names.

    Raises NotFound for another association, and Refused without a reason or waiting sessions.
    """
    check_may_confirm(context, association)
    if not reason:
        raise Refused(Refusal("reason", "decline-reason-missing"))
    if len(reason) > MAX_REASON_LENGTH:
        raise Refused(Refusal("reason", "text-too-long", {"limit": MAX_REASON_LENGTH}))
    if contains_link(reason):
        raise Refused(Refusal("reason", "reason-has-link"))
    if not names:
        raise Refused(Refusal("", "name-not-waiting"))
    for own in names:
        if all(entry.person_id == context.actor.person_id for entry in own.entries):
            raise Refused(Refusal("", "own-decision"))
    return [
        store_decline(context, association, each.name, each.entries[0].person_id, reason)
        for each in names
    ]


def take_back_decline(context: ServiceContext, association: str, key: str) -> list[int]:
    """Let a declined name wait again; return the ids of the rows that are gone.

    Raises NotFound for another association, or if the name is not declined.
    """
    check_may_confirm(context, association)
    removed = remove_declines(context, association, {key})
    if not removed:
        raise NotFound
    return removed


def _check_answer(context: ServiceContext, answer: ProviderAnswer) -> list[Refusal]:
    refusals = _check_provider(context, answer)
    if answer.credential is not None:
        refusals += check_credential(context.rulebooks, answer.association, answer.credential)
    return refusals


def _check_provider(context: ServiceContext, answer: ProviderAnswer) -> list[Refusal]:
    provider, session = answer.provider, context.session
    if isinstance(provider, NewPerson):
        return _check_person(session, provider)
    if is_known_person(session, context.rulebooks, answer.association, provider):
        return []
    return [Refusal("who", "provider-not-known")]


def _check_person(session: Session, new: NewPerson) -> list[Refusal]:
    refusals = check_name(space_initials(new.name), "provider-name-missing")
    if not is_address(new.email):
        refusals.append(Refusal("email", "email-invalid"))
    elif (holder := find_holder(session, new.email)) and not is_similar_name(holder.name, new.name):
        refusals.append(Refusal("email", "email-of-someone-else", {"email": new.email}))
    if new.degree not in DEGREES:
        refusals.append(Refusal("degree", "degree-unknown"))
    return refusals


def find_holder(session: Session, email: str) -> Person | None:
    """The person who has or had an address."""
    return find_person_by_email(session, email) or find_former_owner(session, email)


def _find_or_create(context: ServiceContext, provider: int | NewPerson) -> tuple[Person, bool]:
    """The provider, locked, and whether they are new here; the address may be known already."""
    session = context.session
    if isinstance(provider, int):
        return _lock_provider(session, provider), False
    holder = find_holder(session, provider.email)
    if holder is None:
        lock_names(session, [EMAILS])
        # Somebody else may have stored the person while we waited.
        holder = find_holder(session, provider.email)
    if holder is not None:
        return _lock_provider(session, holder.id), False
    person = Person(
        email=provider.email,
        name=space_initials(provider.name),
        highest_degree=provider.degree,
        provides_rsc=True,
    )
    context.create_row(person, _PERSON_AUDITED)
    return person, True


def _lock_provider(session: Session, person_id: int) -> Person:
    lock_records(session, [person_id])
    provider = session.get(Person, person_id, populate_existing=True)
    if provider is None:
        raise NotFound
    return provider


def _explain_nothing_linked(
    context: ServiceContext, answer: ProviderAnswer, provider_id: int
) -> Refusal:
    """Why no session was linked: only the provider's or the coordinator's own wait, or none."""
    today = days_at(context.rulebooks, context.now)(answer.association)
    names = find_waiting_names(context.session, answer.association, today, answer.keys)
    people = {entry.person_id for name in names for entry in name.entries}
    if context.actor.person_id in people:
        return Refusal("", "own-decision")
    if people == {provider_id}:
        return Refusal("who", "provider-is-endorsee")
    return Refusal("", "name-not-waiting")
