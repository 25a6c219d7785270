"""Whether a rulebook lacks some of what its file has, because that has errors of its own.

What is only wrong because others are lacking is no error: it would go away with theirs.
"""

from collections.abc import Collection, Mapping
from typing import Any

from tracker.rules.model import Rulebook


def lacks_items(rulebook: Rulebook, data: Mapping[str, Any], field: str) -> bool:
    """Whether the rulebook lacks some of a list, or of the tables, of its whole file."""
    items: Collection[object] = getattr(rulebook, field)
    if field not in data:
        return False
    in_file = data[field]
    form = dict if isinstance(items, dict) else list
    return not isinstance(in_file, form) or len(in_file) > len(items)


def lacks_requirements(rulebook: Rulebook, data: Mapping[str, Any]) -> bool:
    """Whether some category may have more requirements."""
    return any(lacks_items(rulebook, data, field) for field in ("requirements", "categories"))
