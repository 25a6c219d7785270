"""The form on which a coordinator says who a named RSC provider is, and what they hold."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import ClassVar

from wtforms import HiddenField, StringField

from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.services.provider_answers import NewPerson, ProviderAnswer
from tracker.services.provider_credentials import NewCredential
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import add_problem, clean, parse_id
from tracker.web.forms.days import PeriodForm

NEW, NOTHING, VETTING, ELSEWHERE = "new", "nothing", "vetting", "elsewhere"
# The choice among the categories for a provider whom another association vetted.
VETTED_ELSEWHERE = "vetted"
_YEARS_BACK = 60


class CredentialForm(PeriodForm):
    """What qualifies a provider: ``record`` is VETTING or ELSEWHERE."""

    refusal_fields: ClassVar = {"starts_on": "starts_day", "ends_on": "ends_day"}
    first_field: ClassVar[str] = "record"
    # Of the refusal if nothing is chosen.
    missing_code: ClassVar[str] = "credential-choice-missing"
    page_order: ClassVar[Sequence[str]] = ("record", "elsewhere", "category")

    record = StringField("What qualifies them?", filters=[clean])
    elsewhere = StringField("Association", filters=[clean])
    category = StringField("Category", filters=[clean])

    def parse_credential(self, rulebooks: Rulebooks, today: date) -> NewCredential | None:
        """The credential; None, with problems at fields, if it is incomplete."""
        if self.record.data not in {VETTING, ELSEWHERE}:
            add_problem(self.record, format_refusal(self.missing_code, {}))
            return None
        name = ""
        if self.record.data == ELSEWHERE:
            name = find_organization(rulebooks, self.elsewhere.data)
            if not name:
                add_problem(self.elsewhere, format_refusal("association-missing", {}))
            if not self.category.data:
                add_problem(self.category, format_refusal("category-unknown", {}))
        starts_on = self.parse_first_day(today, years_back=_YEARS_BACK)
        ends_on = self.parse_last_day(today)
        if starts_on is None or self.errors:
            return None
        is_endorsed = name and self.category.data != VETTED_ELSEWHERE
        category = self.category.data if is_endorsed else ""
        return NewCredential(starts_on, ends_on, name, category)

    def parse_last_day(self, today: date) -> date | None:
        """The last day; None if there is none, or, with a problem at a field, if it is wrong."""
        if self.is_blank("ends"):
            return None
        return self.parse_day("ends", today, years_back=_YEARS_BACK)


class ProviderAnswerForm(CredentialForm):
    """Who it is (``who``: a person's id, or NEW), and what to ``record`` of them, or NOTHING."""

    refusal_fields: ClassVar = {**CredentialForm.refusal_fields, "name": "provider_name"}
    first_field: ClassVar[str] = "who"
    missing_code: ClassVar[str] = "record-choice-missing"
    page_order: ClassVar[Sequence[str]] = (
        "who",
        "provider_name",
        "email",
        "degree",
        *CredentialForm.page_order,
    )

    association = HiddenField(filters=[clean])
    who = StringField("Who is it?", filters=[clean])
    provider_name = StringField("Name", filters=[clean])
    email = StringField("Email address", filters=[clean])
    degree = StringField("Highest degree", filters=[clean])

    def parse_answer(
        self, rulebooks: Rulebooks, association: str, keys: Collection[str], today: date
    ) -> ProviderAnswer | None:
        """The answer for these plain names; None, with problems at fields, if it is incomplete."""
        self.validate()
        provider: int | NewPerson = parse_id(self.who.data)
        if self.who.data == NEW:
            email = normalize_email(self.email.data)
            provider = NewPerson(self.provider_name.data, email, self.degree.data or "none")
        elif not provider:
            add_problem(self.who, format_refusal("provider-choice-missing", {}))
        credential = None
        if self.record.data != NOTHING:
            credential = self.parse_credential(rulebooks, today)
        if self.errors:
            return None
        return ProviderAnswer(association, frozenset(keys), provider, credential)


def find_organization(rulebooks: Rulebooks, typed: str) -> str:
    """The id of the organization that is meant by its id or name; else what was typed."""
    for organization in rulebooks.organizations.values():
        if typed.casefold() in {organization.id.casefold(), organization.name.casefold()}:
            return organization.id
    return typed
