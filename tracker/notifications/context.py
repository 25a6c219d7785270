"""The context of jobs and of messages, wired once by the outermost function."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine
from sqlmodel import Session

from tracker import clock
from tracker.db.engine import writing
from tracker.db.people import Person
from tracker.formatting import DEFAULT_LOCALE, use_locale
from tracker.mail.compose import Composer, load_composer
from tracker.mail.contents import (
    AddressMail,
    AnyMail,
    ReferenceMail,
    SignInMail,
    unsubscribe_headers,
)
from tracker.mail.outbox import Message
from tracker.rulebooks import Rulebooks, load_notice_configs
from tracker.rules.notice_config import NoticeConfigs
from tracker.services.message_subjects import About
from tracker.services.sign_in import SIGN_IN_MINUTES
from tracker.services.team import TeamCache, TeamSource
from tracker.settings import Settings, templates_folder

_MASKED_CODE = "••• ••• •••"
# Emails with a code, or with a secret link that is their whole point: no text of them is kept.
_SECRET_MAIL = (SignInMail, AddressMail, ReferenceMail)
# A part of an address that is as long as a token; no page of ours has such a name.
_TOKEN = re.compile(r"(?<=[/=])[\w.~-]{20,}(?=[/?&#\s]|$)")
_SHORTENED = "…"


class MailContext(Protocol):
    """What it takes to write a mail. Both the jobs' context and the site have it."""

    @property
    def settings(self) -> Settings:
        """The settings: coordinators, and the address of the pages."""

    @property
    def team(self) -> TeamSource:
        """Who works for an association."""

    @property
    def rulebooks(self) -> Rulebooks:
        """The rules in force."""

    @property
    def notices(self) -> NoticeConfigs:
        """When notices are sent, as it was read with the rules."""

    @property
    def composer(self) -> Composer:
        """Renders a mail's templates."""


@dataclass(frozen=True)
class JobContext:
    """Settings, rules, and templates for jobs, and how a job writes.

    ``transaction`` opens a transaction that commits at its end. In a dry run all of them are parts
    of one that is rolled back.
    """

    team: TeamSource
    rulebooks: Rulebooks
    notices: NoticeConfigs
    composer: Composer
    transaction: Callable[[], AbstractContextManager[Session]]

    @property
    def settings(self) -> Settings:
        """The settings, with the coordinators of today."""
        return self.team.settings


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who gets a mail, and for which occasion (``dedupe_key``: one mail for each).

    Replies go to ``reply_to`` or, without it, to the association's coordinators, unless one of them
    gets it (``to_coordinator``).
    ``unsubscribe_url`` ends this kind of mail; empty for mail that always goes out. ``urgent``
    mail leaves before all other mail. ``about`` is the row that makes the mail true.
    """

    dedupe_key: str
    name: str
    address: str
    association: str | None
    person_id: int | None = None
    to_coordinator: bool = False
    unsubscribe_url: str = ""
    urgent: bool = False
    about: About | None = None
    reply_to: str = ""

    @classmethod
    def to_person(
        cls,
        person: Person,
        association: str | None,
        dedupe_key: str,
        about: About | None = None,
    ) -> "Envelope":
        """To a person's first address."""
        return cls(dedupe_key, person.name, person.email, association, person.id, about=about)


@contextmanager
def use_locale_of(context: MailContext, association: str | None) -> Iterator[None]:
    """Format in the locale of an association, on the page or in the job of any other.

    Mail of none has the default locale.
    """
    rulebook = context.rulebooks.associations.get(association or "")
    with use_locale(rulebook.locale if rulebook else DEFAULT_LOCALE):
        yield


def change_prefix(person_id: int, made_at: datetime) -> str:
    """How the keys of all mails begin that one change on the desk sends about a person.

    Undoing the change withdraws them.
    """
    return f"desk:{person_id}:{made_at.isoformat()}:"


def create_message(
    context: MailContext, envelope: Envelope, mail: AnyMail, now: datetime
) -> Message:
    """Render ``mail``, dated ``now``, as a message for the outbox.

    A mail with a code is not sent once the code has expired, and the stored subject masks it.
    Raises ValueError for an address that cannot be used.
    """
    code = mail.code if isinstance(mail, SignInMail | AddressMail) else ""
    headers: dict[str, str] = {}
    coordinators = context.settings.coordinators_of(envelope.association or "")
    if envelope.reply_to:
        headers["Reply-To"] = envelope.reply_to
    elif coordinators and not envelope.to_coordinator:
        headers["Reply-To"] = ", ".join(coordinator.email for coordinator in coordinators)
    if envelope.unsubscribe_url:
        headers |= unsubscribe_headers(envelope.unsubscribe_url)
    rendered = context.composer.compose(
        mail,
        sender=context.settings.mail_of(envelope.association).sender,
        recipient=(envelope.name, envelope.address),
        at=now,
        headers=headers,
        branding=context.settings.branding_of(envelope.association),
    )
    return Message(
        dedupe_key=envelope.dedupe_key,
        message_id=rendered.message_id,
        kind=mail.kind,
        association=envelope.association,
        person_id=envelope.person_id,
        recipient=envelope.address,
        subject=rendered.subject.replace(code, _MASKED_CODE) if code else rendered.subject,
        body=rendered.body,
        urgent=envelope.urgent,
        expires_at=now + timedelta(minutes=SIGN_IN_MINUTES) if code else None,
        about=envelope.about,
        text=_find_kept_text(mail, envelope, rendered.text),
    )


def _find_kept_text(mail: AnyMail, envelope: Envelope, text: str) -> str:
    """What coordinators may read of an email afterward: without the secret parts of links."""
    if envelope.person_id is None or isinstance(mail, _SECRET_MAIL):
        return ""
    return _TOKEN.sub(_SHORTENED, text)


def open_context(
    settings: Settings, rulebooks: Rulebooks, engine: Engine, patience: float | None = None
) -> JobContext:
    """A context whose transactions commit. Raises RulebooksWrong if notices.toml has errors.

    A transaction waits for other writers, at most ``patience`` seconds if that is given.
    """
    return JobContext(
        team=TeamCache(engine, settings, rulebooks, clock.now),
        rulebooks=rulebooks,
        notices=load_notice_configs(settings.config_dir, rulebooks.associations),
        composer=load_composer(templates_folder(), settings.base_url),
        transaction=lambda: writing(engine, patience),
    )


@contextmanager
def dry_run_context(context: JobContext, engine: Engine) -> Iterator[JobContext]:
    """The same context, but everything it writes is undone at the end."""
    with engine.connect() as connection:
        outer = connection.execution_options(writes=True).begin()

        @contextmanager
        def transaction() -> Iterator[Session]:
            # A savepoint, so that a transaction that fails undoes its own writes only.
            with Session(
                connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
            ) as session:
                yield session
                session.commit()

        try:
            yield replace(context, transaction=transaction)
        finally:
            outer.rollback()
