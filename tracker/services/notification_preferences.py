"""Which optional mail people have switched off, on their profile or with a mail's own link."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, col, delete, select

from tracker.db.access import Unsubscribed
from tracker.db.people import MailOff, Person
from tracker.db.signing_keys import UNSUBSCRIBE
from tracker.db.statements import upsert
from tracker.services.context import Actor, NotFound, ServiceContext, lock_person
from tracker.services.signed_links import LinkSigner, read_token, sign_token

# Each kind of link has its own salt, so that none is valid as another.
_PERSON_SALT, _ADDRESS_SALT = "mail-off", "unsubscribe"


class Subscription(NamedTuple):
    """A kind of mail from an association to an address that need not be a person's."""

    email: str
    kind: str
    association: str


class MailChoice(NamedTuple):
    """Kinds of mail that a link in one of them switches off for a person."""

    person_id: int
    kinds: tuple[str, ...]


def list_disabled_kinds(session: Session, person_id: int) -> set[str]:
    """The kinds of mail that a person has switched off."""
    return set(session.exec(select(MailOff.kind).where(MailOff.person_id == person_id)))


def list_disabled_kinds_by_person(
    session: Session, person_ids: Collection[int]
) -> dict[int, set[str]]:
    """The kinds of mail that people have switched off, by person."""
    disabled: defaultdict[int, set[str]] = defaultdict(set)
    for row in session.exec(select(MailOff).where(col(MailOff.person_id).in_(person_ids))):
        disabled[row.person_id].add(row.kind)
    return disabled


def set_disabled_kinds(context: ServiceContext, kinds: Collection[str]) -> None:
    """Switch off these kinds of mail for the actor, and switch on all others."""
    lock_person(context.session, context.person_id)
    _set_disabled_kinds(context, kinds)


def add_disabled_kinds(context: ServiceContext, kinds: Collection[str]) -> None:
    """Switch off these kinds of mail for the actor besides those that are off."""
    # First, or what somebody else switches off at the same moment would be on again.
    lock_person(context.session, context.person_id)
    disabled = list_disabled_kinds(context.session, context.person_id)
    _set_disabled_kinds(context, {*disabled, *kinds})


def _set_disabled_kinds(context: ServiceContext, kinds: Collection[str]) -> None:
    """As `set_disabled_kinds`, for an actor who is locked."""
    session, person_id = context.session, context.person_id
    before = list_disabled_kinds(session, person_id)
    session.exec(
        delete(MailOff).where(col(MailOff.person_id) == person_id, col(MailOff.kind).not_in(kinds))
    )
    for kind in sorted(set(kinds) - before):
        session.add(MailOff(person_id=person_id, kind=kind, at=context.now))
    session.flush()
    context.record_change(
        "mail_off", person_id, before={"off": sorted(before)}, after={"off": sorted(set(kinds))}
    )


def disable_kinds(context: ServiceContext, choice: MailChoice) -> None:
    """Switch off kinds of mail for the person who got a link; nobody need be signed in.

    Raises NotFound if there is no such person.
    """
    person = context.session.get(Person, choice.person_id)
    if person is None:
        raise NotFound
    context = replace(context, actor=Actor(person.email, person.id))
    add_disabled_kinds(context, choice.kinds)


class ChoiceLinks:
    """Makes links that switch off kinds of mail; the key is read once.

    The first of an installation store the key's generation, so the session must be able to write.
    """

    def __init__(self, session: Session) -> None:
        self._signer = LinkSigner(session, UNSUBSCRIBE, _PERSON_SALT)

    def create_token(self, person_id: int, kinds: Sequence[str]) -> str:
        """The last part of a link that switches off ``kinds`` for a person."""
        return self._signer.sign([person_id, *kinds])


def create_choice_token(session: Session, person_id: int, kinds: Sequence[str]) -> str:
    """The last part of one link, as `ChoiceLinks` makes it."""
    return ChoiceLinks(session).create_token(person_id, kinds)


def read_choice_token(session: Session, token: str) -> MailChoice:
    """What a link switches off, and for whom. Raises NotFound if the link is not ours."""
    person_id, *kinds = _read_token(session, token, _PERSON_SALT)
    return MailChoice(int(person_id), tuple(kinds))


def create_unsubscribe_token(session: Session, subscription: Subscription) -> str:
    """The last part of a link that ends a subscription.

    The first call stores the key's generation, so the session must be able to write.
    """
    return sign_token(session, UNSUBSCRIBE, _ADDRESS_SALT, subscription)


def read_unsubscribe_token(session: Session, token: str) -> Subscription:
    """The subscription that a link ends. Raises NotFound if the link is not ours."""
    return Subscription(*_read_token(session, token, _ADDRESS_SALT))


def unsubscribe(session: Session, subscription: Subscription, now: datetime) -> None:
    """End a subscription; a second time changes nothing."""
    row = {**subscription._asdict(), "at": now}
    upsert(session, Unsubscribed, [row], key=subscription._fields)


def subscribe_again(session: Session, subscription: Subscription) -> None:
    """Take back the end of a subscription; without one, nothing changes."""
    is_it = (
        col(getattr(Unsubscribed, name)) == value for name, value in subscription._asdict().items()
    )
    session.exec(delete(Unsubscribed).where(*is_it))


def is_unsubscribed(session: Session, subscription: Subscription) -> bool:
    """Whether a subscription was ended."""
    return session.get(Unsubscribed, tuple(subscription)) is not None


def _read_token(session: Session, token: str, salt: str) -> list[str]:
    content: list[str] | None = read_token(session, UNSUBSCRIBE, salt, token)
    if content is None:
        raise NotFound
    return content
