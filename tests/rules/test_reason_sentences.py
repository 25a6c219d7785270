"""Every reason has one sentence, and every sentence has a use."""

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tracker.formatting import use_locale
from tracker.rules.reasons import SENTENCES, because, format_reason

PACKAGE = Path(__file__).parents[2] / "tracker"
FILES = [path for path in PACKAGE.rglob("*.py") if path.name != "reasons.py"]


def literals() -> Iterator[tuple[str, bool]]:
    """Every text in the package, and whether it is the code of a reason."""
    for path in FILES:
        tree = ast.parse(path.read_text("utf-8"))
        codes = {
            id(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "because"
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, id(node) in codes


def test_every_code_has_a_sentence() -> None:
    codes = {text for text, is_code in literals() if is_code}
    assert codes
    assert codes - SENTENCES.keys() == set()


def test_every_sentence_is_used() -> None:
    assert SENTENCES.keys() - {text for text, _ in literals()} == set()


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences_start_and_end_within_others(code: str) -> None:
    assert not SENTENCES[code].endswith(".")


def test_dates_follow_the_locale() -> None:
    passed = because("passed", day=date(2026, 6, 30))
    assert format_reason(passed) == "passed June 30, 2026"
    with use_locale("es_US"):
        assert format_reason(passed) == "passed 30 de junio de 2026"
