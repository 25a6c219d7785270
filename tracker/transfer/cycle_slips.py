"""What is wrong within a row that speaks of one cycle of an endorsement: a waiver, an extension."""

from collections.abc import Iterator, Mapping
from typing import Any

from tracker.rules.cycles import Cycle
from tracker.transfer.application_slips import Slip
from tracker.transfer.catalogue import Catalogue, what_is_known


def slips_of_cycle(values: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Slip]:
    """Column, value, and what would be right; a row that speaks of no cycle has none."""
    association, category = values.get("association", ""), values.get("category", "")
    asked = catalogue.asked.get(association, {}).get(category, ())
    if (requirement := values.get("requirement")) and requirement not in asked:
        what = f"a renewal as {category} has no such requirement"
        yield "requirement", requirement, f"{what}; {what_is_known(requirement, asked)}"
    endorsed_on, day = values.get("endorsed_on"), values.get("cycle_starts_on")
    if association and category and endorsed_on and day:
        cycle = catalogue.cycle_of(association, category, endorsed_on, day)
        yield from _slips_beside(cycle, values)


def _slips_beside(cycle: Cycle | None, values: Mapping[str, Any]) -> Iterator[Slip]:
    day, due_on = values["cycle_starts_on"], values.get("extended_due_on")
    if cycle is None:
        since = values["endorsed_on"]
        what = f"an endorsement that began on {since} has no renewal cycle on that day"
        yield "cycle_starts_on", day, what
    elif cycle.starts_on != day:
        yield "cycle_starts_on", day, f"the cycle of that day begins on {cycle.starts_on}"
    elif due_on and due_on <= cycle.due_on:
        what = f"must be later than {cycle.due_on}, when the renewal is due without it"
        yield "extended_due_on", due_on, what
