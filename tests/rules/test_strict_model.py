"""All errors of a table at once: those of its values, and those of what does not fit together."""

from datetime import date
from typing import Any

import pytest
from pydantic import Field, ValidationError

from tracker.rules.strict_model import StrictModel, check

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)


class Room(StrictModel):
    """A part of a stay."""

    beds: int = Field(default=1, strict=True)

    @check
    def _has_beds(self) -> None:
        if self.beds < 1:
            raise ValueError("a room has beds")


class Stay(Room):
    """A table with an alias, a table within, and two checks of several values."""

    starts_from: date = Field(alias="from")
    until: date | None = None
    guests: int = Field(default=1, strict=True, le=9)
    next_door: Room | None = None

    @check
    def _ends_after_it_starts(self) -> None:
        if self.until and self.until < self.starts_from:
            raise ValueError("it ends before it starts")

    @check
    def _has_a_bed_for_each(self) -> None:
        if self.guests > self.beds:
            raise ValueError("there are too few beds")


def list_errors(data: object) -> list[tuple[str, str]]:
    """The place and kind of each error, or what the check says."""
    with pytest.raises(ValidationError) as raised:
        Stay.model_validate(data)
    assert raised.value.title == "Stay"
    return [
        (".".join(map(str, each["loc"])), str(each.get("ctx", {}).get("error", each["type"])))
        for each in raised.value.errors()
    ]


def test_a_table_that_fits_is_read() -> None:
    stay = Stay.model_validate({"from": FIRST, "until": FIRST, "guests": 2, "beds": 2})
    assert (stay.starts_from, stay.until, stay.guests, stay.beds) == (FIRST, FIRST, 2, 2)
    assert Stay(starts_from=FIRST) == Stay.model_validate({"from": FIRST})


def test_every_check_reports_its_error() -> None:
    data = {"from": LAST, "until": FIRST, "beds": 0}
    assert sorted(list_errors(data)) == [
        ("", "a room has beds"),
        ("", "it ends before it starts"),
        ("", "there are too few beds"),
    ]


@pytest.mark.parametrize("key", ["from", "starts_from"])
def test_a_wrong_value_hides_only_the_checks_that_need_it(key: str) -> None:
    wrong: dict[str, Any] = {key: LAST, "until": FIRST, "guests": "two", "beds": 1}
    assert list_errors(wrong) == [("guests", "int_type"), ("", "it ends before it starts")]
    wrong = {key: [], "until": FIRST, "guests": 2}
    assert list_errors(wrong) == [
        (key, "date_type"),
        ("", "there are too few beds"),
    ]
    missing = {"until": FIRST, "guests": 2}
    assert list_errors(missing) == [("from", "missing"), ("", "there are too few beds")]


def test_limits_are_part_of_an_error() -> None:
    with pytest.raises(ValidationError) as raised:
        Stay.model_validate({"from": FIRST, "guests": 10, "beds": 10})
    (error,) = raised.value.errors()
    assert (error["type"], error["input"], error["ctx"]) == ("less_than_equal", 10, {"le": 9})


def test_the_table_is_the_input_of_its_error() -> None:
    data = {"from": LAST, "until": FIRST}
    with pytest.raises(ValidationError) as raised:
        Stay.model_validate(data)
    (error,) = raised.value.errors()
    assert (error["type"], error["loc"], error["input"]) == ("value_error", (), data)
    with pytest.raises(ValidationError) as raised:
        Stay.model_validate({**data, "guests": "two"})
    assert [each["input"] for each in raised.value.errors()] == ["two", {**data, "guests": "two"}]


def test_nothing_is_checked_beside_an_unknown_key() -> None:
    """It may be the misspelled key of another value."""
    data = {"from": FIRST, "guests": 2, "bed": 2}
    assert list_errors(data) == [("bed", "extra_forbidden")]


def test_an_unknown_key_of_a_table_within_hides_nothing() -> None:
    data = {"from": FIRST, "guests": 2, "next_door": {"bed": 2}}
    assert list_errors(data) == [
        ("next_door.bed", "extra_forbidden"),
        ("", "there are too few beds"),
    ]


def test_what_is_no_table_is_one_error() -> None:
    assert list_errors(5) == [("", "model_type")]


def test_a_mistake_in_a_check_is_not_hidden() -> None:
    class Broken(Room):
        @check
        def _asks_for_what_is_not_there(self) -> None:
            assert self.windows  # type: ignore[attr-defined]

    with pytest.raises(AttributeError):
        Broken.model_validate({})
    with pytest.raises(ValidationError):
        Broken.model_validate({"beds": "two"})
