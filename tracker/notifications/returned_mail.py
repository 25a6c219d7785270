"""An email that came back from a person's first address, written again for the second one."""

from datetime import datetime
from itertools import groupby

from sqlmodel import Session

from tracker.db.people import Person
from tracker.mail.bounces import Row, create_copy, find_second
from tracker.mail.contents import Action, ForwardedMail, NoticesMail
from tracker.mail.outbox import store_copy
from tracker.notifications.context import MailContext, use_locale_of
from tracker.services.sent_texts import read_sent_text

# What stands for the secret part of a link.
_SHORTENED = "…"


def forward_to_second(context: MailContext, session: Session, row: Row, now: datetime) -> str:
    """Queue what came back, a row of the outbox, for the second address; return that address.

    Empty if there is none, or if no text of the email was kept. Links with a secret part are left
    out. Notices are decided again before this leaves, and written anew with what is due by then.
    """
    second = find_second(session, row)
    kept = read_sent_text(session, row["id"]) if second else None
    if second is None or kept is None or kept.text is None:
        return ""
    person = session.get_one(Person, row["person_id"])
    with use_locale_of(context, row["association"]):
        mail = ForwardedMail(
            subject=kept.subject,
            greeting_name=person.name,
            headline="This email came back from your first address.",
            intro=f"We sent the email below to {row['recipient']}, and it could not be delivered. "
            "Please check on your profile whether the address is right.",
            original=kept.subject,
            paragraphs=_list_paragraphs(kept.text),
            action=Action("See my profile", f"{context.settings.base_url}/profile"),
            why="You get this email because it did not reach your first address.",
        )
        rendered = context.composer.compose(
            mail,
            sender=context.settings.mail_of(row["association"]).sender,
            recipient=(person.name, second),
            at=now,
        )
    is_outdated = True if row["kind"] == NoticesMail.kind else row["is_outdated"]
    original = {**row, "is_outdated": is_outdated}
    store_copy(session, create_copy(original, second, (rendered.message_id, rendered.body), now))
    return second


def _list_paragraphs(text: str) -> tuple[tuple[str, ...], ...]:
    lines = [line.rstrip() for line in text.splitlines() if _SHORTENED not in line]
    groups = groupby(lines, key=bool)
    return tuple(tuple(group) for has_text, group in groups if has_text)
