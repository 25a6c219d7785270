"""The sentence for each reason why a service refuses: the same on pages, in the API, and in files."""

from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]
# By the code of `services.context.Refusal`; each is given the refusal's facts.
_SENTENCES: dict[str, Callable[[Facts], str]] = {}


def format_refusal(code: str, facts: Facts) -> str:
    """One sentence in plain words: what is wrong, and what would be right."""
    return _SENTENCES[code](facts)
