"""Another reading of an interpretation is the rulebook with its changes, or says where it fails."""

from datetime import date
from typing import Any

import pytest

from tests.rules.test_parse import CYCLES, RULEBOOK
from tracker.rules.model import Alternative, Rulebook
from tracker.rules.parse import parse_rulebook
from tracker.rules.readings import find_alternative, list_reading_problems, take_reading

SOURCE = {"document": "ifs", "section": "Training"}
MORE = """
  [[requirements.values]]
  from = 2010-01-01
  hours = 16
  source = { document = "ifs", section = "Training" }

  [[requirements.values]]
  from = 2020-01-01
  hours = 17
  source = { document = "ifs", section = "Training" }

[[requirements]]
id = "rsc"
"""


FIRST = "requirements[1].values"
VALUES = [
    {"from": date(2000 + number, 1, 1), "hours": number, "source": SOURCE}
    for number in range(1, 13)
]


def read(*alternatives: dict[str, Any]) -> Rulebook:
    """The example, with three amounts of training, and with readings of its interpretation."""
    text = RULEBOOK.replace('\n[[requirements]]\nid = "rsc"\n', MORE, 1)
    rulebook, problems = parse_rulebook(text, "ex.toml")
    assert rulebook is not None, problems
    data = rulebook.model_dump(by_alias=True, exclude_unset=True)
    data["interpretations"][0]["readings"] = ["The calendar year.", "Three years.", "None."]
    data["interpretations"][0]["alternatives"] = alternatives
    return Rulebook.model_validate(data)


def take(changes: dict[str, Any], *removed: str) -> Rulebook:
    """The example with another reading."""
    alternative = Alternative.model_validate({"reading": 2, "set": changes, "remove": removed})
    taken, problems = take_reading(read(), alternative, "ex.toml")
    assert taken is not None, problems
    return taken


def test_a_reading_is_found_by_its_number() -> None:
    rulebook = read(*({"reading": number, "set": {"a": number}} for number in (2, 3)))
    found = find_alternative(rulebook, "calendar-year", 3)
    assert found is not None
    assert (found[0].id, found[1].changes) == ("calendar-year", {"a": 3})
    assert find_alternative(rulebook, "calendar-year", 1) is None
    assert find_alternative(rulebook, "fiscal-year", 2) is None


def test_a_reading_changes_what_it_names() -> None:
    taken = take(
        {
            "cycles[1].grace_days": 45,
            "cycles[1].first_cycle": "no hours",
            "requirements[1].values[2].from": date(2012, 1, 1),
            "requirements[1].values[3].hours": 20,
            "providers.rsc.accepts[1]": {"categories": ["IFS"], "source": SOURCE},
        }
    )
    assert (taken.cycles[0].grace_days, taken.cycles[0].first_cycle) == (45, "no hours")
    assert [value.hours for value in taken.requirements[0].values] == [15, 16, 20]
    assert taken.requirements[0].values[1].starts_from == date(2012, 1, 1)
    [accepted] = taken.providers["rsc"].accepts
    assert (accepted.categories, accepted.until) == (("IFS",), None)
    assert take({"cycles[1].grace_days": 45}).requirements == read().requirements


def test_a_reading_removes_several_items_of_a_list() -> None:
    taken = take({}, "requirements[1].values[1]", "requirements[1].values[2]")
    assert [value.hours for value in taken.requirements[0].values] == [17]
    taken = take({}, "requirements[1].values[2]", "requirements[1].values[1]")
    assert [value.hours for value in taken.requirements[0].values] == [17]
    taken = take({}, "requirements[1].values[1]", "requirements[3]")
    assert [requirement.id for requirement in taken.requirements] == ["training", "rsc"]
    taken = take({"requirements[1].values": VALUES}, *(f"{FIRST}[{n}]" for n in (2, 12, 9)))
    assert [value.hours for value in taken.requirements[0].values] == [1, *range(3, 9), 10, 11]
    taken = take({}, "providers.rsc.accepts[1].until")
    assert taken.providers["rsc"].accepts[0].until is None


@pytest.mark.parametrize(
    "path",
    [
        "cycles[2]",
        "cycles[0]",
        "cycles[2].years",
        "cycles[1].years.more",
        "cycles.years",
        "providers.other.says",
        "requirements[1].values[4].hours",
        "name",
        "categories.IFS",
        "[]",
    ],
)
def test_a_reading_changes_only_places_that_exist(path: str) -> None:
    for table in ({"set": {path: 1}}, {"remove": [path]}):
        alternative = Alternative.model_validate({"reading": 2, **table})
        taken, problems = take_reading(read(), alternative, "ex.toml")
        assert taken is None
        assert [str(problem) for problem in problems] == [f"ex.toml: {path}: is not in this file"]


def test_a_missing_key_can_only_be_set() -> None:
    assert take({"cycles[1].due_days_after_end": 10}).cycles[0].due_days_after_end == 10
    alternative = Alternative(reading=2, remove=("cycles[1].due_days_after_end",))
    _, [problem] = take_reading(read(), alternative, "ex.toml")
    assert problem.key == "cycles[1].due_days_after_end"


def test_names_and_numbers_in_paths_are_compared() -> None:
    alternative = Alternative(reading=2, remove=("cycles[1]", "cycles.years"))
    _, [problem] = take_reading(read(), alternative, "ex.toml")
    assert str(problem) == "ex.toml: cycles.years: is not in this file"


def test_a_reading_is_checked_like_a_file() -> None:
    alternative = Alternative.model_validate({"reading": 2, "set": {"cycles[1].years": 3}})
    taken, [problem] = take_reading(read(), alternative, "ex.toml")
    assert taken is None
    assert (problem.file, problem.key) == ("ex.toml", "cycles[1].ends_on")


def test_a_reading_that_is_no_rulebook_is_named() -> None:
    wrong = {"reading": 3, "set": {"cycles[1].grace_days": "a month"}}
    rulebook = read({"reading": 2, "set": {"cycles[1].grace_days": 45}}, wrong)
    [problem] = list_reading_problems(rulebook, "ex.toml")
    assert str(problem) == (
        "ex.toml: interpretations[1].alternatives[2]: reading 3 of 'calendar-year' gives no valid "
        "rulebook: cycles[1].grace_days: write a whole number, without quotes (found 'a month')"
    )
    assert list(list_reading_problems(read(), "ex.toml")) == []


def test_a_reading_can_be_taken_again() -> None:
    changes = {FIRST: VALUES, f"{FIRST}[1].hours": 20}
    alternative = Alternative.model_validate(
        {"reading": 2, "set": changes, "remove": [f"{FIRST}[12]"]}
    )
    first, second = (take_reading(read(), alternative, "ex.toml") for _ in range(2))
    assert first == second
    assert (len(VALUES), VALUES[0]["hours"]) == (12, 1)


def test_the_rulebook_itself_stays_as_it_is() -> None:
    rulebook = read()
    before = rulebook.model_dump()
    take_reading(rulebook, Alternative(reading=2, remove=("cycles[1].grace_days",)), "ex.toml")
    assert rulebook.model_dump() == before
    assert "grace_days" in CYCLES
