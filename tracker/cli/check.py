"""`tracker check`: everything that must be right before mail can be sent automatically."""

import asyncio
import sys
from collections import Counter

import typer

from tracker import clock
from tracker.checks.contents import (
    check_contents,
    check_notices,
    check_rules,
    list_rule_errors,
)
from tracker.checks.drills import check_drills
from tracker.checks.environment import (
    Fact,
    Findings,
    Level,
    check_address,
    check_database,
    check_evidence,
    check_folder,
    check_key,
    check_variables,
    problem,
    warning,
)
from tracker.checks.mail import check_mail, check_mailbox
from tracker.cli.context import open_database
from tracker.db.engine import reading
from tracker.errors import UserError
from tracker.formatting import format_count
from tracker.rulebooks import RulebookError, load_rulebooks
from tracker.settings import Settings, SettingsError, load_settings


def run(send_test_mail: str | None) -> None:
    """Print facts and findings as they come. Exit code 1 if one of them is a problem."""
    levels: Counter[Level] = Counter()
    for finding in run_checks(send_test_mail):
        if isinstance(finding, Fact):
            sys.stdout.write(f"ok       {finding.message}\n")
        else:
            levels[finding.level] += 1
            message = finding.message.replace("\n", "\n         ")
            sys.stdout.write(f"{finding.level:<8} {finding.id} {message}\n")
            sys.stdout.write(f"         Hint: {finding.hint}\n")
        sys.stdout.flush()
    problems = format_count(levels[Level.PROBLEM], "problem")
    sys.stdout.write(f"\n{problems}, {format_count(levels[Level.WARNING], 'warning')}.\n")
    if levels[Level.PROBLEM]:
        raise typer.Exit(1)


def run_checks(send_test_mail: str | None) -> Findings:
    """All facts and findings. A check that depends on something broken is left out."""
    try:
        settings = load_settings()
    except UserError as error:
        hint = "Correct the settings. Nothing else can be checked before that."
        yield problem("T101", f"{error.heading}\n{error}", hint)
        return
    yield from check_folder(settings.config_dir)
    yield from check_variables()
    yield from check_address(settings.base_url)
    yield from _check_provider(settings)
    rulebooks = None
    try:
        rulebooks = load_rulebooks(settings.config_dir)
    except RulebookError as error:
        yield from list_rule_errors(error)
    else:
        yield from check_rules(rulebooks, settings, clock.now())
        yield from check_notices(rulebooks, settings)
    url = settings.database_url.get_secret_value()
    usable = yield from check_database(url)
    if usable and rulebooks is not None:
        with open_database(settings) as engine, reading(engine) as session:
            yield from check_contents(session, rulebooks, settings, clock.now())
            yield from check_key(session, settings)
            yield from check_evidence(session, settings)
            yield from check_drills(session, clock.now())
            yield from check_mailbox(session, settings, clock.now())
    yield from asyncio.run(check_mail(settings, send_test_mail, clock.now()))


def _check_provider(settings: Settings) -> Findings:
    """Ask the identity provider, if the settings name one, for its description."""
    if settings.oidc.issuer is None:
        return
    from tracker.cli.serve import open_provider
    from tracker.web.identity import ProviderDown

    try:
        provider = open_provider(settings)
    except SettingsError as error:
        yield problem("T801", str(error), "`tracker serve` does not start without it.")
        return
    if provider is None:
        return
    try:
        provider.check()
    except ProviderDown as down:
        hint = "Correct TRACKER_OIDC__ISSUER. Until then, people sign in with emailed codes."
        yield warning("T802", f"{settings.oidc.issuer} can't be used to sign in: {down}", hint)
    else:
        yield Fact(f"identity provider: {settings.oidc.issuer}")
