"""Which references a category asks applicants for, and the words for who may give them."""

from datetime import date

from tracker.rules.plan import value_in_force
from tracker.rules.schema import Requirement, Rulebook
from tracker.rules.terms import Referees

# Somebody falls ill, somebody is named whom the reviewers do not accept.
SPARE = 2


def asked_references(book: Rulebook, category: str, day: date) -> Requirement | None:
    """What asks applicants for references on ``day``; None where nothing does."""
    asked = book.requirements_of(category, "application")
    return next((r for r in asked if r.references and value_in_force(r, day)), None)


def roles_for(terms: Referees) -> tuple[str, ...]:
    """The roles in which somebody may be a referee, in the rulebook's order, each once."""
    sets = (terms.slots, *terms.instead)
    return tuple(dict.fromkeys(role for slots in sets for slot in slots for role in slot))


def most_named(terms: Referees) -> int:
    """How many may be asked or have come at a time: a referee for each place, and the spare."""
    return max(map(len, (terms.slots, *terms.instead))) + SPARE


def say_role(book: Rulebook, role: str) -> str:
    """A role in the rulebook's words; its key with blanks where it has none."""
    return book.roles.get(role, role.replace("-", " "))


def say_slot(book: Rulebook, roles: tuple[str, ...]) -> str:
    """Who may fill a slot: ``Another supervisor, trainer or colleague``."""
    first, *others = (say_role(book, role) for role in roles)
    # A word in capitals (an abbreviation) stays as it is.
    small = [w if w[1:2].isupper() else w[:1].lower() + w[1:] for w in others]
    return " or ".join(filter(None, [", ".join([first, *small[:-1]]), *small[-1:]]))
