"""`tracker rules check` and `tracker rules show`: the rulebooks, checked and printed."""

import sys
from collections.abc import Iterator

import typer

from tracker.commands.rulebook_text import describe_rulebook
from tracker.rulebooks import Rulebooks, RulebooksWrong, load_rulebooks
from tracker.rules.schema import PURPOSES, Purpose, Rulebook
from tracker.settings import configuration_folder


def check() -> None:
    """Print what each rulebook holds, or every error in every file; exit code 1 on any."""
    folder = configuration_folder()
    try:
        books = load_rulebooks(folder)
    except RulebooksWrong as wrong:
        count = len(wrong.problems)
        for problem in wrong.problems:
            sys.stderr.write(f"{problem}\n")
        sys.stderr.write(f"{count} {'problem' if count == 1 else 'problems'} in {folder}.\n")
        raise typer.Exit(1) from None
    sys.stdout.writelines(f"{line}\n" for line in _summary(books))
    sys.stdout.write(f"All rulebooks in {folder} are right.\n")


def _summary(books: Rulebooks) -> Iterator[str]:
    for book in books.associations.values():
        rules = "; ".join(f"{p} rules for {_ruled(book, p)}" for p in PURPOSES)
        readings = f"{len(book.interpretations)} interpretations"
        yield f"{book.id}: {len(book.categories)} categories; {rules}; {readings}"
    yield f"organizations.toml: {len(books.organizations)} organizations"


def _ruled(book: Rulebook, purpose: Purpose) -> str:
    return ", ".join(c for c in book.categories if book.requirements_of(c, purpose)) or "none"


def show(association: str | None) -> None:
    """Print every rulebook, or the one of ``association``; exit code 1 if there is none."""
    books = load_rulebooks(configuration_folder())
    if association is not None and association not in books.associations:
        known = ", ".join(books.associations)
        sys.stderr.write(f"No rulebook is about {association!r}: there are {known}.\n")
        raise typer.Exit(1)
    for name, book in books.associations.items():
        if association in (None, name):
            accepted = {
                rule: books.accepted_organizations(f"{name}/{rule}") for rule in book.memberships
            }
            sys.stdout.writelines(f"{line}\n" for line in describe_rulebook(book, accepted))
