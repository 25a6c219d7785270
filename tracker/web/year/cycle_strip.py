"""One cycle as a strip: where today stands between its first day, the due date and grace's end.

Places are percentages of the strip's width, for an SVG without a script; the dated list beside
it says the same and more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tracker.rules.providers import say_day
from tracker.rules.standing import Standing, Status

_NEAR_AN_END = 20
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place; ``anchor`` is the SVG text-anchor that keeps them inside the strip."""

    place: float
    anchor: str
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The strip; ``gone`` is the part that is over, ``leaves`` are (place, width).

    ``today`` is None where today lies outside it; ``grace`` where there are no days of grace.
    """

    title: str
    gone: float
    due: float
    today: Label | None
    grace: str
    starts: str
    due_words: str
    leaves: Sequence[tuple[float, float]]


def strip_of(standing: Standing, today: date) -> Strip | None:
    """The strip of a renewal that has a cycle and asks something."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return None
    last = cycle.grace_ends_on(due_on)
    place = _Places(cycle.starts_on, last)
    inside = cycle.starts_on <= today <= last
    gone = place.of(today) if inside else float(_WHOLE if today > last else 0)
    leaves = [
        (place.of(leave.starts_on), round(place.of(leave.ends_on) - place.of(leave.starts_on), 1))
        for leave in standing.facts.leaves
        if leave.ends_on >= cycle.starts_on and leave.starts_on <= last
    ]
    has_grace = last > due_on
    return Strip(
        title=_title(place, today if inside else None, due_on, with_leave=bool(leaves)),
        gone=gone,
        due=place.of(due_on),
        today=_today(gone, today) if inside else None,
        grace=f"grace to {_short(last)}" if has_grace else "",
        starts=_short(cycle.starts_on),
        due_words=f"due {_short(due_on)}",
        leaves=leaves,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    first: date
    last: date

    def of(self, day: date) -> float:
        """Where a day's end lies, in percent of the strip."""
        whole = (self.last - self.first).days + 1
        gone = (min(max(day, self.first), self.last) - self.first).days + 1
        return round(_WHOLE * gone / whole, 1)


def _today(place: float, today: date) -> Label:
    anchor = "middle"
    if place < _NEAR_AN_END:
        anchor = "start"
    elif place > _WHOLE - _NEAR_AN_END:
        anchor = "end"
    return Label(place, anchor, f"today, {today.day} {today:%b}")


def _title(place: _Places, today: date | None, due_on: date, *, with_leave: bool) -> str:
    now = f"today is {say_day(today)}, " if today else ""
    grace = f", days of grace to {say_day(place.last)}" if place.last > due_on else ""
    leave = ", with a leave" if with_leave else ""
    return f"From {say_day(place.first)}: {now}due {say_day(due_on)}{grace}{leave}"


def _short(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
