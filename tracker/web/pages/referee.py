"""The referee's page, by a secret link: a short form that takes one answer.

Opening it changes nothing, because mail scanners open links. It shows the applicant's name and
what they apply for, and once it is answered, nothing.
"""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.engine import reading
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.services.context import Actor, ServiceContext
from tracker.services.reference_submission import (
    ReferenceRequest,
    asks_vetted,
    decline_reference,
    find_request,
    submit_reference,
)
from tracker.web.dependencies import NowDep, Site, SiteDep
from tracker.web.forms.body import Typed
from tracker.web.forms.references import AnswerForm, answer_form

router = APIRouter()
_NOT_INDEXED = {"x-robots-tag": "noindex, nofollow"}


@router.get("/reference/{token}")
def show_form(site: SiteDep, now: NowDep, token: str) -> Response:
    """The form, or what became of the reference; an unknown link says so."""
    request = _find_request(site, token)
    if request is None:
        return _render(site, "unknown")
    if request.state != "waiting":
        return _render(site, request.state)
    return _render_form(site, now, request, token, _form(site.rulebooks, request))


@router.post("/reference/{token}")
def submit(site: SiteDep, now: NowDep, typed: Typed, token: str) -> Response:
    """Save the answer once; or show what is wrong."""
    request = _find_request(site, token)
    if request is None:
        return _render(site, "unknown")
    if request.state == "waiting":
        form = _form(site.rulebooks, request, typed)
        answer = form.parse()
        if answer is None:
            return _render_form(site, now, request, token, form)
        actor = Actor(request.reference.email)

        def save(session: Session) -> None:
            submit_reference(ServiceContext(session, site.rulebooks, actor, now), token, answer)

        site.writer.run(save)
    return RedirectResponse(f"/reference/{token}", 303, headers=_NOT_INDEXED)


@router.post("/reference/{token}/decline")
def decline(site: SiteDep, now: NowDep, token: str) -> Response:
    """Save that the referee gives no reference; an earlier answer stays."""
    request = _find_request(site, token)
    if request is None:
        return _render(site, "unknown")
    if request.state == "waiting":
        actor = Actor(request.reference.email)

        def save(session: Session) -> None:
            decline_reference(ServiceContext(session, site.rulebooks, actor, now), token)

        site.writer.run(save)
    return RedirectResponse(f"/reference/{token}", 303, headers=_NOT_INDEXED)


def _find_request(site: Site, token: str) -> ReferenceRequest | None:
    # In a read: an unknown token must not take a turn to write.
    with reading(site.engine) as session:
        return find_request(session, site.rulebooks, token)


def _form(
    rulebooks: Rulebooks, request: ReferenceRequest, typed: FormData | None = None
) -> AnswerForm:
    own = rulebooks.associations[request.application.association]
    categories: dict[str, str] = {}
    # The categories of the applicant's association come first.
    for rulebook in (own, *rulebooks.associations.values()):
        for key, category in rulebook.categories.items():
            categories.setdefault(key, category.name)
    endorsing = {
        organization.id: organization.name
        for organization in rulebooks.organizations.values()
        if organization.infant_mental_health
    }
    return answer_form(
        format_role(own, request.reference.role), endorsing, categories, own.name, typed
    )


def _render_form(
    site: Site, now: datetime, request: ReferenceRequest, token: str, form: AnswerForm
) -> HTMLResponse:
    rulebook = site.rulebooks.associations[request.application.association]
    category_id = request.application.category
    category = rulebook.categories.get(category_id)
    return _render(
        site,
        "waiting",
        token=token,
        form=form,
        problems=form.problems(),
        referee=request.reference.name,
        applicant=request.applicant,
        association=rulebook.name,
        endorsement=f"{category.name} ({category_id})" if category else category_id,
        role=format_role(rulebook, request.reference.role),
        asks_vetted=asks_vetted(site.rulebooks, request.application, now),
    )


def _render(site: Site, state: str, **facts: Any) -> HTMLResponse:  # noqa: ANN401 - a template's
    problems = facts.pop("problems", [])
    status = 200
    if state == "unknown":
        status = 404
    elif problems:
        status = 422
    page = site.pages.render(
        "reference.html", status=status, state=state, problems=problems, **facts
    )
    page.headers.update(_NOT_INDEXED)
    return page
