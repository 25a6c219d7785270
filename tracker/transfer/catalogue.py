"""The names that a file may use, and what to say about one that it may not."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

_LISTED = 12


@dataclass(frozen=True)
class Catalogue:
    """What the rulebooks name: each association's categories, organizations, topics."""

    categories: Mapping[str, Collection[str]]
    organizations: Collection[str]
    topics: Collection[str]


def what_is_known(name: str, known: Collection[str]) -> str:
    """Say which of the ``known`` names was probably meant by ``name``, else list them."""
    by_small = {each.casefold(): each for each in sorted(known)}
    small = name.casefold()
    # Who wrote a name in small letters meant that one, and no other that looks like it.
    close = [small] if small in by_small else get_close_matches(small, list(by_small), n=3)
    if close:
        return f"did you mean {' or '.join(by_small[each] for each in close)}?"
    names = sorted(known)
    if not names:
        return "none is known"
    further = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known are {', '.join(names[:_LISTED])}{further}"
