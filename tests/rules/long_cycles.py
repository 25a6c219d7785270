"""Every anchor date x evaluation day over ten years against the oracle: promise 8, long form.

`python -m tests.rules.long_cycles [--days 3653]`; the figure to hold is 0 differences.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tests.faults.long_form import Fault
from tests.rules.calendar_walk import DAY, SCHEMES, walk
from tracker.rules.cycles import cycle_containing
from tracker.rules.model import CycleScheme

_FIRST = date(2020, 1, 1)

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


@dataclass
class Tally:
    """Evaluations by all schemes, and how many of them differ from the oracle's."""

    evaluations: int = 0
    differences: int = 0


def run(days: int) -> Tally:
    """Compare so many anchor dates, and as many evaluation days of each, from 2020 on."""
    tally, last = Tally(), _FIRST + (days - 1) * DAY
    for name, schemes in SCHEMES.items():
        wrong = [
            difference
            for offset in range(days)
            for difference in differences(schemes, _FIRST + offset * DAY, _FIRST, last)
        ]
        tally.evaluations += days * days
        tally.differences += len(wrong)
        sys.stderr.write(f"{name}: {days} anchors x {days} days, {len(wrong)} differences\n")
        sys.stderr.writelines(f"  {difference}\n" for difference in wrong[:3])
    return tally


FAULT = Fault(run, {"days": 3653}, lambda found: found.differences)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=FAULT.numbers["days"])
    tally = run(parser.parse_args().days)
    sys.stdout.write(f"{tally}\n")
    sys.exit(bool(FAULT.is_wrong(tally)))
