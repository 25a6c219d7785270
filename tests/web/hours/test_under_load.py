"""Many at once, and servers that are killed: nothing that was acknowledged is lost.

The long forms: `python -m tests.faults.kill_server`, `python -m tests.faults.many_writers`,
`python -m tests.faults.backups`; how fast it is: `make bench`.
"""

import os
from pathlib import Path

import pytest

from tests.bench.load import load
from tests.bench.stored import lost, wrongly_judged
from tests.bench.visits import populate, post_requests, served, year_requests
from tests.faults import backups, kill_server, many_writers
from tests.support.postgres import client_programs

pytestmark = pytest.mark.usefixtures("durable_sqlite")
CONNECTIONS = 32


def test_two_processes_answer_many_at_once_and_keep_all_that_they_acknowledge(
    database_url: str,
) -> None:
    visitors = populate(database_url, 48)
    with served("site", visitors, 2) as (port, _):
        posts = load(port, post_requests(visitors, 96), CONNECTIONS)
        years = load(port, year_requests(visitors, 32), CONNECTIONS)
    assert (posts.errors(303), years.errors(200)) == (0, 0)
    assert len(posts.locations) == 96
    assert lost(database_url, [posts]) == 0
    assert wrongly_judged(database_url, [*visitors.tokens]) == 0


def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(database_url: str) -> None:
    tally = kill_server.run(database_url, 2, 1)
    assert (tally.kills, tally.lost, tally.wrong) == (2, 0, 0)


def test_many_writers_at_once_refuse_nobody_and_lose_nothing(database_url: str) -> None:
    tally = many_writers.run(database_url, 32, 3)
    assert tally == many_writers.Tally(written=96)


def test_backups_under_load_each_restore_whole(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{client_programs()}{os.pathsep}{os.environ['PATH']}")
    tally = backups.run(database_url, tmp_path, 3, 60)
    assert (tally.backups, tally.lost, tally.wrong, tally.missing) == (3, 0, 0, 0)
    assert tally.acknowledged >= 60
    assert tally.files
