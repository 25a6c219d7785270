"""Every anchor date x evaluation day over ten years against the oracle: promise 8, long form.

`python -m tests.rules.long_cycles [FIRST_YEAR LAST_YEAR]`; the figure to hold is 0 differences.
"""

import sys
from collections.abc import Sequence
from datetime import date, timedelta

from tests.rules.calendar_walk import DAY, SCHEMES, walk
from tracker.rules.cycles import cycle_containing
from tracker.rules.model import CycleScheme

Difference = tuple[date, date, object, object]


def differences(
    schemes: Sequence[CycleScheme], endorsed_on: date, first: date, last: date
) -> list[Difference]:
    """Where the cycles of someone endorsed on a day are not those of the walk.

    Both `first` and `last` are looked at, and each day between them.
    """
    spans = walk(schemes, endorsed_on, last)
    wrong: list[Difference] = []
    day, number = first, 0
    while day <= last:
        while number < len(spans) and spans[number][1] < day:
            number += 1
        expected = spans[number] if number < len(spans) and spans[number][0] <= day else None
        cycle = cycle_containing(schemes, endorsed_on, day)
        found = cycle and (cycle.starts_on, cycle.ends_on)
        if found != expected or (cycle and not _fits(schemes, cycle.due_on, cycle.ends_on, day)):
            wrong.append((endorsed_on, day, found, expected))
        day += DAY
    return wrong


def _fits(schemes: Sequence[CycleScheme], due_on: date, ends_on: date, day: date) -> bool:
    scheme = [s for s in schemes if s.starts_from <= day][-1]
    return due_on == ends_on + timedelta(days=scheme.due_days_after_end)


def main(first_year: int, last_year: int) -> int:
    """Compare all; the number of differences."""
    first, last = date(first_year, 1, 1), date(last_year, 12, 31)
    days = (last - first).days + 1
    total = 0
    for name, schemes in SCHEMES.items():
        wrong = [
            difference
            for offset in range(days)
            for difference in differences(schemes, first + timedelta(days=offset), first, last)
        ]
        total += len(wrong)
        sys.stdout.write(f"{name}: {days} anchors x {days} days, {len(wrong)} differences\n")
        sys.stdout.writelines(f"  {difference}\n" for difference in wrong[:3])
        sys.stdout.flush()
    return total


if __name__ == "__main__":
    years = [int(text) for text in sys.argv[1:3]] or [2020, 2029]
    sys.exit(1 if main(*years) else 0)
