"""One renewal as My year, and the page of its cycle, shows it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tracker.rules.providers import Provider, say_day
from tracker.rules.standing import Standing
from tracker.web.frame.words import say_cycle
from tracker.web.year.ahead import Coming, Sessions, coming_up
from tracker.web.year.cycle_strip import Strip, strip_of
from tracker.web.year.renewal_words import say_effect, say_headline, say_lead
from tracker.web.year.requirement_rows import Row, requirement_rows
from tracker.web.year.verdicts import counts_for
from tracker.web.year.year_reading import Material, holds


@dataclass(frozen=True, slots=True)
class CycleLink:
    """A cycle of an endorsement; ``is_now``: today lies in it, so that My year shows it."""

    endorsement_id: int
    starts_on: date
    name: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class RenewalView:
    """One endorsement in one cycle, in words. ``cycles`` are all of its cycles, newest first.

    ``starts_on`` is the first day of the cycle; None where there are no renewal rules.
    """

    endorsement_id: int
    starts_on: date | None
    association: str
    category: str
    category_name: str
    cycle: str
    due_words: str
    status: str
    headline: str
    lead: str
    effect: str
    asks: str
    rows: Sequence[Row]
    coming: Sequence[Coming]
    strip: Strip | None
    cycles: Sequence[CycleLink]

    @property
    def earlier(self) -> list[CycleLink]:
        """The cycles before this one, newest first."""
        first = self.starts_on
        return [c for c in self.cycles if first is not None and c.starts_on < first]


def view_renewal(material: Material, standing: Standing) -> RenewalView:
    """One standing in words."""
    plan, today = standing.plan, material.day_of(standing.plan.association)
    known = material.books.associations[plan.association].categories.get(plan.category)
    return RenewalView(
        endorsement_id=standing.facts.subject_id,
        starts_on=plan.cycle.starts_on if plan.cycle else None,
        association=plan.association,
        category=plan.category,
        category_name=known.name if known else plan.category,
        cycle=say_cycle(plan.cycle) if plan.cycle else "",
        due_words=_due_words(standing, today),
        status=standing.status.value,
        headline=say_headline(standing, today, own=material.own),
        lead=say_lead(standing, today, own=material.own),
        effect=say_effect(standing),
        asks=_asks(standing, today),
        rows=requirement_rows(standing, today),
        coming=coming_up(standing, material.books, today, _sessions(material, standing)),
        strip=strip_of(standing, today),
        cycles=cycle_links(material, standing.facts.subject_id),
    )


def cycle_links(material: Material, endorsement_id: int) -> list[CycleLink]:
    """Every cycle of an endorsement, newest first."""
    cycles = material.cycles.get(endorsement_id, ())
    association = next(e.association for e in material.endorsements if e.id == endorsement_id)
    if not cycles:
        return []
    today = material.day_of(association)
    return [
        CycleLink(endorsement_id, c.starts_on, say_cycle(c), is_now=c.ends_on >= today)
        for c in cycles
    ]


def _sessions(material: Material, standing: Standing) -> Sessions:
    counted: Counter[int] = Counter()
    used: dict[int, Provider] = {}
    for entry in material.entries:
        if entry.provider_id is None or not holds(standing, entry.held_on):
            continue
        used[entry.provider_id] = material.providers[entry.provider_id]
        if counts_for(material, standing, entry):
            counted[entry.provider_id] += entry.minutes
    return Sessions(used, counted, "your" if material.own else "their")


def _asks(standing: Standing, today: date) -> str:
    cycle = standing.plan.cycle
    if cycle is None or cycle.ends_on < today:
        return f"What {say_cycle(cycle)} asked for" if cycle else ""
    named = say_cycle(cycle) == str(cycle.ends_on.year)
    return f"What this {'year' if named else 'cycle'} asks for"


def _due_words(standing: Standing, today: date) -> str:
    """The due date, with its year where that is not this one; empty without one."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return ""
    is_plain = say_cycle(cycle) == str(due_on.year) == str(today.year)
    return f"{due_on.day} {due_on:%B}" if is_plain else say_day(due_on)
