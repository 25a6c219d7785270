"""The public registry in a rulebook: what is refused, and how it is described."""

from pathlib import Path

import pytest

from tracker.rules.parse import parse_rulebook
from tracker.rules.registry import Registry, describe_registry

ATTESTING = Path(__file__).parents[1] / "rulebooks/rulebooks/attesting.toml"
TEXT = ATTESTING.read_text("utf-8")
EMBEDDED = 'embed_on = ["https://www.attesting.example"]'


def problems(old: str, new: str) -> list[str]:
    """What is wrong with the rulebook after a change."""
    assert old in TEXT
    _, wrong = parse_rulebook(TEXT.replace(old, new, 1), "attesting.toml")
    return [f"{problem.key}: {problem.reason}" for problem in wrong]


@pytest.mark.parametrize(
    "website",
    ["www.example.org", "https://www.example.org/", "https://Example.org", "http://example.org",
     "https://*.example.org", "https://example.org; script-src *", "https://example"],
)  # fmt: skip
def test_a_website_is_an_origin_over_tls(website: str) -> None:
    [problem] = problems(EMBEDDED, f'embed_on = ["{website}"]')
    assert 'write it as "https://www.example.org", in lower case and without a path' in problem


def test_any_website_stands_alone() -> None:
    [problem] = problems(EMBEDDED, 'embed_on = ["*", "https://www.example.org"]')
    assert 'embed_on = ["*"] is any website: write no other beside it' in problem
    [problem] = problems(EMBEDDED, 'embed_on = ["https://a.example", "https://a.example"]')
    assert "embed_on has a website twice: write it once" in problem
    for accepted in ("[]", '["*"]', '["https://a.example:8443", "http://localhost:8000"]'):
        assert problems(EMBEDDED, f"embed_on = {accepted}") == []


def test_questions_go_to_an_email_address() -> None:
    [problem] = problems('"registry@attesting.example"', '"the office"')
    assert "'the office' is not an email address: write one that the public may use" in problem


def test_an_id_that_fits_no_address_is_refused() -> None:
    [problem] = problems('id = "ATTESTING"', 'id = "A/B"')
    assert "write one without a slash that does not end with .json" in problem


def test_the_registry_is_described_in_sentences() -> None:
    rulebook, _ = parse_rulebook(TEXT, "attesting.toml")
    assert rulebook is not None
    assert describe_registry(rulebook.registry) == [
        "The public registry is open from November 1, 2026.",
        "It lists endorsees who agreed to it on their profile.",
        "Listed people who are not endorsed now stay listed as not currently endorsed.",
        "Its words: Our endorsees who agreed to be listed.",
        "Questions go to registry@attesting.example.",
        "It may be shown on https://www.attesting.example.",
    ]
    closed = Registry.model_validate({"from": "2026-11-01", "says": "Us"}, strict=False)
    assert describe_registry(closed)[-1] == "No other website may show it."
