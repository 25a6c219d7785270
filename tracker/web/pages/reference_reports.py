"""An applicant's references as the coordinator reads them: who was asked, and what they wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.applications import Application, Reference
from tracker.formatting import format_list, format_short_date
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.rules.model import Rulebook
from tracker.services.reference_reports import ReferenceReport, list_reference_reports
from tracker.web.pages.checklist import Tone

_ROLE_CONFIRMED = {True: "Yes", False: "No, the role is denied", None: "Not answered"}


@dataclass(frozen=True, slots=True)
class ReferenceView:
    """One reference; ``answers`` are (question, answer), none until it is received."""

    name: str
    email: str
    role: str
    state: str
    tone: Tone
    answers: Sequence[tuple[str, str]]


def read_reference_reports(
    session: Session, rulebooks: Rulebooks, application: Application
) -> list[ReferenceView]:
    """The references of an application at one of the coordinator's own associations."""
    rulebook = rulebooks.associations.get(application.association)
    if rulebook is None:
        return []
    views = []
    for report in list_reference_reports(session, application, rulebook):
        reference = report.reference
        state, tone = _format_state(rulebook, reference)
        views.append(
            ReferenceView(
                name=reference.name,
                email=reference.email,
                role=format_role(rulebook, reference.role),
                state=state,
                tone=tone,
                answers=_answers(rulebooks, rulebook, report) if reference.received_at else [],
            )
        )
    return views


def _format_state(rulebook: Rulebook, reference: Reference) -> tuple[str, Tone]:
    def format_day(instant: datetime) -> str:
        return format_short_date(local_day(instant, rulebook.time_zone))

    if reference.received_at:
        return f"Received {format_day(reference.received_at)}", "good"
    if reference.declined_at:
        return f"Declined {format_day(reference.declined_at)}", "warm"
    if reference.asked_at:
        return f"Waiting, asked {format_day(reference.asked_at)}", "plain"
    return "Not asked yet", "plain"


def _answers(
    rulebooks: Rulebooks, rulebook: Rulebook, report: ReferenceReport
) -> list[tuple[str, str]]:
    reference = report.reference

    def format_endorsement(association: str | None, category: str) -> str:
        by = "an association not named"
        if association is not None:
            organization = rulebooks.organizations.get(association)
            by = organization.name if organization else association
        return f"{_category_name(rulebooks, rulebook, category)}, by {by}"

    claimed = "No"
    if reference.endorsed_as:
        claimed = format_endorsement(reference.endorsed_by, reference.endorsed_as)
    on_record = [format_endorsement(*endorsement) for endorsement in report.endorsements]
    vetted = []
    if reference.vetted:
        vetted.append("according to the referee")
    if report.is_vetted:
        vetted.append("according to our records")
    return [
        (
            f"Is “{format_role(rulebook, reference.role)}” correct?",
            _ROLE_CONFIRMED[reference.role_confirmed],
        ),
        ("How they know the applicant's work", reference.relationship or ""),
        ("Endorsed, according to the referee", claimed),
        (
            "Endorsed that day, according to our records",
            format_list(on_record) or "No endorsement on record",
        ),
        (f"Vetted by {rulebook.id}", f"Yes, {format_list(vetted)}" if vetted else "No"),
        ("Signed as", reference.signed_as or ""),
    ]


def _category_name(rulebooks: Rulebooks, rulebook: Rulebook, key: str) -> str:
    """A category's name and key, in the words of the applicant's association if it has any."""
    for each in (rulebook, *rulebooks.associations.values()):
        if key in each.categories:
            return f"{each.categories[key].name} ({key})"
    return key
