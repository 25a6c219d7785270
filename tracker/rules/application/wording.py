"""An application's standing in a few words: how far each requirement is, and what is missing."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracker.formatting import format_hours, format_hours_with_unit
from tracker.rules.standing import Outcome, Result, Standing

NO_INITIAL_RULES = "the rulebook holds no initial requirements for this category"
_MONTHS_IN_YEAR = 12
_PART = "of which "
_ABOUT = "about "
# The words for one of what a unit counts in many.
_SINGULAR = {"families": "family", "activities": "activity"}


class Tally(NamedTuple):
    """How many requirements are done, of how many that are needed at all."""

    done: int
    of: int
    review: int

    def __str__(self) -> str:
        return f"{self.done} of {self.of}"


def tally(standing: Standing) -> Tally:
    """Count what is done; alternatives that are not needed are not counted."""
    outcomes = [r.outcome for r in standing.results]
    needed = [o for o in outcomes if o is not Outcome.NOT_NEEDED]
    return Tally(needed.count(Outcome.MET), len(needed), needed.count(Outcome.REVIEW))


def missing_results(standing: Standing) -> list[Result]:
    """What is short, in the rulebook's order."""
    return [r for r in standing.results if r.outcome is Outcome.SHORT]


def review_results(standing: Standing) -> list[Result]:
    """What is for the reviewers, in the rulebook's order."""
    return [r for r in standing.results if r.outcome is Outcome.REVIEW]


def share_missing(standing: Standing) -> float:
    """How much is missing in all: 1 for each requirement of which nothing is there yet."""
    return sum(r.short / r.required for r in missing_results(standing) if r.required)


def progress_parts(result: Result) -> tuple[str, str] | None:
    """What is counted, and of what: ``("8.5", "24 hours")``; None for what has no measure."""
    unit, counted, required = result.requirement.unit, result.counted, result.required
    if unit == "hours":
        return format_hours(counted), format_hours_with_unit(required)
    if unit == "years":
        return format_months(counted), format_months(required)
    if result.requirement.counts == "references":
        return str(counted), f"{required} {_came(result)}"
    if required == 1:
        return None
    return str(counted), f"{required} {'signed' if result.requirement.counts == 'signed' else unit}"


def format_progress(result: Result) -> str:
    """How far a requirement is: ``8.5 of 24 hours``, ``1 year 4 months of 2 years``.

    Empty for what is there or not, and has no measure.
    """
    return " of ".join(progress_parts(result) or ())


def format_short(result: Result) -> str:
    """What is missing: ``15.5 hours of reflective supervision``, ``1 reference``, ``education``."""
    label, unit = result.requirement.label, result.requirement.unit
    if unit in ("hours", "years"):
        amount = (
            format_hours_with_unit(result.short) if unit == "hours" else format_months(result.short)
        )
        if label.startswith(_PART):
            return f"{amount} about {label.removeprefix(_PART).removeprefix(_ABOUT)}"
        return f"{amount} of {lower(label)}"
    if result.requirement.counts == "references":
        return _count(result.short, unit)
    if result.short == result.required:
        return lower(label)
    return f"{lower(label)} ({result.short} of {result.required})"


def format_months(months: int) -> str:
    """Months as years and months: ``1 year 4 months``, ``2 years``, ``0 months``."""
    years, rest = divmod(months, _MONTHS_IN_YEAR)
    words = [_count(years, "years")] if years else []
    if rest or not years:
        words.append(_count(rest, "months"))
    return " ".join(words)


def lower(label: str) -> str:
    """A label within a sentence; names and abbreviations stay as they are."""
    is_name = label[1:2].isupper() or any(word[:1].isupper() for word in label.split()[1:])
    return label if is_name else label[:1].lower() + label[1:]


def labels(results: Iterable[Result]) -> Sequence[str]:
    """The requirements' names within a sentence."""
    return [lower(r.requirement.label.removeprefix(_PART)) for r in results]


def _came(result: Result) -> str:
    # A reference can have come and yet fill no place, by its role or for want of an endorsed one.
    return "received" if result.note.startswith(f"{result.counted} ") else "in place"


def _count(number: int, unit: str) -> str:
    one = _SINGULAR.get(unit, unit.removesuffix("s"))
    return f"{number} {one if number == 1 else unit}"
