"""The words of a digest's section on applicants: who waits for a decision, and how many do not."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from tracker.jobs.words import join_words, say_day
from tracker.mail.contents import Applicants, Need
from tracker.rules.readiness_words import labels, review_results
from tracker.rules.standing import Standing, Status

_WAITING = (Status.READY, Status.NEEDS_REVIEW)


def write_applicants(
    standings: Sequence[Standing], association: str, base_url: str, most: int
) -> Applicants:
    """Say who is ready, then who needs review (``most`` are named); the others are counted.

    ``standings`` come in the order of `tracker.records.applying.applicants.applicants`.
    """
    if not standings:
        return Applicants()
    counts = Counter(s.status for s in standings)
    review = counts[Status.NEEDS_REVIEW]
    waiting = [s for s in standings if s.status in _WAITING]
    return Applicants(
        summary=f"{counts[Status.READY]} ready, {review} {'needs' if review == 1 else 'need'} "
        f"review, {counts[Status.NOT_READY]} not ready",
        people=tuple(_person(s, base_url) for s in waiting[:most]),
        more=max(0, len(waiting) - most),
        url=f"{base_url}/coordinator/applicants?association={quote(association)}",
    )


def say_ready(standings: Sequence[Standing]) -> str:
    """How many are ready: "2 applicants are ready"; empty where nobody is."""
    ready = sum(s.status is Status.READY for s in standings)
    if not ready:
        return ""
    return f"{ready} {'applicant is' if ready == 1 else 'applicants are'} ready"


def _person(standing: Standing, base_url: str) -> Need:
    candidate = standing.facts.candidate
    submitted_on = candidate.submitted_on if candidate else None
    reason = f"submitted on {say_day(submitted_on)}" if submitted_on else "not submitted yet"
    todo = "decide"
    if standing.status is Status.NEEDS_REVIEW:
        todo = "review"
        reason += f"; for the reviewers: {join_words(labels(review_results(standing)))}"
    return Need(
        standing.facts.name,
        standing.plan.category,
        reason,
        todo,
        f"{base_url}/coordinator/applicants/{standing.facts.subject_id}",
    )
