"""What a renewal lists and does not ask of somebody: waived, excused, or of the first cycle."""

from collections.abc import Mapping

from tracker.rules.plan import Plan
from tracker.rules.standing import Outcome, Standing, Status

_WAIVED = "waived by the association"
_ON_LEAVE = "excused while on leave"


def why_not_asked(plan: Plan, standing: Standing | None) -> Mapping[str, str]:
    """Why nothing is asked, by requirement, of those of which nothing is.

    ``standing`` is that of the same renewal; None where it is not known, so that only what the
    plan itself does not ask is told.
    """
    found = {ask.id: ask.not_asked for ask in plan.asks if ask.not_asked}
    for result in standing.results if standing else ():
        if result.outcome is Outcome.WAIVED:
            found[result.ask.id] = _WAIVED
        elif standing and standing.status is Status.EXCUSED and result.outcome is Outcome.EXCUSED:
            found.setdefault(result.ask.id, _ON_LEAVE)
    return found
