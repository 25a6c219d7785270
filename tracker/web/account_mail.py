"""The mail that lets somebody sign in, made after the visitor has been answered."""

from datetime import datetime
from urllib.parse import urlencode

from sqlmodel import Session

from tracker.db.engine import reading
from tracker.mail.compose import Rendered
from tracker.mail.contents import Action, AddressMail, SignInMail, context_of
from tracker.mail.outbox import Message, enqueue
from tracker.services.profile import Profile, is_taken, profile_of
from tracker.services.sign_in import (
    NOBODY,
    SIGN_IN_MINUTES,
    Who,
    find_person_by_email,
    forget_old,
    format_code,
    generate_code,
    hash_token,
    store_sign_in,
)
from tracker.web.dependencies import Site


def send_sign_in(site: Site, email: str, token: str, wanted: str, at: datetime) -> None:
    """Send a link and code if we know the address.

    For an unknown one all is done but the sending, so that neither the load nor what is answered
    to a code tells anything: its code is stored, and nobody learns it.
    """
    code = generate_code()
    with reading(site.engine) as session:
        person = find_person_by_email(session, email)
    name = person.name if person else _coordinator_name(site, email)
    mail = _compose(site, (name or "", email), _link(site, token, wanted), code, at)

    def store(session: Session) -> None:
        forget_old(session, at)
        whose = NOBODY if name is None else email
        store_sign_in(session, email=whose, token=token, code=code, now=at)
        if name is not None:
            enqueue(session, [_message(mail, email, token, person)], at)

    site.writer.run(store)


def _coordinator_name(site: Site, email: str) -> str | None:
    return next((c.name for c in site.settings.coordinators if c.email == email), None)


def _link(site: Site, token: str, wanted: str) -> str:
    query = f"?{urlencode({'next': wanted})}" if wanted != "/" else ""
    return f"{site.settings.base_url}/sign-in/{token}{query}"


def _compose(site: Site, recipient: tuple[str, str], url: str, code: str, at: datetime) -> Rendered:
    context = context_of(SignInMail(code=format_code(code), url=url, minutes=SIGN_IN_MINUTES))
    return site.composer.compose(SignInMail.kind, recipient=recipient, context=context, at=at)


def _message(mail: Rendered, email: str, token: str, person: Who | None) -> Message:
    return Message(
        dedupe_key=f"sign-in:{hash_token(token)}",
        message_id=mail.message_id,
        kind=SignInMail.kind,
        association=None,
        person_id=person.id if person else None,
        recipient=email,
        subject=mail.subject,
        body=mail.body,
        urgent=True,
    )


def send_confirmation(site: Site, person_id: int, email: str, token: str, at: datetime) -> None:
    """Send a link and code to the address; to one that is taken, what is the matter instead.

    All else is done alike, so that neither the load nor what is answered to a code tells which
    of the two it was.
    """
    code = generate_code()
    with reading(site.engine) as session:
        taken = is_taken(session, person_id, email)
        profile = profile_of(session, person_id)
    mail = _taken_mail(site) if taken else _confirming_mail(site, profile, token, code)
    message = _message_address_mail(
        site, mail, "" if taken else profile.name, email, hash_token(token), at
    )

    def store(session: Session) -> None:
        forget_old(session, at)
        whose = NOBODY if taken else email
        store_sign_in(session, email=whose, token=token, code=code, now=at, person_id=person_id)
        enqueue(session, [message], at)

    site.writer.run(store)


def write_news(
    site: Site, session: Session, profile: Profile, person_id: int, second: str, at: datetime
) -> None:
    """Tell the first address that the second is now another one (empty: none), by whomever."""
    what = f"Your second address is now {second}." if second else "Your second address is removed."
    mail = AddressMail(
        subject="Your second e-mail address has changed",
        greeting_name=profile.name,
        headline=what,
        text="It signs you in, and gets our mail when this address does not work."
        if second
        else "It no longer signs you in, and was signed out in every browser.",
        quiet="Was that not you? Remove it on your profile, and reply to your coordinator.",
        why="You get this because whoever has the address can sign in as you.",
        action=Action("See my profile", f"{site.settings.base_url}/profile"),
    )
    key = f"address:{person_id}:{at.isoformat()}"
    message = _message_address_mail(
        site, mail, profile.name, profile.email, key, at, person_id=person_id
    )
    enqueue(session, [message], at)


def write_trial(
    site: Site, session: Session, profile: Profile, person_id: int, at: datetime
) -> None:
    """A mail to the first address that shows whether it works again."""
    mail = AddressMail(
        subject="This address works again",
        greeting_name=profile.name,
        headline="This address works again.",
        text="Mail to it had come back, and you asked us to try again. This mail has arrived, so "
        "our mail comes here as before.",
        quiet="Nothing is left to do.",
        why="You get this because you asked for it on your profile.",
    )
    key = f"{person_id}:{profile.email_refused_at}"
    message = _message_address_mail(
        site, mail, profile.name, profile.email, key, at, person_id=person_id
    )
    enqueue(session, [message], at)


def _confirming_mail(site: Site, profile: Profile, token: str, code: str) -> AddressMail:
    return AddressMail(
        subject="Confirm your second e-mail address",
        greeting_name=profile.name,
        headline="Is this your second address?",
        text="Open the page and type this code there. It works once, for "
        f"{SIGN_IN_MINUTES} minutes.",
        quiet="If you do not know what this is about, ignore it: nothing happens without the code.",
        why=f"Sent because somebody entered this address at {site.settings.base_url}",
        code=format_code(code),
        action=Action("Open the page", f"{site.settings.base_url}/profile/second-address/{token}"),
    )


def _taken_mail(site: Site) -> AddressMail:
    return AddressMail(
        subject="This address is in use here already",
        greeting_name="",
        headline="This address is in use already.",
        text="Somebody entered it as a second address, but it belongs to a person here already. "
        "Nothing has changed.",
        quiet="Was it you? Sign in with this address to see your pages, or use another one as "
        "your second address. If it was not you, ignore this mail.",
        why=f"Sent because somebody entered this address at {site.settings.base_url}",
        action=Action("Sign in", f"{site.settings.base_url}/sign-in"),
    )


def _message_address_mail(
    site: Site,
    mail: AddressMail,
    name: str,
    email: str,
    key: str,
    at: datetime,
    *,
    person_id: int | None = None,
) -> Message:
    rendered = site.composer.compose(
        mail.kind, recipient=(name, email), context=context_of(mail), at=at
    )
    return Message(
        dedupe_key=f"address:{key}",
        message_id=rendered.message_id,
        kind=mail.kind,
        association=None,
        person_id=person_id,
        recipient=email,
        subject=rendered.subject,
        body=rendered.body,
        urgent=True,
    )
