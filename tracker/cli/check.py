"""`tracker check`: looks at everything that must be right before mail can leave by itself."""

import asyncio
import sys
from collections import Counter

import typer

from tracker import clock
from tracker.checks.contents import check_contents, check_rules, check_wrong_rules
from tracker.checks.environment import (
    Fact,
    Finding,
    Findings,
    Level,
    check_database,
    check_evidence,
    check_settings,
    problem,
)
from tracker.checks.mail import check_mail
from tracker.db.engine import open_engine, reading
from tracker.errors import UserError
from tracker.rulebooks import Rulebooks, RulebooksWrong, load_notice_config, load_rulebooks
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
    except UserError as error:
        hint = "Correct the settings. Nothing else can be checked before that."
        yield problem("T101", f"{error.heading}\n{error}", hint)
        return
    yield from check_settings(settings)
    rulebooks = _load_books(settings)
    yield from _look_at_rules(settings, rulebooks)
    url = settings.database_url.get_secret_value()
    usable = yield from check_database(url)
    if usable and isinstance(rulebooks, Rulebooks):
        yield from _look_inside(url, rulebooks, settings)
    yield from asyncio.run(check_mail(settings, send_test_mail, clock.now()))


def _load_books(settings: Settings) -> Rulebooks | RulebooksWrong:
    try:
        return load_rulebooks(settings.config_dir)
    except RulebooksWrong as wrong:
        return wrong


def _look_at_rules(settings: Settings, rulebooks: Rulebooks | RulebooksWrong) -> Findings:
    if isinstance(rulebooks, RulebooksWrong):
        yield from check_wrong_rules(rulebooks)
    else:
        yield from check_rules(rulebooks, settings, clock.now())
    try:
        load_notice_config(settings.config_dir)
    except RulebooksWrong as wrong:
        yield from check_wrong_rules(wrong)


def _look_inside(url: str, rulebooks: Rulebooks, settings: Settings) -> Findings:
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            yield from check_contents(session, rulebooks, settings, clock.now())
            yield from check_evidence(session, settings)
    finally:
        engine.dispose()


def _line(found: Finding | Fact) -> str:
    if isinstance(found, Fact):
        return f"ok       {found.message}\n"
    message = found.message.replace("\n", "\n         ")
    return f"{found.level:<8} {found.id} {message}\n         Hint: {found.hint}\n"


def _count(number: int, level: Level) -> str:
    return f"{number} {level}" if number == 1 else f"{number} {level}s"
