"""The form on which a coordinator says who a named RSC provider is, and what they hold."""

from collections.abc import Collection
from datetime import date
from typing import ClassVar

from wtforms import HiddenField, StringField

from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.services.provider_answers import NewCredential, NewPerson, ProviderAnswer
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import add_problem, clean, parse_id
from tracker.web.forms.days import PeriodForm

NEW, NOTHING, VETTING, ELSEWHERE = "new", "nothing", "vetting", "elsewhere"
_YEARS_BACK = 60


class ProviderAnswerForm(PeriodForm):
    """Who it is (``who``: a person's id, or NEW), and what to ``record`` of them."""

    refusal_fields: ClassVar = {
        "starts_on": "starts_day",
        "ends_on": "ends_day",
        "name": "provider_name",
    }
    first_field: ClassVar[str] = "who"
    page_order: ClassVar = (
        "who",
        "provider_name",
        "email",
        "degree",
        "record",
        "elsewhere",
        "category",
    )

    association = HiddenField(filters=[clean])
    who = StringField("Who is it?", filters=[clean])
    provider_name = StringField("Name", filters=[clean])
    email = StringField("Email address", filters=[clean])
    degree = StringField("Highest degree", filters=[clean])
    record = StringField("What qualifies them?", filters=[clean])
    elsewhere = StringField("Association", filters=[clean])
    category = StringField("Category", filters=[clean])

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
        if self.record.data not in {NOTHING, VETTING, ELSEWHERE}:
            add_problem(self.record, format_refusal("record-choice-missing", {}))
        credential = None
        if self.record.data in {VETTING, ELSEWHERE}:
            credential = self._parse_credential(rulebooks, today)
        if self.errors:
            return None
        return ProviderAnswer(association, frozenset(keys), provider, credential)

    def _parse_credential(self, rulebooks: Rulebooks, today: date) -> NewCredential | None:
        name = ""
        if self.record.data == ELSEWHERE:
            name = find_organization(rulebooks, self.elsewhere.data)
            if not name:
                add_problem(self.elsewhere, format_refusal("association-missing", {}))
        starts_on = self.parse_first_day(today, years_back=_YEARS_BACK)
        ends_on = None
        if not self.is_blank("ends"):
            ends_on = self.parse_day("ends", today, years_back=_YEARS_BACK)
        if starts_on is None:
            return None
        category = self.category.data if name else ""
        return NewCredential(starts_on, ends_on, name, category)


def find_organization(rulebooks: Rulebooks, typed: str) -> str:
    """The id of the organization that is meant by its id or name; else what was typed."""
    for organization in rulebooks.organizations.values():
        if typed.casefold() in {organization.id.casefold(), organization.name.casefold()}:
            return organization.id
    return typed
