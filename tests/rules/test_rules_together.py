"""Rules of one kind beside those of another: years of a cycle, leave, and other lengths of it."""

from datetime import date, timedelta
from fractions import Fraction

from tests.rules.case_data import IMAGINED
from tests.rules.test_cycles import calendar_years
from tracker.rules.cycles import cycle_containing, list_years
from tracker.rules.history import EndorsementTerm, continue_cycle
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Absence, Facts

DAY = timedelta(days=1)
ENDORSED_ON = date(2020, 5, 1)


def test_leave_reduces_only_the_year_in_which_it_falls() -> None:
    plan = IMAGINED.plan("FORMATS", "IFS", ENDORSED_ON, date(2026, 12, 1))
    assert plan
    leave = Absence(date(2026, 2, 1), date(2026, 5, 31), "leave")
    facts = Facts(1, 1, "", "", ENDORSED_ON, None, provides_rsc=False, minutes={}, leaves=(leave,))
    standing = judge_renewal(plan, facts, date(2026, 12, 1))
    assert standing
    results = {result.requirement.id: result for result in standing.results}
    assert [results[f"rsc.yearly.{n}"].required for n in (1, 2, 3)] == [9 * 60, 6 * 60, 9 * 60]
    assert results["rsc.months"].required == 16
    (note,) = results["rsc.yearly.2"].notes
    assert format_reason(note) == "4 of 12 months on leave: 6 of 9 hours required"
    (note,) = results["rsc.months"].notes
    assert format_reason(note) == "4 of 36 months on leave: 16 of 18 months required"


def test_a_continued_endorsement_owes_the_years_before_it_too() -> None:
    scheme = calendar_years(
        years=3, ends_on=date(2027, 12, 31), first_cycle="no hours", continues=["same category"]
    )
    endorsed_on = date(2026, 3, 1)
    cycle = cycle_containing([scheme], endorsed_on, endorsed_on)
    assert cycle
    assert cycle.years_before == 2
    before = EndorsementTerm("A", "IFS", date(2020, 1, 1), endorsed_on - DAY)
    own = EndorsementTerm("A", "IFS", endorsed_on)
    continued = continue_cycle([scheme], cycle, own, [before])
    assert (continued.years_before, continued.share) == (0, Fraction(1))


def test_years_of_a_first_cycle_count_from_the_endorsement() -> None:
    scheme = calendar_years(years=3, ends_on=date(2027, 12, 31), first_cycle="fraction by month")
    for endorsed_on, years in ((date(2025, 1, 1), 0), (date(2025, 1, 2), 1), (date(2026, 1, 1), 1)):
        cycle = cycle_containing([scheme], endorsed_on, endorsed_on)
        assert cycle
        assert cycle.years_before == years


def test_a_lengthened_cycle_has_each_of_its_years() -> None:
    schemes = IMAGINED.associations["EARLY"].cycles
    cycle = cycle_containing(schemes, ENDORSED_ON, date(2027, 6, 1))
    assert cycle
    assert [(year.number, year.starts_on, year.ends_on) for year in list_years(cycle)] == [
        (1, date(2026, 1, 1), date(2026, 12, 31)),
        (2, date(2027, 1, 1), date(2027, 12, 31)),
    ]


def test_years_begin_on_february_28_where_the_cycle_does() -> None:
    schemes = IMAGINED.associations["LEAP"].cycles[:1]
    cycle = cycle_containing(schemes, date(2020, 2, 29), date(2023, 6, 1))
    assert cycle
    assert [year.ends_on for year in list_years(cycle)] == [
        date(2024, 2, 28),
        date(2025, 2, 27),
        date(2026, 2, 27),
    ]
