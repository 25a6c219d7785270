"""Which known name somebody may have meant who misspelled one."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from tracker.formatting import format_alternatives


def suggest(name: str, known: Iterable[str]) -> str:
    """``did you mean IFS or IFRS?``, with at most three names, the best first; empty without any.

    Upper and lower case are the same here: they are a common mistake.
    """
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    similar = get_close_matches(name.casefold(), folded)
    if not similar:
        return ""
    return f"did you mean {format_alternatives([folded[each] for each in similar])}?"


def describe_known(name: str, known: Collection[str]) -> str:
    """``: did you mean IFS?``, or ``; it has IFS, IMHS``: what follows on "is not in this file"."""
    if suggestion := suggest(name, sorted(known)):
        return f": {suggestion}"
    return f"; it has {', '.join(sorted(known)) or 'none'}"
