"""Filters that coordinators save: whose they are, how they are named, and how many."""

import json
from dataclasses import replace

import pytest
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.support.cast import CAROL, DAN, NOW, Cast
from tracker.db.lists import SavedFilter
from tracker.db.log import AuditEvent
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.saved_filters import (
    delete_filter,
    list_saved_filters,
    list_team_filters,
    rename_filter,
    save_filter,
)

LATE = "status=overdue"


@pytest.fixture
def carol(act: Act, cast: Cast) -> ServiceContext:  # noqa: ARG001
    """A coordinator of two associations."""
    return replace(act(CAROL), actor=Actor(CAROL, None, ("NCIMHA", "CT-AIMH")))


@pytest.fixture
def dan(carol: ServiceContext) -> ServiceContext:
    return replace(carol, actor=Actor(DAN, None, ("NCIMHA",)))


def refusals(carol: ServiceContext, name: str, query: str = LATE) -> tuple[Refusal, ...]:
    with pytest.raises(Refused) as refused:
        save_filter(carol, "NCIMHA", name, query)
    return refused.value.refusals


def test_filters_are_listed_by_name(carol: ServiceContext, dan: ServiceContext) -> None:
    for context, association, name in (
        (dan, "NCIMHA", "Late"),
        (carol, "NCIMHA", "Late"),
        (dan, "NCIMHA", "All"),
        (carol, "NCIMHA", "Behind"),
        (carol, "CT-AIMH", "Late"),
    ):
        save_filter(context, association, name, LATE)
    own = list_saved_filters(carol.session, CAROL, "NCIMHA")
    assert [each.name for each in own] == ["Behind", "Late"]
    team = list_team_filters(carol.session, "NCIMHA")
    names = [(each.name, each.owner) for each in team]
    assert names == [("All", DAN), ("Behind", CAROL), ("Late", CAROL), ("Late", DAN)]


def test_changes_of_filters_are_audited(carol: ServiceContext) -> None:
    filter_id = save_filter(carol, "NCIMHA", "Late", "nothing=1&q=Alice")
    saved = carol.session.get_one(SavedFilter, filter_id)
    assert (saved.owner, saved.query, saved.saved_at) == (CAROL, "q=Alice", NOW)
    assert rename_filter(carol, filter_id, "late").name == "late"
    assert delete_filter(carol, filter_id) == "NCIMHA"
    assert list_team_filters(carol.session, "NCIMHA") == []
    events = carol.session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()
    first, second = ({"association": "NCIMHA", "name": name} for name in ("Late", "late"))
    assert [
        (each.table_name, json.loads(each.before or "null"), json.loads(each.after or "null"))
        for each in events
    ] == [
        ("saved_filter", None, first),
        ("saved_filter", first, second),
        ("saved_filter", second, None),
    ]


def test_a_filter_is_refused(carol: ServiceContext) -> None:
    save_filter(carol, "NCIMHA", "x" * 60, LATE)
    save_filter(carol, "NCIMHA", "Longest", "q=" + "x" * 1_998)
    too_long = Refusal("name", "text-too-long", {"limit": 60})
    assert refusals(carol, "x" * 61) == (too_long,)
    taken = Refusal("name", "filter-name-taken", {"name": "LONGEST"})
    assert refusals(carol, "LONGEST") == (taken,)
    missing = Refusal("name", "filter-name-missing")
    assert refusals(carol, "", "") == (missing, Refusal("query", "filter-shows-everyone"))
    assert refusals(carol, "New", "q=" + "x" * 1_999) == (Refusal("query", "filter-too-long"),)
    for number in range(48):
        save_filter(carol, "NCIMHA", str(number), LATE)
    assert refusals(carol, "New") == (Refusal("name", "too-many-filters", {"limit": 50}),)
    save_filter(carol, "CT-AIMH", "Longest", LATE)


def test_a_filter_gets_a_name_of_its_own(carol: ServiceContext) -> None:
    late, _ = (save_filter(carol, "NCIMHA", name, LATE) for name in ("Late", "Behind"))
    save_filter(carol, "CT-AIMH", "Lapsed", LATE)
    with pytest.raises(Refused) as refused:
        rename_filter(carol, late, "behind")
    assert refused.value.refusals == (Refusal("name", "filter-name-taken", {"name": "behind"}),)
    assert rename_filter(carol, late, "Lapsed").name == "Lapsed"


def test_only_its_owner_changes_a_filter(carol: ServiceContext, dan: ServiceContext) -> None:
    filter_id = save_filter(carol, "NCIMHA", "Late", LATE)
    left = replace(carol, actor=Actor(CAROL, None, ("CT-AIMH",)))
    for context, wanted in ((dan, filter_id), (left, filter_id), (carol, 999)):
        with pytest.raises(NotFound):
            rename_filter(context, wanted, "Mine")
        with pytest.raises(NotFound):
            delete_filter(context, wanted)
    with pytest.raises(NotFound):
        save_filter(left, "NCIMHA", "Late", LATE)
