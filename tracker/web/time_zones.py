"""Which day and hour it is for one person: by their own choice, else by their association.

The reading taken: a person's zone says how instants are shown to them, what "Today" means on
their forms, and the last day on which a session may lie. Legal days stay the association's: due
dates, and which of the logged days has come when a renewal is judged. A session dated a day ahead
of the association's counts once that day has begun there, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.clock import known_zones, local_day
from tracker.formatting import format_date, format_time
from tracker.rulebooks import Rulebooks
from tracker.services.endorsements import endorsements_of
from tracker.services.profile import get_person
from tracker.web.dependencies import Site


def zone_of(session: Session, rulebooks: Rulebooks, person_id: int) -> str:
    """A person's own time zone, else that of their first association, else of any."""
    own = get_person(session, person_id).time_zone
    if own in known_zones():
        return str(own)
    held = [one.association for one in endorsements_of(session, person_id)]
    names = [name for name in held if name in rulebooks.associations] or list(
        rulebooks.associations
    )
    return rulebooks.associations[names[0]].time_zone


def own_today(session: Session, site: Site, person_id: int, at: datetime) -> date:
    """The day that it is for a person at the instant ``at``."""
    return local_day(at, zone_of(session, site.rulebooks, person_id))


def format_instant(instant: datetime, zone: str) -> str:
    """``November 20, 2026 at 2:05 PM`` in a time zone."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{format_date(local.date())} at {format_time(local)}"


def zone_groups(rulebooks: Rulebooks) -> Mapping[str, Sequence[tuple[str, str]]]:
    """The zones to choose from, as (name, label) by region.

    Those of the associations come first, then the regions in which these lie, then the others.
    """
    near = sorted({rulebook.time_zone for rulebook in rulebooks.associations.values()})
    regions = sorted({_region(zone) for zone in known_zones()})
    home = {_region(zone) for zone in near}
    ordered = sorted(regions, key=lambda region: (region not in home, region))
    groups = {"Where the associations are": _labelled(near)}
    for region in ordered:
        within = sorted(zone for zone in known_zones() if _region(zone) == region)
        groups[region] = _labelled(zone for zone in within if zone not in near)
    return {region: zones for region, zones in groups.items() if zones}


def format_zone(zone: str) -> str:
    """``America/New_York`` as people write it: ``New York, America``."""
    return f"{_place(zone)}, {_region(zone)}"


def _labelled(zones: Iterable[str]) -> list[tuple[str, str]]:
    return [(zone, _place(zone)) for zone in zones]


def _region(zone: str) -> str:
    return zone.partition("/")[0]


def _place(zone: str) -> str:
    parts = zone.partition("/")[2].replace("_", " ").split("/")
    return ", ".join(reversed(parts))
