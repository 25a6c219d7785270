"""Saved filters of the list of people: saving the one that is shown, renaming, and deleting."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from tracker.services.context import Refused
from tracker.services.saved_filters import (
    delete_filter,
    list_saved_filters,
    rename_filter,
    save_filter,
)
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import RowId, Typed, clean, text_of
from tracker.web.page_request import ChangePage, PageRequest, format_problems
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_people import filter_path, read_people, render_people

router = APIRouter()
_FILTERS = "/coordinator/filters"


@router.get("/coordinator/filters")
def show_filters(page: ChangePage, association: Annotated[str, Query()] = "") -> HTMLResponse:
    """The viewer's saved filters at an association."""
    return _render(page, choose_association(page.viewer, association))


@router.post("/coordinator/filters")
def save_shown_filter(
    page: ChangePage,
    request: Request,
    typed: Typed,
    association: Annotated[str, Query()] = "",
) -> Response:
    """Save the filter in the address under a name."""
    shown = read_people(page, request, association)
    name, query = clean(text_of(typed, "name")), shown.chosen.query()
    try:
        page.write(lambda context: save_filter(context, shown.association, name, query))
    except Refused as refused:
        problems = format_problems(refused)
        return render_people(page, shown, problems=problems, saved_name=name)
    return page.redirect(shown.link(shown.chosen), "filter-saved")


@router.post("/coordinator/filters/{filter_id}")
def change_filter(
    page: ChangePage,
    filter_id: RowId,
    typed: Typed,
    association: Annotated[str, Query()] = "",
) -> Response:
    """Rename or delete a saved filter."""
    association = choose_association(page.viewer, association)
    name = clean(text_of(typed, "name"))
    is_deleted = text_of(typed, "action") == "delete"
    try:
        if is_deleted:
            page.write(lambda context: delete_filter(context, filter_id))
        else:
            page.write(lambda context: rename_filter(context, filter_id, name))
    except Refused as refused:
        return _render(page, association, format_problems(refused), {filter_id: name})
    code = "filter-deleted" if is_deleted else "filter-renamed"
    return redirect_with_flash(page.site, _FILTERS, code, {"association": association})


def _render(
    page: PageRequest,
    association: str,
    problems: Sequence[tuple[str, str]] = (),
    typed_names: Mapping[int, str] | None = None,
) -> HTMLResponse:
    """The page, with the names as they were typed, and what is wrong with them."""
    with page.reading() as session:
        saved = list_saved_filters(session, page.viewer.email, association)
    wrong = next(iter(typed_names or ()), 0)
    return page.render(
        "desk_filters.html",
        problems=[(f"name-{wrong}", words) for _, words in problems],
        here="coordinator",
        desk="people",
        association=association,
        saved=[
            (each, (typed_names or {}).get(each.id, each.name), filter_path(each)) for each in saved
        ],
    )
