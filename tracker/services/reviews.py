"""What reviewers record about a submitted application, and how it goes back to the applicant.

The reviewers are the coordinators of the application's association; nobody reviews their own.
"""

from dataclasses import asdict, dataclass

from sqlmodel import Session, select

from tracker.db.applications import Application, Degree, Review
from tracker.rules.application.wording import review_results
from tracker.services.applications import (
    APPLICATION_AUDITED,
    get_application_standings,
    lock_applicant,
    lock_application,
)
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, check_text
from tracker.services.evaluation import days_at

# The note is personal, so the audit log does not repeat it.
_AUDITED = set(Review.model_fields) - {"id", "note"}


@dataclass(frozen=True, slots=True)
class ReviewDecision:
    """Whether the reviewers accept something, and why; ``note`` is for the applicant to read."""

    accepted: bool
    note: str = ""


def list_reviews(session: Session, application_id: int) -> dict[str, Review]:
    """What the reviewers have recorded about an application, by the requirement's id."""
    query = select(Review).where(Review.application_id == application_id)
    return {review.requirement: review for review in session.exec(query)}


def record_review(
    context: ServiceContext,
    application_id: int,
    requirement_id: str,
    decision: ReviewDecision | None,
) -> None:
    """Record whether the reviewers accept what is on record for a requirement.

    A later decision replaces an earlier one; None takes it back. Raises NotFound, or Refused for a
    requirement that is not theirs to decide, or a refusal without a note.
    """
    application = lock_applicant(context, application_id)
    _check_submitted(application, "note")
    review = list_reviews(context.session, application_id).get(requirement_id)
    if decision is None:
        if review is not None:
            context.delete_row(review, _AUDITED)
        return
    if review is None and requirement_id not in _find_reviewable(context, application_id):
        raise Refused(Refusal("note", "nothing-to-review"))
    if refusals := check_text("note", decision.note, required=not decision.accepted):
        raise Refused(*refusals)
    values = {
        **asdict(decision),
        "reviewed_by": context.actor.label,
        "reviewed_at": context.now,
    }
    if review is None:
        review = Review(application_id=application_id, requirement=requirement_id, **values)
        context.create_row(review, _AUDITED)
    elif (review.accepted, review.note) != (decision.accepted, decision.note):
        context.update_row(review, _AUDITED, **values)


def confirm_degree(
    context: ServiceContext, application_id: int, degree_id: int, *, official: bool
) -> None:
    """Confirm a degree that the applicant entered.

    ``official``: the official transcript has come. From then on only the association changes the
    degree. Raises NotFound or Refused.
    """
    application = lock_applicant(context, application_id)
    degree = context.session.get(Degree, degree_id)
    if degree is None or degree.person_id != application.person_id:
        raise NotFound
    if application.is_decided:
        facts = {"state": application.state, "decided_on": application.decided_on}
        raise Refused(Refusal("", "application-decided", facts))
    transcript = "official" if official else degree.transcript
    audited = {"transcript", "recorded_by"}
    context.update_row(degree, audited, transcript=transcript, recorded_by=None)


def take_back_application(context: ServiceContext, application_id: int) -> None:
    """Let the applicant change a submitted application again. Raises NotFound or Refused.

    Once the reviewers have recorded something, only they can send it back.
    """
    application = lock_application(context, application_id)
    _check_submitted(application, "")
    if list_reviews(context.session, application_id):
        raise Refused(Refusal("", "review-has-begun", {"association": application.association}))
    _reopen(context, application, answer=None)


def send_back_application(context: ServiceContext, application_id: int, answer: str) -> None:
    """Return a submitted application so that the applicant can change it.

    ``answer`` tells the applicant what to change. The reviews go, because they were about what
    can change now. Raises NotFound or Refused.
    """
    application = lock_applicant(context, application_id)
    _check_submitted(application, "answer")
    if refusals := check_text("answer", answer):
        raise Refused(*refusals)
    for review in list_reviews(context.session, application_id).values():
        context.delete_row(review, _AUDITED)
    _reopen(context, application, answer=answer)


def _check_submitted(application: Application, field: str) -> None:
    if application.state != "submitted":
        raise Refused(Refusal(field, "application-not-submitted"))


def _find_reviewable(context: ServiceContext, application_id: int) -> set[str]:
    day_of = days_at(context.rulebooks, context.now)
    standings = get_application_standings(
        context.session, context.rulebooks, day_of, [application_id]
    )
    return {
        result.requirement.id
        for standing in standings.values()
        for result in review_results(standing)
    }


def _reopen(context: ServiceContext, application: Application, answer: str | None) -> None:
    values = {"state": "open", "submitted_on": None, "answer": answer}
    context.update_row(application, APPLICATION_AUDITED, **values)
