"""Certificates in a rulebook: what is refused, which days they are for, and how they are said."""

from datetime import date
from pathlib import Path

import pytest

from tests.rules.case_data import IMAGINED
from tracker.rules.description import describe_rulebook
from tracker.rules.parse import parse_rulebook
from tracker.rules.rule_changes import list_certificate_spans, list_changes_ahead

ATTESTING = Path(__file__).parents[1] / "rulebooks/rulebooks/attesting.toml"
TEXT = ATTESTING.read_text("utf-8")
BLOCK = "\n[[certificates]]" + TEXT.partition("\n[[certificates]]")[2].partition("\n[providers")[0]


def problems(old: str, new: str) -> list[str]:
    """What is wrong with the rulebook after a change."""
    assert old in TEXT
    _, wrong = parse_rulebook(TEXT.replace(old, new, 1), "attesting.toml")
    return [f"{problem.key}: {problem.reason}" for problem in wrong]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('signatory = "Kai Akana"\n', "", "certificates[1].signatory: is missing: add it"),
        ('website = "https://', 'website = "', "begin it with https://"),
        (BLOCK, BLOCK + "until = 2021-12-31\n", "until (2021-12-31) is before from (2022-01-01)"),
        (BLOCK, BLOCK + 'categories = ["IFX"]\n', "did you mean IFS?"),
        (BLOCK, BLOCK + 'categories = ["IFRS"]\n', "so nobody gets a certificate"),
        (BLOCK, BLOCK + BLOCK, "2022-01-01"),
        (
            'source = { document = "scheme", section = "Certificates" }\n',
            "",
            "name a source, or the interpretation",
        ),
    ],
)
def test_what_would_be_wrong_is_refused(old: str, new: str, reason: str) -> None:
    [found] = problems(old, new)
    assert reason in found


@pytest.mark.parametrize(
    ("day", "signatory"),
    [
        (date(2021, 12, 31), None),
        (date(2022, 1, 1), "Kai Akana"),
        (date(2027, 6, 30), "Kai Akana"),
        (date(2027, 7, 1), "Lei Kahale"),
        (date(2029, 12, 31), "Lei Kahale"),
        (date(2030, 1, 1), None),
    ],
)
def test_the_rule_of_the_day_issues(day: date, signatory: str | None) -> None:
    later = BLOCK.replace("2022-01-01", "2027-07-01").replace("Kai Akana", "Lei Kahale")
    text = TEXT.replace(BLOCK, f"{BLOCK}{later}until = 2029-12-31\n")
    rulebook, wrong = parse_rulebook(text, "attesting.toml")
    assert rulebook is not None, wrong
    rule = rulebook.certificate_rule("IFS", day)
    assert (rule.signatory if rule else None) == signatory
    first, second = list_certificate_spans(rulebook, date(2026, 1, 1))
    assert (first.ends_on, second.ends_on) == (date(2027, 6, 30), date(2029, 12, 31))
    changes = [
        (change.day, change.says) for change in list_changes_ahead(rulebook, date(2026, 1, 1))
    ]
    assert (date(2030, 1, 1), "No more certificates are issued") in changes


def test_certificates_are_described_in_words() -> None:
    rulebook = IMAGINED.associations["ATTESTING"]
    lines = "\n".join(describe_rulebook(rulebook, {"own": ("ATTESTING",)}))
    assert (
        "from January 1, 2022: Certificates of accepted renewals, issued by Association of "
        "Attestations, Inc. and signed by Kai Akana, Endorsement Coordinator "
        "[The attestation scheme, Certificates]"
    ) in lines


def test_new_endorsements_and_chosen_categories_are_named() -> None:
    more = 'first = true\ncategories = ["IFS"]\n'
    rulebook, wrong = parse_rulebook(TEXT.replace(BLOCK, BLOCK + more), "attesting.toml")
    assert rulebook is not None, wrong
    lines = "\n".join(describe_rulebook(rulebook, {"own": ("ATTESTING",)}))
    named = "Certificates of accepted renewals and new endorsements (IFS), issued by"
    assert named in lines
