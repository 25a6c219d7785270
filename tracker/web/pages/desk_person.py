"""A person's page on the desk: standings, every fact, and the forms for the person's own facts."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.people import Person
from tracker.formatting import format_date
from tracker.mail.refusals import describe_refusal
from tracker.notifications.account_mail import notify_former_email, notify_second_email_change
from tracker.services.context import ServiceContext
from tracker.services.dead_addresses import Addresses, list_addresses, list_complaints
from tracker.services.desk_changes import ChangePlan
from tracker.services.person_facts import (
    change_degree,
    change_first_email,
    change_provides_rsc,
    change_second_email,
    rename_person,
)
from tracker.services.person_record import PersonRecord, read_person_record
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import RowId, Typed
from tracker.web.forms.desk_person import (
    DEGREE_LABELS,
    EmailForm,
    HighestDegreeForm,
    NameForm,
    ProvidesRscForm,
    ReasonForm,
    RemovalForm,
)
from tracker.web.page_request import ChangePage, CoordinatorPage, PageRequest, require
from tracker.web.pages.applications import format_outcome
from tracker.web.pages.certificates import list_person_certificates
from tracker.web.pages.desk_forms import DeskForm, answer_form, fit_title, show_form
from tracker.web.pages.my_year import read_renewals
from tracker.web.rendering import category_name
from tracker.web.time_zones import format_instant

router = APIRouter()


@dataclass(frozen=True, slots=True)
class _Fact:
    """A fact of a person's own that a form corrects.

    ``fill`` gives the form's first values, ``title`` the plan's title from what was typed, and
    ``change`` does it. ``on_record`` is what the page shows as the present value.
    """

    heading: str
    form: type[ReasonForm]
    fill: Callable[[Person], Mapping[str, Any]]
    on_record: Callable[[Person], tuple[str, str]]
    title: Callable[[Person, ReasonForm], str]
    change: Callable[[PageRequest, ServiceContext, PersonRecord, ReasonForm], None]
    note: str = ""


def _rename(
    _: PageRequest, context: ServiceContext, record: PersonRecord, form: ReasonForm
) -> None:
    rename_person(context, record.person.id, form["name"].data)


def _change_email(
    page: PageRequest, context: ServiceContext, record: PersonRecord, form: ReasonForm
) -> None:
    _move_email(page, context, record, normalize_email(form["email"].data))


def _move_email(
    page: PageRequest, context: ServiceContext, record: PersonRecord, email: str
) -> None:
    former = change_first_email(context, record.person.id, email)
    person = context.session.get_one(Person, record.person.id)
    notify_former_email(page.site, context, person, former, record.associations[0])


def _use_second(
    page: PageRequest, context: ServiceContext, record: PersonRecord, _: ReasonForm
) -> None:
    email = require(record.person.second_email)
    _move_email(page, context, record, email.lower())


def _change_second(
    page: PageRequest, context: ServiceContext, record: PersonRecord, form: ReasonForm
) -> None:
    reserved = set(page.team_names)
    email = normalize_email(form["email"].data)
    person = change_second_email(context, record.person.id, email, reserved)
    notify_second_email_change(page.site, context, person, record.associations[0])


def _remove_second(
    page: PageRequest, context: ServiceContext, record: PersonRecord, _: ReasonForm
) -> None:
    person = change_second_email(context, record.person.id, None)
    notify_second_email_change(page.site, context, person, record.associations[0])


def _change_degree(
    _: PageRequest, context: ServiceContext, record: PersonRecord, form: ReasonForm
) -> None:
    change_degree(context, record.person.id, form["degree"].data or "")


def _change_provides(
    _: PageRequest, context: ServiceContext, record: PersonRecord, form: ReasonForm
) -> None:
    provides_rsc = form["provides"].data == "yes"
    change_provides_rsc(context, record.person.id, provides_rsc=provides_rsc)


def _format_provides(form: ReasonForm) -> str:
    return "provides RSC" if form["provides"].data == "yes" else "does not provide RSC"


_FOLLOWS_EMAIL = (
    "Hours, waiting email, and sign-in follow. Browsers that signed in with the present first "
    "address are signed out, and an email tells that address."
)
# By the last word of the form's path.
_FACTS = {
    "name": _Fact(
        "Correct the name",
        NameForm,
        lambda person: {"name": person.name},
        lambda person: ("Name", person.name),
        lambda person, form: f"Change the name of {person.name} to {form['name'].data}",
        _rename,
    ),
    "email": _Fact(
        "Correct the email address",
        EmailForm,
        lambda _: {},
        lambda person: ("Email address", person.email),
        lambda person, form: f"Change the address of {person.name} to {form['email'].data}",
        _change_email,
        _FOLLOWS_EMAIL,
    ),
    "first-email": _Fact(
        "Use the second address as the first",
        ReasonForm,
        lambda _: {},
        lambda person: ("Second address", person.second_email or "None"),
        lambda person, _: f"Use {person.second_email} as the first address of {person.name}",
        _use_second,
        _FOLLOWS_EMAIL,
    ),
    "second-email": _Fact(
        "Enter a second address",
        EmailForm,
        lambda _: {},
        lambda person: ("Second address", person.second_email or "None"),
        lambda person, form: f"Give {person.name} the second address {form['email'].data}",
        _change_second,
        "It signs in too, and gets our email if the first address stops working. An email tells "
        "the first address.",
    ),
    "no-second-email": _Fact(
        "Remove the second address",
        RemovalForm,
        lambda _: {},
        lambda person: ("Second address", person.second_email or "None"),
        lambda person, _: f"Remove the second address of {person.name}",
        _remove_second,
        "Browsers that signed in with it are signed out. An email tells the first address.",
    ),
    "degree": _Fact(
        "Change the highest degree",
        HighestDegreeForm,
        lambda person: {"degree": person.highest_degree},
        lambda person: ("Highest degree", DEGREE_LABELS[person.highest_degree]),
        lambda person, form: (
            f"Change the degree of {person.name} to {DEGREE_LABELS.get(form['degree'].data, '')}"
        ),
        _change_degree,
        "Sessions of people whom this person supervises may count, or stop counting.",
    ),
    "rsc": _Fact(
        "Change whether this person provides RSC",
        ProvidesRscForm,
        lambda person: {"provides": "yes" if person.provides_rsc else "no"},
        lambda person: ("Provides RSC", "Yes" if person.provides_rsc else "No"),
        lambda person, form: f"Record that {person.name} {_format_provides(form)}",
        _change_provides,
        "Endorsees can choose an RSC provider by name. Sessions count by the provider's "
        "credentials.",
    ),
}


@router.get("/coordinator/person/{person_id}")
def show_person_record(
    page: CoordinatorPage, person_id: RowId, association: Annotated[str, Query()] = ""
) -> HTMLResponse:
    """A person as the viewer's associations see them: standings and every fact."""
    with page.reading() as session:
        record = read_person_record(page.context(session), person_id)
        own = _read_changeable(session, page, record)
        renewals = read_renewals(session, page, person_id, record.endorsements)
        issued = list_person_certificates(session, page, person_id, record.associations)
        addresses = list_addresses(session, [person_id])[person_id]
        complaint = list_complaints(session, page.now).get(person_id)
    shown_at = association if association in record.associations else record.associations[0]
    zone = page.rulebooks.associations[shown_at].time_zone
    names = {
        each.id: category_name(page.rulebooks.associations.get(each.association), each.category)
        for each in record.endorsements
    }
    return page.render(
        "desk_person.html",
        here="coordinator",
        desk="people",
        association=shown_at,
        only_looks=own is None,
        record=record,
        own=own or record,
        degrees=DEGREE_LABELS,
        category_names=names,
        requirement_names=_name_waived(page, record),
        asked=[(each, format_outcome(each)) for each in record.applications],
        signed_in=record.signed_in_at and format_instant(record.signed_in_at, zone),
        today=page.day_of(shown_at),
        path=person_path(person_id),
        certificates=issued,
        bounced=_describe_bounced(record.person, addresses, zone),
        dead_second=addresses.second if addresses.second in addresses.dead else "",
        complaint=complaint and format_date(local_day(complaint.read_at, zone)),
        **renewals,
    )


class BouncedView(NamedTuple):
    """Since when a first address does not work, why, what was said, and where mail goes instead."""

    since: str
    why: str
    said: str
    second: str


def _describe_bounced(person: Person, addresses: Addresses, zone: str) -> BouncedView | None:
    if person.email_refused_at is None:
        return None
    reason = person.email_refused_reason or ""
    since = format_date(local_day(person.email_refused_at, zone))
    return BouncedView(since, describe_refusal(reason), reason, addresses.working or "")


def _read_changeable(
    session: Session, page: PageRequest, record: PersonRecord
) -> PersonRecord | None:
    """The person as seen by those associations alone at which the viewer may change something."""
    changeable = page.viewer.list_changeable()
    coordinates = tuple(name for name in record.associations if name in changeable)
    if not coordinates or coordinates == record.associations:
        return record if coordinates else None
    context = page.context(session)
    actor = dataclasses.replace(context.actor, coordinates=coordinates)
    return read_person_record(dataclasses.replace(context, actor=actor), record.person.id)


@router.get("/coordinator/person/{person_id}/change/{fact}")
def open_fact(page: ChangePage, person_id: RowId, fact: str) -> HTMLResponse:
    """The form for one of a person's own facts."""
    found = require(_FACTS.get(fact))
    record = read_record(page, person_id)
    return show_form(page, _form_of(record, fact, found.form(data=found.fill(record.person))))


@router.post("/coordinator/person/{person_id}/change/{fact}")
def save_fact(page: CoordinatorPage, person_id: RowId, fact: str, typed: Typed) -> Response:
    """Preview or save what was typed for one of a person's own facts."""
    found = require(_FACTS.get(fact))
    record = read_record(page, person_id)
    form = found.form(typed)
    shown = _form_of(record, fact, form)
    plan = ChangePlan(
        association=shown.association,
        title=fit_title(found.title(record.person, form)),
        person_ids=frozenset({person_id}),
        tables=("person",),
        work=lambda context: found.change(page, context, record, form),
        reason=form.reason.data,
    )
    return answer_form(page, shown, typed, plan)


def _name_waived(page: PageRequest, record: PersonRecord) -> dict[int, str]:
    """What people call the requirement of each waiver, by the waiver's id."""
    names = {}
    for waiver, endorsement in record.waivers:
        rulebook = page.rulebooks.associations.get(endorsement.association)
        labels = {one.id: one.label for one in rulebook.requirements} if rulebook else {}
        names[waiver.id] = labels.get(waiver.requirement, waiver.requirement)
    return names


def read_record(page: PageRequest, person_id: int) -> PersonRecord:
    """The record of a person of the viewer's associations; 404 for anyone else."""
    with page.reading() as session:
        return read_person_record(page.context(session), person_id)


def person_path(person_id: int) -> str:
    """The path of a person's page."""
    return f"/coordinator/person/{person_id}"


def _form_of(record: PersonRecord, fact: str, form: ReasonForm) -> DeskForm:
    found, person = _FACTS[fact], record.person
    path = person_path(person.id)
    return DeskForm(
        association=record.associations[0],
        title=found.heading,
        action=f"{path}/change/{fact}",
        back=path,
        back_name=person.name,
        form=form,
        facts=[found.on_record(person)],
        note=found.note,
        removes=found.form is RemovalForm,
    )
