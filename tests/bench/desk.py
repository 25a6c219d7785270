"""The coordinator's desk: server time and size of each page, beside its floor.

The floor of a page is what it can't do without: its own SQL statements, sent by the bare driver,
and its own template, rendered from facts that are there already. `python -m tests.bench.desk URL`
measures the pages on a database that `tests.bench.desk_population` filled.
"""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import GeneratorType
from typing import Any, NamedTuple
from unittest.mock import patch

from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

from tests.bench.desk_population import EVENTS, LONG_TIMELINE, fill_desk
from tests.bench.measuring import write
from tests.bench.population import ASSOCIATION
from tests.bench.work import CONFIG, NIGHT
from tests.support.cast import CAROL
from tracker.db.engine import open_engine, writing
from tracker.rulebooks import load_rulebooks
from tracker.services.browser_sessions import create_browser_session
from tracker.settings import Coordinator, Settings
from tracker.web.app import build_app, collect_garbage_rarely

_MODULE = "tests.bench.desk"
_SIZES = (1_000, 4_000)
# Milliseconds of server time to hold, by size, and kilobytes of any page.
_HOLD = {1_000: 100, 4_000: 200}
_HOLD_SIZE = 80
_ROUNDS = 7
_READS = ("SELECT", "WITH")
_PAGES = {
    "today": "/coordinator",
    "people": "/coordinator/people",
    "people, by RSC provider": "/coordinator/people?q=Person+1",
    "a person": f"/coordinator/person/{LONG_TIMELINE}",
    f"a timeline of {EVENTS:,} events": f"/coordinator/person/{LONG_TIMELINE}/timeline",
    "RSC providers": "/coordinator/providers",
    "names to confirm": "/coordinator/providers/names",
    "an email, its form": "/coordinator/mail/new",
    "the plan of an import": "/coordinator/import/{plan_id}",
    "rules": "/coordinator/rules",
    "report": "/coordinator/reports",
    "year-end": "/coordinator/reports/year-end",
    "changes": "/coordinator/changes",
    "a change of everybody": "/coordinator/changes/1",
}


class PageFigure(NamedTuple):
    """Milliseconds of processor and of clock time, kilobytes, statements, and the floor's ms."""

    name: str
    cpu: float
    wall: float
    size: float
    statements: int
    floor: float


def measure_desk(urls: Iterator[str]) -> None:
    """Print the figures of all pages with 1,000 and with 4,000 people."""
    for people in _SIZES:
        url = next(urls)
        name = make_url(url).get_backend_name()
        write(f"\n{name}: the desk of {people:,} endorsees (hold {_HOLD[people]} ms, 80 kB)")
        plan_id = fill_desk(url, people)
        command = [sys.executable, "-m", _MODULE, url, str(plan_id)]
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
        for values in json.loads(finished.stdout.splitlines()[-1]):
            _say(PageFigure(*values), _HOLD[people])


def _say(figure: PageFigure, hold: int) -> None:
    # On PostgreSQL part of the work is done by the server, which only the clock sees.
    over = "OVER" if figure.cpu > hold or figure.size > _HOLD_SIZE else "kept"
    line = (
        f"  {figure.name:<32}{figure.cpu:7.0f} ms CPU {figure.wall:7.0f} ms  {figure.size:5.0f} kB "
        f"{figure.statements:4} SQL  {figure.cpu / figure.floor:5.1f} x floor  {over}"
    )
    write(line)


class _Records:
    """What a page sent to the database, and what it rendered."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []
        self.templates: list[tuple[str, dict[str, Any]]] = []

    @contextmanager
    def watch(self, engine: Engine, pages: Any) -> Iterator[None]:  # noqa: ANN401 - of the site
        """Record until the block ends."""
        render = pages.render_text

        def note(_conn: object, _cursor: object, statement: str, values: Any, *_: object) -> None:  # noqa: ANN401 - as the driver has them
            if statement.startswith(_READS):
                self.statements.append((statement, values))

        def keep(template: str, **facts: Any) -> str:  # noqa: ANN401 - what a template prints
            kept = {
                name: list(fact) if isinstance(fact, GeneratorType) else fact
                for name, fact in facts.items()
            }
            self.templates.append((template, kept))
            return str(render(template, **kept))

        event.listen(engine, "before_cursor_execute", note)
        try:
            with patch.object(pages, "render_text", keep):
                yield
        finally:
            event.remove(engine, "before_cursor_execute", note)

    def repeat(self, engine: Engine, pages: Any) -> None:  # noqa: ANN401 - of the site
        """The floor: the bare statements and templates."""
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            for statement, values in self.statements:
                cursor.execute(statement, values)
                cursor.fetchall()
            connection.rollback()
        finally:
            connection.close()
        for template, facts in self.templates:
            pages.render_text(template, **facts)


def measure_each_page(url: str, plan_id: int) -> list[PageFigure]:
    """The figures of every page, each visited often enough."""
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)
    coordinator = Coordinator(email=CAROL, name="Carol Reyes", association=ASSOCIATION)
    settings = Settings(
        database_url=url,
        base_url="http://testserver",
        config_dir=CONFIG,
        coordinators=(coordinator,),
    )
    with writing(engine) as session:
        token = create_browser_session(session, CAROL, NIGHT)
    app = build_app(settings, engine, rulebooks, now=lambda: NIGHT)
    collect_garbage_rarely()
    pages, figures = app.state.site.pages, []
    with TestClient(app) as client:
        client.cookies.set("session", token)
        for name, path in _PAGES.items():
            address = path.format(plan_id=plan_id)
            client.get(address)  # fills caches, and notes that somebody was here
            records = _Records()
            with records.watch(engine, pages):
                answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)
            cpu, wall = _time(partial(client.get, address))
            floor, _ = _time(partial(records.repeat, engine, pages))
            size, count = len(answer.content) / 1_000, len(records.statements)
            figures.append(PageFigure(name, cpu, wall, size, count, floor))
    return figures


def _time(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of processor and of clock time, the median of some rounds each."""
    cpu, wall = [], []
    for _ in range(_ROUNDS):
        gc.collect()
        start, began = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - start)
        wall.append(time.perf_counter() - began)
    return 1_000 * statistics.median(cpu), 1_000 * statistics.median(wall)


if __name__ == "__main__":
    _, url_, plan_id_ = sys.argv
    sys.stdout.write(json.dumps(measure_each_page(url_, int(plan_id_))) + "\n")
