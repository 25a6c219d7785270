"""The two forms about references: the applicant names a referee, and the referee answers."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData
from wtforms import BooleanField, RadioField, SelectChoice, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from tracker.addresses import is_address
from tracker.services.references import RefereeInput, ReferenceAnswer
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import OwnForm, add_problem, clean

_LONGEST_NAME, _LONGEST_RELATIONSHIP = 200, 500
_LONGEST_EMAIL = 254
_YES_NO = (SelectChoice("yes", "Yes"), SelectChoice("no", "No"))
# The name goes into a mail to a stranger: it must not carry an address of its own.
_NO_NAME = re.compile(r"[@/<>]|\bwww\.|[.\u3002\uff0e\uff61]\w{2}", re.IGNORECASE)
# As they are written behind a name, without a blank: "M.Ed.", "B.Sc.".
_DEGREE = re.compile(r"(?<![\w.])(?:[A-Z]\.)+(?:Ed|Sc|Div|Phil)\b(?!\.\w|-)")


class NamingForm(OwnForm):
    """Whom an applicant names."""

    name = StringField(
        "Their name",
        filters=[clean],
        validators=[
            InputRequired("Enter the referee's name"),
            Length(max=_LONGEST_NAME, message="The name can have 200 characters at most"),
        ],
    )
    email = StringField("Their e-mail address", filters=[clean])
    role = RadioField(
        "Who are they to you?", validators=[InputRequired("Choose who they are to you")]
    )


class AnswerForm(OwnForm):
    """What a referee answers; ``vetted`` is shown where the rulebook asks it."""

    role_confirmed = RadioField(
        "", choices=_YES_NO, validators=[InputRequired("Say whether that role is right")]
    )
    relationship = TextAreaField(
        "How do you know their work?",
        filters=[clean],
        validators=[
            InputRequired("Say in a sentence how you know their work"),
            Length(
                max=_LONGEST_RELATIONSHIP,
                message="How you know them can have 500 characters at most",
            ),
        ],
    )
    endorsed = RadioField(
        "Are you endorsed in infant or early childhood mental health yourself?",
        choices=_YES_NO,
        validators=[InputRequired("Say whether you are endorsed")],
    )
    endorsed_by = SelectField("By which association?", default="", validate_choice=False)
    endorsed_as = SelectField("As what?", default="", validate_choice=False)
    vetted = BooleanField("")
    signed_as = StringField(
        "Sign with your full name",
        filters=[clean],
        validators=[
            InputRequired("Type your full name to sign"),
            Length(max=_LONGEST_NAME, message="Your name can have 200 characters at most"),
        ],
    )


def naming_form(roles: Mapping[str, str], typed: FormData | None = None) -> NamingForm:
    """The form as it was ``typed``; ``roles`` are keys and words."""
    form = NamingForm(typed)
    form.role.choices = [SelectChoice(key, words) for key, words in roles.items()]
    return form


def read_naming(form: NamingForm, applicant: str) -> RefereeInput | None:
    """Whom the form names; None with `problems` where something is wrong.

    The ``applicant``'s own name goes into the mail too, and only the association can change it.
    """
    form.validate()
    email = (form.email.data or "").lower()
    if len(email) > _LONGEST_EMAIL or not is_address(email):
        add_problem(form.email, "Enter an e-mail address, like name@example.org")
    if form.name.data and not is_plain_name(form.name.data):
        add_problem(form.name, "Enter the name alone, without a link or an address")
    if not is_plain_name(applicant):
        words = f"Ask your coordinator to correct your own name, “{applicant}”, which goes into"
        add_problem(form.name, f"{words} the mail: it must not look like a link or an address")
    if form.role.data and form.role.errors:
        form.role.errors = ["Choose one of the roles in the list"]
    if form.errors:
        return None
    return RefereeInput(normalize_email(email), form.name.data, form.role.data)


def is_plain_name(name: str) -> bool:
    """Whether a name has nothing that a mail program would make a link of."""
    return not _NO_NAME.search(_DEGREE.sub("", name))


def answer_form(
    role_question: str,
    associations: Mapping[str, str],
    categories: Mapping[str, str],
    vetted_label: str,
    typed: FormData | None = None,
) -> AnswerForm:
    """The form as it was ``typed``, with what may be chosen: keys and words."""
    form = AnswerForm(typed)
    form.role_confirmed.label.text = role_question
    form.vetted.label.text = vetted_label
    form.endorsed_by.choices = _options(associations)
    form.endorsed_as.choices = _options({k: f"{words} ({k})" for k, words in categories.items()})
    return form


def read_answer(form: AnswerForm, *, asks_vetted: bool) -> ReferenceAnswer | None:
    """What the form answers; None with `problems` where something is wrong."""
    form.validate()
    endorsed = form.endorsed.data == "yes"
    for field, words in (
        (form.role_confirmed, "Say whether that role is right"),
        (form.endorsed, "Say whether you are endorsed"),
    ):
        if field.errors:
            field.errors = [words]
    if endorsed:
        _must_be_chosen(form.endorsed_by, "Choose the association that has endorsed you")
        _must_be_chosen(form.endorsed_as, "Choose the category in which you are endorsed")
    if form.errors:
        return None
    return ReferenceAnswer(
        role_confirmed=form.role_confirmed.data == "yes",
        relationship=form.relationship.data,
        endorsed_by=form.endorsed_by.data if endorsed else None,
        endorsed_as=form.endorsed_as.data if endorsed else None,
        vetted=asks_vetted and form.vetted.data,
        signed_as=form.signed_as.data,
    )


def _options(words: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice("", "Choose"), *(SelectChoice(k, w) for k, w in words.items())]


def _must_be_chosen(field: Any, words: str) -> None:  # noqa: ANN401 - wtforms ships no types
    if field.data not in {choice.value for choice in field.choices if choice.value}:
        add_problem(field, words)
