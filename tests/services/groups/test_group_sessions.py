"""Any sequence of actions keeps one entry for each confirmed session, and no other entry."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func
from sqlmodel import Session, col, select

from tests.support.cast import ALICE, BOB, BOOKS, DANA, EVE, NOW, fill
from tracker.db.log import Entry, GroupMember, GroupSession
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.entries import delete_entry, entry_version, find_entry, update_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.group_confirmations import (
    confirm_group_session,
    dispute_group_session,
    find_confirmation_request,
    list_confirmation_requests,
    list_own_entries,
)
from tracker.services.group_sessions import (
    GroupSessionInput,
    Invitation,
    create_group_session,
    list_group_sessions,
    remove_member,
    update_group_session,
    withdraw_group_session,
)

DAYS = (date(2026, 11, 16), date(2026, 11, 17))
PEOPLE = (ALICE, BOB, EVE)
NAMED = ("alice@home.example", ALICE, BOB, EVE, "nobody@example.org")
ACTIONS = (
    "create",
    "log_own",
    "confirm",
    "link_own",
    "dispute",
    "edit_entry",
    "delete_entry",
    "update",
    "remove",
    "withdraw",
)
MOVES = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 7), st.integers(0, 7)), max_size=25
)


class GroupActions:
    """The cast in one transaction that is undone; what each action does, by number."""

    def __init__(self, session: Session, people: dict[str, int]) -> None:
        self.session = session
        self.people = people
        self.own: set[int] = set()
        self.before = self.entry_ids()
        self.dana = self.context(DANA)

    def context(self, email: str) -> ServiceContext:
        return ServiceContext(self.session, BOOKS, Actor(email, self.people[email]), NOW)

    def entry_ids(self) -> set[int]:
        return set(self.session.exec(select(Entry.id)))

    def create(self, _person: ServiceContext, first: int, second: int) -> None:
        emails = dict.fromkeys((NAMED[first % 5], NAMED[second % 5]))
        entered = GroupSessionInput(
            DAYS[second % 2], 30 + 15 * first, "Group", [Invitation(e) for e in emails]
        )
        key = f"{first}{second}"
        saved = select(GroupSession).where(GroupSession.form_key == key)
        if self.session.exec(saved).first() is None:
            create_group_session(self.dana, entered, key, None)

    def log_own(self, person: ServiceContext, _first: int, second: int) -> None:
        entry = Entry(
            person_id=id_of(person),
            activity="rsc",
            held_on=DAYS[second % 2],
            minutes=20,
            title="Own",
            provider_id=self.people[DANA],
        )
        self.session.add(entry)
        self.session.flush()
        self.own.add(entry.id)

    def confirm(self, person: ServiceContext, _first: int, second: int) -> None:
        if member_id := self.waiting(person, second):
            confirm_group_session(person, member_id, is_another=True)

    def link_own(self, person: ServiceContext, _first: int, second: int) -> None:
        member_id = self.waiting(person, second)
        request = member_id and find_confirmation_request(self.session, id_of(person), member_id)
        same = list_own_entries(self.session, id_of(person), request) if request else []
        if member_id and same:
            confirm_group_session(person, member_id, own_entry_id=same[0].id)

    def dispute(self, person: ServiceContext, _first: int, second: int) -> None:
        mine = select(GroupMember.id).where(GroupMember.person_id == person.actor.person_id)
        ids = self.session.exec(mine.order_by(col(GroupMember.id))).all()
        if ids:
            # A withdrawn session needs no answer.
            with suppress(Refused):
                dispute_group_session(person, ids[second % len(ids)], "no")

    def edit_entry(self, person: ServiceContext, _first: int, second: int) -> None:
        if (entry_id := self.entry(person, second)) is None:
            return
        stored = find_entry(self.session, id_of(person), entry_id)
        assert stored is not None
        content = EntryInput("rsc", DAYS[0], 5 + second, "Edited", stored.provider_id)
        update_entry(
            person, entry_id, content, version=entry_version(stored), confirmed=["5min", "4min"]
        )

    def delete_entry(self, person: ServiceContext, _first: int, second: int) -> None:
        if (entry_id := self.entry(person, second)) is not None:
            delete_entry(person, entry_id)
            self.own.discard(entry_id)

    def update(self, _person: ServiceContext, first: int, second: int) -> None:
        if group_session := self.group_session(first):
            entered = GroupSessionInput(DAYS[second % 2], 40 + second, "Corrected", [])
            confirmed = [day.isoformat() for day in DAYS]
            if group_session.withdrawn_at is None:
                update_group_session(self.dana, group_session.id, entered, confirmed)
            else:
                with pytest.raises(NotFound):
                    update_group_session(self.dana, group_session.id, entered, confirmed)

    def remove(self, _person: ServiceContext, first: int, second: int) -> None:
        group_session = self.group_session(first)
        if group_session and group_session.members:
            member = group_session.members[second % len(group_session.members)]
            if member.state != "confirmed":
                remove_member(self.dana, group_session.id, member.id)
            else:
                with pytest.raises(NotFound):
                    remove_member(self.dana, group_session.id, member.id)

    def withdraw(self, _person: ServiceContext, first: int, _second: int) -> None:
        if group_session := self.group_session(first):
            withdraw_group_session(self.dana, group_session.id)

    def group_session(self, number: int) -> GroupSession | None:
        found = list_group_sessions(self.session, self.people[DANA])
        return found[number % len(found)] if found else None

    def waiting(self, person: ServiceContext, number: int) -> int | None:
        found = list_confirmation_requests(self.session, id_of(person))
        return found[number % len(found)].member.id if found else None

    def entry(self, person: ServiceContext, number: int) -> int | None:
        mine = select(Entry.id).where(Entry.person_id == person.actor.person_id)
        ids = sorted(set(self.session.exec(mine)) - self.before)
        return ids[number % len(ids)] if ids else None

    def check(self) -> None:
        self.session.flush()
        self.session.expire_all()
        members = self.session.exec(select(GroupMember)).all()
        linked = [member.entry_id for member in members if member.entry_id is not None]
        assert len(linked) == len(set(linked))
        by_person: dict[tuple[int, int], list[GroupMember]] = {}
        for member in members:
            if member.person_id is not None:
                key = (member.group_session_id, member.person_id)
                by_person.setdefault(key, []).append(member)
        for key, of_one in by_person.items():
            entries = [member.entry_id for member in of_one if member.entry_id is not None]
            states = {member.state for member in of_one}
            # A person named once more is asked by that address, too.
            assert len(entries) == (1 if "confirmed" in states else 0), key
        assert self.entry_ids() == self.before | self.own | set(linked)
        total = select(func.coalesce(func.sum(Entry.minutes), 0))
        wanted = self.before | self.own | set(linked)
        assert (
            self.session.exec(total).one()
            == self.session.exec(total.where(col(Entry.id).in_(wanted))).one()
        )


def id_of(person: ServiceContext) -> int:
    assert person.actor.person_id is not None
    return person.actor.person_id


def test_any_actions_keep_one_entry_per_confirmation(
    sqlite_url: str,
) -> None:
    cast = fill(sqlite_url)

    @settings(max_examples=60)
    @given(moves=MOVES)
    def live(moves: list[tuple[str, int, int]]) -> None:
        with cast.engine.connect() as opened:
            connection = opened.execution_options(writes=True)
            outer = connection.begin()
            with Session(connection, expire_on_commit=False) as session:
                actions = GroupActions(session, cast.people)
                for action, first, second in moves:
                    person = actions.context(PEOPLE[first % len(PEOPLE)])
                    getattr(actions, action)(person, first, second)
                    actions.check()
            outer.rollback()

    live()
    cast.engine.dispose()
