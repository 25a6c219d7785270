"""`tracker remove`, `person`, and `provider`: what was wrong, has changed, or is known now."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlmodel import Session

from tracker import clock
from tracker.cli.context import AppContext, UnknownName, open_app, print_json_list
from tracker.db.engine import reading, writing
from tracker.errors import UserError
from tracker.formatting import format_count, format_list
from tracker.notifications.context import MailContext, open_context
from tracker.notifications.provider_mail import notify_known_providers
from tracker.notifications.undo_mail import (
    remove_with_letters,
    undo_decision,
    undo_removal_with_letters,
)
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.email_changes import change_email, release_email
from tracker.services.provider_names import confirm_provider
from tracker.services.removals import (
    RemovableRow,
    list_removable,
    list_removals,
)
from tracker.services.sign_in import normalize_email
from tracker.services.undo import is_decision


def _context(tracker: AppContext, session: Session, command: str) -> ServiceContext:
    return ServiceContext(session, tracker.rulebooks, Actor(command), clock.now())


def _explain(refused: Refused) -> UserError:
    sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
    return UserError("\n".join(sentences))


def remove(kind: str, email: str, words: Iterable[str], reason: str) -> None:
    """Remove the person's only row of a kind that has all words, and print how to undo it."""
    email = normalize_email(email)
    with open_app() as tracker, writing(tracker.engine) as session:
        mail = open_context(tracker.settings, tracker.rulebooks, tracker.engine)
        try:
            rows = list_removable(session, kind, email)
        except NotFound:
            raise UnknownName(f"Nobody has the address {email}.") from None
        row = _choose(kind, email, rows, list(words))
        try:
            context = _context(tracker, session, "tracker remove")
            removal, corrected = remove_with_letters(mail, context, row, reason)
        except Refused as refused:
            raise _explain(refused) from None
        number = removal.id
    sys.stdout.write(f"Removed the {kind} of {email}: {row.description}\n")
    sys.stdout.write(f"`tracker remove undo {number}` brings it back. Correct your files too: an ")
    sys.stdout.write("import adds again what they still contain.\n")
    if corrected:
        letters = format_count(corrected, "letter")
        sys.stdout.write(f"A correction follows {letters} about it that had left.\n")


def _choose(kind: str, email: str, rows: list[RemovableRow], words: list[str]) -> RemovableRow:
    """The only row that has all words. Raises UnknownName with the rows to choose from."""
    matches = [row for row in rows if row.has(words)]
    if len(matches) == 1:
        return matches[0]
    if not rows:
        raise UnknownName(f"{email} has no {kind}.")
    problem = (
        f"{email} has several rows of this kind"
        if matches
        else (f"{email} has no {kind} with {format_list(words)}")
    )
    lines = [f"{problem}. Add words that only one of these has:"]
    lines += [f"  {row.description}" for row in matches or rows]
    raise UnknownName("\n".join(lines))


def undo(removal_id: int) -> None:
    """Bring back what a removal deleted, and print what stays as it is."""
    with open_app() as tracker:
        mail = open_context(tracker.settings, tracker.rulebooks, tracker.engine)
        with writing(tracker.engine) as session:
            notes = _undo(mail, _context(tracker, session, "tracker remove undo"), removal_id)
    sys.stdout.write(f"Removal {removal_id} is undone.\n")
    for note in notes:
        sys.stdout.write(f"{note}\n")


def _undo(mail: MailContext, context: ServiceContext, removal_id: int) -> list[str]:
    """Undo a removal or a decision; what there is to say about it."""
    try:
        if is_decision(context.session, removal_id):
            has_left = undo_decision(mail, context, removal_id)
            return ["A correction of the letter about it was queued."] if has_left else []
        undone, letters = undo_removal_with_letters(mail, context, removal_id)
    except NotFound:
        message = f"There is no removal {removal_id}. `tracker remove list` lists them."
        raise UnknownName(message) from None
    except Refused as refused:
        raise _explain(refused) from None
    lines = [f"Left alone: {note}" for note in undone.left_alone] + undone.went_with
    if letters:
        lines.append(f"{format_count(letters, 'letter')} about it will leave after all.")
    return lines


def print_removals(*, as_json: bool) -> None:
    """List every removal, newest first."""
    with open_app() as tracker, reading(tracker.engine) as session:
        removals = list_removals(session)
    if as_json:
        hidden = {"content", "person_id"}
        print_json_list(
            {"email": email, **each.model_dump(exclude=hidden)} for each, email in removals
        )
        return
    if not removals:
        Console().print("Nothing was removed.")
        return
    table = Table("ID", "Removed", "Of", "What", "Reason", "State")
    for each, email in removals:
        state = "undone" if each.undone_at else "removed"
        what = escape(f"{each.kind}: {each.description}")
        day = each.removed_at.date().isoformat()
        table.add_row(str(each.id), day, escape(email), what, escape(each.reason), state)
    Console().print(table)


def change_address(old: str, new: str) -> None:
    """Give a person another address, and print what follows."""
    old, new = normalize_email(old), normalize_email(new)
    with open_app() as tracker, writing(tracker.engine) as session:
        try:
            context = _context(tracker, session, "tracker person")
            name = change_email(context, old, new).name
        except NotFound:
            raise UnknownName(f"Nobody has the address {old}.") from None
        except Refused as refused:
            raise _explain(refused) from None
    sys.stdout.write(f"{name} now has the address {new}, and signs in with it.\n")
    sys.stdout.write(f"Browsers that were signed in as {old} are signed out.\n")


def release_address(email: str) -> None:
    """Let another person have a former address."""
    email = normalize_email(email)
    with open_app() as tracker, writing(tracker.engine) as session:
        try:
            present = release_email(_context(tracker, session, "tracker person"), email)
        except NotFound:
            raise UnknownName(f"{email} is nobody's former address.") from None
    sys.stdout.write(f"{email} no longer means {present}. Another person can have it.\n")


def confirm(name: str, email: str, association: str | None) -> None:
    """Link the sessions with a provider's name to a person, and mail the endorsees."""
    with open_app() as tracker:
        tracker.check_association(association)
        mail = open_context(tracker.settings, tracker.rulebooks, tracker.engine)
        with writing(tracker.engine) as session:
            context = _context(tracker, session, "tracker provider")
            try:
                linked = confirm_provider(context, name, normalize_email(email), association)
            except Refused as refused:
                raise _explain(refused) from None
            notify_known_providers(mail, context, linked)
    people = len({each.person_id for each in linked})
    sys.stdout.write(
        f"Linked {format_count(len(linked), 'session')} of {format_count(people, 'endorsee')} to "
        f"{normalize_email(email)}.\n"
    )
