"""The time zone of one person: their own choice, or else that of their association.

It decides how instants are shown to them, what "Today" means on their forms, and the last day
that a session can have. Legal days stay those of the association: due dates, and whether an
entry's day has come when a renewal is judged.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.clock import known_zones
from tracker.formatting import format_date, format_time
from tracker.rulebooks import Rulebooks
from tracker.services.endorsements import endorsements_of
from tracker.services.profile import get_person


def zone_of(session: Session, rulebooks: Rulebooks, person_id: int) -> str:
    """A person's own time zone, or else that of their first association."""
    own = get_person(session, person_id).time_zone
    if own in known_zones():
        return str(own)
    for endorsement in endorsements_of(session, person_id):
        if endorsement.association in rulebooks.associations:
            return rulebooks.associations[endorsement.association].time_zone
    return next(iter(rulebooks.associations.values())).time_zone


def format_instant(instant: datetime, zone: str) -> str:
    """``November 20, 2026 at 2:05 PM`` in a time zone."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{format_date(local.date())} at {format_time(local)}"


def zone_groups(rulebooks: Rulebooks) -> dict[str, list[tuple[str, str]]]:
    """The zones to choose from, as (name, label) by region.

    Those of the associations come first, then the other zones in their regions, then the rest.
    """
    near = {rulebook.time_zone for rulebook in rulebooks.associations.values()}
    near_regions = {_split_zone(zone)[0] for zone in near}
    title = "Time zones of the associations"
    groups = {title: [(zone, _split_zone(zone)[1]) for zone in sorted(near)]}
    others = sorted(known_zones() - near)
    for zone in sorted(others, key=lambda zone: _split_zone(zone)[0] not in near_regions):
        region, place = _split_zone(zone)
        groups.setdefault(region, []).append((zone, place))
    return groups


def format_zone(zone: str) -> str:
    """``America/New_York`` as people write it: ``New York, America``."""
    region, place = _split_zone(zone)
    return f"{place}, {region}"


def _split_zone(zone: str) -> tuple[str, str]:
    """The region, and the place from the smallest part to the largest."""
    region, _, place = zone.partition("/")
    return region, ", ".join(reversed(place.replace("_", " ").split("/")))
