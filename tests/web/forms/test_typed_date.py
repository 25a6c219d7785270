"""Years of two digits: always one that the field can mean."""

from datetime import date

import pytest

from tracker.web.forms.fields import DateWrong, Said, read_any_date, read_date

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(("typed", "year"), [("26", 2026), ("98", 1998), ("00", 2000)])
def test_a_day_that_has_been_is_of_the_last_fifty_years(typed: str, year: int) -> None:
    assert read_date("1", "2", typed, TODAY) == date(year, 2, 1)


@pytest.mark.parametrize(("typed", "year"), [("16", 2016), ("27", 2027), ("36", 2036)])
def test_a_day_that_may_be_to_come_is_near_today(typed: str, year: int) -> None:
    said = Said("Enter the first day", "The first day", 2026)
    found = read_any_date("1", "2", typed, said=said, years=range(2016, 2037))
    assert found == date(year, 2, 1)


def test_a_year_that_the_field_cannot_mean_is_asked_for_in_full() -> None:
    for typed, years in (("98", range(2016, 2037)), ("27", range(1976, 2027))):
        said = Said("Enter the first day", "The first day", 2026)
        with pytest.raises(DateWrong) as wrong:
            read_any_date("1", "2", typed, said=said, years=years)
        assert wrong.value.part == "year"
        assert str(wrong.value) == f"For the year {typed} write all four digits, like 2026"
