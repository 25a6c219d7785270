"""An application in words: the sentence on top, and what one requirement still wants."""

from datetime import date
from typing import Literal

from tracker.rules.providers import say_day
from tracker.rules.readiness_words import (
    NO_INITIAL_RULES,
    labels,
    lower,
    missing_results,
    review_results,
    say_short,
    tally,
)
from tracker.rules.standing import Outcome, Remark, Result, Standing, Status
from tracker.web.frame.words import capital, join

Tone = Literal["good", "plain", "warm"]
NO_RULES = f"{capital(NO_INITIAL_RULES)}."
STATUS_WORDS = {
    Status.READY: "ready",
    Status.NEEDS_REVIEW: "needs review",
    Status.NOT_READY: "not ready",
    Status.NO_RULES: "no rules",
}
# How the rules end a reason that does not rule something out.
_IF_AGREED = "if the reviewers agree"


def say_headline(standing: Standing) -> str:
    """Where the application stands, in one sentence: status, how much is done, what comes next."""
    count = tally(standing)
    if standing.status is Status.NO_RULES:
        return NO_RULES
    if standing.status is Status.READY:
        return f"Ready: all {count.of} are done."
    if standing.status is Status.NEEDS_REVIEW:
        rest = "1 is" if count.review == 1 else f"{count.review} are"
        return f"Needs review: {count} done, {rest} for the reviewers."
    return f"Not ready: {count} done, {lower(_next(standing).ask.label)} next."


def say_lead(standing: Standing) -> str:
    """What is missing, and what is for the reviewers; empty where the headline says it all."""
    if standing.status is Status.NO_RULES:
        return "So nothing is asked here, and nothing is guessed. What is logged is kept."
    sentences = []
    if missing := missing_results(standing):
        sentences.append(f"Missing: {say_missing(standing, most=len(missing))}.")
    if review := review_results(standing):
        sentences.append(f"For the reviewers: {join(labels(review))}.")
    return " ".join(sentences)


def say_step(standing: Standing, submitted_on: date | None) -> str:
    """What happens to the application next, for the applicant; empty while something is missing."""
    if submitted_on:
        return f"Submitted on {say_day(submitted_on)}; the association decides."
    if missing_results(standing) or standing.status is Status.NO_RULES:
        return ""
    return "Tell your association that it can decide."


def say_missing(standing: Standing, *, most: int) -> str:
    """What is short, of which ``most`` are named: "6 hours of training and 1 reference"."""
    # References can all have come and yet not be enough: then there is no number to tell.
    parts = [say_short(r) if r.short else lower(r.ask.label) for r in missing_results(standing)]
    rest = len(parts) - most
    return join([*parts[:most], f"{rest} more"] if rest > 0 else parts)


def say_state(result: Result) -> tuple[str, Tone]:
    """A requirement's outcome in words, and how it is painted."""
    if result.outcome is Outcome.MET:
        return "Done", "good"
    if result.outcome is Outcome.REVIEW:
        return "For the reviewers", "plain"
    if result.outcome is Outcome.NOT_NEEDED:
        return f"Not needed: {lower(result.note)}", "plain"
    return "To do", "warm"


def say_note(result: Result, covered_until: date | None) -> str:
    """On what the counted amount rests; empty where there is nothing to add."""
    window = result.ask.rule.window
    if result.outcome is Outcome.NOT_NEEDED:
        return ""
    if result.ask.counts == "membership":
        return f"Paid to {say_day(covered_until)}" if covered_until else ""
    if result.ask.counts == "rsc" and window and window.months and result.note:
        return f"Counted over the best {window.months} months, {result.note}"
    return capital(result.note)


def say_closing(result: Result) -> str:
    """When the RSC window that is open now closes; empty where none does."""
    if result.closes_on is None:
        return ""
    return (
        f"The span that is open now ends on {say_day(result.closes_on)}: "
        "hours after that day begin another one"
    )


def say_remark(remark: Remark) -> str:
    """Why something does not count, or who has to agree that it does."""
    return remark.reason if _IF_AGREED in remark.reason else f"Does not count: {remark.reason}"


def _next(standing: Standing) -> Result:
    """What to do first: whatever has a day on which a window closes, else the rulebook's first."""
    return min(missing_results(standing), key=lambda r: r.closes_on or date.max)
