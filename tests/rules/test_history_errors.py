"""Errors in what a rulebook says about years held, first cycles, and categories that end."""

import pytest

from tests.rules.test_cycle_dates import FIXED
from tests.rules.test_cycle_dates import problems as cycle_problems
from tests.rules.test_parse import RULEBOOK, problems

VALUE = RULEBOOK[
    RULEBOOK.index("  [[requirements.values]]") : RULEBOOK.index('id = "rsc"')
].rpartition("[[requirements]]")[0]
IFS = '"IFS" = { name = "Infant Family Specialist" }'
IFRS = '"IFRS" = { name = "Infant Family Reflective Supervisor" }'
HEAD = 'categories = ["IFS"]\ncounts = "training"\n\n'


def also(*changes: tuple[str, str]) -> str:
    """The value of the training, and another one with these changes."""
    other = VALUE
    for old, new in changes:
        other = other.replace(old, new)
    return VALUE + other


def table(rows: str) -> str:
    """The keys of a first cycle by a table with these rows."""
    keys = 'grace_days = 31\nfirst_cycle = "fraction by table"\n'
    return f"{keys}first_cycle_shares = [{rows}]"


def test_a_wrong_value_does_not_make_the_way_of_counting_wrong() -> None:
    counted = ("grace_days = 31", 'grace_days = 31\nheld_counts = ["other association"]')
    (problem,) = problems(counted, (VALUE, also(("hours = 15", "hours = 9\n  held_years = -3"))))
    assert problem.startswith("ex.toml: requirements[1].values[2].held_years: write 0 or more")


def test_a_first_cycle_exempts_nothing_without_requirements() -> None:
    exempts = f'{FIXED}grace_days = 31\nfirst_cycle_exempts = ["rsc"]'
    assert cycle_problems(exempts) == [
        "cycles[1].first_cycle_exempts: 'rsc' is not in this file; it has none"
    ]


def test_a_renewed_add_on_needs_fixed_cycles() -> None:
    beside = (IFS, IFS.replace(" }", ', beside = ["IFRS"] }'))
    assert problems(beside) == []
    anniversary = (
        'kind = "fixed"\nyears = 1\nends_on = 2000-12-31',
        'kind = "anniversary"\nyears = 1',
    )
    (problem,) = problems(beside, anniversary)
    assert problem.startswith(
        "ex.toml: categories.IFS.beside: with anniversary cycles, a renewal of IFS would not end "
        "with that of the endorsement beside it"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "grace_days = 31",
            "grace_days = 31\nheld_break_days = 31",
            "cycles[1].held_counts: no value of a renewal has held_years, which this goes with: "
            "remove it",
            id="years held without a value",
        ),
        pytest.param(
            VALUE,
            also(("hours = 15", 'hours = 9\n  categories = ["IFRS"]')),
            "requirements[1]: the value from 2000-01-01 is for IFRS, which the requirement's "
            "categories lack: add it there, or remove it from the value",
            id="value for another category",
        ),
        pytest.param(
            "  hours = 15",
            "  hours = 15\n  held_years = 51",
            "requirements[1].values[1].held_years: write 50 or less",
            id="too many years held",
        ),
        pytest.param(
            VALUE,
            also(("hours = 15", "hours = 9\n  held_years = 0")),
            "requirements[1]: values must be in order of their from dates: 2000-01-01 follows "
            "2000-01-01",
            id="two values for the same years held",
        ),
        pytest.param(
            VALUE,
            also(("hours = 15", "hours = 9\n  held_years = 3"))
            + VALUE.replace("2000", "2030").replace("hours = 15", "asked = false"),
            "requirements[1]: the value from 2030-01-01 ends the requirement, but that from "
            "2000-01-01 for fewer people goes on: end it too",
            id="end for some only",
        ),
        pytest.param(
            HEAD + VALUE,
            HEAD.replace('"IFS"', '"IFS", "IFRS"')
            + VALUE.replace("hours = 15", 'hours = 9\n  categories = ["IFRS"]'),
            "requirements[1]: no value is for IFS: add a value without categories, or remove it "
            "from the requirement's categories",
            id="category without a value",
        ),
        pytest.param(
            HEAD + VALUE,
            HEAD.replace('"IFS"', '"IFS", "IFRS"')
            + VALUE.replace("hours = 15", 'hours = 9\n  categories = ["IFRS"]')
            + also(("hours = 15", 'hours = 9\n  categories = ["IFS", "IFRS"]')),
            "requirements[1]: two values are for IFRS beside different categories: write the same "
            "categories in both, or name each in one of them only",
            id="overlapping categories",
        ),
        pytest.param(
            HEAD + VALUE,
            'of = "application"\n' + HEAD + VALUE.replace("15", "15\n  held_years = 3"),
            "requirements[1]: each_year, attested_by, asked_of, and held_years go with renewals",
            id="years held for an application",
        ),
        pytest.param(
            "grace_days = 31",
            'grace_days = 31\nfirst_cycle = "fraction by table"',
            'cycles[1]: first_cycle_shares go with first_cycle = "fraction by table"',
            id="table without rows",
        ),
        pytest.param(
            "grace_days = 31",
            table('{ months = 6, share = "1" }, { months = 9, share = "1/2" }'),
            "cycles[1]: the last row of first_cycle_shares has months = 9, but a cycle has 12: "
            "write months = 12 there",
            id="table that ends early",
        ),
        pytest.param(
            "grace_days = 31",
            table('{ months = 6, share = "1/2" }, { months = 12, share = "3/4" }'),
            "cycles[1]: first_cycle_shares must have more months and no larger share in each row: "
            "12 months with 3/4 follow 6 with 1/2",
            id="table with a larger share later",
        ),
        pytest.param(
            "grace_days = 31",
            table('{ months = 12, share = "4/3" }'),
            "cycles[1].first_cycle_shares[1].share: 4/3 is more than all hours: write a fraction "
            "of at most 1",
            id="more than all hours",
        ),
        pytest.param(
            "grace_days = 31",
            'grace_days = 31\nfirst_cycle_from = "application"',
            "cycles[1]: first_cycle_from changes nothing if the first cycle requires all hours",
            id="application that changes nothing",
        ),
        pytest.param(
            'kind = "fixed"\nyears = 1\nends_on = 2000-12-31',
            'kind = "anniversary"\nyears = 1\nfirst_cycle = "no hours"\n'
            'first_cycle_from = "application"',
            "cycles[1]: an anniversary cycle begins on the day of endorsement, so its first one is "
            "whole",
            id="application with anniversary cycles",
        ),
        pytest.param(
            "grace_days = 31",
            'grace_days = 31\nfirst_cycle = "no hours"\nfirst_cycle_months_before = 6',
            "cycles[1]: the first cycle requires no hours: remove first_cycle_months_before",
            id="months before a cycle without hours",
        ),
        pytest.param(
            "grace_days = 31",
            'grace_days = 31\nfirst_cycle_exempts = ["rsk"]',
            "cycles[1].first_cycle_exempts: 'rsk' is not in this file: did you mean rsc?",
            id="unknown exempt requirement",
        ),
        pytest.param(
            "grace_days = 31",
            'grace_days = 31\nfirst_cycle = "no hours"\nfirst_cycle_exempts = ["rsc"]',
            "cycles[1].first_cycle_exempts: first_cycle = \"no hours\" exempts 'rsc' already: "
            "remove it",
            id="exempt twice",
        ),
        pytest.param(
            IFRS,
            IFRS.replace(" }", ', beside = ["IMHS"] }'),
            "categories.IFRS.beside: 'IMHS' is not in this file; it has IFRS, IFS",
            id="unknown base",
        ),
        pytest.param(
            IFRS,
            IFRS.replace(" }", ', beside = ["IFRS"] }'),
            "categories.IFRS.beside: IFRS is the category itself",
            id="beside itself",
        ),
        pytest.param(
            f"{IFS}\n{IFRS}",
            IFS.replace(" }", ', beside = ["IFRS"] }')
            + "\n"
            + IFRS.replace(" }", ', beside = ["IFS"] }'),
            "categories.IFS.beside: it lasts as long as others that last as long as it does: break "
            "the circle",
            id="beside each other",
        ),
        pytest.param(
            IFRS,
            IFRS.replace(" }", ', becomes = ["IFS"] }'),
            "categories.IFRS: becomes goes with term_years, the years after which it ends: add it",
            id="becomes without a term",
        ),
        pytest.param(
            IFRS,
            IFRS.replace(" }", ", term_years = 11 }"),
            "categories.IFRS.term_years: write 10 or less",
            id="too long a term",
        ),
    ],
)
def test_error_says_what_would_be_right(old: str, new: str, expected: str) -> None:
    found = problems((old, new))
    assert [each for each in found if each.startswith(f"ex.toml: {expected}")], found
