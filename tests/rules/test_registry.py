"""The public registry in a rulebook: what is refused, and how it is described."""

from datetime import date
from pathlib import Path

import pytest

from tracker.rules.parse import parse_rulebook
from tracker.rules.registry import Registry, describe_embedding, describe_registry

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
    assert problem == (
        f"registry.embed_on: {website!r} is not the start of a website's address: write it as "
        '"https://www.example.org", in lower case and without a path, or "*" for any website'
    )


def test_any_website_stands_alone() -> None:
    [problem] = problems(EMBEDDED, 'embed_on = ["*", "https://www.example.org"]')
    assert problem.endswith(': embed_on = ["*"] is any website: write no other beside it')
    [problem] = problems(EMBEDDED, 'embed_on = ["https://a.example", "https://a.example"]')
    assert problem.endswith(": embed_on has a website twice: write it once")
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
    assert describe_registry(closed) == [
        "The public registry is open from November 1, 2026.",
        "It lists endorsees who agreed to it on their profile.",
        "Listed people who are not endorsed now are left out.",
        "Its words: Us",
        "No other website may show it.",
    ]
    assert describe_registry(None) == []


ONE, OTHER = "https://a.example", "https://b.example"


@pytest.mark.parametrize(
    ("websites", "embeds", "words"),
    [
        ([], [], "No other website may show it."),
        ([ONE], [ONE], f"It may be shown on {ONE}."),
        ([ONE, OTHER], [ONE, OTHER], f"It may be shown on {ONE} and {OTHER}."),
        (["*"], [ONE, OTHER], "Any website may show it."),
    ],
)
def test_only_named_websites_may_embed(websites: list[str], embeds: list[str], words: str) -> None:
    table = {"from": date(2026, 11, 1), "says": "Us", "embed_on": websites}
    registry = Registry.model_validate(table)
    assert [each for each in (ONE, OTHER, "") if registry.may_embed(each)] == embeds
    assert describe_embedding(registry) == words


def test_a_registry_is_open_from_its_day() -> None:
    registry = Registry.model_validate({"from": date(2026, 11, 1), "says": "Us"})
    days = (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2))
    assert [registry.is_open(day) for day in days] == [False, True, True]
