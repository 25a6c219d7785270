"""Mail about signing in and about a person's email addresses."""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from sqlmodel import Session

from tracker.db.people import Person
from tracker.db.signing_keys import body_cipher
from tracker.formatting import format_list
from tracker.mail.contents import Action, AddressMail, SignInMail
from tracker.mail.outbox import enqueue
from tracker.notifications.context import (
    Envelope,
    MailContext,
    change_prefix,
    create_message,
)
from tracker.services.browser_sessions import SessionProof, start_confirmation
from tracker.services.context import Actor, ServiceContext
from tracker.services.dead_addresses import list_addresses
from tracker.services.profile import is_email_taken
from tracker.services.sign_in import (
    NOBODY,
    SIGN_IN_MINUTES,
    create_sign_in,
    find_former_owner,
    find_person_by_email,
    format_code,
    hash_token,
    link_token,
)
from tracker.services.team import name_members


class CodeRequest(NamedTuple):
    """A request for a code by mail.

    A sign-in opens ``next_path``; ``token`` is that of the browser that asked. Someone who is new
    (``is_new``) may sign in with an address that nobody has yet. A second address is that of
    ``person_id``; ``token`` is that of the link in the mail.
    """

    email: str
    token: str
    next_path: str = "/"
    person_id: int | None = None
    is_new: bool = False


def send_sign_in_code(
    mail_context: MailContext, session: Session, request: CodeRequest, now: datetime
) -> None:
    """Store a code, and queue a mail with it if the address is known, or may be new.

    For an unknown address all else is done, too, so that neither the time it takes nor the answer
    to a code shows whether the address is registered. If the address was a person's before, the
    mail says which one replaced it, and its code signs nobody in.
    """
    person = find_person_by_email(session, request.email)
    former = find_former_owner(session, request.email)
    mail_context.team.refresh(session)
    names = _list_names(mail_context, request.email, person)
    former = None if request.email in names else former
    name = names.get(request.email, "" if request.is_new else None)
    email = NOBODY if name is None or former else request.email
    token = link_token(session, request.token)
    code = create_sign_in(session, token, email, now)
    mail = _write_code(mail_context, request, token, code)
    if former is not None:
        name, mail = "", _write_present_address(mail_context, request.email, former.email)
    envelope = Envelope(
        dedupe_key=f"{mail.kind}:{hash_token(request.token)}",
        name=name or "",
        address=request.email,
        association=None,
        person_id=person.id if person else None,
        urgent=True,
    )
    message = create_message(mail_context, envelope, mail, now)
    if name is not None:
        enqueue(session, [message], now)
    else:
        body_cipher(session).encrypt(message.message_id, message.body)


def _list_names(mail_context: MailContext, email: str, person: Person | None) -> dict[str, str]:
    """The names of everyone on a team, and of the person who has the address, by address."""
    names = name_members(mail_context.team.members)
    return names if person is None else names | {email: person.name}


def _write_code(
    mail_context: MailContext, request: CodeRequest, token: str, code: str
) -> SignInMail | AddressMail:
    query = f"?{urlencode({'next': request.next_path})}" if request.next_path != "/" else ""
    return SignInMail(
        code=format_code(code),
        url=f"{mail_context.settings.base_url}/sign-in/{token}{query}",
        minutes=SIGN_IN_MINUTES,
    )


def _write_present_address(
    mail_context: MailContext, email: str, present: str
) -> SignInMail | AddressMail:
    """The mail to a former address, instead of a code."""
    base_url = mail_context.settings.base_url
    return AddressMail(
        subject="Sign in with your other address",
        greeting_name="",
        headline=f"Your address here is now {present}.",
        text=f"It replaced {email}, which no longer signs you in. Everything in your record is "
        f"kept. Sign in with {present}.",
        quiet="If you are someone else and need this address here, contact your association. If "
        "you didn't ask to sign in, ignore this email.",
        why=f"Sent because someone entered this address at {base_url}",
        action=Action("Sign in", f"{base_url}/sign-in"),
    )


def send_second_email_code(
    mail_context: MailContext, session: Session, request: CodeRequest, now: datetime
) -> None:
    """Store a code that confirms a second address, and queue a mail with it to that address.

    If the address belongs to another person, or is that of a team, who signs in with it, the mail
    says so instead. All else is the same, so
    that neither the time it takes nor the answer to a code shows which of the two it was.
    """
    person = session.get_one(Person, request.person_id)
    is_taken = is_email_taken(session, person.id, request.email)
    associations = {
        one.association for one in mail_context.team.members if one.email == request.email
    }
    email = NOBODY if is_taken or associations else request.email
    code = create_sign_in(session, request.token, email, now, person.id)
    base_url = mail_context.settings.base_url
    why = f"Sent because someone entered this address at {base_url}"
    if associations:
        name = ""
        mail = AddressMail(
            subject="Someone tried to use your address",
            greeting_name="",
            headline="Someone entered your address as their second address.",
            text=f"{person.name} wanted to be able to sign in with it. You sign in with it to work "
            f"for {format_list(sorted(associations))}, so it can't be anyone's second address. "
            "Nothing has changed.",
            quiet="You don't need to do anything. If you don't know why this happened, contact the "
            "operator of this website.",
            why=why,
        )
    elif is_taken:
        name = ""
        mail = AddressMail(
            subject="This address is already in use",
            greeting_name="",
            headline="This address is already in use.",
            text="Someone entered it as a second address, but it already belongs to a person "
            "here. Nothing has changed.",
            quiet="If it was you, sign in with this address to see your pages, or choose another "
            "second address. If it wasn't you, ignore this email.",
            why=why,
            action=Action("Sign in", f"{base_url}/sign-in"),
        )
    else:
        name = person.name
        mail = AddressMail(
            subject="Confirm your second email address",
            greeting_name=name,
            headline="Confirm your second email address.",
            text="Open the page below and enter this code. It works once, for "
            f"{SIGN_IN_MINUTES} minutes.",
            quiet="If you don't know what this is about, ignore this email. Nothing happens "
            "without the code.",
            why=why,
            code=format_code(code),
            action=Action("Open the page", f"{base_url}/profile/second-address/{request.token}"),
        )
    envelope = Envelope(
        dedupe_key=f"{mail.kind}:{hash_token(request.token)}",
        name=name,
        address=request.email,
        association=None,
        urgent=True,
    )
    enqueue(session, [create_message(mail_context, envelope, mail, now)], now)


def send_confirmation_code(
    mail_context: MailContext, session: Session, viewer: Actor, proof: SessionProof, now: datetime
) -> str:
    """Store a code that confirms a signed-in session, queue the mail, and return its address.

    It goes to the person's first address, or to the second while the first refuses mail; to the
    address in ``viewer.label`` of someone who is not a person in the database.
    """
    name, email = "", viewer.label
    if viewer.person_id is not None:
        person = session.get_one(Person, viewer.person_id)
        name, email = person.name, person.email
        email = list_addresses(session, [person.id])[person.id].working or person.email
    code = start_confirmation(session, viewer.person_id, email, proof, now)
    mail = AddressMail(
        subject=f"{format_code(code)} confirms that it's you",
        greeting_name=name,
        headline="Confirm that it's you.",
        text="Enter this code on the page that asked for it, in the browser where you are signed "
        "in, to change your addresses, calendar address, or browsers. It works once, for "
        f"{SIGN_IN_MINUTES} minutes.",
        quiet="If you did not ask for it, someone else may be using a browser where you are signed "
        "in. Don't give the code to anyone, and sign out your other browsers on your profile.",
        why="You get this email because a page that is signed in as you asked for a code.",
        code=format_code(code),
    )
    envelope = Envelope(
        dedupe_key=f"{mail.kind}:{hash_token(proof.ticket)}",
        name=name,
        address=email,
        association=None,
        person_id=viewer.person_id,
        urgent=True,
    )
    enqueue(session, [create_message(mail_context, envelope, mail, now)], now)
    return email


def notify_second_email_change(
    mail_context: MailContext,
    context: ServiceContext,
    person: Person,
    association: str | None = None,
) -> None:
    """Tell a person's first address that their second one was changed or removed.

    ``association`` is that of the coordinator who did it; None: the person did.
    """
    headline = "Your second address was removed."
    text = "It can no longer be used to sign in, and was signed out in every browser."
    if person.second_email:
        headline = f"Your second address is now {person.second_email}."
        text = "You can sign in with it, and it gets our email if this address stops working."
    mail = AddressMail(
        subject="Your second email address has changed",
        greeting_name=person.name,
        headline=headline,
        text=text,
        quiet="If this wasn't you, remove the second address on your profile and contact your "
        "coordinator.",
        why="You get this email because anyone with access to your second address can sign in as "
        "you.",
        action=Action("See my profile", f"{mail_context.settings.base_url}/profile"),
    )
    key = f"{mail.kind}:{person.id}:{context.now.isoformat()}"
    if association is not None:
        key = f"{change_prefix(person.id, context.now)}second"
    envelope = Envelope(key, person.name, person.email, association, person.id, urgent=True)
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def notify_former_email(
    mail_context: MailContext,
    context: ServiceContext,
    person: Person,
    former: str,
    association: str,
) -> None:
    """Tell a person's former address that it was replaced, in the transaction that does it.

    Call it after the change: waiting mail goes to the new address. Replies reach the coordinators
    of the ``association``.
    """
    mail = AddressMail(
        subject="Your email address here has changed",
        greeting_name=person.name,
        headline=f"Your address here is now {person.email}.",
        text=f"Your coordinator replaced {former}. Everything in your record is kept, and our "
        f"email goes to {person.email} from now on. Sign in with that address.",
        quiet="If this is wrong, reply to this email. It goes to your coordinator.",
        why="You get this email because this address no longer signs you in.",
        action=Action("Sign in", f"{mail_context.settings.base_url}/sign-in"),
    )
    key = f"{change_prefix(person.id, context.now)}former"
    envelope = Envelope(key, person.name, former, association, person.id, urgent=True)
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def send_trial_mail(
    mail_context: MailContext, context: ServiceContext, person: Person, refused_at: datetime
) -> None:
    """Queue a mail to a person's first address, which refused mail since ``refused_at``."""
    mail = AddressMail(
        subject="This address works again",
        greeting_name=person.name,
        headline="This address works again.",
        text="Email to this address bounced, and you asked us to try again. This message has "
        "arrived, so we will use this address again.",
        quiet="You don't need to do anything.",
        why="You get this email because you asked for it on your profile.",
    )
    key = f"{mail.kind}:{person.id}:{refused_at}"
    envelope = Envelope(key, person.name, person.email, None, person.id, urgent=True)
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)
