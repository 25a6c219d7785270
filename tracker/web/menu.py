"""The menu at the top of every page."""

from typing import NamedTuple

from tracker.web.dependencies import Viewer


class MenuItem(NamedTuple):
    """A page in the menu; ``here`` is the value by which that page marks itself as current."""

    here: str
    path: str
    label: str


def menu_of(viewer: Viewer | None) -> list[MenuItem]:
    """The menu of a viewer, or of a visitor who has not signed in (None)."""
    items = []
    if viewer is None:
        items.append(MenuItem("sign-in", "/sign-in", "Sign in"))
    else:
        if viewer.logs_hours or not viewer.coordinates:
            items.append(MenuItem("my-year", "/my-year", "My year"))
        if viewer.logs_hours:
            items.append(MenuItem("log", "/log", "Log hours"))
        if viewer.provides_rsc:
            items.append(MenuItem("sessions", "/sessions", "Sessions"))
        if viewer.person_id is not None:
            items.append(MenuItem("takeaways", "/takeaways", "Exports"))
        if viewer.coordinates:
            items.append(MenuItem("coordinator", "/coordinator", "Coordinator"))
        if viewer.person_id is not None:
            items.append(MenuItem("profile", "/profile", "Profile"))
    # Help comes last, so that everybody finds it in the same place (WCAG 3.2.6).
    items.append(MenuItem("help", "/help", "Help"))
    return items
