"""Merging two records of one person: find the other one, side by side, preview, and saved."""

from typing import Annotated, ClassVar, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from wtforms import RadioField, SelectChoice

from tracker.db.people import Person
from tracker.formatting import capitalize_first, format_date
from tracker.notifications.attention_text import format_missing
from tracker.services.context import Refused, ServiceContext
from tracker.services.dashboard import ShortRequirement
from tracker.services.desk_changes import ChangePlan
from tracker.services.merging import (
    Double,
    Similar,
    StandingLine,
    list_doubles,
    merge_people,
    summarize_record,
)
from tracker.services.person_facts import check_sole_person
from tracker.services.similar_people import search_people
from tracker.web.forms.body import RowId, Typed, clean
from tracker.web.forms.desk_person import DEGREE_LABELS, ReasonForm
from tracker.web.page_request import ChangePage, PageRequest, format_problems, require
from tracker.web.pages.desk import answer_change
from tracker.web.pages.desk_forms import fit_title
from tracker.web.pages.desk_person import person_path, read_record

router = APIRouter()
_CHOICES = {"same", "new"}


class MergeForm(ReasonForm):
    """Whether sessions that are in both records are the same, and the reason."""

    first_field = "reason"
    # Why two records contradict each other is about neither field.
    refusal_fields: ClassVar = dict.fromkeys(
        ("email", "row", "spans", "applications", "entries", "confirmations", "provider",
         "supervisor"),
        "reason",
    )  # fmt: skip
    similar = RadioField(
        "These sessions are in both records",
        choices=[
            SelectChoice("same", "They are the same: keep one of each, with the files of both"),
            SelectChoice("new", "All of them were held: keep every one"),
        ],
        validate_choice=False,
    )

    def parse_similar(self) -> Similar | None:
        """What was chosen; None if nothing was."""
        chosen: Similar | None = self.similar.data if self.similar.data in _CHOICES else None
        return chosen


class _Pair(NamedTuple):
    """Two records side by side. ``rows`` are a label and the values of both."""

    kept: Person
    other: Person
    rows: list[tuple[str, str, str]]
    doubles: list[Double]


@router.get("/coordinator/person/{person_id}/merge")
def search_other(
    page: ChangePage, person_id: RowId, search: Annotated[str | None, Query(alias="q")] = None
) -> Response:
    """Find the other record; people of a similar name are there without a search.

    If one record only is alike, both are shown side by side, unless there is a ``q`` in the
    address, even if it is empty.
    """
    record = read_record(page, person_id)
    text = clean(search)
    with page.reading() as session:
        found = search_people(session, page.viewer.actor, text or record.person.name, {person_id})
    found = [each for each in found if each.person]
    if search is None and len(found) == 1:
        return RedirectResponse(f"{person_path(person_id)}/merge/{found[0].person_id}", 303)
    return page.render(
        "desk_merge_search.html",
        here="coordinator",
        desk="people",
        association=record.associations[0],
        person=record.person,
        path=person_path(person_id),
        text=text,
        found=found,
    )


@router.get("/coordinator/person/{person_id}/merge/{other_id}")
def compare_records(page: ChangePage, person_id: RowId, other_id: RowId) -> HTMLResponse:
    """Both records side by side, and the form to merge them."""
    return _show(page, person_id, other_id, MergeForm())


@router.post("/coordinator/person/{person_id}/merge/{other_id}")
def merge(page: ChangePage, person_id: RowId, other_id: RowId, typed: Typed) -> Response:
    """Preview the merge, or merge the records."""
    record, other = read_record(page, person_id), read_record(page, other_id)
    form = MergeForm(typed)
    form.check_reason()
    if form.errors:
        return _show(page, person_id, other_id, form)

    plan = ChangePlan(
        association=record.associations[0],
        title=fit_title(f"Merge {other.person.name} into {record.person.name}"),
        person_ids=frozenset({person_id, other_id}),
        # Undoing the merge is what undoes the rest.
        tables=("removal",),
        work=lambda context: _merge(context, person_id, other_id, form),
        reason=form.reason.data,
    )
    path = person_path(person_id)
    try:
        return answer_change(page, typed, plan, action=f"{path}/merge/{other_id}", back=path)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return _show(page, person_id, other_id, form)


def _merge(context: ServiceContext, person_id: int, other_id: int, form: MergeForm) -> None:
    kept = context.session.get_one(Person, person_id)
    other = context.session.get_one(Person, other_id)
    merge_people(context, kept, other, form.reason.data, form.parse_similar())


def _show(page: PageRequest, person_id: int, other_id: int, form: MergeForm) -> HTMLResponse:
    require(person_id != other_id)
    record = read_record(page, person_id)
    read_record(page, other_id)
    with page.reading() as session:
        pair = _compare(session, person_id, other_id)
        shared = []
        for each in (person_id, other_id):
            try:
                check_sole_person(page.context(session), each)
            except Refused as refused:
                shared += [words for _, words in format_problems(refused)]
    return page.render(
        "desk_merge.html",
        here="coordinator",
        desk="people",
        association=record.associations[0],
        pair=pair,
        refused=shared,
        form=form,
        path=person_path(person_id),
        other_path=person_path(other_id),
        swapped=f"{person_path(other_id)}/merge/{person_id}",
    )


def _compare(session: Session, person_id: int, other_id: int) -> _Pair:
    kept, other = (session.get_one(Person, each) for each in (person_id, other_id))
    both = (summarize_record(session, kept), summarize_record(session, other))
    rows = [
        ("Name", kept.name, other.name),
        ("Email address", kept.email, other.email),
        ("Second address", kept.second_email or "None", other.second_email or "None"),
        (
            "Highest degree",
            DEGREE_LABELS[kept.highest_degree],
            DEGREE_LABELS[other.highest_degree],
        ),
    ]
    for label, count in both[0].holdings.items():
        if count or both[1].holdings[label]:
            rows.append((capitalize_first(label), str(count), str(both[1].holdings[label])))
    standings = tuple("; ".join(map(_format_standing, each.standings)) for each in both)
    rows.append(("Standings", standings[0] or "None", standings[1] or "None"))
    return _Pair(kept, other, rows, list_doubles(session, kept, other))


def _format_standing(line: StandingLine) -> str:
    """``NCIMHA IFS from January 1, 2026: open, 3.5 RSC hours missing``."""
    short = [ShortRequirement.of_stored(one) for one in line.short]
    missing = f", {format_missing(short)} missing" if short else ""
    name = f"{line.association} {line.category} from {format_date(line.cycle_starts_on)}"
    return f"{name}: {line.status}{missing}"
