"""The forms of audits on the desk: a new draw, the verdicts, and when documents are due."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import ClassVar, NamedTuple

from starlette.datastructures import FormData
from wtforms import (
    HiddenField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
)

from tracker.formatting import parse_hours
from tracker.rules.audit_sampling import Quota
from tracker.rules.explain import LoggedEntry
from tracker.rules.stages import AuditVerdict
from tracker.services.audit_decisions import ItemVerdict, refuse_about
from tracker.services.audit_draws import DrawInput
from tracker.services.audits import AttestedHours
from tracker.services.context import Refusal, Refused
from tracker.web.forms.body import OwnForm, clean, text_of
from tracker.web.forms.days import PeriodForm

_LONGEST_NUMBER = 6
_VERDICTS = {verdict.value: verdict for verdict in AuditVerdict}


class DrawForm(OwnForm):
    """Which accepted renewals can be drawn, how many, and the seed."""

    first_field = "ends_from"
    page_order: ClassVar = ("ends_from", "ends_through", "category", "quota", "amount", "seed")

    association = HiddenField(filters=[clean])
    ends_from = SelectField("Cycles that end from", validate_choice=False)
    ends_through = SelectField("Through", validate_choice=False)
    category = SelectField("Category", validate_choice=False)
    quota = RadioField(
        "How many?",
        choices=[
            SelectChoice(Quota.SHARE.value, "A share of each category, in percent"),
            SelectChoice(Quota.NUMBER.value, "A number of each category"),
        ],
        default=Quota.SHARE.value,
        validate_choice=False,
    )
    amount = StringField("Percent or number", filters=[clean])
    seed = StringField("Seed", filters=[clean])

    def parse(self) -> DrawInput:
        """What is typed; what can't be read is 0 or the first day there is, which is refused."""
        is_count = self.quota.data == Quota.NUMBER.value
        typed = str(self.amount.data or "")
        # "10%" of a number of renewals is one of two mistakes, and not ten renewals.
        amount = typed if is_count else typed.removesuffix("%").strip()
        is_number = amount.isascii() and amount.isdigit() and len(amount) <= _LONGEST_NUMBER
        return DrawInput(
            self.association.data or "",
            _parse_day(self.ends_from.data),
            _parse_day(self.ends_through.data),
            Quota.NUMBER if is_count else Quota.SHARE,
            int(amount) if is_number else 0,
            self.seed.data or "",
            self.category.data or "",
        )


class AuditDueForm(PeriodForm):
    """The last day to send documents, in the fields of a last day, and why it was moved."""

    first_field = "ends_day"
    refusal_fields: ClassVar = {"due_on": "ends_day"}
    reason = TextAreaField("Reason", filters=[clean])

    def parse_due(self, today: date) -> date | None:
        """The day; None, with a problem at a field, if it is wrong."""
        return self.parse_day("ends", today, name="due date")


class TypedVerdicts(NamedTuple):
    """What a coordinator found: verdicts by entry, and supported amounts by requirement."""

    sessions: Mapping[int, ItemVerdict]
    hours: Mapping[str, int]


def parse_verdicts(
    typed: FormData, entries: Iterable[LoggedEntry], attested: Iterable[AttestedHours]
) -> TypedVerdicts:
    """Read the verdicts of a case's form; what is left empty is not among them.

    Raises Refused for a reason without a verdict, and for an amount that can't be read.
    """
    refusals: list[Refusal] = []
    sessions = {
        entry.id: found
        for entry in entries
        if (found := _parse_verdict(typed, entry, refusals)) is not None
    }
    hours = {}
    for each in attested:
        requirement = each.requirement
        text = clean(text_of(typed, f"hours-{requirement.id}"))
        try:
            if text:
                hours[requirement.id] = parse_hours(text) if requirement.is_hours else int(text)
        except ValueError:
            facts = {"label": requirement.label}
            refusals.append(Refusal(f"hours-{requirement.id}", "audit-hours-wrong", facts))
    if refusals:
        raise Refused(*refusals)
    return TypedVerdicts(sessions, hours)


def _parse_verdict(
    typed: FormData, entry: LoggedEntry, refusals: list[Refusal]
) -> ItemVerdict | None:
    """The verdict about an entry, if one is chosen for it or for all."""
    reason = clean(text_of(typed, f"reason-{entry.id}"))
    chosen = text_of(typed, f"verdict-{entry.id}")
    if not chosen and not reason:
        chosen = text_of(typed, "all")
    if chosen in _VERDICTS:
        return ItemVerdict(_VERDICTS[chosen], reason)
    if reason:
        refusals.append(refuse_about(entry, f"verdict-{entry.id}", "audit-verdict-unchosen"))
    return None


def _parse_day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return date.min
