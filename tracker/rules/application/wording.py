"""An application's standing in a few words: how far each requirement is, and what is missing."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracker.formatting import format_count, format_hours, format_hours_with_unit, lowercase_first
from tracker.rules.reasons import SENTENCES, format_reason
from tracker.rules.requirement import MONTHS_IN_YEAR
from tracker.rules.standing import ApplicationStanding, Outcome, Result

NO_INITIAL_RULES = SENTENCES["no_application_rules"]


class RequirementTally(NamedTuple):
    """How many requirements are done, of how many that are needed at all."""

    done: int
    of: int
    review: int

    def __str__(self) -> str:
        return f"{self.done} of {self.of}"


def tally(standing: ApplicationStanding) -> RequirementTally:
    """Count what is done; alternatives that are not needed are not counted."""
    outcomes = [r.outcome for r in standing.results if r.outcome is not Outcome.NOT_NEEDED]
    return RequirementTally(
        outcomes.count(Outcome.MET), len(outcomes), outcomes.count(Outcome.REVIEW)
    )


def missing_results(standing: ApplicationStanding) -> list[Result]:
    """What is short, in the rulebook's order."""
    return [r for r in standing.results if r.outcome is Outcome.SHORT]


def review_results(standing: ApplicationStanding) -> list[Result]:
    """What the reviewers decide, in the rulebook's order."""
    return [r for r in standing.results if r.outcome is Outcome.REVIEW]


def share_missing(standing: ApplicationStanding) -> float:
    """The total of the missing shares; a requirement with no progress counts as 1."""
    return sum(r.short / r.required for r in missing_results(standing))


def progress_parts(result: Result) -> tuple[str, str] | None:
    """What is counted, and of what: ``("8.5", "24 hours")``; None for what has no measure."""
    unit, counted, required = result.requirement.unit, result.counted, result.required
    if unit == "hours":
        return format_hours(counted), format_hours_with_unit(required)
    if unit == "years":
        return format_months(counted), format_months(required)
    if result.requirement.counts == "references":
        return str(counted), f"{required} in place"
    if required == 1:
        return None
    return str(counted), f"{required} {'signed' if result.requirement.counts == 'signed' else unit}"


def format_progress(result: Result) -> str:
    """How far a requirement is: ``8.5 of 24 hours``, ``1 year 4 months of 2 years``.

    Empty for what is either there or not.
    """
    return " of ".join(progress_parts(result) or ())


def format_short(result: Result) -> str:
    """What is missing: ``15.5 hours of reflective supervision``, ``1 reference``, ``education``."""
    label, unit = lowercase_first(result.requirement.label), result.requirement.unit
    if unit == "hours":
        return f"{format_hours_with_unit(result.short)} of {label}"
    if unit == "years":
        return f"{format_months(result.short)} of {label}"
    if result.requirement.counts == "references":
        return format_count(result.short, "reference")
    if result.short == result.required:
        return label
    return f"{label} ({result.short} of {result.required})"


def format_notes(result: Result) -> str:
    """On what the counted amount rests; empty if there is nothing to say."""
    return "; ".join(format_reason(note) for note in result.notes)


def format_months(months: int) -> str:
    """Months as years and months: ``1 year 4 months``, ``2 years``, ``0 months``."""
    years, rest = divmod(months, MONTHS_IN_YEAR)
    if not years:
        return format_count(rest, "month")
    if not rest:
        return format_count(years, "year")
    return f"{format_count(years, 'year')} {format_count(rest, 'month')}"


def labels(results: Iterable[Result]) -> Sequence[str]:
    """The requirements' names within a sentence."""
    return [lowercase_first(r.requirement.label) for r in results]
