"""A form of the desk that changes one thing about a person: form, preview, saved."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from tracker.services.context import Refused
from tracker.services.desk_changes import ChangePlan
from tracker.web.forms.desk_person import ReasonForm
from tracker.web.page_request import PageRequest
from tracker.web.pages.desk import answer_change

_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class DeskForm:
    """A form with what the page says around it.

    ``action`` is the path that it is sent to and ``back`` that of the page it belongs to, with its
    ``back_name``. ``facts`` are what is on record now, ``note`` what else to know. ``removes``: it
    removes something. ``links`` lead to other forms about the same thing. ``reason_hint`` says who
    reads the reason.
    """

    association: str
    title: str
    action: str
    back: str
    back_name: str
    form: ReasonForm
    facts: Sequence[tuple[str, str]] = ()
    note: str = ""
    removes: bool = False
    links: Sequence[tuple[str, str]] = ()
    reason_hint: str = "Who told you, or what was wrong. It stays with the change."


def show_form(page: PageRequest, shown: DeskForm) -> HTMLResponse:
    """The form, with its problems if there are any."""
    return page.render(
        "desk_form.html",
        here="coordinator",
        desk="people",
        association=shown.association,
        shown=shown,
        form=shown.form,
    )


def answer_form(
    page: PageRequest,
    shown: DeskForm,
    typed: FormData,
    plan: ChangePlan | None,
) -> Response:
    """The preview of what was typed, or what follows saving it; the form again if it is wrong.

    ``plan`` is None if something typed is wrong, of which the form has the problems.
    """
    shown.form.check_reason()
    if plan is None or shown.form.errors:
        return show_form(page, shown)
    try:
        return answer_change(page, typed, plan, action=shown.action, back=shown.back)
    except Refused as refused:
        shown.form.add_refusals(refused.refusals)
        return show_form(page, shown)


def fit_title(title: str) -> str:
    """A plan's title as it can be stored."""
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"
