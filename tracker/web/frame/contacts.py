"""Whom to ask: each association's coordinators."""

from collections.abc import Mapping, Sequence

from tracker.settings import Coordinator
from tracker.web.frame.site import Site


def contacts_of(site: Site) -> Mapping[str, Sequence[Coordinator]]:
    """The coordinators by association, in the settings' order."""
    found: dict[str, list[Coordinator]] = {}
    for one in site.settings.coordinators:
        found.setdefault(one.association, []).append(one)
    return found
