"""Mail to someone who was added to an association's team, or whose role ended."""

from tracker.formatting import capitalize_first, format_date
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, create_message, use_locale_of
from tracker.notifications.notices_mail import fit_subject
from tracker.services.context import ServiceContext
from tracker.services.message_subjects import About
from tracker.services.team import NewMember, Role

_DUTIES = {
    Role.COORDINATOR: "You can see and change everything on the association's desk.",
    Role.REVIEWER: "You can read applications and record reviews.",
    Role.TREASURER: "You can look at endorsees, memberships, and reports, and record payments.",
    Role.VIEWER: "You can look at everything on the association's desk.",
}
# Where each begins; the rest of the desk is closed to reviewers.
_PATHS = dict.fromkeys(Role, "/coordinator") | {Role.REVIEWER: "/coordinator/applicants"}


def notify_new_member(
    mail_context: MailContext, context: ServiceContext, role_id: int, new: NewMember, by: str
) -> None:
    """Queue the invitation, in the transaction that adds the role.

    ``by`` is who added it, as in the middle of a sentence.
    """
    with use_locale_of(mail_context, new.association):
        rows = [Row("Role", new.role), Row("First day", format_date(new.starts_on))]
        if new.ends_on is not None:
            rows.append(Row("Last day", format_date(new.ends_on)))
    mail = RequestMail(
        subject=fit_subject(
            [f"You are on the team of {new.association} as {new.role}", "You are on the team"]
        ),
        greeting_name=new.name,
        headline=f"You are now {new.role} at {new.association}.",
        intro=f"{capitalize_first(by)} added you. {_DUTIES[Role(new.role)]} Sign in with this "
        "email address; there is no password.",
        rows=tuple(rows),
        action=Action("Open the desk", f"{mail_context.settings.base_url}{_PATHS[Role(new.role)]}"),
        why=f"You get this email because {by} added this address at {new.association}.",
    )
    envelope = Envelope(
        dedupe_key=f"team:{role_id}",
        name=new.name,
        address=new.email,
        association=new.association,
        to_coordinator=True,
        about=About("team_role", role_id),
    )
    enqueue(
        context.session, [create_message(mail_context, envelope, mail, context.now)], context.now
    )
