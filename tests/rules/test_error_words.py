"""What is said of each kind of wrong value, whole: the value, and what to write instead."""

import tomllib

import pytest
from pydantic import BaseModel, Field

from tests.rules.test_parse import RULEBOOK, problems
from tracker.rules.parse import parse, parse_rulebook

SOURCE = 'source = { document = "ifs", section = "Training" }'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('id = "EX-AIMH"', "id = 5", "id: write it in quotes (found 5)"),
        (
            'about = "Each year"',
            "about = 2026-02-28",
            (
                "requirements[1].about: write the words in quotes; a day of a year is "
                '"02-28" (found 2026-02-28)'
            ),
        ),
        (
            'about = "Each year"',
            "about = 2026-02-28T10:00:00",
            "requirements[1].about: write it in quotes (found 2026-02-28 10:00:00)",
        ),
        (
            "until = 2027-12-21",
            'until = "2027-12-21"',
            (
                "providers.rsc.accepts[1].until: write the date without quotes: 2027-12-21 "
                "(found '2027-12-21')"
            ),
        ),
        (
            "until = 2027-12-21",
            'until = "December"',
            (
                "providers.rsc.accepts[1].until: write a date as year-month-day, without quotes "
                "(found 'December')"
            ),
        ),
        (
            "until = 2027-12-21",
            "until = 2027-12-21T10:00:00",
            (
                "providers.rsc.accepts[1].until: write a date as year-month-day, without quotes "
                "(found 2027-12-21 10:00:00)"
            ),
        ),
        (
            'categories = ["IFRS"]',
            'categories = "IFRS"',
            (
                'providers.rsc.accepts[1].categories: write a list in brackets, such as ["IFRS"] '
                "(found 'IFRS')"
            ),
        ),
        (
            "[[requirements.values]]",
            "[requirements.values]",
            (
                "requirements[1].values: is a list of tables: write [[requirements.values]], with "
                "two brackets on each side"
            ),
        ),
        (
            "[[providers.rsc.accepts]]",
            "[providers.rsc.accepts]",
            (
                "providers.rsc.accepts: is a list of tables: write [[providers.rsc.accepts]], with "
                "two brackets on each side"
            ),
        ),
        (
            "[memberships.any]",
            "[[memberships.any]]",
            "memberships.any: is one table: write [memberships.any], with one bracket on each side",
        ),
        (
            SOURCE,
            'source = "ifs"',
            (
                "requirements[1].values[1].source: write a table: its keys with their values, in "
                "braces (found 'ifs')"
            ),
        ),
        (
            'kind = "fixed"',
            'kind = "Fixed"',
            "cycles[1].kind: write 'fixed' or 'anniversary' (did you mean fixed?) (found 'Fixed')",
        ),
        (
            "hours = 15",
            "hours = 1001",
            "requirements[1].values[1].hours: write 1000 or less (found 1001)",
        ),
        (
            "grace_days = 31",
            "grace_days = 367",
            "cycles[1].grace_days: write 366 or less (found 367)",
        ),
        (
            'name = "Example"',
            'name = ""',
            "name: is empty: write at least 1 character (found '')",
        ),
        (
            'categories = ["IFS"]\ncounts = "training"',
            'categories = []\ncounts = "training"',
            "requirements[1].categories: is empty: list at least 1, or leave the key out",
        ),
        (
            'id = "EX-AIMH"',
            f'id = "{"A" * 41}"',
            f"id: String should have at most 40 characters (found '{'A' * 41}')",
        ),
        (
            'name = "Example"\n',
            'name = "Example"\nzzz = 1\n',
            (
                "zzz: is not a key here; the keys are id, name, time_zone, locale, currency, "
                "categories, documents, cycles, absences, removals, reinstatements, providers, "
                "memberships, services, roles, attestations, topic_names, requirements, fees, "
                "certificates, ratings, advice, interpretations, registry (found 1)"
            ),
        ),
        (
            "[memberships.any]",
            "[memberships.any]\nkind = 1",
            "memberships.any.kind: is not a key here: did you mean kinds? (found 1)",
        ),
        (
            'file = "000"',
            'file = "000", titel = "IFS"',
            "documents.ifs.titel: is not a key here: did you mean title? (found 'IFS')",
        ),
        (
            SOURCE,
            SOURCE.replace(" }", ", zzz = { a = 1 } }"),
            (
                "requirements[1].values[1].source.zzz: is not a key here; the keys are document, "
                "section"
            ),
        ),
    ],
)
def test_a_wrong_value_says_what_to_write(old: str, new: str, expected: str) -> None:
    assert problems((old, new)) == [f"ex.toml: {expected}"]


def test_a_dated_block_names_what_it_rests_on() -> None:
    block = "\n[[removals]]\nfrom = 2000-01-01\nafter_days = 30\n"
    assert problems(rulebook=RULEBOOK + block) == [
        (
            "ex.toml: removals[1]: name a source, or the interpretation of a source that says "
            "nothing about it"
        )
    ]
    assert problems(rulebook=f'{RULEBOOK}{block}interpretation = "calendar-year"\n') == []


def test_values_of_any_form_say_what_to_write() -> None:
    class Size(BaseModel):
        people: int = Field(strict=True)

    assert [str(each) for each in parse(Size, 'people = "2"', "size.toml")[1]] == [
        "size.toml: people: write a whole number, without quotes (found '2') (line 1)"
    ]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("name = “Example”", 'write straight quotation marks (")'),
        ("since = 11/22/2026", "write a date as year-month-day, without slashes"),
        ("amount = 1,187.50", "write a period before decimals, and no commas: 1187.50"),
        ("hours = 1:30", "write hours as a number: 1.5 for an hour and a half"),
        ("due_on = 3-31", 'write a day of the year in quotes: "03-31"'),
        ("due_on = 03-31 # of each year", 'write a day of the year in quotes: "03-31"'),
        ("paid = True", "write true or false, in lower case"),
        ("paid = no", "write true or false, in lower case"),
        ('kinds = ["a" "b"]', "write a comma between the items of a list"),
        ('name = "Example', "a quotation mark is missing"),
        ("id = 2", "the table has this key already, so remove one of them"),
        (
            "[[documents]]",
            (
                "[documents] is further up: write [[documents]] there too, with two brackets on "
                "each side"
            ),
        ),
        ("name", None),
        ('name = "Example" again', None),
        (f"name {'x' * 200}", None),
    ],
)
def test_a_line_that_is_no_toml_says_what_to_write(line: str, advice: str | None) -> None:
    text = f"id = 1\n\n  {line}\n"
    if line.startswith("["):
        text = f"[documents]\n\n  {line}\n"
    with pytest.raises(tomllib.TOMLDecodeError) as raised:
        tomllib.loads(text)
    (problem,) = parse_rulebook(text, "ex.toml")[1]
    after = f": {advice}" if advice else ""
    assert str(problem) == (
        f"ex.toml: the whole file: is not TOML: {raised.value}, in {line[:100]!r}{after}"
    )


def test_a_file_that_ends_early_says_so() -> None:
    (problem,) = parse_rulebook(f"{RULEBOOK}values = [", "ex.toml")[1]
    assert str(problem).startswith("ex.toml: the whole file: is not TOML: ")
    assert str(problem).endswith("(at end of document)")
