"""`tracker team`: who works for an association."""

import json
import sys

from tracker import clock
from tracker.cli.context import UnknownName, open_app
from tracker.db.engine import reading, writing
from tracker.errors import UserError
from tracker.formatting import format_date, format_period
from tracker.notifications.context import open_context
from tracker.notifications.team_mail import notify_new_member
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.evaluation import days_at
from tracker.services.second_factor import reset_second_factor
from tracker.services.sign_in import normalize_email
from tracker.services.team import NewMember, add_member, load_team

_COMMAND = "tracker team"


class NotAdded(UserError):  # noqa: N818 - reads as the sentence it prints
    """Why someone can't be added to a team."""

    heading = "Not added:"


def list_team(*, as_json: bool) -> None:
    """Print every role, by association."""
    with open_app() as app, reading(app.engine) as session:
        members = load_team(session, app.settings, app.rulebooks.associations).members
    if as_json:
        rows = [
            {
                "association": one.association,
                "role": one.role.value,
                "name": one.name,
                "email": one.email,
                "starts_on": one.starts_on.isoformat() if one.starts_on else None,
                "ends_on": one.ends_on.isoformat() if one.ends_on else None,
            }
            for one in members
        ]
        json.dump(rows, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    if not members:
        sys.stdout.write("Nobody is on a team yet. `tracker team add` adds somebody.\n")
    for one in members:
        days = f"since {format_date(one.starts_on)}" if one.starts_on else "from the settings"
        if one.starts_on and one.ends_on:
            days = format_period(one.starts_on, one.ends_on)
        sys.stdout.write(f"{one.association}: {one.name} <{one.email}>, {one.role}, {days}\n")


def add(association: str, email: str, name: str, role: str) -> None:
    """Add a role from today on, and queue the email about it."""
    with open_app(is_first=True) as app:
        app.check_association(association)
        now = clock.now()
        mail = open_context(app.settings, app.rulebooks, app.engine)
        today = days_at(app.rulebooks, now)(association)
        new = NewMember(association, normalize_email(email), name.strip(), role, today)
        with writing(app.engine) as session:
            context = ServiceContext(session, app.rulebooks, Actor(_COMMAND), now)
            try:
                role_id = add_member(context, app.settings, new)
            except Refused as refused:
                words = [format_refusal(one.code, one.facts) for one in refused.refusals]
                raise NotAdded("; ".join(words)) from None
            notify_new_member(mail, context, role_id, new, "the operator of this site")
    sys.stdout.write(f"{new.name} <{new.email}> is {role} at {association}. They get an email.\n")


def reset_factor(email: str) -> None:
    """Remove a second factor."""
    with open_app() as app, writing(app.engine) as session:
        context = ServiceContext(session, app.rulebooks, Actor(_COMMAND), clock.now())
        found = reset_second_factor(context, normalize_email(email))
    if not found:
        raise UnknownName(f"{email} has no second factor.")
    sys.stdout.write(f"The second factor of {email} is removed.\n")
