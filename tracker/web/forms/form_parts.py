"""What forms of ours share: text as one line, a key against a double tap, and their problems."""

import re
import uuid
from typing import Any

from wtforms import Form

# Controls, line separators and half surrogates: nothing that a line of text holds, and
# PostgreSQL refuses some of them. What is not seen, or turns text round, is as little of a line.
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\ud800-\udfff"
    r"\N{ZERO WIDTH SPACE}\N{LEFT-TO-RIGHT EMBEDDING}-\N{RIGHT-TO-LEFT OVERRIDE}\N{WORD JOINER}"
    r"\N{LEFT-TO-RIGHT ISOLATE}-\N{POP DIRECTIONAL ISOLATE}\N{ZERO WIDTH NO-BREAK SPACE}]+"
)


def clean(text: str | None) -> str:
    """Typed text as one line: without control characters, or space around it."""
    if not text or text.isprintable():
        return (text or "").strip()
    return _CONTROLS.sub(" ", text).strip()


def new_form_key() -> str:
    """A key by which a form that is sent twice is saved once."""
    return uuid.uuid4().hex


def is_form_key(text: str | None) -> bool:
    """Whether a form's key is one of ours."""
    return re.fullmatch(r"[0-9a-f]{32}", text or "") is not None


def add_problem(field: Any, words: str) -> None:  # noqa: ANN401 - wtforms ships no types
    """Say what is wrong with a field."""
    field.errors = [*field.errors, words]


class OwnForm(Form):  # type: ignore[misc]  # wtforms ships no types
    """A form whose problems a page lists."""

    def problems(self) -> list[tuple[str, str]]:
        """Each problem as (id of the field, words), in the order of the page."""
        return [(name, str(words)) for name, errors in self.errors.items() for words in errors]
