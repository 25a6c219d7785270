"""What a plan says is what happens: whatever the list holds, whoever dies or is faster."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.importer.uploads import Desk, Table, as_csv, as_workbook
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, fill
from tests.support.databases import copy_sqlite
from tests.support.dying import KILLED
from tracker.importer.plans import decide_addresses, discard_import, start_applying, start_undoing
from tracker.importer.same_address import SameAddress
from tracker.services.context import Refused

HEADING = ["Name", "E-mail", "Endorsement", "Date endorsed"]
MEMBERS = ["Email", "Member since", "Membership expires"]
TRAININGS = ["Email", "Date", "Hours", "Training title"]
ROSTER = [
    HEADING,
    ["Zoe Hart", "zoe@example.org", "IFS", "2024-03-14"],
    ["Yan Li", "yan@example.org", "IFA", "2025-05-06"],
]
TABLES = {"people": "person", "endorsements": "endorsement", "memberships": "membership"}

emails = st.sampled_from(
    [ALICE, BOB, ERIN, DANA, EVE, "zoe@example.org", "Yan@Example.org", "nobody", ""]
)
names = st.sampled_from(["Alice Moreno", "Alicia Moreno", "Bob Osei", "Zoe Hart", "Li", "", "=1"])
days = st.sampled_from(
    ["2024-03-01", "3/14/2024", "1/31/2026", "2026-12-31", "March 3, 2025", "45000", "soon", ""]
)
categories = st.sampled_from(["IFS", "Infant Family Specialist", "ifa", "IMHM-C"])
hours = st.sampled_from(["1", "1.5", "30", "0", "x", ""])
rosters = st.lists(st.tuples(names, emails, categories, days), min_size=1, max_size=8)
members = st.lists(st.tuples(emails, days, days), min_size=1, max_size=6)
trainings = st.lists(
    st.tuples(emails, days, hours, st.sampled_from(["Talk", "Course"])), min_size=1, max_size=6
)
# Few addresses and days, so that many rows contradict each other.
few_emails = st.sampled_from([ALICE, "zoe@example.org", "Zoe@Example.org"])
few_days = st.sampled_from(["2024-03-01", "2025-03-01"])
doubles = st.lists(
    st.tuples(
        names, few_emails, categories, few_days,
        st.sampled_from(["", "2026-03-01"]), st.sampled_from(["", "master", "none"]),
    ),
    min_size=2,
    max_size=6,
)  # fmt: skip
terms_of_doubles = st.lists(
    st.tuples(few_emails, few_days, st.sampled_from(["2025-12-31", "2026-12-31"])), max_size=4
)
choices = st.lists(
    st.sampled_from(["one:0", "one:1", "shared:0", "shared:1", "only:0", "only:1", ""]),
    min_size=1,
    max_size=3,
)
own_addresses = st.lists(
    st.sampled_from(["", "own@example.org", "second@example.org", BOB]), max_size=3
)


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    cast = fill(database_url)
    yield Desk(cast)
    cast.engine.dispose()


@pytest.fixture(scope="module")
def shared_desk(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One for many examples, each of which undoes what it did."""
    cast = fill(copy_sqlite(migrated_sqlite, tmp_path_factory.mktemp("desk")))
    yield Desk(cast)
    cast.engine.dispose()


def choose(desk: Desk, plan_id: int, choices: Sequence[str], own: Sequence[str]) -> None:
    """Choose for the rows with one address, in turn; ``own`` are addresses by version."""
    found = [SameAddress.from_stored(each) for each in desk.summary(plan_id).same_addresses]
    if not found or not choices:
        return
    chosen = {same.key: choice for same, choice in zip(found, cycle(choices), strict=False)}
    fields = {same.field_of(number): email for same in found for number, email in enumerate(own)}
    desk.do(decide_addresses, plan_id, chosen, fields)
    desk.run(plan_id)


def check_plan_equals_result(
    desk: Desk, name: str, data: bytes, choices: Sequence[str] = (), own: Sequence[str] = ()
) -> None:
    before = desk.restored()
    plan_id = desk.upload((name, data))
    choose(desk, plan_id, choices, own)
    assert desk.state(plan_id) == ("planned", "")
    assert desk.restored() == before
    counts = desk.summary(plan_id).counts
    planned = desk.outcomes(plan_id)
    desk.apply(plan_id)
    assert desk.state(plan_id) == ("applied", "")
    assert desk.outcomes(plan_id) == planned
    after = desk.restored()
    for kind, table in TABLES.items():
        added = counts.get(kind, {}).get("added", 0)
        assert len(after[table]) - len(before[table]) == added
        stored = {row["id"]: row for row in before[table]}
        changed = [row for row in after[table] if stored.get(row["id"], row) != row]
        assert len(changed) <= counts.get(kind, {}).get("changed", 0)
    # The same list once more has nothing left to do.
    again = desk.upload((name, data))
    choose(desk, again, choices, own)
    assert {outcome for *_, outcome in desk.outcomes(again)} <= {"unchanged", "refused"}
    refused = [row for row in planned if row[2] == "refused"]
    assert [row for row in desk.outcomes(again) if row[2] == "refused"] == refused
    desk.do(discard_import, again)
    desk.undo(plan_id)
    assert desk.state(plan_id) == ("undone", "")
    assert desk.restored() == before


SOME = settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)


@SOME
@given(rosters)
def test_a_plan_of_any_csv_equals_its_result(shared_desk: Desk, rows: Table) -> None:
    check_plan_equals_result(shared_desk, "roster.csv", as_csv([HEADING, *rows]))


@SOME
@given(rosters, members, trainings)
def test_a_plan_of_any_workbook_equals_its_result(
    shared_desk: Desk, roster: Table, terms: Table, sessions: Table
) -> None:
    data = as_workbook(
        Endorsees=[HEADING, *roster],
        Members=[MEMBERS, *terms],
        Trainings=[TRAININGS, *sessions],
    )
    check_plan_equals_result(shared_desk, "lists.xlsx", data)


@SOME
@given(doubles, terms_of_doubles, choices, own_addresses)
def test_a_plan_with_chosen_rows_equals_its_result(
    shared_desk: Desk, roster: Table, terms: Table, chosen: list[str], own: list[str]
) -> None:
    data = as_workbook(
        Endorsees=[[*HEADING, "Endorsement ends", "Highest degree"], *roster],
        Members=[MEMBERS, *terms],
    )
    check_plan_equals_result(shared_desk, "lists.xlsx", data, chosen, own)


@pytest.mark.parametrize("statements", [2, 30, 60])
def test_an_import_survives_a_process_that_dies(desk: Desk, statements: int) -> None:
    plan_id = desk.upload(("roster.csv", as_csv(ROSTER)))
    before = desk.restored()
    desk.do(start_applying, plan_id)
    arguments = [desk.cast.url, str(plan_id), str(statements)]
    dying = [sys.executable, "-m", "tests.importer.dying_import", *arguments]
    assert subprocess.run(dying, check=False).returncode == KILLED
    assert desk.state(plan_id) == ("applying", "")
    assert desk.restored() == before
    # PostgreSQL notices a moment later that the process is gone; until then the import is locked,
    # and each tick leaves it to the next one.
    for _ in range(2_000):
        assert desk.runner.run_waiting(NOW) == 1
        if desk.state(plan_id) != ("applying", ""):
            break
    assert desk.state(plan_id) == ("applied", "")
    assert len(desk.cast.rows("endorsement")) == len(before["endorsement"]) + 2
    assert desk.runner.run_waiting(NOW) == 0


def test_a_plan_that_is_outdated_changes_nothing(desk: Desk) -> None:
    first = desk.upload(("roster.csv", as_csv(ROSTER)))
    second = desk.upload(("roster.csv", as_csv(ROSTER)))
    desk.apply(first)
    before = desk.restored()
    desk.apply(second)
    state, problem = desk.state(second)
    assert (state, "Records changed since this plan was made" in problem) == ("planned", True)
    assert desk.restored() == before


@pytest.mark.parametrize(
    "first",
    [
        ["Carla Reyes", ALICE, "IFA", "2024-03-14"],
        ["Zoe Hart", "zoe@example.org", "IFA", "2024-03-14"],
        ["Carla Reyes", ERIN, "IFA", "2024-03-14"],
    ],
)
def test_nobody_gets_an_endorsement_of_another_person(desk: Desk, first: list[str]) -> None:
    second = ["Carla Reyes", first[1], "IMHS", "2025-03-14"]
    plan_id = desk.upload(("roster.csv", as_csv([HEADING, first, second])))
    before = {row["id"] for row in desk.cast.rows("endorsement")}
    desk.apply(plan_id)
    added = [row for row in desk.cast.rows("endorsement") if row["id"] not in before]
    assert [row["category"] for row in added] == (["IFA"] if first[0] == "Zoe Hart" else [])


def test_two_coordinators_apply_a_plan_once(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv(ROSTER)))
    desk.do(start_applying, plan_id)
    desk.do(start_applying, plan_id)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(desk.run, [plan_id, plan_id]))
    assert desk.state(plan_id) == ("applied", "")
    assert len(desk.cast.rows("desk_change")) == 1
    assert len([row for row in desk.cast.rows("person") if row["name"] == "Zoe Hart"]) == 1


def test_what_one_coordinator_applies_the_other_cannot_discard(desk: Desk) -> None:
    plan_id = desk.upload(("roster.csv", as_csv(ROSTER)))
    desk.do(start_applying, plan_id)
    for service in (discard_import, start_undoing):
        with pytest.raises(Refused):
            desk.do(service, plan_id)
    desk.run(plan_id)
    assert desk.state(plan_id) == ("applied", "")


def test_each_added_record_has_one_audit_event(desk: Desk) -> None:
    before = len(desk.cast.rows("audit_event"))
    plan_id = desk.upload(("roster.csv", as_csv(ROSTER)))
    assert len(desk.cast.rows("audit_event")) == before
    desk.apply(plan_id)
    events = [(row["table_name"], row["row_id"]) for row in desk.cast.rows("audit_event")[before:]]
    own = [event for event in events if event[0] in {"person", "endorsement"}]
    assert len(own) == len(set(own)) == 4
