"""Any sequence of what coordinators do, undo, and let time pass over.

`TRACKER_TEST_EXAMPLES=500 python -m pytest tests/web/coordinator/test_any_desk_actions.py` runs the
long form.
"""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.support.cast import ALICE, BOB, CAROL, DANA, fill
from tests.support.databases import copy_sqlite
from tests.web.client import Visitor, WebClient, settle_all
from tests.web.coordinator.desk_steps import day
from tests.web.coordinator.test_provider_names import NAMES, NEW, TARGET, VETTED
from tests.web.test_hostile_text import do_what_is_due
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people

# What coordinators record; everything else is worked out, sent, or kept about that.
FACTS = (
    "person",
    "endorsement",
    "membership",
    "vetting",
    "leave",
    "waiver",
    "renewal",
    "entry",
    "entry_decision",
    "declined_provider",
    "outside_endorsement",
    "person_mark",
)
# Says when, not what.
NOT_COMPARED = {"standing": {"judged_on"}, "person": {"email_refused_at"}}
EXAMPLES = int(os.environ.get("TRACKER_TEST_EXAMPLES", "6"))
WHO = (ALICE, BOB, DANA)
Rows = dict[str, dict[str, Any]]


@dataclass
class Desk:
    """The desk of one association, with what was on record before each change that was saved."""

    web: WebClient
    carol: Visitor = field(init=False)
    before: dict[int, Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.carol = self.web.visit(CAROL)

    def rows(self, tables: tuple[str, ...] = FACTS) -> Rows:
        """Rows by table and primary key, as changes name them."""
        found = {}
        with writing(self.web.cast.engine) as session:
            for name in tables:
                table = METADATA.tables[name]
                for row in session.connection().execute(select(table)).mappings():
                    keys = [str(row[column.name]) for column in table.primary_key]
                    skipped = NOT_COMPARED.get(name, set())
                    values = {key: value for key, value in row.items() if key not in skipped}
                    found[":".join([name, *keys])] = values
        return found

    def count_events(self) -> Counter[str]:
        events = self.web.cast.rows("audit_event")
        return Counter(f"{event['table_name']}:{event['row_id']}" for event in events)

    def save(self, path: str, typed: dict[str, Any]) -> None:
        """Fill in a form, look at its preview, and save it, if it may be saved."""
        before, events = self.rows(), self.count_events()
        saved = {row["id"] for row in self.web.cast.rows("desk_change")}
        shown = self.carol.post(path, {"reason": "A phone call", **typed})
        assert self.rows() == before
        assert shown.status_code in {200, 303, 404, 422}, shown.text
        # A preview for many people can have nothing to save.
        if 'name="confirmed"' in shown.text:
            kept = dict(re.findall(r'type="hidden" name="([\w-]+)" value="([^"]*)"', shown.text))
            answer = self.carol.post(path, {**kept, "confirmed": "yes"})
            assert answer.status_code == 303, answer.text
            made = {row["id"] for row in self.web.cast.rows("desk_change")} - saved
            for number in made:
                self.before[number] = before
            self.check_events(before, events)

    def check_events(self, before: Rows, events: Counter[str]) -> None:
        """One audit event for each row that changed, and none for the others."""
        after = self.rows()
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        new = self.count_events() - events
        of_facts = {key: n for key, n in new.items() if key.partition(":")[0] in FACTS}
        assert of_facts == {key: 1 for key in changed if len(key.split(":")) == 2}

    def undo(self, number: int) -> None:
        """Undo a change: its rows are as before, or as they were if they changed since."""
        before_undo = self.rows()
        answer = self.carol.post(f"/coordinator/changes/{number}/undo")
        assert answer.status_code in {303, 422}, answer.text
        after = self.rows()
        for row in self.web.cast.rows("changed_row", change_id=number):
            key = row["row_key"]
            if key.partition(":")[0] in FACTS:
                known = self.before[number] if row["outcome"] == "reversed" else before_undo
                assert after.get(key) == known.get(key), (key, row["note"])

    def check_standings(self) -> None:
        """Standings are what a fresh evaluation of everyone makes of the records."""
        stored = self.rows(("standing",))
        with writing(self.web.cast.engine) as session:
            everyone = list(session.connection().scalars(select(METADATA.tables["person"].c.id)))
            evaluate_people(session, self.web.rulebooks, everyone, self.web.now)
        assert self.rows(("standing",)) == stored


Step = Callable[[Desk, int, int], None]


def _path(desk: Desk, who: int) -> str:
    return f"/coordinator/person/{desk.web.cast.people[WHO[who]]}"


def _renewal(desk: Desk, who: int) -> str:
    held = desk.web.cast.endorsements[(ALICE, BOB)[who % 2]]
    return f"endorsement={held}&cycle_starts_on=2026-01-01"


def waive(desk: Desk, who: int, number: int) -> None:
    requirement = ("training.deia", "training", "rsc", "membership")[number % 4]
    path = f"{_path(desk, who % 2)}/add/waiver?{_renewal(desk, who)}"
    desk.save(path, {"requirement": requirement})


def extend(desk: Desk, who: int, number: int) -> None:
    path = f"{_path(desk, who % 2)}/add/extension?{_renewal(desk, who)}"
    desk.save(path, day("ends", 1 + number % 12, 28, 2027))


def take_leave(desk: Desk, who: int, number: int) -> None:
    path = f"{_path(desk, who % 2)}/add/leave?{_renewal(desk, who).partition('&')[0]}"
    starts = date(2026, 1, 15) + timedelta(days=30 * (number % 8))
    ends = starts + timedelta(days=90)
    typed = {**_days("starts", starts), **_days("ends", ends)}
    desk.save(path, typed)


def add_membership(desk: Desk, who: int, number: int) -> None:
    typed = {"what": "NCIMHA", **day("starts", 1, 1, 2024 + number % 3)}
    typed |= day("ends", 12, 31, 2024 + number % 3)
    desk.save(f"{_path(desk, who)}/add/membership", typed)


def rename(desk: Desk, who: int, number: int) -> None:
    desk.save(f"{_path(desk, who)}/change/name", {"name": f"Name {number}"})


def move_address(desk: Desk, who: int, number: int) -> None:
    desk.save(f"{_path(desk, who)}/change/email", {"email": f"new{who}{number}@example.org"})


def change_degree(desk: Desk, who: int, number: int) -> None:
    desk.save(f"{_path(desk, who)}/change/degree", {"degree": ("bachelor", "master")[number % 2]})


def redate(desk: Desk, who: int, number: int) -> None:
    held = desk.web.cast.endorsements[(ALICE, BOB)[who % 2]]
    typed = day("starts", 1 + number % 12, 1, 2023 + number % 4)
    desk.save(f"{_path(desk, who % 2)}/change/endorsement/{held}", typed)


def end_vetting(desk: Desk, _who: int, number: int) -> None:
    typed = {**day("starts", 1, 1, 2020), **day("ends", 1 + number % 12, 1, 2026)}
    for row in desk.web.cast.rows("vetting"):
        desk.save(f"{_path(desk, 2)}/change/vetting/{row['id']}", typed)


def remove(desk: Desk, who: int, number: int) -> None:
    kind = ("membership", "waiver", "leave", "endorsement", "vetting")[number % 5]
    person = desk.web.cast.people[WHO[who]]
    own = {row["id"] for row in desk.web.cast.rows("endorsement", person_id=person)}
    for row in desk.web.cast.rows(kind):
        if row.get("person_id") == person or row.get("endorsement_id") in own:
            desk.save(f"{_path(desk, who)}/remove/{kind}/{row['id']}", {})
            return


def review_session(desk: Desk, who: int, number: int) -> None:
    own = desk.web.cast.rows("entry", person_id=desk.web.cast.people[WHO[who]])
    action = ("exclude", "remove", "include")[number % 3]
    if own:
        path = f"{_path(desk, who)}/entries/{own[number % len(own)]['id']}"
        desk.save(path, {"action": action, f"{action}_reason": "It was canceled"})


def answer_name(desk: Desk, _who: int, number: int) -> None:
    if number % 3 == 0:
        desk.save(f"{NAMES}/decline", {**TARGET, "reason": "Jo left the field"})
    elif number % 3 == 1:
        desk.save(f"{NAMES}/confirm", {**TARGET, **NEW, **VETTED})
    else:
        known = {"who": str(desk.web.cast.people[DANA]), "record": "nothing"}
        desk.save(f"{NAMES}/confirm", {**TARGET, **known})


def waive_for_many(desk: Desk, _who: int, number: int) -> None:
    listed = "/coordinator/people"
    keys = re.findall(r'name="row" value="([\w-]+)"', desk.carol.get(listed).text)
    chosen = {"action": "waive", "row": keys[: 1 + number % 3]}
    pressed = desk.carol.post(listed, chosen)
    if pressed.status_code == 303:
        desk.save(pressed.headers["location"], {"requirement": "training.deia"})


def undo_one(desk: Desk, _who: int, number: int) -> None:
    numbers = [row["id"] for row in desk.web.cast.rows("desk_change") if row["undone_at"] is None]
    if numbers:
        desk.undo(numbers[-1 - number % len(numbers)])


def let_time_pass(desk: Desk, _who: int, number: int) -> None:
    desk.web.pass_time(days=1 + number)
    do_what_is_due(desk.web)


def _days(prefix: str, value: date) -> dict[str, str]:
    return day(prefix, value.month, value.day, value.year)


STEPS: tuple[Step, ...] = (
    waive,
    extend,
    take_leave,
    add_membership,
    rename,
    move_address,
    change_degree,
    redate,
    end_vetting,
    remove,
    review_session,
    answer_name,
    waive_for_many,
    undo_one,
    undo_one,
    let_time_pass,
)


@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(0, 20)), max_size=9)
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_actions_keep_standings_fresh_and_undo_exactly(
    migrated_sqlite: Path, steps: list[tuple[Step, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cast = fill(copy_sqlite(migrated_sqlite, Path(folder)))
        desk = Desk(WebClient(cast))
        for act, who, number in steps:
            act(desk, who, number)
            desk.web.settle()
            desk.check_standings()
        settle_all()
        cast.engine.dispose()
