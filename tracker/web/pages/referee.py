"""The referee's page, by a secret link: a short form that takes one answer.

Opening it changes nothing, because mail scanners open links. It shows the applicant's name and
what they apply for, and once it is answered, nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData
from wtforms import BooleanField, RadioField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from tracker.db.engine import reading
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.rules.model import RatingQuestion
from tracker.services.context import Actor, Refused
from tracker.services.reference_submission import (
    ReferenceAnswer,
    ReferenceRequest,
    asks_vetted,
    decline_reference,
    find_request,
    list_known_associations,
    list_ratings,
    submit_reference,
)
from tracker.web.dependencies import NowDep, Site, SiteDep
from tracker.web.forms.body import OwnForm, Typed, add_problem, clean
from tracker.web.rendering import category_names

router = APIRouter()
_NOT_INDEXED = {"x-robots-tag": "noindex, nofollow"}
_YES_NO = (SelectChoice("yes", "Yes"), SelectChoice("no", "No"))


class AnswerForm(OwnForm):
    """What a referee answers; ``vetted`` is shown if the rulebook accepts vetted referees.

    `_build_form` adds what is rated, and the signature, the last fields of the page.
    """

    questions: ClassVar[Sequence[RatingQuestion]] = ()

    role_confirmed = RadioField(
        "", choices=_YES_NO, validators=[InputRequired("Say whether this role is correct")]
    )
    relationship = TextAreaField(
        "How do you know their work?",
        filters=[clean],
        validators=[
            InputRequired("Say in a sentence how you know their work"),
            Length(max=500, message="Use at most 500 characters to say how you know their work"),
        ],
    )
    endorsed = RadioField(
        "Are you endorsed in infant or early childhood mental health yourself?",
        choices=_YES_NO,
        validators=[InputRequired("Say whether you are endorsed")],
    )
    endorsed_by = StringField("By which association?", filters=[clean])
    endorsed_as = SelectField("In which category?", default="", validate_choice=False)
    vetted = BooleanField("")

    def parse(self) -> ReferenceAnswer | None:
        """The answer; None, with problems, if something is missing or too long."""
        self.validate()
        for field in (self.role_confirmed, self.endorsed, *self.rating_fields()):
            # A choice that the page does not offer is like none.
            field.errors = [field.validators[0].message] if field.errors else []
        endorsement: dict[str, str] = {}
        if self.endorsed.data == "yes":
            if not self.endorsed_by.data:
                add_problem(self.endorsed_by, format_refusal("endorsed-by-required", {}))
            if self.endorsed_as.data not in {c.value for c in self.endorsed_as.choices if c.value}:
                add_problem(self.endorsed_as, "Choose the category in which you are endorsed")
            endorsement = {
                "endorsed_by": self.endorsed_by.data,
                "endorsed_as": self.endorsed_as.data,
            }
        if self.errors:
            return None
        return ReferenceAnswer(
            role_confirmed=self.role_confirmed.data == "yes",
            relationship=self.relationship.data,
            endorsed_by=endorsement.get("endorsed_by"),
            endorsed_as=endorsement.get("endorsed_as"),
            vetted=self.vetted.data,
            signed_as=self.signed_as.data,
            ratings={
                question.id: field.data
                for question, field in zip(self.questions, self.rating_fields(), strict=True)
            },
        )

    def rating_fields(self) -> list[RadioField]:
        """The field of each question, in their order."""
        return [self[_name_rating(question)] for question in self.questions]


def _name_rating(question: RatingQuestion) -> str:
    """The name of the field that a refusal of the question's rating names, too."""
    return f"rating-{question.id}"


@router.get("/reference/{token}")
def show_form(site: SiteDep, now: NowDep, token: str) -> Response:
    """The form, or what became of the reference; an unknown link says so."""
    return _render(site, now, token, _find_request(site, token))


@router.post("/reference/{token}")
def submit(site: SiteDep, now: NowDep, typed: Typed, token: str) -> Response:
    """Save the answer once; or show what is wrong."""
    request = _find_request(site, token)
    if request is None:
        return _render(site, now, token, None)
    if request.state == "waiting":
        form = _build_form(site.rulebooks, request, now, typed)
        answer = form.parse()
        if answer is None:
            return _render(site, now, token, request, form)
        actor = Actor(request.reference.email)
        try:
            site.write(actor, now, lambda context: submit_reference(context, token, answer))
        except Refused as refused:
            form.add_refusals(refused.refusals)
            return _render(site, now, token, request, form)
    return RedirectResponse(f"/reference/{token}", 303, headers=_NOT_INDEXED)


@router.post("/reference/{token}/decline")
def decline(site: SiteDep, now: NowDep, token: str) -> Response:
    """Save that the referee gives no reference; an earlier answer stays."""
    request = _find_request(site, token)
    if request is None:
        return _render(site, now, token, None)
    if request.state == "waiting":
        actor = Actor(request.reference.email)
        site.write(actor, now, lambda context: decline_reference(context, token))
    return RedirectResponse(f"/reference/{token}", 303, headers=_NOT_INDEXED)


def _find_request(site: Site, token: str) -> ReferenceRequest | None:
    # In a read: an unknown token must not take a turn to write.
    with reading(site.engine) as session:
        return find_request(session, site.rulebooks, token)


def _build_form(
    rulebooks: Rulebooks, request: ReferenceRequest, now: datetime, typed: FormData | None = None
) -> AnswerForm:
    own = rulebooks.associations[request.application.association]
    questions = list_ratings(rulebooks, request.application, now)
    fields: dict[str, Any] = {"questions": questions}
    for question in questions:
        fields[_name_rating(question)] = RadioField(
            question.asks,
            choices=[SelectChoice(step, step) for step in question.scale],
            validators=[InputRequired(format_refusal("rating-required", {}))],
        )
    fields["signed_as"] = StringField(
        "Sign with your full name",
        filters=[clean],
        validators=[
            InputRequired("Type your full name to sign"),
            Length(max=200, message="Your name can have at most 200 characters"),
        ],
    )
    form: AnswerForm = type("RatedAnswerForm", (AnswerForm,), fields)(typed)
    form.role_confirmed.label.text = f"Is “{format_role(own, request.reference.role)}” correct?"
    form.vetted.label.text = f"{own.name} has vetted me"
    # The categories of the applicant's association come first.
    names = category_names(rulebooks, own)
    choices = [SelectChoice(key, name) for key, name in names.items()]
    form.endorsed_as.choices = [SelectChoice("", "Choose"), *choices]
    return form


def _render(
    site: Site,
    now: datetime,
    token: str,
    request: ReferenceRequest | None,
    form: AnswerForm | None = None,
) -> HTMLResponse:
    """The ``form``, or an empty one, for a request that waits; else what became of it."""
    state, status, problems = "unknown", 404, []
    facts: dict[str, Any] = {}
    if request is not None:
        state, status = request.state, 200
    if request is not None and state == "waiting":
        rulebook = site.rulebooks.associations[request.application.association]
        endorsement = request.application.category
        if endorsement in rulebook.categories:
            endorsement = f"{rulebook.categories[endorsement].name} ({endorsement})"
        form = form or _build_form(site.rulebooks, request, now)
        problems = form.problems()
        status = 422 if problems else 200
        facts = {
            "token": token,
            "form": form,
            "branding": site.brandings.of(rulebook.id),
            "applicant": request.applicant,
            "association": rulebook.name,
            "endorsement": endorsement,
            "role": format_role(rulebook, request.reference.role),
            "associations": list_known_associations(site.rulebooks),
            "is_reinstatement": request.application.is_reinstatement,
            "asks_vetted": asks_vetted(site.rulebooks, request.application, now),
        }
    page = site.pages.render(
        "reference.html", status=status, state=state, problems=problems, **facts
    )
    page.headers.update(_NOT_INDEXED)
    return page
