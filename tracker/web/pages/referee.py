"""The referee's page, by a secret link: a short form, good for one answer.

Opening it changes nothing, because mail scanners open links. Whoever holds the link sees the
applicant's name and what they apply for, and nothing once there is an answer.
"""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from tracker.db.engine import reading, writing
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import find_reference_rule, format_role
from tracker.services.references import ReferenceRequest, decline, find_request, store_answer
from tracker.web.dependencies import NowDep, Site, SiteDep
from tracker.web.forms.body import Typed
from tracker.web.forms.references import AnswerForm, answer_form, read_answer

router = APIRouter()
_NOT_INDEXED = {"x-robots-tag": "noindex, nofollow"}


@router.get("/reference/{token}")
def ask(site: SiteDep, at: NowDep, token: str) -> Response:
    """The form, or what became of it; a link that is none says so."""
    request = _find(site, token)
    form = _form(site, request) if request and request.state == "waiting" else None
    return _show(site, at, request, token, form)


@router.post("/reference/{token}")
def answer(site: SiteDep, at: NowDep, typed: Typed, token: str) -> Response:
    """Store the answer once; or show what is wrong, nothing lost."""
    request = _find(site, token)
    if request is None or request.state != "waiting":
        return _done(site, at, request, token)
    form = _form(site, request, typed)
    given = read_answer(form, asks_vetted=_asks_vetted(site, request, at))
    if given is None:
        return _show(site, at, request, token, form)
    with writing(site.engine) as session:
        # It may have been withdrawn or answered meanwhile.
        request = _known(site, find_request(session, token))
        if request and request.state == "waiting":
            store_answer(session, request, given, at)
    return _done(site, at, request, token)


@router.post("/reference/{token}/decline")
def refuse(site: SiteDep, at: NowDep, token: str) -> Response:
    """Store that the referee gives no reference; an answer that is there stays."""
    request = _find(site, token)
    if request is None or request.state != "waiting":
        return _done(site, at, request, token)
    with writing(site.engine) as session:
        request = _known(site, find_request(session, token))
        if request and request.state == "waiting":
            decline(session, request, at)
    return _done(site, at, request, token)


def _find(site: Site, token: str) -> ReferenceRequest | None:
    """Who is asked by a link. In a read: a stranger's token must not take a turn to write."""
    with reading(site.engine) as session:
        return _known(site, find_request(session, token))


def _known(site: Site, request: ReferenceRequest | None) -> ReferenceRequest | None:
    """The request, if its association still has a rulebook."""
    return request if request and request.association in site.rulebooks.associations else None


def _done(site: Site, at: datetime, request: ReferenceRequest | None, token: str) -> Response:
    if request is None:
        return _show(site, at, None, token, None)
    # A page of its own, so that loading it again sends nothing.
    return RedirectResponse(f"/reference/{token}", 303, headers=_NOT_INDEXED)


def _show(
    site: Site, at: datetime, request: ReferenceRequest | None, token: str, form: AnswerForm | None
) -> HTMLResponse:
    problems = form.problems() if form else []
    facts: dict[str, Any] = {"state": request.state if request else "unknown"}
    if request and form:
        facts |= _facts(site.rulebooks, request) | {"token": token, "form": form}
        facts["asks_vetted"] = _asks_vetted(site, request, at)
    status = 404 if request is None else 422 if problems else 200
    page = site.pages.render("reference.html", status=status, problems=problems, **facts)
    page.headers.update(_NOT_INDEXED)
    return page


def _facts(rulebooks: Rulebooks, request: ReferenceRequest) -> dict[str, str]:
    rulebook = rulebooks.associations[request.association]
    category = rulebook.categories.get(request.category)
    return {
        "referee": request.name,
        "applicant": request.applicant,
        "association": rulebook.name,
        "endorsement": f"{category.name} ({request.category})" if category else request.category,
        "role": format_role(rulebook, request.role),
    }


def _form(site: Site, request: ReferenceRequest, typed: FormData | None = None) -> AnswerForm:
    facts = _facts(site.rulebooks, request)
    return answer_form(
        f"Is “{facts['role']}” right?",
        _associations(site.rulebooks),
        _categories(site.rulebooks, request.association),
        f"{facts['association']} has vetted me",
        typed,
    )


def _associations(rulebooks: Rulebooks) -> dict[str, str]:
    """All that can endorse somebody."""
    known = rulebooks.organizations.values()
    return {o.id: o.name for o in known if o.infant_mental_health}


def _categories(rulebooks: Rulebooks, first: str) -> dict[str, str]:
    """Every category that a rulebook knows, those of the applicant's association first."""
    others = [rulebook for name, rulebook in rulebooks.associations.items() if name != first]
    found: dict[str, str] = {}
    for rulebook in (rulebooks.associations[first], *others):
        for key, category in rulebook.categories.items():
            found.setdefault(key, category.name)
    return found


def _asks_vetted(site: Site, request: ReferenceRequest, at: datetime) -> bool:
    rulebook = site.rulebooks.associations[request.association]
    rule = find_reference_rule(rulebook, request.category, site.today(rulebook.id, at))
    return bool(rule and rule.references and rule.references.vetted)
