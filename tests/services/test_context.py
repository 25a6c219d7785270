"""Who acts in a service, which texts it stores, and how it refuses."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql
from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, CAROL, NOW, Cast
from tracker.services.context import (
    Actor,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_name,
    check_text,
    lock_person,
    lock_records,
    require_other_person,
)

OPERATOR = Actor("tracker person")
POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]
COORDINATOR = Actor(CAROL, None, ("NCIMHA",))


def context_of(actor: Actor) -> ServiceContext:
    return ServiceContext(Session(), BOOKS, actor, NOW)


@pytest.mark.parametrize(
    ("actor", "associations"),
    [
        (OPERATOR, tuple(BOOKS.associations)),
        (COORDINATOR, ("NCIMHA",)),
        (Actor("program", None, ("NCIMHA",)), ("NCIMHA",)),
        (Actor(CAROL), ()),
        (Actor("Alice", 1), ()),
    ],
)
def test_operators_act_for_all_associations(actor: Actor, associations: tuple[str, ...]) -> None:
    assert context_of(actor).associations == associations


def test_only_people_have_an_id() -> None:
    assert context_of(Actor(ALICE, 7)).person_id == 7
    with pytest.raises(NotFound):
        _ = context_of(COORDINATOR).person_id


def test_nobody_decides_about_themselves() -> None:
    context = context_of(Actor(ALICE, 7, ("NCIMHA",)))
    require_other_person(context, 8)
    with pytest.raises(Refused) as refused:
        require_other_person(context, 7)
    assert refused.value.refusals == (Refusal("", "own-decision"),)


def test_reasons_have_a_limited_length() -> None:
    too_long = [Refusal("reason", "text-too-long", {"limit": 500})]
    assert check_text("reason", "x" * 500) == []
    assert check_text("reason", "x" * 501) == too_long
    assert check_text("reason", "x" * 501, required=False) == too_long


def test_reasons_are_required_by_default() -> None:
    assert check_text("answer", "") == [Refusal("answer", "answer-missing")]
    assert check_text("answer", "", required=False) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", [Refusal("name", "name-missing")]),
        ("x" * 200, []),
        ("x" * 201, [Refusal("name", "text-too-long", {"limit": 200})]),
        ("www.example.org", [Refusal("name", "name-looks-like-link")]),
    ],
)
def test_names_are_short_and_no_links(name: str, expected: list[Refusal]) -> None:
    assert check_name(name, "name-missing") == expected


def test_refusals_name_every_reason() -> None:
    refused = Refused(Refusal("name", "name-missing"), Refusal("reason", "text-too-long"))
    assert str(refused) == "name: name-missing, reason: text-too-long"


def test_unknown_people_cannot_be_locked(session: Session, cast: Cast) -> None:
    lock_person(session, cast.people[ALICE])
    with pytest.raises(NotFound):
        lock_person(session, max(cast.people.values()) + 1)


class NotedSession(Session):
    """Notes the statements that PostgreSQL would get."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def connection(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as of the base class
        return SimpleNamespace(dialect=POSTGRESQL)

    def exec(self, statement: Any, **_: Any) -> Any:  # noqa: ANN401 - as of the base class
        options = {"literal_binds": True}
        compiled = statement.compile(dialect=POSTGRESQL, compile_kwargs=options)
        self.noted.append(" ".join(str(compiled).split()))
        return SimpleNamespace(all=list)


def test_several_people_are_locked_in_order() -> None:
    session = NotedSession()
    lock_records(session, {*range(1002, 1, -1)})
    ids = (", ".join(map(str, range(2, 1002))), "1002")  # at most 1,000 a statement
    assert session.noted == [
        f"SELECT person.id FROM person WHERE person.id IN ({few}) ORDER BY person.id FOR UPDATE"  # noqa: S608
        for few in ids
    ]
