"""What a check says of a wrong value: where it is, and what to write instead."""

from pathlib import Path

import pytest

from tracker.rules.parse import parse_rulebook

IMAGINED = Path(__file__).parents[1] / "rulebooks" / "rulebooks"
REMOVING = IMAGINED / "removing.toml"
SUBMITTING = IMAGINED / "attesting.toml"


def list_errors(*replaced: tuple[str, str]) -> list[str]:
    """The problems of the removing rulebook in which some text was replaced."""
    text = REMOVING.read_text("utf-8")
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new, 1)
    return [str(problem) for problem in parse_rulebook(text, "r.toml")[1]]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('after = "02-29"', "after = 2026-02-28", 'a day of a year is "02-28"'),
        ('after = "02-29"', 'after_months = "2"', "write a whole number, without quotes"),
        ('after = "02-29"', "after_days = -1", "write 0 or more (found -1)"),
        ('"02-29"\n', '"02-29"\nby_itself = "yes"\n', "write true or false, without quotes"),
        ("[[removals]]", "[removals]", "removals: is a list of tables: write [[removals]], with"),
        ("[attestations]", "[[attestations]]", "is one table: write [attestations], with one"),
        ("from = 2025-01-01\nafter", 'from = "2025-01-01"\nafter', "quotes: 2025-01-01 (found"),
        (
            'signed = ["ethics"]',
            'signed = "ethics"',
            'write a list in brackets, such as ["ethics"]',
        ),
        ('"fixed"', '"Fixed"', "write 'fixed' or 'anniversary' (did you mean fixed?)"),
        ("latest_years = 1", "latest_years = 0", "write 1 or more (found 0)"),
        ('"Training"', '""', "is empty: write at least 1 character"),
        ("  hours = ", "  hours = 0.001", "hours are whole minutes: write 45.5 for 45 hours and"),
        ("latest_years = 1", "allowed = 1", "write true or false, without quotes (found 1)"),
        ('after = "02-29"', "removed = false", "it ends removals, and none began before"),
        ('after = "02-29"', "removed = false", "reinstatements: nobody is ever removed"),
        ('"REMOVING"', "\u201cREMOVING\u201d", "write straight quotation marks"),
        ("from = 2024-01-01", "from = 1/1/2024", "write a date as year-month-day"),
        ('"Training"', '"Training', "a quotation mark is missing"),
        ("years = 1", "years = 1\nyears = 3", "the table has this key already"),
        ("[[requirements]]", "[requirements]", "[requirements] is further up: write [[requireme"),
        ("[[requirements.values]]", "[requirements.values]", "write [[requirements.values]], with"),
        ("  hours = ", "  hours = 1:30 #", "write hours as a number: 1.5"),
        ("  hours = ", "  hours = 1,5 #", "write a period before decimals"),
        ("years = 1", "years = 1\nsubmission_opens = 10-01", "write a day of the year in quotes"),
        ("latest_years = 1", "allowed = True", "write true or false, in lower case"),
        ('categories = ["IFS"]', 'categories = ["IFS" "IFS"]', "write a comma between the items"),
    ],
)
def test_an_error_says_what_to_write(old: str, new: str, expected: str) -> None:
    assert expected in "\n".join(list_errors((old, new)))


def test_blocks_out_of_order_are_located() -> None:
    block = '[[removals]]\nfrom = 2024-06-01\nafter_days = 1\nsource = {document = "policy", '
    block += 'section = "Removal"}\n'
    found = list_errors(("[[reinstatements]]", f"{block}[[reinstatements]]"))
    reason = "removals must be in order of their from dates: 2024-06-01 follows 2025-01-01"
    assert found == [f"r.toml: removals: {reason} (line 30)"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("  amount = 50", '  amount = "50"'), ("latest_years = 1", 'latest_years = "1"')],
)
def test_one_wrong_value_is_one_error(old: str, new: str) -> None:
    assert len(list_errors((old, new))) == 1


def test_errors_of_one_block_are_all_reported() -> None:
    kind = 'kind = "fixed"'
    both = f'{kind}\ndue_days_before_end = 5\ndue_days_after_end = 5\nsubmission_closes = "01-31"'
    found = "\n".join(list_errors((kind, both)))
    assert "give only one of due_days_after_end, due_days_before_end, and due_on" in found
    assert "submission_closes needs submission_opens: when the submission opens" in found


def test_a_wrong_value_hides_no_other_error_of_its_block() -> None:
    kind = 'kind = "fixed"'
    wrong = f'{kind}\ndue_days_after_end = "5"\nsubmission_closes = "01-31"'
    type_error, window_error = list_errors((kind, wrong))
    assert "cycles[1].due_days_after_end: write a whole number, without quotes" in type_error
    assert "submission_closes needs submission_opens: when the submission opens" in window_error


def test_nothing_follows_from_a_misspelled_key() -> None:
    [error] = list_errors(('signed = ["ethics"]', 'sined = ["ethics"]'))
    assert "sined: is not a key here: did you mean signed?" in error


def test_a_wrong_submission_is_one_error() -> None:
    text = SUBMITTING.read_text("utf-8")
    wrong = text.replace('counts = "submitted"', 'counts = "submited"', 1)
    assert len(parse_rulebook(wrong, "a.toml")[1]) == 1
