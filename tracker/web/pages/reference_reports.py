"""An applicant's references as the coordinator reads them: who was asked, and what they wrote."""

from typing import Any

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.applications import Application, Reference
from tracker.formatting import format_list, format_short_date
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.rules.model import Rulebook
from tracker.services.reference_submission import ReferenceReport, list_reference_reports

_ROLE_CONFIRMED = {True: "Yes", False: "No, the role is denied", None: "Not answered"}


def read_reference_reports(
    session: Session, rulebooks: Rulebooks, application: Application
) -> list[dict[str, Any]]:
    """The references of an application at one of the coordinator's own associations.

    ``answers`` are (question, answer), none until the reference is received.
    """
    rulebook = rulebooks.associations.get(application.association)
    if rulebook is None:
        return []
    views = []
    for report in list_reference_reports(session, application, rulebook):
        reference = report.reference
        state, tone = _format_state(rulebook, reference)
        view = {
            "name": reference.name,
            "email": reference.email,
            "role": format_role(rulebook, reference.role),
            "state": state,
            "tone": tone,
            "answers": _answers(rulebooks, rulebook, report) if reference.received_at else [],
        }
        views.append(view)
    return views


def _format_state(rulebook: Rulebook, reference: Reference) -> tuple[str, str]:
    """The state of a reference, and the style that shows it."""
    state, tone, instant = "Waiting, asked", "plain", reference.asked_at
    if reference.received_at:
        state, tone, instant = "Received", "good", reference.received_at
    elif reference.declined_at:
        state, tone, instant = "Declined", "warm", reference.declined_at
    if instant is None:
        return "Not asked yet", "plain"
    return f"{state} {format_short_date(local_day(instant, rulebook.time_zone))}", tone


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
