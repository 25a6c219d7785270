"""Who works for an association, and what they may do on its desk.

The settings name an association's first coordinator. As soon as its team is changed on the page,
the team is in the database, and what the settings say about that association no longer counts.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from tracker import clock
from tracker.addresses import is_address
from tracker.db.desk import TeamRole, TeamSetting
from tracker.db.engine import lock_names, reading
from tracker.plain_text import space_initials
from tracker.rulebooks import Rulebooks
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_name,
)
from tracker.services.desk_access import check_association
from tracker.services.evaluation import days_at
from tracker.settings import Coordinator, Settings

DayOf = Callable[[str], date]
MAX_NOTES_LENGTH = 4000
_MAX_AGE_SECONDS = 30
_AUDITED = {"association", "email", "name", "role", "starts_on", "ends_on"}


class Role(StrEnum):
    """What somebody does for an association."""

    COORDINATOR = "coordinator"
    REVIEWER = "reviewer"
    TREASURER = "treasurer"
    VIEWER = "viewer"


class Area(StrEnum):
    """A part of the desk: applications with their portfolios, fees, or everything else."""

    APPLICATIONS = "applications"
    DESK = "desk"
    FEES = "fees"


# In which areas a role may look, and in which it may change something.
_READS = {
    Role.COORDINATOR: {*Area},
    Role.REVIEWER: {Area.APPLICATIONS},
    Role.TREASURER: {Area.DESK, Area.FEES},
    Role.VIEWER: {*Area},
}
_WRITES = {
    Role.COORDINATOR: {*Area},
    Role.REVIEWER: {Area.APPLICATIONS},
    Role.TREASURER: {Area.FEES},
    Role.VIEWER: set[Area](),
}


class TeamMember(NamedTuple):
    """A role that somebody has; ``id`` is None for a coordinator whom the settings name."""

    id: int | None
    association: str
    email: str
    name: str
    role: Role
    starts_on: date | None = None
    ends_on: date | None = None

    def is_active(self, day: date) -> bool:
        """Whether the role holds on that day at the association."""
        has_begun = self.starts_on is None or self.starts_on <= day
        return has_begun and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True, slots=True)
class Team:
    """Everyone's roles, past and coming ones included, at every association."""

    members: tuple[TeamMember, ...]
    requires_second_factor: frozenset[str]

    def list_active(self, day_of: DayOf) -> list[TeamMember]:
        """The roles that hold today at their association."""
        return [member for member in self.members if member.is_active(day_of(member.association))]


def load_team(session: Session, settings: Settings, known: Collection[str]) -> Team:
    """The roles at the ``known`` associations, by association and name."""
    rows = session.exec(select(TeamRole).where(col(TeamRole.association).in_(known))).all()
    adopted = {row.association for row in rows if row.role == Role.COORDINATOR}
    members = [
        one
        for one in _list_configured(settings)
        if one.association in known and one.association not in adopted
    ]
    members += [_member_of(row) for row in rows]
    order = list(Role)
    members.sort(key=lambda one: (one.association, order.index(one.role), one.name.casefold()))
    strict = select(TeamSetting.association).where(col(TeamSetting.requires_second_factor))
    return Team(tuple(members), frozenset(session.exec(strict)))


def _list_configured(settings: Settings) -> list[TeamMember]:
    """The coordinators whom the settings name."""
    return [
        TeamMember(None, one.association, one.email, one.name, Role.COORDINATOR)
        for one in settings.coordinators
    ]


def _member_of(row: TeamRole) -> TeamMember:
    role = Role(row.role)
    return TeamMember(
        row.id, row.association, row.email, row.name, role, row.starts_on, row.ends_on
    )


def list_coordinators(members: Sequence[TeamMember]) -> tuple[Coordinator, ...]:
    """The coordinators among these, as the settings name them."""
    # Not validated again: settings and forms did, and one bad address must not stop the others.
    return tuple(
        Coordinator.model_construct(email=one.email, name=one.name, association=one.association)
        for one in members
        if one.role is Role.COORDINATOR
    )


def list_permitted(
    members: Sequence[TeamMember], email: str, area: Area, *, writes: bool
) -> tuple[str, ...]:
    """The associations for which someone may look at an area, or change something in it."""
    allowed = _WRITES if writes else _READS
    own = [one for one in members if one.email == email and area in allowed[one.role]]
    return tuple(dict.fromkeys(one.association for one in own))


class TeamSource(Protocol):
    """Where messages find who coordinates an association."""

    @property
    def settings(self) -> Settings:
        """The settings, with the coordinators of today."""

    @property
    def members(self) -> Sequence[TeamMember]:
        """The roles of today, coordinators and all others."""

    def refresh(self, session: Session) -> None:
        """Read the roles again if they may have changed."""


def name_members(members: Sequence[TeamMember]) -> dict[str, str]:
    """The names of these by their addresses."""
    return {one.email: one.name for one in members}


@dataclass(frozen=True, slots=True)
class FixedTeam:
    """The coordinators whom the settings name, whatever the database says."""

    settings: Settings

    @property
    def members(self) -> Sequence[TeamMember]:
        """They, and nobody else."""
        return _list_configured(self.settings)

    def refresh(self, session: Session) -> None:
        """They stay the same."""


class TeamCache:
    """The settings with today's coordinators, as of the last `refresh`.

    Each request and each tick of the jobs refreshes them, so a change in another process shows
    after half a minute. Who may open the desk is decided by `read`, which is never late.
    """

    def __init__(
        self,
        engine: Engine,
        configured: Settings,
        rulebooks: Rulebooks,
        now: Callable[[], datetime],
    ) -> None:
        self.configured = configured
        self._engine = engine
        self._rulebooks = rulebooks
        self._now = now
        self._settings: Settings | None = None
        self._members: Sequence[TeamMember] = _list_configured(configured)
        self._read_at: float | None = None

    @property
    def settings(self) -> Settings:
        """The settings, with the coordinators of today.

        Only before the first `refresh` does this read the database, in a transaction of its own:
        inside another one it could wait for a writer that waits for that one.
        """
        if self._settings is None:
            try:
                with reading(self._engine) as session:
                    self.refresh(session)
            except SQLAlchemyError:
                return self.configured
        return self._settings or self.configured

    @property
    def members(self) -> Sequence[TeamMember]:
        """The roles of today, as of the last `refresh`; before it, those that the settings name."""
        return self._members

    def refresh(self, session: Session) -> None:
        """Read the roles again, if that was half a minute ago or `forget` was called."""
        now = clock.stopwatch()
        if self._read_at is None or now - self._read_at > _MAX_AGE_SECONDS:
            active, _ = self.read(session, self._now())
            found = {"coordinators": list_coordinators(active)}
            self._settings = self.configured.model_copy(update=found)
            self._members = active
            self._read_at = now

    def forget(self) -> None:
        """Let the next `refresh` read the teams."""
        self._read_at = None

    def read(self, session: Session, now: datetime) -> tuple[list[TeamMember], frozenset[str]]:
        """The roles that hold today, and the associations that require a second factor."""
        team = load_team(session, self.configured, self._rulebooks.associations)
        return team.list_active(days_at(self._rulebooks, now)), team.requires_second_factor


@dataclass(frozen=True, slots=True)
class NewMember:
    """Whom a coordinator adds to a team; both days count."""

    association: str
    email: str
    name: str
    role: str
    starts_on: date
    ends_on: date | None = None


def add_member(context: ServiceContext, settings: Settings, new: NewMember) -> int:
    """Add a role and return its id. Raises Refused, or NotFound for another association."""
    check_association(context.actor, new.association)
    session = context.session
    new = replace(new, name=space_initials(new.name))
    refusals = check_name(new.name, "name-missing")
    if not is_address(new.email):
        refusals.append(Refusal("email", "email-invalid"))
    if new.role not in set(Role):
        refusals.append(Refusal("role", "role-unknown", {"known": tuple(Role)}))
    if new.ends_on is not None and new.ends_on < new.starts_on:
        refusals.append(Refusal("ends_on", "role-ends-before-start"))
    if refusals:
        raise Refused(*refusals)
    _lock_team(context, new.association)
    _adopt_coordinators(context, settings, new.association)
    same = select(TeamRole).where(
        TeamRole.association == new.association,
        TeamRole.email == new.email,
        TeamRole.role == new.role,
    )
    for row in session.exec(same):
        if row.ends_on is None or row.ends_on >= new.starts_on:
            facts = {"name": row.name, "role": row.role}
            raise Refused(Refusal("email", "role-already-held", facts))
    row = TeamRole(
        association=new.association,
        email=new.email,
        name=new.name,
        role=new.role,
        starts_on=new.starts_on,
        ends_on=new.ends_on,
        added_at=context.now,
        added_by=context.actor.label,
    )
    context.create_row(row, _AUDITED)
    return row.id


def end_member(
    context: ServiceContext, settings: Settings, member: TeamMember, last_day: date
) -> None:
    """End a role with a day. Raises Refused if nobody would coordinate the association after it."""
    check_association(context.actor, member.association)
    _lock_team(context, member.association)
    row_id = member.id
    if row_id is None:
        _adopt_coordinators(context, settings, member.association)
        found = select(TeamRole.id).where(
            TeamRole.association == member.association,
            TeamRole.email == member.email,
            TeamRole.role == member.role,
        )
        row_id = context.session.exec(found).one()
    row = context.session.get(TeamRole, row_id, populate_existing=True)
    if row is None or row.association != member.association:
        raise NotFound
    if last_day < row.starts_on:
        raise Refused(Refusal("last_day", "role-ends-before-start"))
    context.update_row(row, _AUDITED, ends_on=last_day)
    if row.role == Role.COORDINATOR:
        _check_someone_coordinates(context, member.association, last_day)


def find_member(session: Session, settings: Settings, association: str, key: str) -> TeamMember:
    """The role that a form names: by its id, or by the address if the settings name it.

    Raises NotFound if the association has no such role.
    """
    for member in load_team(session, settings, [association]).members:
        if key == (str(member.id) if member.id else member.email):
            return member
    raise NotFound


def get_team_setting(session: Session, association: str) -> TeamSetting | None:
    """What a team decided for its desk; None if it has not decided anything yet."""
    return session.get(TeamSetting, association)


def change_team_setting(context: ServiceContext, association: str, **values: object) -> None:
    """Change ``requires_second_factor`` or ``notes``. Raises Refused if notes are too long."""
    check_association(context.actor, association)
    if len(str(values.get("notes", ""))) > MAX_NOTES_LENGTH:
        raise Refused(Refusal("notes", "text-too-long", {"limit": MAX_NOTES_LENGTH}))
    _lock_team(context, association)
    row = context.session.get(TeamSetting, association, populate_existing=True)
    if row is None:
        row = TeamSetting(
            association=association, changed_at=context.now, changed_by=context.actor.label
        )
    else:
        row.changed_at, row.changed_by = context.now, context.actor.label
    before = row.model_dump(include={"association", "requires_second_factor"})
    row.sqlmodel_update(values)
    context.session.add(row)
    context.session.flush()
    after = row.model_dump(include={"association", "requires_second_factor"})
    # A setting has no number.
    context.record_change("team_setting", 0, before=before, after=after)


def _lock_team(context: ServiceContext, association: str) -> None:
    """Let one transaction at a time change a team: together two could end the last coordinator."""
    lock_names(context.session, [f"team {association}"])


def _adopt_coordinators(context: ServiceContext, settings: Settings, association: str) -> None:
    """Store the coordinators whom the settings name, if the team is not in the database yet."""
    is_stored = select(TeamRole.id).where(
        TeamRole.association == association, TeamRole.role == Role.COORDINATOR
    )
    if context.session.exec(is_stored).first() is not None:
        return
    today = days_at(context.rulebooks, context.now)(association)
    for one in settings.coordinators:
        if one.association == association:
            row = TeamRole(
                association=association,
                email=one.email,
                name=one.name,
                role=Role.COORDINATOR,
                starts_on=today,
                added_at=context.now,
                added_by="tracker.toml",
            )
            context.create_row(row, _AUDITED)


def _check_someone_coordinates(context: ServiceContext, association: str, last_day: date) -> None:
    """Raise Refused if no coordinator is left after ``last_day``, or today if it is past."""
    today = days_at(context.rulebooks, context.now)(association)
    first_day_without = max(today, last_day + timedelta(days=1))
    rows = context.session.exec(
        select(TeamRole).where(
            TeamRole.association == association, TeamRole.role == Role.COORDINATOR
        )
    )
    if not any(_member_of(row).is_active(first_day_without) for row in rows):
        raise Refused(Refusal("last_day", "last-coordinator", {"association": association}))
