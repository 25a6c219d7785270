"""The pages on which applicants enter what an application rests on besides hours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.applications import Application, Position
from tracker.db.corrections import Removal
from tracker.formatting import capitalize_first, format_count, format_list
from tracker.rules.application.wording import format_months
from tracker.rules.reasons import format_reason
from tracker.rules.standing import ApplicationStanding, Result
from tracker.services.applications import get_application_standings
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.portfolio import (
    get_own_degree,
    get_own_position,
    list_supervisors,
    remove_degree,
    remove_exam,
    remove_position,
    report_exam,
    restore_removed,
    save_degree,
    save_position,
    sign_statements,
)
from tracker.services.portfolio_terms import Portfolio, PortfolioTerms, find_terms, load_portfolio
from tracker.services.references import find_own_application
from tracker.services.removals import find_own_deletion
from tracker.web.forms.body import OwnForm, RowId, Typed, number_of
from tracker.web.forms.portfolio import (
    DegreeForm,
    ExamForm,
    JobForm,
    StatementsForm,
    format_level,
    format_pay,
    split_keys,
)
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.pages.application_tasks import list_terms
from tracker.web.rendering import category_name

router = APIRouter()
# How the service refuses what a form could not read.
_UNREAD = ("day-required", "families-required")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a requirement is called, asks for, and accepts."""

    label: str
    about: str
    terms: list[str]


@dataclass(frozen=True, slots=True)
class PortfolioPage:
    """An own application as these pages show it; ``today`` is the day at the association.

    ``removed`` are the degree and the position that were removed last, by kind, if they can be
    brought back.
    """

    application: Application
    category: str
    terms: PortfolioTerms
    portfolio: Portfolio
    today: date
    removed: Mapping[str, Removal | None]

    @property
    def is_submitted(self) -> bool:
        """Whether reviewers have it, so that it only grows."""
        return self.application.state == "submitted"

    def conditions(self, counts: str) -> list[Condition]:
        """The requirements that count this."""
        return [
            Condition(one.label, one.about, list_terms(self.terms.rulebook, one))
            for one in self.terms.requirements
            if one.counts == counts
        ]


@router.get("/application/{application_id}/education")
def show_education(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """The degrees on record, and a form to add one."""
    return _render_education(page, application_id, DegreeForm())


@router.post("/application/{application_id}/education")
def add_degree(page: PersonPage, application_id: RowId, typed: Typed) -> Response:
    """Add a degree, or show what is wrong; or, with its button, bring back the removed one."""
    if "undo" in typed:
        path = f"/application/{application_id}/education"
        return _undo(page, application_id, "degree", typed, path)
    return _save_degree(page, application_id, None, typed)


@router.get("/application/{application_id}/education/{degree_id}")
def open_degree(page: PersonPage, application_id: RowId, degree_id: RowId) -> HTMLResponse:
    """The form with a degree as it is stored."""
    with page.reading() as session:
        degree = get_own_degree(session, page.person_id, degree_id)
    form = DegreeForm(data=DegreeForm.values_of(degree))
    return _render_education(page, application_id, form, degree_id)


@router.post("/application/{application_id}/education/{degree_id}")
def change_degree(
    page: PersonPage, application_id: RowId, degree_id: RowId, typed: Typed
) -> Response:
    """Change or remove a degree, or show what is wrong."""
    return _save_degree(page, application_id, degree_id, typed)


def _save_degree(
    page: PageRequest, application_id: int, degree_id: int | None, typed: FormData
) -> Response:
    form, degree = DegreeForm(typed), None
    if "remove" not in typed:
        degree = form.parse(_read(page, application_id).today)

    def save(context: ServiceContext) -> None:
        if degree is not None:
            save_degree(context, application_id, degree, degree_id)
        elif degree_id is not None:
            remove_degree(context, application_id, degree_id)

    if _save(page, form, save):
        return page.redirect(f"/application/{application_id}/education", _outcome(typed))
    return _render_education(page, application_id, form, degree_id)


def _render_education(
    page: PageRequest, application_id: int, form: DegreeForm, degree_id: int | None = None
) -> HTMLResponse:
    of = _read(page, application_id)
    return page.render(
        "education.html", of=of, form=form, degree_id=degree_id, format_level=format_level
    )


@router.get("/application/{application_id}/work")
def show_work(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """The jobs on record, what each counts for and why, and a form to add one."""
    return _render_work(page, application_id, JobForm())


@router.post("/application/{application_id}/work")
def add_job(page: PersonPage, application_id: RowId, typed: Typed) -> Response:
    """Add a job, or show what is wrong; or, with its button, bring back the removed one."""
    if "undo" in typed:
        path = f"/application/{application_id}/work"
        return _undo(page, application_id, "position", typed, path)
    return _save_job(page, application_id, None, typed)


@router.get("/application/{application_id}/work/{position_id}")
def open_job(page: PersonPage, application_id: RowId, position_id: RowId) -> HTMLResponse:
    """The form with a job as it is stored."""
    with page.reading() as session:
        position = get_own_position(session, page.person_id, position_id)
    form = JobForm(data=JobForm.values_of(position))
    return _render_work(page, application_id, form, position_id)


@router.post("/application/{application_id}/work/{position_id}")
def change_job(
    page: PersonPage, application_id: RowId, position_id: RowId, typed: Typed
) -> Response:
    """Change or remove a job, or show what is wrong."""
    return _save_job(page, application_id, position_id, typed)


def _save_job(
    page: PageRequest, application_id: int, position_id: int | None, typed: FormData
) -> Response:
    form, job = JobForm(typed), None
    if "remove" not in typed:
        job = form.parse(_read(page, application_id).today)

    def save(context: ServiceContext) -> None:
        if job is not None:
            save_position(context, application_id, job, position_id)
        elif position_id is not None:
            remove_position(context, application_id, position_id)

    if _save(page, form, save):
        return page.redirect(f"/application/{application_id}/work", _outcome(typed))
    return _render_work(page, application_id, form, position_id)


def _render_work(
    page: PageRequest, application_id: int, form: JobForm, position_id: int | None = None
) -> HTMLResponse:
    of = _read(page, application_id)
    with page.reading() as session:
        supervisors = []
        if of.terms.takes_internships:
            supervisors = list_supervisors(session, of.terms.rulebook, page.person_id)
        standing = _judge(session, page, of.application)
    form.offer(of.terms, supervisors)
    jobs = [view_job(of.terms, one, standing) for one in of.portfolio.positions]
    return page.render("work.html", of=of, form=form, position_id=position_id, jobs=jobs)


@router.get("/application/{application_id}/statements")
def show_statements(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """What the applicant signs."""
    of = _read(page, application_id)
    return _render_statements(page, of, StatementsForm(data={"signed": [*of.portfolio.signed]}))


@router.post("/application/{application_id}/statements")
def save_statements(page: PersonPage, application_id: RowId, typed: Typed) -> Response:
    """Sign what is checked, or show what is wrong."""
    form = StatementsForm(typed)
    signed = form.signed.data or []
    if _save(page, form, lambda context: sign_statements(context, application_id, signed)):
        return page.redirect(f"/application/{application_id}", "saved")
    return _render_statements(page, _read(page, application_id), form)


def _render_statements(page: PageRequest, of: PortfolioPage, form: StatementsForm) -> HTMLResponse:
    return page.render("statements.html", of=of, form=form)


@router.get("/application/{application_id}/exam")
def show_exam(page: PersonPage, application_id: RowId) -> HTMLResponse:
    """The exams on record, and a form to report one."""
    return page.render("exam.html", of=_read(page, application_id), form=ExamForm())


@router.post("/application/{application_id}/exam")
def save_exam(page: PersonPage, application_id: RowId, typed: Typed) -> Response:
    """Report an exam; or, with the button of one, remove it; or show what is wrong."""
    of = _read(page, application_id)
    form, taken_on = ExamForm(typed), None
    if "remove" not in typed:
        form.validate()
        taken_on = form.parse_past_day(of.today, named="exam")

    def save(context: ServiceContext) -> None:
        if taken_on is not None:
            report_exam(context, application_id, taken_on, passed=form.has_passed)
        elif "remove" in typed:
            remove_exam(context, application_id, number_of(typed, "remove"))

    if _save(page, form, save):
        return page.redirect(f"/application/{application_id}/exam", _outcome(typed))
    return page.render("exam.html", of=of, form=form)


def _undo(
    page: PageRequest, application_id: int, kind: str, typed: FormData, path: str
) -> Response:
    """Bring back what the button names, and say whether that was possible."""
    number = number_of(typed, "undo")
    try:
        page.write(lambda context: restore_removed(context, application_id, kind, number))
    except (NotFound, Refused):
        return page.redirect(path, "stays-removed")
    return page.redirect(path, "restored")


def _outcome(typed: FormData) -> str:
    """The code of the message about what a form did."""
    return "removed" if "remove" in typed else "saved"


def _save(page: PageRequest, form: OwnForm, save: Callable[[ServiceContext], None]) -> bool:
    """Whether a form was saved; if not, its fields say why, all at once."""

    def save_unless_wrong(context: ServiceContext) -> None:
        save(context)
        if form.errors:
            raise Refused

    try:
        page.write(save_unless_wrong)
    except Refused as refused:
        # A field that could not be read says so itself.
        read = [one for one in refused.refusals if one.code not in _UNREAD]
        form.add_refusals(read)
        return False
    return True


def _read(page: PageRequest, application_id: int) -> PortfolioPage:
    """An own application that is not decided yet; 404 for any other."""
    with page.reading() as session:
        application = require(find_own_application(session, page.person_id, application_id))
        rulebook = require(page.rulebooks.associations.get(application.association))
        require(not application.is_decided)
        portfolio = load_portfolio(session, application)
        removed = {
            kind: find_own_deletion(session, page.person_id, kind, page.now)
            for kind in ("degree", "position")
        }
    today = page.day_of(rulebook.id)
    return PortfolioPage(
        application,
        category_name(rulebook, application.category),
        find_terms(rulebook, application.category, today, application.plan_purpose),
        portfolio,
        today,
        removed,
    )


def _judge(
    session: Session, page: PageRequest, application: Application
) -> ApplicationStanding | None:
    standings = get_application_standings(session, page.rulebooks, page.day_of, [application.id])
    return standings.get(application.id)


def view_job(
    terms: PortfolioTerms, position: Position, standing: ApplicationStanding | None
) -> dict[str, Any]:
    """A job as a list shows it, with what it counts for and why not."""
    facts = [format_pay(position.pay)]
    facts += [terms.services.get(key, key) for key in split_keys(position.services)]
    if position.ages:
        facts.append(f"children {format_list(split_keys(position.ages))}")
    if position.families:
        facts.append(format_count(position.families, "family", "families"))
    facts += [
        words
        for is_so, words in ((position.supervised, "supervised"), (position.trained, "trained"))
        if is_so
    ]
    statements = [terms.statements.get(key, key) for key in split_keys(position.statements)]
    verdicts = []
    for result in standing.results if standing else ():
        if result.requirement.counts == "work":
            verdicts += _judge_job(result, position)
    return {"row": position, "facts": facts, "statements": statements, "verdicts": verdicts}


def _judge_job(result: Result, position: Position) -> list[tuple[str, bool]]:
    """For one requirement: what is counted of a job, or why none of it; and whether it counts."""
    label = result.requirement.label
    verdicts = []
    for item in result.counted_items:
        if item.position_id == position.id:
            amount = format_months(item.amount)
            if result.requirement.unit == "families":
                amount = format_count(item.amount, "family", "families")
            verdicts.append((f"{label}: {amount}", True))
    for remark in result.remarks:
        if remark.position_id == position.id:
            words = capitalize_first(format_reason(remark.reason))
            verdicts.append((f"{label}: {words}", remark.needs_review))
    return verdicts
