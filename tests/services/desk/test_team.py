"""Who is on an association's team, what each role allows, and how the team changes."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, SQLModel, col, select, update

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import BOOKS, CAROL, DAN, NOW, Cast
from tracker import clock
from tracker.db.desk import TeamRole, TeamSetting
from tracker.db.engine import open_engine, writing
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.team import (
    Area,
    FixedTeam,
    NewMember,
    Role,
    TeamCache,
    TeamMember,
    add_member,
    change_team_setting,
    end_member,
    find_member,
    get_team_setting,
    list_coordinators,
    list_permitted,
    load_team,
    name_members,
)

TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)
RUTH, SAM = "ruth@example.org", "sam@example.org"
NEW = NewMember("NCIMHA", RUTH, "Ruth Adler", "viewer", TODAY)
SUCCESSOR = replace(NEW, role="coordinator")
CONFIGURED = TeamMember(None, "NCIMHA", CAROL, "Carol Reyes", Role.COORDINATOR)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def add_role(session: Session, email: str, role: str, **values: Any) -> TeamRole:  # noqa: ANN401
    """Store a role at NCIMHA since today, or with other values."""
    fixed: dict[str, Any] = {"association": "NCIMHA", "name": email[:3].title(), "starts_on": TODAY}
    row = TeamRole(
        **{**fixed, "email": email, "role": role, "added_at": NOW, "added_by": CAROL, **values}
    )
    session.add(row)
    session.flush()
    return row


def update_unnoticed(session: Session, table: type[SQLModel], **values: object) -> None:
    """Change all rows as another process does, behind the back of the session."""
    session.flush()
    session.connection().execute(update(table).values(**values))


def end(context: ServiceContext, cast: Cast, email: str, last_day: date) -> None:
    """End somebody's role at NCIMHA."""
    team = load_team(context.session, cast.settings, ["NCIMHA"])
    [member] = [each for each in team.members if each.email == email]
    end_member(context, cast.settings, member, last_day)


def list_roles(session: Session) -> list[tuple[str, str, date, date | None]]:
    rows = session.exec(select(TeamRole).order_by(col(TeamRole.id)))
    return [(each.email, each.role, each.starts_on, each.ends_on) for each in rows]


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "is_active"),
    [
        (None, None, True),
        (TODAY, None, True),
        (TODAY, TODAY, True),
        (None, TODAY, True),
        (TODAY + DAY, None, False),
        (None, TODAY - DAY, False),
    ],
)
def test_roles_include_first_and_last_day(
    starts_on: date | None, ends_on: date | None, *, is_active: bool
) -> None:
    member = CONFIGURED._replace(starts_on=starts_on, ends_on=ends_on)
    assert member.is_active(TODAY) == is_active


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        (Role.COORDINATOR, [*Area], [*Area]),
        (Role.REVIEWER, [Area.APPLICATIONS], [Area.APPLICATIONS]),
        (Role.TREASURER, [Area.DESK, Area.FEES], [Area.FEES]),
        (Role.VIEWER, [*Area], []),
    ],
)
def test_a_role_opens_its_areas(role: Role, reads: list[Area], writes: list[Area]) -> None:
    members = [
        CONFIGURED._replace(association=association, role=role)
        for association in ("PAYING", "NCIMHA", "PAYING")
    ]
    members.append(CONFIGURED._replace(association="CT-AIMH", email=RUTH))
    for area in Area:
        for allowed, is_writing in ((reads, False), (writes, True)):
            expected = ("PAYING", "NCIMHA") if area in allowed else ()
            assert list_permitted(members, CAROL, area, writes=is_writing) == expected


def test_members_are_named_and_coordinators_listed() -> None:
    members = [CONFIGURED, CONFIGURED._replace(email=RUTH, name="Ruth", role=Role.VIEWER)]
    assert name_members(members) == {CAROL: "Carol Reyes", RUTH: "Ruth"}
    [coordinator] = list_coordinators(members)
    assert coordinator.model_dump() == {
        "email": CAROL,
        "name": "Carol Reyes",
        "association": "NCIMHA",
    }


def test_a_stored_coordinator_replaces_the_settings(session: Session, cast: Cast) -> None:
    viewer = add_role(session, SAM, "viewer", name="sam", ends_on=TODAY)
    add_role(session, RUTH, "coordinator", association="GONE")
    for association in ("NCIMHA", "CT-AIMH"):
        required = association == "NCIMHA"
        setting = TeamSetting(association=association, changed_at=NOW, changed_by=CAROL)
        setting.requires_second_factor = required
        session.add(setting)
    first = load_team(session, cast.settings, ["NCIMHA", "CT-AIMH"])
    dan = TeamMember(None, "CT-AIMH", DAN, "Dan Whitfield", Role.COORDINATOR)
    sam = TeamMember(viewer.id, "NCIMHA", SAM, "sam", Role.VIEWER, TODAY, TODAY)
    assert first.members == (dan, CONFIGURED, sam)
    assert first.requires_second_factor == {"NCIMHA"}
    days = {"NCIMHA": TODAY + DAY, "CT-AIMH": TODAY}
    assert first.list_active(days.__getitem__) == [dan, CONFIGURED]
    ruth = add_role(session, RUTH, "viewer", name="Ruth")
    add_role(session, SAM, "coordinator", name="Sam", starts_on=TODAY + DAY)
    later = load_team(session, cast.settings, ["NCIMHA"]).members
    assert [(each.name, each.role) for each in later] == [
        ("Sam", "coordinator"),
        ("Ruth", "viewer"),
        ("sam", "viewer"),
    ]
    assert later[1].id == ruth.id


def test_a_member_is_stored_with_an_audit_event(carol: ServiceContext, cast: Cast) -> None:
    new = replace(NEW, name="Ruth St.John", starts_on=TODAY + DAY, ends_on=TODAY + DAY)
    role_id = add_member(carol, cast.settings, new)
    rows = [
        each.model_dump()
        for each in carol.session.exec(select(TeamRole).order_by(col(TeamRole.id)))
    ]
    settings_row = {
        "id": 1,
        "association": "NCIMHA",
        "email": CAROL,
        "name": "Carol Reyes",
        "role": "coordinator",
        "starts_on": TODAY,
        "ends_on": None,
        "added_at": NOW,
        "added_by": "tracker.toml",
    }
    ruth = {"id": role_id, "email": RUTH, "name": "Ruth St. John", "role": "viewer"}
    ruth |= {"starts_on": TODAY + DAY, "ends_on": TODAY + DAY, "added_by": CAROL}
    assert rows == [settings_row, {**settings_row, **ruth}]
    logged = [
        LoggedChange(
            CAROL,
            row["id"],
            None,
            {
                "association": row["association"],
                "email": row["email"],
                "name": row["name"],
                "role": row["role"],
                "starts_on": row["starts_on"].isoformat(),
                "ends_on": row["ends_on"] and row["ends_on"].isoformat(),
            },
        )
        for row in rows
    ]
    assert list_changes(carol.session, "team_role") == logged


@pytest.mark.parametrize(
    ("values", "refusals"),
    [
        (
            {"name": "", "email": "nobody", "role": "queen", "ends_on": TODAY - DAY},
            [
                Refusal("name", "name-missing"),
                Refusal("email", "email-invalid"),
                Refusal("role", "role-unknown", {"known": tuple(Role)}),
                Refusal("ends_on", "role-ends-before-start"),
            ],
        ),
        ({"name": "x" * 201}, [Refusal("name", "text-too-long", {"limit": 200})]),
    ],
)
def test_every_wrong_value_of_a_member_is_named(
    carol: ServiceContext, cast: Cast, values: dict[str, Any], refusals: list[Refusal]
) -> None:
    with pytest.raises(Refused) as refused:
        add_member(carol, cast.settings, replace(NEW, **values))
    assert list(refused.value.refusals) == refusals
    assert list_roles(carol.session) == []


@pytest.mark.parametrize(
    ("held", "is_refused"),
    [
        ({}, True),
        ({"starts_on": TODAY - DAY, "ends_on": TODAY}, True),
        ({"starts_on": TODAY + DAY}, True),
        ({"starts_on": TODAY - DAY, "ends_on": TODAY - DAY}, False),
        ({"role": "treasurer"}, False),
        ({"email": SAM}, False),
        ({"association": "CT-AIMH"}, False),
    ],
)
def test_a_role_is_held_once_at_a_time(
    carol: ServiceContext, cast: Cast, held: dict[str, Any], *, is_refused: bool
) -> None:
    add_role(carol.session, **{"email": RUTH, "role": "viewer", "name": "Ruth", **held})
    if not is_refused:
        add_member(carol, cast.settings, NEW)
        return
    with pytest.raises(Refused) as refused:
        add_member(carol, cast.settings, NEW)
    facts = {"name": "Ruth", "role": "viewer"}
    assert refused.value.refusals == (Refusal("email", "role-already-held", facts),)


def test_a_stored_team_adopts_no_coordinator(carol: ServiceContext, cast: Cast) -> None:
    # Those of another association, and a viewer, do not stand for the coordinator.
    add_role(carol.session, DAN, "coordinator", association="CT-AIMH")
    add_member(carol, cast.settings, NEW)
    roles = [(DAN, "coordinator"), (RUTH, "viewer"), (CAROL, "coordinator")]
    assert sorted(each[:2] for each in list_roles(carol.session)) == sorted(roles)
    # Carol handed over: the settings still name her.
    former = replace(carol, actor=Actor("tracker team"))
    add_member(former, cast.settings, replace(SUCCESSOR, email=SAM))
    end(carol, cast, CAROL, TODAY)
    add_member(carol, cast.settings, replace(NEW, email=SAM))
    assert [each[0] for each in list_roles(carol.session)].count(CAROL) == 1


def test_coordinators_change_only_their_own_team(carol: ServiceContext, cast: Cast) -> None:
    dan = TeamMember(None, "CT-AIMH", DAN, "Dan Whitfield", Role.COORDINATOR)
    other = add_role(carol.session, RUTH, "viewer", association="CT-AIMH")
    disguised = CONFIGURED._replace(id=other.id)
    missing = CONFIGURED._replace(id=999)
    for member in (dan, disguised, missing):
        with pytest.raises(NotFound):
            end_member(carol, cast.settings, member, TODAY)
    with pytest.raises(NotFound):
        add_member(carol, cast.settings, replace(NEW, association="CT-AIMH"))
    with pytest.raises(NotFound):
        change_team_setting(carol, "CT-AIMH", notes="Hello")
    assert other.ends_on is None


def test_a_role_ends_with_its_last_day(carol: ServiceContext, cast: Cast) -> None:
    add_member(carol, cast.settings, NEW)
    with pytest.raises(Refused) as refused:
        end(carol, cast, RUTH, TODAY - DAY)
    assert refused.value.refusals == (Refusal("last_day", "role-ends-before-start"),)
    end(carol, cast, RUTH, TODAY)
    assert list_roles(carol.session)[1] == (RUTH, "viewer", TODAY, TODAY)
    last = list_changes(carol.session, "team_role")[-1]
    common = {"association": "NCIMHA", "email": RUTH, "name": "Ruth Adler", "role": "viewer"}
    common |= {"starts_on": "2026-11-22"}
    before, after = {**common, "ends_on": None}, {**common, "ends_on": "2026-11-22"}
    assert last == LoggedChange(CAROL, 2, before, after)


def test_a_role_is_ended_as_it_is_stored(carol: ServiceContext, cast: Cast) -> None:
    role = add_role(carol.session, RUTH, "viewer")
    update_unnoticed(carol.session, TeamRole, starts_on=TODAY + DAY)
    member = CONFIGURED._replace(id=role.id)
    with pytest.raises(Refused):
        end_member(carol, cast.settings, member, TODAY)


def test_a_configured_coordinator_is_stored_to_end(carol: ServiceContext, cast: Cast) -> None:
    sam = {"email": SAM, "name": "Sam", "association": "NCIMHA"}
    coordinators = cast.settings.coordinators
    more = type(coordinators[0])(**sam)
    settings = cast.settings.model_copy(update={"coordinators": (*coordinators, more)})
    add_role(carol.session, CAROL, "viewer")
    add_role(carol.session, CAROL, "coordinator", association="CT-AIMH")
    end_member(carol, settings, CONFIGURED, TODAY)
    assert list_roles(carol.session)[2:] == [
        (CAROL, "coordinator", TODAY, TODAY),
        (SAM, "coordinator", TODAY, None),
    ]


@pytest.mark.parametrize(
    ("others", "last_day", "is_refused"),
    [
        ([], TODAY, True),
        # The next coordinator begins on the day after, or later.
        ([{"starts_on": TODAY + DAY}], TODAY, False),
        ([{"starts_on": TODAY + 2 * DAY}], TODAY, True),
        ([{"ends_on": TODAY + DAY}], TODAY, False),
        ([{"ends_on": TODAY}], TODAY, True),
        # A day in the past: somebody has to coordinate today.
        ([{"starts_on": TODAY - 9 * DAY, "ends_on": TODAY - DAY}], TODAY - 3 * DAY, True),
        ([{"starts_on": TODAY}], TODAY - 3 * DAY, False),
        ([{"role": "viewer"}, {"association": "CT-AIMH"}], TODAY, True),
    ],
)
def test_an_association_keeps_a_coordinator(
    carol: ServiceContext,
    cast: Cast,
    others: list[dict[str, Any]],
    last_day: date,
    *,
    is_refused: bool,
) -> None:
    add_role(carol.session, CAROL, "coordinator", starts_on=TODAY - 9 * DAY)
    for other in others:
        add_role(carol.session, **{"email": RUTH, "role": "coordinator", **other})
    if not is_refused:
        end(carol, cast, CAROL, last_day)
        return
    with pytest.raises(Refused) as refused:
        end(carol, cast, CAROL, last_day)
    facts = {"association": "NCIMHA"}
    assert refused.value.refusals == (Refusal("last_day", "last-coordinator", facts),)


def test_a_viewer_may_stay_longer_than_coordinators(carol: ServiceContext, cast: Cast) -> None:
    add_role(carol.session, CAROL, "coordinator", ends_on=TODAY)
    add_role(carol.session, RUTH, "viewer")
    end(carol, cast, RUTH, TODAY + 9 * DAY)
    assert list_roles(carol.session)[1][3] == TODAY + 9 * DAY


def test_a_form_names_a_role_by_its_key(session: Session, cast: Cast) -> None:
    ruth = add_role(session, RUTH, "viewer")
    found = find_member(session, cast.settings, "NCIMHA", str(ruth.id))
    assert (found.id, found.email) == (ruth.id, RUTH)
    assert find_member(session, cast.settings, "NCIMHA", CAROL) == CONFIGURED
    for association, key in (("NCIMHA", RUTH), ("NCIMHA", DAN), ("CT-AIMH", str(ruth.id))):
        with pytest.raises(NotFound):
            find_member(session, cast.settings, association, key)


def test_team_settings_are_stored_and_audited(carol: ServiceContext) -> None:
    assert get_team_setting(carol.session, "NCIMHA") is None
    notes = "x" * 4000
    change_team_setting(carol, "NCIMHA", notes=notes)
    later = replace(carol, actor=Actor(RUTH, None, ("NCIMHA",)), now=NOW + DAY)
    change_team_setting(later, "NCIMHA", requires_second_factor=True)
    carol.session.expire_all()
    setting = get_team_setting(carol.session, "NCIMHA")
    assert setting is not None
    assert setting.model_dump() == {
        "association": "NCIMHA",
        "requires_second_factor": True,
        "notes": notes,
        "changed_at": NOW + DAY,
        "changed_by": RUTH,
    }
    off = {"association": "NCIMHA", "requires_second_factor": False}
    on = {**off, "requires_second_factor": True}
    assert list_changes(carol.session, "team_setting") == [LoggedChange(RUTH, 0, off, on)]
    # Another process turns it off, and is waited for.
    update_unnoticed(carol.session, TeamSetting, requires_second_factor=False)
    change_team_setting(later, "NCIMHA", requires_second_factor=False)
    assert len(list_changes(carol.session, "team_setting")) == 1
    with pytest.raises(Refused) as refused:
        change_team_setting(carol, "NCIMHA", notes="x" * 4001)
    too_long = Refusal("notes", "text-too-long", {"limit": 4000})
    assert refused.value.refusals == (too_long,)


def test_a_fixed_team_ignores_the_database(session: Session, cast: Cast) -> None:
    add_role(session, RUTH, "coordinator")
    fixed = FixedTeam(cast.settings)
    fixed.refresh(session)
    assert [each.email for each in fixed.members[:2]] == [CAROL, DAN]
    assert fixed.members[0] == CONFIGURED


def test_a_cache_reads_teams_each_half_minute(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(clock, "stopwatch", lambda: seconds[0])
    cache = TeamCache(cast.engine, cast.settings, BOOKS, lambda: NOW)

    def list_emails() -> tuple[set[str], set[str]]:
        named = {each.email for each in cache.settings.coordinators_of("NCIMHA")}
        return named, {each.email for each in cache.members if each.association == "NCIMHA"}

    assert {each.email for each in cache.members} == {
        each.email for each in cast.settings.coordinators
    }
    assert list_emails() == ({CAROL}, {CAROL})
    with writing(cast.engine) as session:
        add_role(session, RUTH, "coordinator")
        add_role(session, SAM, "viewer")
        add_role(session, DAN, "viewer", starts_on=TODAY + DAY)
        for second in (0.0, 30.0):
            seconds[0] = second
            cache.refresh(session)
            assert list_emails() == ({CAROL}, {CAROL})
        seconds[0] = 30.5
        cache.refresh(session)
        assert list_emails() == ({RUTH}, {RUTH, SAM})
        session.delete(session.exec(select(TeamRole).where(TeamRole.email == SAM)).one())
        seconds[0] = 60.0
        cache.refresh(session)
        assert list_emails() == ({RUTH}, {RUTH, SAM})
        cache.forget()
        cache.refresh(session)
        assert list_emails() == ({RUTH}, {RUTH})


def test_roles_are_read_for_the_day(session: Session, cast: Cast) -> None:
    cache = TeamCache(cast.engine, cast.settings, BOOKS, lambda: NOW)
    add_role(session, RUTH, "viewer", starts_on=TODAY + DAY)
    session.add(
        TeamSetting(
            association="NCIMHA", requires_second_factor=True, changed_at=NOW, changed_by=CAROL
        )
    )
    session.flush()
    for now, has_begun in ((NOW, False), (NOW + DAY, True)):
        active, strict = cache.read(session, now)
        assert (RUTH in {each.email for each in active}) == has_begun
        assert strict == {"NCIMHA"}


def test_the_settings_count_while_the_database_fails(cast: Cast) -> None:
    engine = open_engine("sqlite:////nowhere/tracker.db")
    cache = TeamCache(engine, cast.settings, BOOKS, lambda: NOW)
    assert cache.settings == cast.settings
    assert cache.members[0] == CONFIGURED
    engine.dispose()
