"""The menu at the top of every page."""

from tracker.web.dependencies import Viewer


def menu_of(viewer: Viewer | None) -> list[tuple[str, str, str]]:
    """The menu of a viewer, or of a visitor who has not signed in (None).

    Each item has the name by which its page marks itself as current, its path, and its label.
    """
    if viewer is None:
        items = [("sign-in", "/sign-in", "Sign in")]
    else:
        items = []
        if viewer.logs_hours or not viewer.coordinates:
            items.append(("my-year", "/my-year", "My year"))
        if viewer.logs_hours:
            items.append(("log", "/log", "Log hours"))
        if viewer.provides_rsc:
            items.append(("sessions", "/sessions", "Sessions"))
        if viewer.person_id is not None:
            items.append(("takeaways", "/takeaways", "Exports"))
        if viewer.coordinates:
            items.append(("coordinator", "/coordinator", "Coordinator"))
        if viewer.person_id is not None:
            items.append(("profile", "/profile", "Profile"))
    # Help comes last, so that everybody finds it in the same place (WCAG 3.2.6).
    items.append(("help", "/help", "Help"))
    return items
