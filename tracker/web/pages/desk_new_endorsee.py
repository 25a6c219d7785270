"""Adding one endorsee: one short form, whether the person is known already, and saved.

The form says what happens, so it saves at once; where more would happen, there is a preview first.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData
from wtforms import BooleanField, SelectChoice, SelectField, StringField

from tracker.notifications.welcome_mail import render_welcome_sample, welcome_endorsee
from tracker.refusal_text import format_refusal
from tracker.rules.requirement import INDIVIDUAL
from tracker.rules.standing import Status
from tracker.services.context import Refused, ServiceContext
from tracker.services.desk_changes import MAY_UNDO_FOR, ChangePlan, list_people_of
from tracker.services.desk_previews import ChangePreview
from tracker.services.holdings import Term
from tracker.services.memberships import list_recordable_organizations
from tracker.services.new_endorsees import NewEndorsee, add_endorsee
from tracker.services.sign_in import normalize_email
from tracker.services.similar_people import SimilarPerson, list_similar_people
from tracker.web.forms.body import Typed, add_problem, clean, parse_id, text_of
from tracker.web.forms.days import PeriodForm
from tracker.web.page_request import ChangePage, PageRequest
from tracker.web.pages.desk import (
    answer_again,
    answer_change,
    choose_association,
    digest_form,
    save_announced,
)
from tracker.web.pages.desk_forms import fit_title
from tracker.web.pages.memberships import list_membership_choices, parse_membership_choice
from tracker.web.rendering import category_name

router = APIRouter()
_PATH = "/coordinator/person/new"
# What the form sends for somebody who is in no record yet.
_NEW = "new"
_TABLES = ("person", "endorsement", "membership")
_YEARS_BACK = 60
# The button that saves at once, and the statuses of the renewals that it announces.
_ADD = "add"
_ANNOUNCED = {Status.OPEN.value, Status.MET.value, Status.EXCUSED.value}


class NewEndorseeForm(PeriodForm):
    """Name, address, category, since when, and a membership with its first and last day."""

    page_order = ("name", "email", "category", "since_day", "since_month", "since_year")
    first_field = "name"
    refusal_fields: ClassVar = {
        **PeriodForm.refusal_fields,
        "starts_on": "since_day",
        "ends_on": "since_day",
        "membership_starts_on": "starts_day",
        "membership_ends_on": "ends_day",
    }
    name = StringField("Full name", filters=[clean])
    email = StringField("Email address", filters=[clean])
    category = SelectField("Category", validate_choice=False)
    since_day = StringField("Day", filters=[clean])
    since_month = StringField("Month", filters=[clean])
    since_year = StringField("Year", filters=[clean])
    organization = SelectField("Membership", validate_choice=False)
    welcome = BooleanField("Send a welcome email")

    def parse_endorsee(
        self, association: str, today: date, person_id: int | None
    ) -> NewEndorsee | None:
        """What was typed; None if a field is wrong, which its problem explains."""
        for field, code in ((self.name, "person-name-missing"), (self.email, "email-invalid")):
            if not field.data:
                add_problem(field, format_refusal(code, {}))
        if not self.category.data:
            add_problem(self.category, "Choose a category")
        since = self.parse_day("since", today, name="first day", years_back=_YEARS_BACK)
        membership, kind = None, INDIVIDUAL
        if self.organization.data:
            organization, kind = parse_membership_choice(self.organization.data)
            if term := self._parse_membership(today):
                membership = (organization, term)
        elif not self.has_no_days:
            add_problem(self.organization, "Choose an organization, or clear the membership's days")
        if self.errors or since is None:
            return None
        return NewEndorsee(
            name=self.name.data,
            email=normalize_email(self.email.data),
            association=association,
            category=self.category.data or "",
            term=Term(since),
            membership=membership,
            membership_kind=kind,
            person_id=person_id,
        )

    @property
    def has_no_days(self) -> bool:
        """Whether no day of a membership is entered."""
        return not self.starts_today.data and self.is_blank("starts") and self.is_blank("ends")

    def _parse_membership(self, today: date) -> Term | None:
        starts_on = self.parse_first_day(today, years_back=_YEARS_BACK)
        ends_on = None
        if not self.is_blank("ends"):
            ends_on = self.parse_day("ends", today, years_back=_YEARS_BACK)
        return Term(starts_on, ends_on) if starts_on else None


@router.get(_PATH)
def open_new_endorsee(page: ChangePage, association: Annotated[str, Query()] = "") -> HTMLResponse:
    """The empty form; after an endorsee was added, with a link to their record."""
    association = choose_association(page.viewer, association)
    return _show(page, association, NewEndorseeForm(data={"welcome": True}))


@router.post(_PATH)
def save_new_endorsee(
    page: ChangePage, typed: Typed, association: Annotated[str, Query()] = ""
) -> Response:
    """Ask whether a similar person is the same, save what the form announced, or preview."""
    association = choose_association(page.viewer, association)
    action = f"{_PATH}?{urlencode({'association': association})}"
    sent = digest_form(action, typed)
    if (again := answer_again(page, association, sent, back=action)) is not None:
        return again
    is_add = _ADD in typed
    typed = FormData([(name, text) for name, text in typed.multi_items() if name != _ADD])
    form = NewEndorseeForm(typed)
    same = text_of(typed, "same")
    known_id = None if same in {"", _NEW} else parse_id(same)
    new = form.parse_endorsee(association, page.day_of(association), known_id)
    if new is None:
        return _show(page, association, form)
    if not same and (similar := _list_similar(page, new)):
        return _ask_whether_same(page, association, typed, new, similar)
    try:
        plan = replace(_plan(page, form, new), form=sent)
        return _answer(page, typed, plan, action=action, is_add=is_add)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _show(page, association, form)


def _answer(
    page: PageRequest, typed: FormData, plan: ChangePlan, *, action: str, is_add: bool
) -> Response:
    """Save, if that was pressed and is what the form announced; otherwise as `answer_change`."""
    note = ""
    if is_add:
        saved = save_announced(page, plan, _is_announced, back=action)
        if saved is not None:
            return saved
        note = "Check this first. It differs from what the form says."
    return answer_change(page, typed, plan, action=action, back=action, note=note)


def _plan(page: PageRequest, form: NewEndorseeForm, new: NewEndorsee) -> ChangePlan:
    return ChangePlan(
        association=new.association,
        title=fit_title(f"Add {new.name} ({new.association} {new.category})"),
        person_ids=frozenset(() if new.person_id is None else (new.person_id,)),
        tables=_TABLES,
        work=lambda context: _add(page, context, new, welcomes=form.welcome.data),
    )


def _is_announced(preview: ChangePreview) -> bool:
    """Whether renewals are open or complete afterwards, and one email at most is sent."""
    after = [each.after.status if each.after else "" for each in preview.standings]
    return bool(after) and _ANNOUNCED.issuperset(after) and len(preview.messages) <= 1


def _add(
    page: PageRequest, context: ServiceContext, new: NewEndorsee, *, welcomes: bool
) -> set[int]:
    added = add_endorsee(context, new)
    if welcomes:
        welcome_endorsee(page.site, context, added)
    return {added.person.id}


def _list_similar(page: PageRequest, new: NewEndorsee) -> list[SimilarPerson]:
    with page.reading() as session:
        return list_similar_people(
            session, page.viewer.actor, new.name, new.email, page.viewer.coordinates
        )


def _ask_whether_same(
    page: PageRequest,
    association: str,
    typed: FormData,
    new: NewEndorsee,
    similar: Sequence[SimilarPerson],
) -> HTMLResponse:
    return page.render(
        "desk_same_person.html",
        here="coordinator",
        desk="people",
        association=association,
        new=new,
        similar=similar,
        may_be_new=not any(each.is_certain for each in similar),
        kept=[(name, str(text)) for name, text in typed.multi_items()],
        action=f"{_PATH}?{urlencode({'association': association})}",
    )


def _show(page: PageRequest, association: str, form: NewEndorseeForm) -> HTMLResponse:
    rulebook = page.rulebooks.associations[association]
    names = [(each, f"{each}: {category_name(rulebook, each)}") for each in rulebook.categories]
    form.category.choices = [SelectChoice(*each) for each in [("", "Choose"), *names]]
    added = None
    with page.reading() as session:
        organizations = list_recordable_organizations(page.context(session))
        if page.flash.startswith("saved-change-"):
            change_id = parse_id(page.flash.removeprefix("saved-change-"))
            added = next(iter(list_people_of(session, change_id)), None)
    names = list_membership_choices(page.rulebooks, [(name, name) for name in organizations])
    choices = [SelectChoice(*each) for each in names]
    form.organization.choices = [SelectChoice("", "None on file"), *choices]
    form.today = page.day_of(association)
    typed = (form.name.data or "", form.email.data or "")
    return page.render(
        "desk_new_endorsee.html",
        here="coordinator",
        desk="people",
        association=association,
        form=form,
        added=added,
        sample=render_welcome_sample(page.site, association, typed, page.now),
        first_reminder=max(page.site.notices.of(association).renewal.before, default=0),
        days=MAY_UNDO_FOR.days,
        path=f"{_PATH}?{urlencode({'association': association})}",
    )
