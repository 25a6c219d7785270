"""Any sequence of what coordinators do, undo, and let time pass over.

`TRACKER_TEST_EXAMPLES=500 python -m pytest tests/web/coordinator/test_any_desk_actions.py` runs the
long form.
"""

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, fill
from tests.web.client import WebClient, settle_all
from tests.web.coordinator.any_actions import AnyDesk
from tests.web.coordinator.desk_steps import day
from tests.web.coordinator.test_provider_names import NAMES, NEW, TARGET, VETTED
from tests.web.test_hostile_text import do_what_is_due

EXAMPLES = int(os.environ.get("TRACKER_TEST_EXAMPLES", "4"))
WHO = (ALICE, BOB, DANA)
HERE = "NCIMHA"
# Those in which somebody holds an endorsement.
RULEBOOKS = replace(
    BOOKS, associations={name: BOOKS.associations[name] for name in (HERE, "CT-AIMH")}
)


Step = Callable[[AnyDesk, int, int], None]


def _path(desk: AnyDesk, who: int) -> str:
    return f"/coordinator/person/{desk.web.cast.people[WHO[who]]}"


def _renewal(desk: AnyDesk, who: int) -> str:
    held = desk.web.cast.endorsements[(ALICE, BOB)[who % 2]]
    return f"endorsement={held}&cycle_starts_on=2026-01-01"


def waive(desk: AnyDesk, who: int, number: int) -> None:
    requirement = ("training.deia", "training", "rsc", "membership")[number % 4]
    path = f"{_path(desk, who % 2)}/add/waiver?{_renewal(desk, who)}"
    desk.save(HERE, path, {"requirement": requirement})


def extend(desk: AnyDesk, who: int, number: int) -> None:
    path = f"{_path(desk, who % 2)}/add/extension?{_renewal(desk, who)}"
    desk.save(HERE, path, day("ends", 1 + number % 12, 28, 2027))


def take_leave(desk: AnyDesk, who: int, number: int) -> None:
    path = f"{_path(desk, who % 2)}/add/leave?{_renewal(desk, who).partition('&')[0]}"
    starts = date(2026, 1, 15) + timedelta(days=30 * (number % 8))
    ends = starts + timedelta(days=90)
    typed = {**_days("starts", starts), **_days("ends", ends)}
    desk.save(HERE, path, typed)


def add_membership(desk: AnyDesk, who: int, number: int) -> None:
    typed = {"what": "NCIMHA", **day("starts", 1, 1, 2024 + number % 3)}
    typed |= day("ends", 12, 31, 2024 + number % 3)
    desk.save(HERE, f"{_path(desk, who)}/add/membership", typed)


def rename(desk: AnyDesk, who: int, number: int) -> None:
    desk.save(HERE, f"{_path(desk, who)}/change/name", {"name": f"Name {number}"})


def move_address(desk: AnyDesk, who: int, number: int) -> None:
    desk.save(HERE, f"{_path(desk, who)}/change/email", {"email": f"new{who}{number}@example.org"})


def change_degree(desk: AnyDesk, who: int, number: int) -> None:
    desk.save(
        HERE, f"{_path(desk, who)}/change/degree", {"degree": ("bachelor", "master")[number % 2]}
    )


def redate(desk: AnyDesk, who: int, number: int) -> None:
    held = desk.web.cast.endorsements[(ALICE, BOB)[who % 2]]
    typed = day("starts", 1 + number % 12, 1, 2023 + number % 4)
    desk.save(HERE, f"{_path(desk, who % 2)}/change/endorsement/{held}", typed)


def end_vetting(desk: AnyDesk, _who: int, number: int) -> None:
    typed = {**day("starts", 1, 1, 2020), **day("ends", 1 + number % 12, 1, 2026)}
    for row in desk.web.cast.rows("vetting"):
        desk.save(HERE, f"{_path(desk, 2)}/change/vetting/{row['id']}", typed)


def remove(desk: AnyDesk, who: int, number: int) -> None:
    kind = ("membership", "waiver", "leave", "endorsement", "vetting")[number % 5]
    person = desk.web.cast.people[WHO[who]]
    own = {row["id"] for row in desk.web.cast.rows("endorsement", person_id=person)}
    for row in desk.web.cast.rows(kind):
        if row.get("person_id") == person or row.get("endorsement_id") in own:
            desk.save(HERE, f"{_path(desk, who)}/remove/{kind}/{row['id']}", {})
            return


def review_session(desk: AnyDesk, who: int, number: int) -> None:
    own = desk.web.cast.rows("entry", person_id=desk.web.cast.people[WHO[who]])
    action = ("exclude", "remove", "include")[number % 3]
    if own:
        path = f"{_path(desk, who)}/entries/{own[number % len(own)]['id']}"
        desk.save(HERE, path, {"action": action, f"{action}_reason": "It was canceled"})


def answer_name(desk: AnyDesk, _who: int, number: int) -> None:
    if number % 3 == 0:
        desk.save(HERE, f"{NAMES}/decline", {**TARGET, "reason": "Jo left the field"})
    elif number % 3 == 1:
        desk.save(HERE, f"{NAMES}/confirm", {**TARGET, **NEW, **VETTED})
    else:
        known = {"who": str(desk.web.cast.people[DANA]), "record": "nothing"}
        desk.save(HERE, f"{NAMES}/confirm", {**TARGET, **known})


def waive_for_many(desk: AnyDesk, _who: int, number: int) -> None:
    listed = "/coordinator/people"
    keys = re.findall(r'name="row" value="([\w-]+)"', desk.coordinator(HERE).get(listed).text)
    chosen = {"action": "waive", "row": keys[: 1 + number % 3]}
    pressed = desk.coordinator(HERE).post(listed, chosen)
    if pressed.status_code == 303:
        desk.save(HERE, pressed.headers["location"], {"requirement": "training.deia"})


def undo_one(desk: AnyDesk, _who: int, number: int) -> None:
    numbers = [row["id"] for row in desk.web.cast.rows("desk_change") if row["undone_at"] is None]
    if numbers:
        desk.undo(HERE, numbers[-1 - number % len(numbers)])


def let_time_pass(desk: AnyDesk, _who: int, number: int) -> None:
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
    borrow_database: Callable[[], AbstractContextManager[str]],
    steps: list[tuple[Step, int, int]],
) -> None:
    with borrow_database() as url:
        cast = fill(url)
        desk = AnyDesk(WebClient(cast, rulebooks=RULEBOOKS), {HERE: CAROL})
        for act, who, number in steps:
            act(desk, who, number)
            desk.web.settle()
            desk.check_standings()
        settle_all()
        cast.engine.dispose()
