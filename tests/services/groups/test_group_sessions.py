"""Whatever sequence of actions: one entry for each confirmed session, none without, sums equal."""

from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, DANA, EVE, NOW, fill
from tracker.db.tables import METADATA
from tracker.services.context import Actor, Author, ServiceContext
from tracker.services.entries import delete_entry, entry_version, find_entry, update_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.group_confirmations import (
    asked_of,
    confirm,
    dispute,
    hold_asked,
    same_sessions,
)
from tracker.services.group_sessions import (
    Held,
    Invited,
    correct_session,
    log_session,
    session_of,
    sessions_of,
    take_out,
    withdraw_session,
)

_ENTRY = METADATA.tables["entry"]
_MEMBER = METADATA.tables["group_member"]
DAYS = (date(2026, 11, 16), date(2026, 11, 17))
PEOPLE = (ALICE, BOB, EVE)
NAMED = ("alice@home.example", ALICE, BOB, EVE, "nobody@example.org")
ACTIONS = ("log", "own", "confirm", "link", "dispute", "edit", "delete", "correct", "out", "end")
MOVES = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 7), st.integers(0, 7)), max_size=25
)


class World:
    """The cast in one transaction that is undone; what each action does, by number."""

    def __init__(self, connection: Any, people: dict[str, int]) -> None:  # noqa: ANN401
        self.connection = connection
        self.people = people
        self.own: set[int] = set()
        self.before = self._all_entries()
        self.dana = Author(people[DANA], DANA, NOW)

    def context(self, author: Author) -> ServiceContext:
        actor = Actor(author.who, author.person_id)
        return ServiceContext(self.connection, BOOKS, actor, NOW)

    def _all_entries(self) -> set[int]:
        return set(self.connection.scalars(select(_ENTRY.c.id)))

    def act(self, action: str, first: int, second: int) -> None:
        whose = PEOPLE[first % len(PEOPLE)]
        getattr(self, action)(Author(self.people[whose], whose, NOW), first, second)

    def log(self, _author: Author, first: int, second: int) -> None:
        invited = [Invited(e, None) for e in dict.fromkeys((NAMED[first % 5], NAMED[second % 5]))]
        held = Held(DAYS[second % 2], 30 + 15 * first, "Group")
        key = f"{first}{second}"
        log_session(self.connection, self.dana, held, invited, key)

    def own_session(self, author: Author, day: date) -> None:
        values = {"person_id": author.person_id, "activity": "rsc", "held_on": day, "minutes": 20,
                  "title": "Own", "provider_id": self.people[DANA]}  # fmt: skip
        statement = insert(_ENTRY).values(values).returning(_ENTRY.c.id)
        self.own.add(self.connection.execute(statement).scalar_one())

    def own_(self, author: Author, second: int) -> None:
        self.own_session(author, DAYS[second % 2])

    def confirm(self, author: Author, _first: int, second: int) -> None:
        if asked := self._asked(author, second):
            confirm(self.connection, BOOKS, author, asked)

    def link(self, author: Author, _first: int, second: int) -> None:
        asked = self._asked(author, second)
        same = same_sessions(self.connection, author.person_id, asked) if asked else []
        if asked and same:
            confirm(self.connection, BOOKS, author, asked, own_entry=same[0].id)

    def dispute(self, author: Author, _first: int, second: int) -> None:
        if asked := self._any(author, second):
            dispute(self.connection, BOOKS, author, asked, "no")

    def edit(self, author: Author, _first: int, second: int) -> None:
        if (entry_id := self._entry(author, second)) is None:
            return
        stored = find_entry(self.connection, author.person_id, entry_id)
        assert stored is not None
        entry = EntryInput("rsc", DAYS[0], 5 + second, "Edited", stored.provider_id)
        version = entry_version(stored)
        update_entry(self.context(author), entry_id, entry, version=version, confirmed=())

    def delete(self, author: Author, _first: int, second: int) -> None:
        if (entry_id := self._entry(author, second)) is not None:
            delete_entry(self.context(author), entry_id)
            self.own.discard(entry_id)

    def correct(self, _author: Author, first: int, second: int) -> None:
        session = self._session(first)
        if session and session.withdrawn_at is None:
            held = Held(DAYS[second % 2], 40 + second, "Corrected")
            correct_session(self.connection, self.dana, session, held, [])

    def out(self, _author: Author, first: int, second: int) -> None:
        session = self._session(first)
        if session and session.members:
            member = session.members[second % len(session.members)]
            assert take_out(self.connection, self.dana, session.id, member.id) == (
                member.state != "confirmed"
            )

    def end(self, _author: Author, first: int, _second: int) -> None:
        if session := self._session(first):
            withdraw_session(self.connection, self.dana, session)

    def _session(self, number: int) -> Any:  # noqa: ANN401
        found = sessions_of(self.connection, self.people[DANA])
        return found and session_of(
            self.connection, self.people[DANA], found[number % len(found)].id, for_writing=True
        )

    def _asked(self, author: Author, number: int) -> Any:  # noqa: ANN401
        found = asked_of(self.connection, author.person_id)
        return found and hold_asked(
            self.connection, author.person_id, found[number % len(found)].id
        )

    def _any(self, author: Author, number: int) -> Any:  # noqa: ANN401
        mine = select(_MEMBER.c.id).where(_MEMBER.c.person_id == author.person_id)
        ids = self.connection.scalars(mine.order_by(_MEMBER.c.id)).all()
        return ids and hold_asked(self.connection, author.person_id, ids[number % len(ids)])

    def _entry(self, author: Author, number: int) -> int | None:
        mine = select(_ENTRY.c.id).where(_ENTRY.c.person_id == author.person_id)
        ids = sorted(set(self.connection.scalars(mine)) - self.before)
        return ids[number % len(ids)] if ids else None

    def check(self) -> None:
        rows = self.connection.execute(select(_MEMBER)).mappings().all()
        linked = [row["entry_id"] for row in rows if row["entry_id"] is not None]
        assert len(linked) == len(set(linked))
        by_person: dict[tuple[int, int], list[Any]] = {}
        for row in rows:
            if row["person_id"] is not None:
                key = (row["group_session_id"], row["person_id"])
                by_person.setdefault(key, []).append(row)
        for key, of_one in by_person.items():
            entries = [row["entry_id"] for row in of_one if row["entry_id"] is not None]
            states = {row["state"] for row in of_one}
            # Whoever was named once more is asked by that address, too.
            assert len(entries) == (1 if "confirmed" in states else 0), key
        assert self._all_entries() == self.before | self.own | set(linked)
        total = select(func.coalesce(func.sum(_ENTRY.c.minutes), 0))
        wanted = self.before | self.own | set(linked)
        assert self.connection.scalar(total) == self.connection.scalar(
            total.where(_ENTRY.c.id.in_(wanted))
        )


def test_any_sequence_of_actions_keeps_one_entry_for_each_confirmed_session(
    sqlite_url: str,
) -> None:
    cast = fill(sqlite_url)

    @settings(max_examples=60)
    @given(moves=MOVES)
    def live(moves: list[tuple[str, int, int]]) -> None:
        with cast.engine.connect() as opened:
            connection = opened.execution_options(writes=True)
            outer = connection.begin()
            world = World(Session(connection), cast.people)
            for action, first, second in moves:
                if action == "own":
                    whose = PEOPLE[first % len(PEOPLE)]
                    world.own_(Author(cast.people[whose], whose, NOW), second)
                else:
                    world.act(action, first, second)
                world.check()
            outer.rollback()

    live()
    cast.engine.dispose()
