"""The mail that lets somebody sign in, made after the visitor has been answered."""

from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import Connection

from tracker.mail.compose import Rendered
from tracker.mail.contents import SignInMail, context_of
from tracker.records.mailing.outbox import Message, enqueue
from tracker.records.sign_in.codes import new_code, say_code
from tracker.records.sign_in.sign_in import (
    NOBODY,
    SIGN_IN_MINUTES,
    Who,
    find_person,
    forget_old,
    hashed,
    store_sign_in,
)
from tracker.records.store.engine import reading
from tracker.web.frame.site import Site


def send_sign_in(site: Site, email: str, token: str, wanted: str, at: datetime) -> None:
    """Send a link and code if we know the address.

    For an unknown one all is done but the sending, so that neither the load nor what is answered
    to a code tells anything: its code is stored, and nobody learns it.
    """
    code = new_code()
    with reading(site.engine) as connection:
        person = find_person(connection, email)
    name = person.name if person else _coordinator_name(site, email)
    mail = _compose(site, (name or "", email), _link(site, token, wanted), code, at)

    def store(connection: Connection) -> None:
        forget_old(connection, at)
        whose = NOBODY if name is None else email
        store_sign_in(connection, email=whose, token=token, code=code, now=at)
        if name is not None:
            enqueue(connection, [_message(mail, email, token, person)], at)

    site.writer.run(store)


def _coordinator_name(site: Site, email: str) -> str | None:
    return next((c.name for c in site.settings.coordinators if c.email == email), None)


def _link(site: Site, token: str, wanted: str) -> str:
    query = f"?{urlencode({'next': wanted})}" if wanted != "/" else ""
    return f"{site.settings.base_url}/sign-in/{token}{query}"


def _compose(site: Site, recipient: tuple[str, str], url: str, code: str, at: datetime) -> Rendered:
    context = context_of(SignInMail(code=say_code(code), url=url, minutes=SIGN_IN_MINUTES))
    return site.composer.compose(SignInMail.kind, recipient=recipient, context=context, at=at)


def _message(mail: Rendered, email: str, token: str, person: Who | None) -> Message:
    return Message(
        dedupe_key=f"sign-in:{hashed(token)}",
        message_id=mail.message_id,
        kind=SignInMail.kind,
        association=None,
        person_id=person.id if person else None,
        recipient=email,
        subject=mail.subject,
        body=mail.body,
        urgent=True,
    )
