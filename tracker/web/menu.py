"""The menu at the head of every page: who sees what, in which order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tracker.web.dependencies import Viewer


@dataclass(frozen=True, slots=True)
class Item:
    """A page in the menu; ``here`` is what that page tells `Pages.show` to be marked as current."""

    here: str
    path: str
    label: str
    is_for: Callable[[Viewer | None], bool]


def _may_log(who: Viewer | None) -> bool:
    return who is not None and who.logs_hours


def _has_year(who: Viewer | None) -> bool:
    return who is not None and (who.logs_hours or not who.coordinates)


def _is_person(who: Viewer | None) -> bool:
    return who is not None and who.person_id is not None


def _provides_rsc(who: Viewer | None) -> bool:
    return who is not None and who.provides_rsc


def _coordinates(who: Viewer | None) -> bool:
    return who is not None and bool(who.coordinates)


def _is_outside(who: Viewer | None) -> bool:
    return who is None


def _is_anybody(_who: Viewer | None) -> bool:
    return True


# Help comes last, so that it is found in the same place whoever looks (WCAG 3.2.6).
ITEMS = (
    Item("my-year", "/my-year", "My year", _has_year),
    Item("log", "/log", "Log hours", _may_log),
    Item("sessions", "/sessions", "Sessions", _provides_rsc),
    Item("takeaways", "/takeaways", "Takeaways", _is_person),
    Item("coordinator", "/coordinator", "Coordinator", _coordinates),
    Item("profile", "/profile", "Profile", _is_person),
    Item("sign-in", "/sign-in", "Sign in", _is_outside),
    Item("help", "/help", "Help", _is_anybody),
)
# Where the name of somebody among the people leads, in the foot of each page.
PROFILE = "/profile"


def menu_of(who: Viewer | None) -> Iterator[Item]:
    """The items that somebody sees, in order; None is whoever has not signed in."""
    return (item for item in ITEMS if item.is_for(who))
