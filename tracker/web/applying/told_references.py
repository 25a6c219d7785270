"""What an applicant is told of references: how many came and are waited for, and nothing else.

The rule judges what referees wrote (who denied a role, who is endorsed), and a referee is promised
that only the association reads that.
"""

from tracker.rules.application_notices import references_so_far
from tracker.rules.candidate import Candidate
from tracker.rules.standing import Outcome, Result, Standing

_ASK = "Your coordinator can tell you what is still needed"


def for_applicant(standing: Standing) -> Standing:
    """The standing with each references requirement counted by what came, not by what it says."""
    candidate = standing.facts.candidate
    if candidate is None:
        return standing
    results = tuple(
        _told(result, candidate) if is_references(result) else result for result in standing.results
    )
    return standing._replace(results=results)


def is_references(result: Result) -> bool:
    """Whether a requirement asks for references."""
    return result.ask.counts == "references"


def say_received(result: Result) -> str:
    """How far it is for the applicant: ``2 of 3 received``."""
    return f"{result.counted} of {result.required} received"


def _told(result: Result, candidate: Candidate) -> Result:
    received, waiting = references_so_far(candidate)
    counted = min(received, result.required)
    short = result.required - counted
    note = f"{received} received, {waiting} waiting"
    if result.outcome is Outcome.SHORT and not short:
        note += f". {_ASK}"
    return result._replace(counted=counted, short=short, note=note)
