"""Years of two digits: always one that the field can mean."""

from datetime import date

import pytest

from tracker.web.forms.fields import DateError, DateWording, parse_date, parse_past_date

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(("typed", "year"), [("26", 2026), ("98", 1998), ("00", 2000)])
def test_a_day_that_has_been_is_of_the_last_fifty_years(typed: str, year: int) -> None:
    assert parse_past_date("1", "2", typed, TODAY) == date(year, 2, 1)


@pytest.mark.parametrize(("typed", "year"), [("16", 2016), ("27", 2027), ("36", 2036)])
def test_a_day_that_may_be_to_come_is_near_today(typed: str, year: int) -> None:
    said = DateWording("Enter the first day", "The first day", 2026)
    found = parse_date("1", "2", typed, said, range(2016, 2037))
    assert found == date(year, 2, 1)


def test_a_year_that_the_field_cannot_mean_is_asked_for_in_full() -> None:
    for typed, years in (("98", range(2016, 2037)), ("27", range(1976, 2027))):
        said = DateWording("Enter the first day", "The first day", 2026)
        with pytest.raises(DateError) as wrong:
            parse_date("1", "2", typed, said, years)
        assert wrong.value.part == "year"
        assert str(wrong.value) == f"For the year {typed} write all four digits, like 2026"
