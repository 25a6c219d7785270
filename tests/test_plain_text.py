"""Text that looks alike is stored alike, whether it is typed or imported."""

import unicodedata

import pytest

from tracker.importer import cells
from tracker.plain_text import normalize_text, plain_name
from tracker.web.forms import body

COMPOSED = "José on “Play”"


@pytest.mark.parametrize(
    "text",
    [
        COMPOSED,
        unicodedata.normalize("NFD", COMPOSED),
        COMPOSED.replace(" ", "\xa0"),
        COMPOSED.replace(" ", " \u2009\u3000"),
        f"\ufeff {COMPOSED}\u200b",
        COMPOSED.replace(" on ", "\u202e on\u202c \u2066"),
    ],
)
def test_typed_and_imported_text_is_the_same(text: str) -> None:
    assert body.clean(text) == cells.clean(text) == normalize_text(text) == COMPOSED


@pytest.mark.parametrize("text", ["", " ", "\xa0", "a  b", "ə", "葉"])
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalize_text(normalize_text(text)) == normalize_text(text)


@pytest.mark.parametrize("name", ["JOSÉ  Núñez", "jose nunez", "José-Núñez"])
def test_names_are_compared_without_accents_and_case(name: str) -> None:
    assert plain_name(name) == "jose nunez"
