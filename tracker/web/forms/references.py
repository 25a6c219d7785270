"""The two forms about references: the applicant names a referee, and the referee answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.datastructures import FormData
from wtforms import BooleanField, RadioField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from tracker.refusal_text import format_refusal
from tracker.services.context import Refusal
from tracker.services.reference_submission import ReferenceAnswer
from tracker.services.references import RefereeInput
from tracker.web.forms.body import OwnForm, add_problem, clean

_YES_NO = (SelectChoice("yes", "Yes"), SelectChoice("no", "No"))
_LONGEST_SHOWN = 1000


class RefereeForm(OwnForm):
    """Whom an applicant names."""

    name = StringField("Their name", filters=[clean])
    email = StringField("Their email address", filters=[clean])
    role = RadioField("Who are they to you?", validate_choice=False)

    def parse(self) -> RefereeInput:
        """The referee as entered; `name_referee` checks it."""
        email = (self.email.data or "")[:_LONGEST_SHOWN].lower()
        return RefereeInput(email, self.name.data or "", self.role.data or "")

    def add_refusals(self, refusals: Iterable[Refusal]) -> None:
        """Show at their fields why the referee was refused."""
        for refusal in refusals:
            add_problem(self[refusal.field], format_refusal(refusal.code, refusal.facts))


class AnswerForm(OwnForm):
    """What a referee answers; ``vetted`` is shown if the rulebook accepts vetted referees."""

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
    endorsed_by = SelectField("By which association?", default="", validate_choice=False)
    endorsed_as = SelectField("In which category?", default="", validate_choice=False)
    vetted = BooleanField("")
    signed_as = StringField(
        "Sign with your full name",
        filters=[clean],
        validators=[
            InputRequired("Type your full name to sign"),
            Length(max=200, message="Your name can have at most 200 characters"),
        ],
    )

    def parse(self) -> ReferenceAnswer | None:
        """The answer; None, with problems, if something is missing or too long."""
        self.validate()
        for field in (self.role_confirmed, self.endorsed):
            # A choice that the page does not offer is like none.
            field.errors = [field.validators[0].message] if field.errors else []
        is_endorsed = self.endorsed.data == "yes"
        if is_endorsed:
            _require_choice(self.endorsed_by, "Choose the association that has endorsed you")
            _require_choice(self.endorsed_as, "Choose the category in which you are endorsed")
        if self.errors:
            return None
        return ReferenceAnswer(
            role_confirmed=self.role_confirmed.data == "yes",
            relationship=self.relationship.data,
            endorsed_by=self.endorsed_by.data if is_endorsed else None,
            endorsed_as=self.endorsed_as.data if is_endorsed else None,
            vetted=self.vetted.data,
            signed_as=self.signed_as.data,
        )


def referee_form(roles: Mapping[str, str], typed: FormData | None = None) -> RefereeForm:
    """The form as typed; ``roles`` are keys and labels."""
    form = RefereeForm(typed)
    form.role.choices = [SelectChoice(key, label) for key, label in roles.items()]
    return form


def answer_form(
    role: str,
    associations: Mapping[str, str],
    categories: Mapping[str, str],
    association: str,
    typed: FormData | None = None,
) -> AnswerForm:
    """The form as typed; ``associations`` and ``categories`` are keys and labels to choose from."""
    form = AnswerForm(typed)
    form.role_confirmed.label.text = f"Is “{role}” correct?"
    form.vetted.label.text = f"{association} has vetted me"
    form.endorsed_by.choices = _choices(associations)
    form.endorsed_as.choices = _choices(
        {key: f"{label} ({key})" for key, label in categories.items()}
    )
    return form


def _choices(labels: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice("", "Choose"), *(SelectChoice(k, label) for k, label in labels.items())]


def _require_choice(field: Any, message: str) -> None:  # noqa: ANN401 - wtforms ships no types
    if field.data not in {choice.value for choice in field.choices if choice.value}:
        add_problem(field, message)
