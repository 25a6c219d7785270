"""Forms of the desk for what a person holds: endorsements, memberships, and vettings."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from wtforms import SelectChoice

from tracker.db.people import Endorsement, Membership, Vetting
from tracker.formatting import format_date
from tracker.rules.requirement import INDIVIDUAL
from tracker.services.context import NotFound, ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.holdings import (
    Holding,
    Term,
    add_endorsement,
    add_membership,
    add_vetting,
    change_days,
    get_holding,
)
from tracker.services.memberships import list_recordable_organizations
from tracker.services.person_record import PersonRecord
from tracker.web.forms.body import RowId, Typed, add_problem
from tracker.web.forms.desk_person import DaysForm, TermForm
from tracker.web.forms.fields import format_date_fields
from tracker.web.page_request import ChangePage, PageRequest, require
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.desk_person import person_path, read_record
from tracker.web.pages.memberships import list_membership_choices, parse_membership_choice
from tracker.web.rendering import category_name

router = APIRouter()
_BETWEEN = "/"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Something that people hold for some days.

    ``choose`` lists what can be added, as values of the form and labels, and ``add`` adds it.
    ``article`` is the noun with its article.
    """

    model: type[Holding]
    article: str
    label: str
    no_end: str
    choose: Callable[[PageRequest, PersonRecord], list[tuple[str, str]]]
    add: Callable[[ServiceContext, int, str, Term], None]
    note: str = ""

    @property
    def noun(self) -> str:
        """``endorsement``."""
        return self.article.split(" ", 1)[1]


def _list_categories(page: PageRequest, record: PersonRecord) -> list[tuple[str, str]]:
    choices = []
    for association in record.associations:
        rulebook = page.rulebooks.associations[association]
        for category in rulebook.categories:
            name = f"{association} {category}: {category_name(rulebook, category)}"
            choices.append((f"{association}{_BETWEEN}{category}", name))
    return choices


def _list_organizations(page: PageRequest, _: PersonRecord) -> list[tuple[str, str]]:
    with page.reading() as session:
        names = list_recordable_organizations(page.context(session))
    return list_membership_choices(page.rulebooks, [(name, name) for name in names])


def _list_associations(_: PageRequest, record: PersonRecord) -> list[tuple[str, str]]:
    return [(name, name) for name in record.associations]


def _add_endorsement(context: ServiceContext, person_id: int, what: str, term: Term) -> None:
    association, _, category = what.partition(_BETWEEN)
    add_endorsement(context, person_id, association, category, term)


def _add_membership(context: ServiceContext, person_id: int, what: str, term: Term) -> None:
    organization, kind = parse_membership_choice(what)
    add_membership(context, person_id, organization, term, kind=kind)


def _add_vetting(context: ServiceContext, person_id: int, what: str, term: Term) -> None:
    add_vetting(context, person_id, what, term)


_KINDS = {
    "endorsement": _Kind(
        Endorsement,
        "an endorsement",
        "Endorsement",
        "no end",
        _list_categories,
        _add_endorsement,
        "The renewal follows from the first day. To end it, enter the last day; hours and letters "
        "stay on record.",
    ),
    "membership": _Kind(
        Membership, "a membership", "Organization", "for life", _list_organizations, _add_membership
    ),
    "vetting": _Kind(
        Vetting,
        "a vetting",
        "Association",
        "no end",
        _list_associations,
        _add_vetting,
        "Sessions with this person count on the days of the vetting, by the rulebook.",
    ),
}


@router.get("/coordinator/person/{person_id}/add/{kind}")
def open_new_holding(page: ChangePage, person_id: RowId, kind: str) -> HTMLResponse:
    """The empty form for something that the person holds."""
    found = require(_KINDS.get(kind))
    record = read_record(page, person_id)
    return show_form(page, _new_form_of(page, record, kind, TermForm(), found))


@router.post("/coordinator/person/{person_id}/add/{kind}")
def save_new_holding(page: ChangePage, person_id: RowId, kind: str, typed: Typed) -> Response:
    """Preview or save something that the person holds."""
    found = require(_KINDS.get(kind))
    record = read_record(page, person_id)
    form = TermForm(typed)
    shown = _new_form_of(page, record, kind, form, found)
    term = form.parse_term(page.day_of(shown.association))
    plan = None
    if not form.what.data:
        add_problem(form.what, "Choose one from the list")
    elif term is not None:
        name = (form.what.data or "").replace(_BETWEEN, " ").replace("|", " ")
        plan = _plan(
            shown,
            record,
            f"Add the {found.noun} {name} to the record of {record.person.name}",
            found.model,
            lambda context: found.add(context, person_id, form.what.data or "", term),
        )
    return answer_form(page, shown, typed, plan)


@router.get("/coordinator/person/{person_id}/change/{kind}/{row_id}")
def open_holding(page: ChangePage, person_id: RowId, kind: str, row_id: RowId) -> HTMLResponse:
    """The form with the days of something that the person holds."""
    found = require(_KINDS.get(kind))
    record = read_record(page, person_id)
    row = _read_holding(page, found, person_id, row_id)
    days = {
        **format_date_fields(row.starts_on, "starts_"),
        **format_date_fields(row.ends_on, "ends_"),
    }
    return show_form(page, _days_form_of(record, kind, row, DaysForm(data=days)))


@router.post("/coordinator/person/{person_id}/change/{kind}/{row_id}")
def save_holding(
    page: ChangePage, person_id: RowId, kind: str, row_id: RowId, typed: Typed
) -> Response:
    """Preview or save other days of something that the person holds."""
    found = require(_KINDS.get(kind))
    record = read_record(page, person_id)
    row = _read_holding(page, found, person_id, row_id)
    form = DaysForm(typed)
    shown = _days_form_of(record, kind, row, form)
    term = form.parse_term(page.day_of(shown.association))
    plan = None
    if term is not None:
        plan = _plan(
            shown,
            record,
            f"Change the days of the {found.noun} {_name(row)} of {record.person.name}",
            found.model,
            lambda context: change_days(context, found.model, row_id, term),
        )
    return answer_form(page, shown, typed, plan)


def _plan(
    shown: DeskForm,
    record: PersonRecord,
    title: str,
    model: type[Holding],
    work: Callable[[ServiceContext], None],
) -> ChangePlan:
    return ChangePlan(
        association=shown.association,
        title=fit_title(title),
        person_ids=frozenset({record.person.id}),
        tables=(str(model.__tablename__),),
        work=work,
        reason=shown.form.reason.data,
    )


def _new_form_of(
    page: PageRequest, record: PersonRecord, kind: str, form: TermForm, found: _Kind
) -> DeskForm:
    choices = list(found.choose(page, record))
    if len(choices) > 1:
        choices.insert(0, ("", "Choose"))
    form.what.choices = [SelectChoice(*each) for each in choices]
    form.what.label.text = found.label
    form.today = page.day_of(record.associations[0])
    path = person_path(record.person.id)
    return DeskForm(
        association=record.associations[0],
        title=f"Add {found.article}",
        action=f"{path}/add/{kind}",
        back=path,
        back_name=record.person.name,
        form=form,
    )


def _days_form_of(record: PersonRecord, kind: str, row: Holding, form: DaysForm) -> DeskForm:
    found = _KINDS[kind]
    path = person_path(record.person.id)
    until = format_date(row.ends_on) if row.ends_on else found.no_end
    return DeskForm(
        association=getattr(row, "association", record.associations[0]),
        title=f"Change or end {found.article}",
        action=f"{path}/change/{kind}/{row.id}",
        back=path,
        back_name=record.person.name,
        form=form,
        facts=[
            (found.label, _name(row)),
            ("On record", f"{format_date(row.starts_on)} to {until}"),
        ],
        note=found.note,
        links=[(f"{path}/remove/{kind}/{row.id}", "Remove it instead, as a mistake")],
    )


def _name(row: Holding) -> str:
    """``NCIMHA IFS``."""
    if isinstance(row, Membership):
        return row.organization if row.kind == INDIVIDUAL else f"{row.organization}, {row.kind}"
    return " ".join([row.association, *([row.category] if isinstance(row, Endorsement) else [])])


def _read_holding(page: PageRequest, found: _Kind, person_id: int, row_id: int) -> Holding:
    with page.reading() as session:
        row = get_holding(page.context(session), found.model, row_id)
    if row.person_id != person_id:
        raise NotFound
    return row
