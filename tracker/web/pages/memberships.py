"""The pages on which people record their membership terms."""

from collections.abc import Iterable, Sequence
from datetime import date

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import RadioField, SelectChoice, SelectField
from wtforms.validators import InputRequired

from tracker.db.people import Membership
from tracker.formatting import capitalize_first, format_list
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import end_of_years
from tracker.rules.requirement import INDIVIDUAL, MEMBERSHIP_KINDS
from tracker.rules.standing import Outcome, Standing
from tracker.services.context import NotFound, Refused
from tracker.services.endorsements import endorsements_of, refusal_of_lock
from tracker.services.memberships import (
    MAX_TERM_YEARS,
    MembershipTerm,
    create_membership,
    delete_membership,
    find_membership_lock,
    get_own_membership,
    list_accepted_organizations,
    list_memberships,
    restore_membership,
    update_membership,
)
from tracker.services.removals import find_own_deletion
from tracker.web.forms.body import RowId, Typed, add_problem, number_of
from tracker.web.forms.days import PeriodForm
from tracker.web.forms.fields import format_date_fields
from tracker.web.page_request import PageRequest, PersonPage
from tracker.web.pages.year_data import read_standings

router = APIRouter()
_YEAR, _UNTIL, _LIFE = "year", "until", "life"
# Between an organization and a kind, where both are chosen at once.
_BETWEEN = "|"


class MembershipForm(PeriodForm):
    """One term: the organization, the first day, and how long it lasts."""

    page_order = ("organization",)
    organization = SelectField("Organization", default="", validate_choice=False)
    length = RadioField(
        "How long is the term?",
        choices=[
            SelectChoice(_YEAR, "One year from the first day"),
            SelectChoice(_UNTIL, "Until another last day"),
            SelectChoice(_LIFE, "For life"),
        ],
        validators=[InputRequired("Choose how long the term is")],
    )

    def parse_term(self, today: date) -> MembershipTerm | None:
        """The term as submitted; None if a field is wrong, which its problem explains."""
        self.validate()
        if not self.organization.data:
            add_problem(self.organization, format_refusal("organization-not-accepted", {}))
        starts_on = self.parse_first_day(today, years_back=MAX_TERM_YEARS)
        ends_on = None
        if self.length.data == _UNTIL:
            ends_on = self.parse_day("ends", today, years_back=MAX_TERM_YEARS)
        elif starts_on is not None and self.length.data == _YEAR:
            ends_on = end_of_years(starts_on, 1)
        if self.errors or starts_on is None:
            return None
        organization, kind = parse_membership_choice(self.organization.data)
        return MembershipTerm(organization, starts_on, ends_on, kind)


@router.get("/membership")
def show_memberships(page: PersonPage) -> HTMLResponse:
    """The terms by organization, and their effect on each renewal that requires membership."""
    rulebooks = page.rulebooks
    with page.reading() as session:
        memberships = list_memberships(session, page.person_id)
        endorsements = endorsements_of(session, page.person_id)
        standings = read_standings(session, page, endorsements)
        accepted = list_accepted_organizations(session, rulebooks, page.person_id)
        today = page.today(session)
        removed = find_own_deletion(session, page.person_id, "membership", page.now)
    groups: dict[str, list[Membership]] = {}
    for membership in memberships:
        label = _organization_label(rulebooks, membership.organization)
        groups.setdefault(label, []).append(membership)
    return page.render(
        "membership.html",
        here="profile",
        groups=groups,
        effects=_latest_outcomes(standings),
        notes={each.id: _explain_kind(rulebooks, standings, each) for each in memberships},
        may_record=bool(accepted),
        removed=removed,
        today=today,
    )


@router.get("/membership/new")
def open_new_term(page: PersonPage) -> Response:
    """The empty form."""
    return _handle_form(page, None)


@router.post("/membership/new")
def save_new_term(page: PersonPage, typed: Typed) -> Response:
    """Record a term, or show what is wrong."""
    return _handle_form(page, None, typed)


@router.post("/membership/undo-removal")
def undo(page: PersonPage, typed: Typed) -> Response:
    """Bring back the term that the button names."""
    number = number_of(typed, "removal")
    try:
        page.write(lambda context: restore_membership(context, number))
    except (NotFound, Refused):
        return page.redirect("/membership", "stays-removed")
    return page.redirect("/membership", "restored")


@router.get("/membership/{membership_id}")
def open_term(page: PersonPage, membership_id: RowId) -> Response:
    """The form with the term as it is stored."""
    return _handle_form(page, membership_id)


@router.post("/membership/{membership_id}")
def save_term(page: PersonPage, membership_id: RowId, typed: Typed) -> Response:
    """Change a term, or show what is wrong."""
    return _handle_form(page, membership_id, typed)


@router.get("/membership/{membership_id}/remove")
def confirm_removal(page: PersonPage, membership_id: RowId) -> HTMLResponse:
    """Ask before a term is removed, or say why it cannot be."""
    with page.reading() as session:
        membership = get_own_membership(session, page.person_id, membership_id)
        lock = find_membership_lock(session, page.rulebooks, membership, page.now)
    locked = ""
    if lock is not None:
        refusal = refusal_of_lock("ends_on", lock)
        locked = format_refusal(refusal.code, refusal.facts)
    return page.render("membership_remove.html", membership=membership, locked=locked)


@router.post("/membership/{membership_id}/remove")
def remove_term(page: PersonPage, membership_id: RowId) -> Response:
    """Remove a term; a page explains why one of a closed cycle stays."""
    try:
        page.write(lambda context: delete_membership(context, membership_id))
    except Refused:
        return RedirectResponse(f"/membership/{membership_id}/remove", 303)
    return page.redirect("/membership", "deleted")


def _latest_outcomes(standings: Sequence[Standing]) -> list[tuple[Standing, Outcome]]:
    """The outcomes for membership in the latest cycle of each endorsement.

    No new term can change an earlier cycle.
    """
    latest: dict[int, Standing] = {}
    for standing in sorted(standings, key=lambda standing: standing.due_on or date.min):
        latest[standing.facts.subject_id] = standing
    return [
        (standing, result.outcome)
        for standing in latest.values()
        for result in standing.results
        if result.requirement.counts == "membership"
    ]


def _explain_kind(
    rulebooks: Rulebooks, standings: Iterable[Standing], membership: Membership
) -> str:
    """For whom a membership is of the wrong kind; empty if it is of the right one."""
    refusing: dict[str, None] = {}
    for standing in standings:
        rule = standing.plan.membership_rule
        if rule is None or membership.organization not in rulebooks.accepted_organizations(rule):
            continue
        if not rulebooks.accepts_membership(rule, membership.organization, membership.kind):
            refusing[standing.plan.association] = None
    if not refusing:
        return ""
    kind = capitalize_first(membership.kind)
    return f"{kind} memberships do not count for {format_list(list(refusing))}."


def _handle_form(
    page: PageRequest, membership_id: int | None, typed: FormData | None = None
) -> Response:
    """The form of a term; or, once it is ``typed`` and saved, the list of terms."""
    with page.reading() as session:
        form = _build_form(page, session, membership_id, typed)
        today = page.today(session)
    form.today = today if membership_id is None else None
    if typed is not None and (term := form.parse_term(today)) is not None:
        try:
            if membership_id is None:
                page.write(lambda context: create_membership(context, term))
                return page.redirect("/membership", "created")
            page.write(lambda context: update_membership(context, membership_id, term))
            return page.redirect("/membership", "updated")
        except Refused as refused:
            form.add_refusals(refused.refusals)
    return page.render(
        "membership_form.html", here="profile", form=form, membership_id=membership_id
    )


def _build_form(
    page: PageRequest, session: Session, membership_id: int | None, typed: FormData | None
) -> MembershipForm:
    """The form as typed, else as the term is stored, else empty.

    The organization of a stored term can be chosen even if it is no longer accepted.
    """
    rulebooks = page.rulebooks
    organizations = list_accepted_organizations(session, rulebooks, page.person_id)
    values = {"length": _YEAR}
    if len(organizations) == 1:
        values["organization"] = organizations[0]
    if membership_id is not None:
        stored = get_own_membership(session, page.person_id, membership_id)
        is_one_year = stored.ends_on == end_of_years(stored.starts_on, 1)
        values = {
            "organization": _format_choice(stored.organization, stored.kind),
            "length": _YEAR if is_one_year else _UNTIL if stored.ends_on else _LIFE,
            **format_date_fields(stored.starts_on, "starts_"),
            **format_date_fields(stored.ends_on, "ends_"),
        }
        if stored.organization not in organizations:
            organizations.append(stored.organization)
    form = MembershipForm(typed, data=values)
    form.organization.choices = organization_choices(rulebooks, organizations)
    return form


def parse_membership_choice(value: str) -> tuple[str, str]:
    """The organization and the kind of membership that were chosen."""
    organization, _, kind = value.partition(_BETWEEN)
    return organization, kind or INDIVIDUAL


def list_membership_choices(
    rulebooks: Rulebooks, names: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """What to choose an organization and a kind of membership from, as values and labels.

    ``names`` are organizations with their labels. There are kinds to choose from only if they
    matter to some rulebook.
    """
    kinds = MEMBERSHIP_KINDS if rulebooks.tells_membership_kinds else (INDIVIDUAL,)
    choices = []
    for organization, label in names:
        for kind in kinds:
            suffix = "" if kind == INDIVIDUAL else f", {kind} membership"
            choices.append((_format_choice(organization, kind), f"{label}{suffix}"))
    return choices


def _format_choice(organization: str, kind: str) -> str:
    return organization if kind == INDIVIDUAL else f"{organization}{_BETWEEN}{kind}"


def organization_choices(rulebooks: Rulebooks, organizations: Sequence[str]) -> list[SelectChoice]:
    """What to choose an organization from, by name."""
    names = [(each, _organization_label(rulebooks, each)) for each in organizations]
    choices = list_membership_choices(rulebooks, names)
    return [SelectChoice("", "Choose"), *(SelectChoice(*each) for each in choices)]


def _organization_label(rulebooks: Rulebooks, organization: str) -> str:
    known = rulebooks.organizations.get(organization)
    return f"{known.name} ({organization})" if known else organization
