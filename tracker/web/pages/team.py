"""The team of an association, and the notes for the next coordinator."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from wtforms import RadioField, SelectChoice, StringField

from tracker.notifications.attention_text import describe_attention
from tracker.notifications.team_mail import notify_new_member
from tracker.services.attention import read_queue
from tracker.services.context import Refused, ServiceContext
from tracker.services.saved_filters import list_team_filters
from tracker.services.second_factor import has_second_factor, reset_second_factor
from tracker.services.sign_in import normalize_email
from tracker.services.team import (
    MAX_NOTES_LENGTH,
    NewMember,
    Role,
    add_member,
    change_team_setting,
    end_member,
    find_member,
    get_team_setting,
    load_team,
)
from tracker.web.confirmation import ConfirmedPage
from tracker.web.forms.body import Typed, clean, text_of
from tracker.web.forms.days import PeriodForm
from tracker.web.page_request import ChangePage, CoordinatorPage, PageRequest, format_problems
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_people import filter_path

router = APIRouter()
_PATH = "/coordinator/team"
_ROLE_LABELS = {
    Role.COORDINATOR: "Coordinator: sees and changes everything",
    Role.REVIEWER: "Reviewer: reads and reviews applications",
    Role.TREASURER: "Treasurer: sees endorsees, memberships, and reports",
    Role.VIEWER: "Viewer: sees everything, changes nothing",
}
Association = Annotated[str, Query()]


class MemberForm(PeriodForm):
    """Whom to add, as what, and from when to when."""

    page_order = ("name", "email", "role")

    name = StringField("Name", filters=[clean])
    email = StringField("Email address", filters=[clean])
    role = RadioField(
        "Role",
        choices=[SelectChoice(role.value, label) for role, label in _ROLE_LABELS.items()],
        validate_choice=False,
    )

    def parse_member(self, association: str, today: date) -> NewMember | None:
        """The new member; None if a day is wrong, which its problem explains."""
        starts_on, ends_on = today, None
        if self.starts_today.data or not self.is_blank("starts"):
            starts_on = self.parse_first_day(today) or today
        if not self.is_blank("ends"):
            ends_on = self.parse_day("ends", today)
        if self.errors:
            return None
        email = normalize_email(self.email.data or "")
        role = self.role.data or ""
        return NewMember(association, email, self.name.data or "", role, starts_on, ends_on)


class LastDayForm(PeriodForm):
    """The last day of a role."""

    refusal_fields = {**PeriodForm.refusal_fields, "last_day": "ends_day"}  # noqa: RUF012


@router.get(_PATH)
def show_team(page: CoordinatorPage, association: Association = "") -> HTMLResponse:
    """Who works for an association, and whether it requires a second factor."""
    return _render_team(page, choose_association(page.viewer, association), ())


@router.post(_PATH)
def change_team(
    page: CoordinatorPage, _confirmed: ConfirmedPage, typed: Typed, association: Association = ""
) -> Response:
    """Require a second factor or not, or reset that of somebody who lost their phone."""
    association = choose_association(page.viewer, association)
    action = text_of(typed, "action")

    def work(context: ServiceContext) -> str:
        if action == "reset":
            member = find_member(
                context.session, page.site.configured, association, text_of(typed, "member")
            )
            return "reset" if reset_second_factor(context, member.email) else "none"
        requires = action == "require"
        change_team_setting(context, association, requires_second_factor=requires)
        return "required" if requires else "optional"

    message = page.write(work)
    return page.redirect(_PATH, f"factor-{message}", association=association)


@router.get(f"{_PATH}/new")
def open_member_form(page: ChangePage, association: Association = "") -> HTMLResponse:
    """Ask whom to add to the team."""
    association = choose_association(page.viewer, association)
    return _render_form(page, association, MemberForm())


@router.post(f"{_PATH}/new")
def create_member(
    page: CoordinatorPage, _confirmed: ConfirmedPage, typed: Typed, association: Association = ""
) -> Response:
    """Add somebody to the team, who gets an email."""
    association = choose_association(page.viewer, association)
    form = MemberForm(typed)
    new = form.parse_member(association, page.day_of(association))
    if new is None:
        return _render_form(page, association, form)

    def work(context: ServiceContext) -> None:
        role_id = add_member(context, page.site.configured, new)
        notify_new_member(page.site, context, role_id, new, page.viewer.name)

    try:
        page.write(work)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render_form(page, association, form)
    page.site.team.forget()
    return page.redirect(_PATH, "member-added", association=association)


@router.get(f"{_PATH}/end")
def open_end_form(
    page: ChangePage, association: Association = "", member: Annotated[str, Query()] = ""
) -> HTMLResponse:
    """Ask for the last day of somebody's role."""
    association = choose_association(page.viewer, association)
    return _render_end(page, association, member, LastDayForm())


@router.post(f"{_PATH}/end")
def end_role(page: CoordinatorPage, typed: Typed, association: Association = "") -> Response:
    """End somebody's role with a day."""
    association = choose_association(page.viewer, association)
    key, form, today = text_of(typed, "member"), LastDayForm(typed), page.day_of(association)
    last_day = today if form.is_blank("ends") else form.parse_day("ends", today)
    if last_day is None:
        return _render_end(page, association, key, form)

    def work(context: ServiceContext) -> None:
        settings = page.site.configured
        found = find_member(context.session, settings, association, key)
        end_member(context, settings, found, last_day)

    try:
        page.write(work)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _render_end(page, association, key, form)
    page.site.team.forget()
    return page.redirect(_PATH, "member-ended", association=association)


@router.get("/coordinator/hand-over")
def show_hand_over(page: CoordinatorPage, association: Association = "") -> HTMLResponse:
    """What somebody needs to take over the desk: what is open, the team, and the notes."""
    return _render_hand_over(page, choose_association(page.viewer, association), None, ())


@router.post("/coordinator/hand-over")
def save_notes(page: CoordinatorPage, typed: Typed, association: Association = "") -> Response:
    """Save the notes of the desk."""
    association = choose_association(page.viewer, association)
    notes = str(typed.get("notes", "")).replace("\r\n", "\n").strip()
    try:
        page.write(lambda context: change_team_setting(context, association, notes=notes))
    except Refused as refused:
        return _render_hand_over(page, association, notes, format_problems(refused))
    return page.redirect("/coordinator/hand-over", "notes-saved", association=association)


def _render_team(
    page: PageRequest, association: str, problems: Sequence[tuple[str, str]]
) -> HTMLResponse:
    today = page.day_of(association)
    with page.reading() as session:
        team = load_team(session, page.site.configured, [association])
        rows = [
            (
                member,
                str(member.id or member.email),
                member.is_active(today),
                has_second_factor(session, member.email),
            )
            for member in team.members
        ]
    return page.render(
        "desk_team.html",
        here="coordinator",
        association=association,
        rows=[row for row in rows if row[2] or (row[0].starts_on or today) > today],
        former=[row for row in rows if row[0].ends_on and row[0].ends_on < today],
        is_required=association in team.requires_second_factor,
        problems=problems,
    )


def _render_form(page: PageRequest, association: str, form: MemberForm) -> HTMLResponse:
    form.today = page.day_of(association)
    return page.render("desk_team_new.html", here="coordinator", association=association, form=form)


def _render_end(page: PageRequest, association: str, key: str, form: LastDayForm) -> HTMLResponse:
    with page.reading() as session:
        member = find_member(session, page.site.configured, association, key)
    return page.render(
        "desk_team_end.html",
        here="coordinator",
        association=association,
        form=form,
        member=member,
        key=key,
    )


def _render_hand_over(
    page: PageRequest,
    association: str,
    notes: str | None,
    problems: Sequence[tuple[str, str]],
) -> HTMLResponse:
    today = page.day_of(association)
    with page.reading() as session:
        team = load_team(session, page.site.configured, [association])
        setting = get_team_setting(session, association)
        queue = read_queue(session, page.rulebooks, association, page.now)
        filters = [
            (each.name, filter_path(each), each.owner)
            for each in list_team_filters(session, association)
        ]
    stored = setting.notes if setting else ""
    return page.render(
        "desk_hand_over.html",
        here="coordinator",
        association=association,
        setting=setting,
        notes=stored if notes is None else notes,
        limit=MAX_NOTES_LENGTH,
        open_count=len(queue.open),
        snoozed=[
            (describe_attention(item.attention, association, today), item.snooze)
            for item in queue.snoozed
        ],
        filters=filters,
        members=[member for member in team.members if member.is_active(today)],
        problems=problems,
    )
