"""The demo as it stands on one late November day, served; its mails are in the outbox."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from sqlalchemy import Engine

from tests.support.live_server import free_port, serving
from tracker.db.engine import open_engine
from tracker.db.migrate import migrate
from tracker.demo.people import create_cast
from tracker.demo.stage import Address, demo_settings, fill, list_logins
from tracker.demo.stories import add_made_up_rulebooks, load_stories
from tracker.jobs.runner import run_due
from tracker.notifications.context import open_context
from tracker.rulebooks import load_rulebooks
from tracker.settings import load_settings
from tracker.web.app import build_app
from tracker.web.dependencies import DemoLogin

DAY = date(2026, 11, 22)


@dataclass
class Shown:
    """The demo's page, the people it can be opened as, and its database."""

    url: str
    people: Sequence[DemoLogin]
    engine: Engine


@contextmanager
def open_demo(folder: Path, day: date = DAY) -> Iterator[Shown]:
    """Fill a database in ``folder``, run what is due on ``day`` at 18:00 UTC, and serve it."""
    url = f"sqlite:///{folder / 'demo.db'}"
    migrate(url)
    engine = open_engine(url)
    now = datetime.combine(day, time(18), UTC)
    settings = load_settings()
    folder_of_rules = settings.config_dir
    stories = load_stories(folder_of_rules)
    rulebooks = add_made_up_rulebooks(load_rulebooks(folder_of_rules), folder_of_rules)
    settings = demo_settings(settings, rulebooks, stories, Address("127.0.0.1", free_port(), 2525))
    context = open_context(settings, rulebooks, engine)
    cast = create_cast(rulebooks, stories, now)
    fill(context, engine, cast, folder)
    list(run_due(context, now, lambda: now))
    people = list_logins(settings, cast)
    app = build_app(settings, engine, rulebooks, demo_people=people, now=lambda: now)
    with serving(app, settings.base_url):
        yield Shown(settings.base_url, people, engine)
    engine.dispose()
