"""`tracker rules`: check the rulebooks, and show them in words."""

import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from textwrap import wrap

import typer

from tracker import clock
from tracker.clock import local_day
from tracker.formatting import format_count, format_date, use_locale
from tracker.rulebooks import RulebookError, Rulebooks, load_rulebooks, read_rulebook_file
from tracker.rules.description import describe_rulebook
from tracker.rules.model import Rulebook
from tracker.rules.parse import RulebookProblem
from tracker.rules.readings import list_reading_problems
from tracker.rules.requirement import PURPOSES
from tracker.rules.rule_changes import list_changes_ahead
from tracker.settings import configuration_folder

_WIDTH = 100


def check(file: Path | None) -> None:
    """Print what each rulebook holds, or every error in every file; exit code 1 on any.

    ``file`` is one rulebook instead, in the configuration folder or elsewhere.
    """
    folder = configuration_folder()
    place = file or folder
    try:
        rulebooks = read_rulebook_file(file, folder) if file else load_rulebooks(folder)
    except RulebookError as error:
        _print_problems(error.problems, place)
        raise typer.Exit(1) from None
    problems: list[RulebookProblem] = []
    for rulebook in rulebooks.associations.values():
        problems += list_reading_problems(rulebook, rulebook.id)
    if problems:
        _print_problems(problems, place)
        raise typer.Exit(1)
    _print_summary(rulebooks)
    if file is None:
        organizations = format_count(len(rulebooks.organizations), "organization")
        sys.stdout.write(f"organizations.toml: {organizations}\n")
        sys.stdout.write(f"All rulebooks in {folder} are valid.\n")
    else:
        sys.stdout.write(f"{file} is valid.\n")


def _print_summary(rulebooks: Rulebooks) -> None:
    for rulebook in rulebooks.associations.values():
        parts = [format_count(len(rulebook.categories), "category", "categories")]
        for purpose in PURPOSES:
            ruled = [c for c in rulebook.categories if rulebook.requirements_of(c, purpose)]
            # Few associations reinstate.
            if ruled or purpose != "reinstatement":
                parts.append(f"{purpose} rules for {', '.join(ruled) or 'none'}")
        parts.append(format_count(len(rulebook.interpretations), "interpretation"))
        sys.stdout.write(f"{rulebook.id}: {'; '.join(parts)}\n")


def _print_problems(problems: Sequence[RulebookProblem], place: Path) -> None:
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stderr.write(f"{format_count(len(problems), 'problem')} in {place}.\n")


def show(file: Path | None, association: str | None) -> None:
    """Print every rulebook, or that of ``association``; exit code 1 if there is none.

    ``file`` is one rulebook instead, in the configuration folder or elsewhere.
    """
    folder = configuration_folder()
    rulebooks = read_rulebook_file(file, folder) if file else load_rulebooks(folder)
    if association is not None and association not in rulebooks.associations:
        known = ", ".join(rulebooks.associations)
        sys.stderr.write(f"There is no rulebook for {association!r}, only for {known}.\n")
        raise typer.Exit(1)
    for name, rulebook in rulebooks.associations.items():
        if association in (None, name):
            with use_locale(rulebook.locale):
                _print_rulebook(rulebooks, rulebook)


def _print_rulebook(rulebooks: Rulebooks, rulebook: Rulebook) -> None:
    accepted = {
        rule: rulebooks.accepted_organizations(f"{rulebook.id}/{rule}")
        for rule in rulebook.memberships
    }
    today = local_day(clock.now(), rulebook.time_zone)
    for line in (*describe_rulebook(rulebook, accepted), *_describe_changes(rulebook, today)):
        text = line.lstrip()
        indent = " " * (len(line) - len(text))
        wrapped = wrap(
            text,
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )
        sys.stdout.write("\n".join(wrapped) + "\n")


def _describe_changes(rulebook: Rulebook, today: date) -> Iterator[str]:
    """What changes by itself after ``today``, and how to try another reading."""
    yield "Changes ahead"
    changes = list_changes_ahead(rulebook, today)
    for change in changes:
        categories = ", ".join(change.categories)
        yield f"  {format_date(change.day)}: {change.says} ({categories})"
    if not changes:
        yield "  none in this rulebook"
    tried = [
        f"{interpretation.id}={alternative.reading}"
        for interpretation in rulebook.interpretations
        for alternative in interpretation.alternatives
    ]
    if tried:
        yield ""
        yield f"Readings to try with tracker rules diff --association {rulebook.id} --reading"
        yield f"  {', '.join(tried)}"
    yield ""
