"""`tracker check`: looks at everything that must be right before mail can leave by itself."""

import asyncio
import sys
from collections import Counter

import typer

from tracker import clock
from tracker.checks.configuration import check_settings
from tracker.checks.contents import check_contents
from tracker.checks.database import check_database
from tracker.checks.evidence import check_evidence
from tracker.checks.finding import Fact, Finding, Findings, Level, problem
from tracker.checks.mail import check_mail
from tracker.checks.rules import check_rules, check_wrong_rules
from tracker.failures.explaining import explain
from tracker.notice_settings import load_notice_config
from tracker.records.store.engine import open_engine, reading
from tracker.rulebooks import Rulebooks, RulebooksWrong, load_rulebooks
from tracker.settings import Settings, load_settings


def run(send_test_mail: str | None) -> None:
    """Print facts and findings as they come; exit code 1 if one of them is a problem."""
    levels: Counter[Level] = Counter()
    for found in look(send_test_mail):
        sys.stdout.write(_line(found))
        sys.stdout.flush()
        if isinstance(found, Finding):
            levels[found.level] += 1
    told = [_count(levels[level], level) for level in (Level.PROBLEM, Level.WARNING)]
    sys.stdout.write(f"\n{', '.join(told)}.\n")
    if levels[Level.PROBLEM]:
        raise typer.Exit(1)


def look(send_test_mail: str | None) -> Findings:
    """All facts and findings; what rests on something broken is left out."""
    try:
        settings = load_settings()
    except Exception as error:  # noqa: BLE001 - explain raises again what it does not know
        yield problem("T101", explain(error).strip(), "Nothing else can be looked at before.")
        return
    yield from check_settings(settings)
    books = _load_books(settings)
    yield from _look_at_rules(settings, books)
    url = settings.database_url.get_secret_value()
    usable = yield from check_database(url)
    if usable and isinstance(books, Rulebooks):
        yield from _look_inside(url, books, settings)
    yield from asyncio.run(check_mail(settings, send_test_mail, clock.now()))


def _load_books(settings: Settings) -> Rulebooks | RulebooksWrong:
    try:
        return load_rulebooks(settings.config_dir)
    except RulebooksWrong as wrong:
        return wrong


def _look_at_rules(settings: Settings, books: Rulebooks | RulebooksWrong) -> Findings:
    if isinstance(books, RulebooksWrong):
        yield from check_wrong_rules(books)
    else:
        yield from check_rules(books, settings, clock.now())
    try:
        load_notice_config(settings.config_dir)
    except RulebooksWrong as wrong:
        yield from check_wrong_rules(wrong)


def _look_inside(url: str, books: Rulebooks, settings: Settings) -> Findings:
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            yield from check_contents(connection, books, settings, clock.now())
            yield from check_evidence(connection, settings)
    finally:
        engine.dispose()


def _line(found: Finding | Fact) -> str:
    if isinstance(found, Fact):
        return f"ok       {found.message}\n"
    message = found.message.replace("\n", "\n         ")
    return f"{found.level:<8} {found.id} {message}\n         Hint: {found.hint}\n"


def _count(number: int, level: Level) -> str:
    return f"{number} {level}" if number == 1 else f"{number} {level}s"
