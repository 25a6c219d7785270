"""What does not fit together in one row about an application, whatever else is known."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any

from tracker.formatting import format_hours_with_unit
from tracker.importer.cells import Topics
from tracker.importer.files import Problem
from tracker.importer.vocabulary import Vocabulary, what_is_known
from tracker.rules.cycles import Cycle

Slip = tuple[str, object, str]
# The service of a position that provides RSC, as the rulebooks name it.
_RSC = "rsc"


def slips_of_applying(values: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Slip]:
    """Slips between a row's good cells: column, value, and what would be right."""
    for column, who in (("supervisor_email", "the person"), ("referee_email", "the applicant")):
        address = values.get(column)
        if address and address == values.get("email"):
            yield column, address, f"must be someone else than {who}"
    if values.get("gives_rsc") is False and offers_rsc(values):
        what = f"services name {_RSC}, so RSC is given there: write yes, or take it out of services"
        yield "gives_rsc", "no", what
    association = values.get("association")
    yield from _slips_of_role(values, vocabulary)
    if association and "what" in values:
        known = vocabulary.signed.get(association, ())
        yield from _unless_known(
            "what", values["what"], known, f"nothing of that name is signed at {association}"
        )
    if (endorser := values.get("endorsed_by")) and (category := values.get("endorsed_as")):
        # An association whose rulebook is not here may use any category that another one has.
        every = {each for known in vocabulary.categories.values() for each in known}
        known = vocabulary.categories.get(endorser, every)
        yield from _unless_known("endorsed_as", category, known, f"{endorser} has no such category")


def _slips_of_role(values: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Slip]:
    """A referee's role is one that this very category asks for."""
    association, category = values.get("association"), values.get("category")
    if "role" not in values or category not in vocabulary.categories.get(association or "", ()):
        return
    known = sorted(vocabulary.roles.get(association or "", {}).get(category or "", ()))
    if values["role"] not in known:
        right = f"write {' or '.join(known)}" if known else "it asks for no reference"
        what = f"{association} {category} asks for no such referee: {right}"
        yield "role", values["role"], what


def offers_rsc(values: Mapping[str, Any]) -> bool:
    """Whether a position's row names RSC to others among its services."""
    return _RSC in values.get("services", "").split("; ")


def _unless_known(column: str, value: str, known: Collection[str], what: str) -> Iterator[Slip]:
    if value not in known:
        yield column, value, f"{what}; {what_is_known(value, known)}"


def slips_of_cycle(values: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Slip]:
    """Column, value, and what would be right; a row that speaks of no cycle has none."""
    association, category = values.get("association", ""), values.get("category", "")
    asked = vocabulary.asked.get(association, {}).get(category, ())
    if (requirement := values.get("requirement")) and requirement not in asked:
        what = f"a renewal as {category} has no such requirement"
        yield "requirement", requirement, f"{what}; {what_is_known(requirement, asked)}"
    endorsed_on, day = values.get("endorsed_on"), values.get("cycle_starts_on")
    if association and category and endorsed_on and day:
        cycle = vocabulary.cycle_of(association, category, endorsed_on, day)
        yield from _slips_beside(cycle, values)


def _slips_beside(cycle: Cycle | None, values: Mapping[str, Any]) -> Iterator[Slip]:
    day, due_on = values["cycle_starts_on"], values.get("extended_due_on")
    if cycle is None:
        since = values["endorsed_on"]
        what = f"an endorsement that began on {since} has no renewal cycle on that day"
        yield "cycle_starts_on", day, what
    elif cycle.starts_on != day:
        yield "cycle_starts_on", day, f"the cycle of that day begins on {cycle.starts_on}"
    elif due_on and due_on <= cycle.due_on:
        what = f"must be later than {cycle.due_on}, when the renewal is due without it"
        yield "extended_due_on", due_on, what


# Refused inside any cell, so it cannot make two different rows look the same.
_BETWEEN_CELLS = "\x1f"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of any file but entries.csv. ``values`` holds only the columns that were given."""

    file: str
    line: int
    key: tuple[Any, ...]
    values: Mapping[str, Any]

    @property
    def email(self) -> str:
        """The person whom the row is about, in lower case."""
        return str(self.key[0])

    def problem(self, column: str, message: str) -> Problem:
        """Say what is wrong with one of the row's values."""
        return _problem(self.file, self.line, column, self.values.get(column), message)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A row of entries.csv, in whole minutes.

    ``key`` and ``digest`` are what ``imported_row`` remembers: a row with a reference is known
    by it, any other by its content and by its number among equal rows of the person: also one
    whose reference ``is_shared`` by several sessions.
    ``omitted`` are the columns that its file does not have; it has neither or both of the two
    that tell of the provider.
    """

    file: str
    line: int
    email: str
    activity: str
    held_on: date
    minutes: int
    title: str
    topics: Topics
    provider_email: str | None
    provider_name: str | None
    format: str | None
    reference: str | None
    omitted: frozenset[str]
    is_shared: bool = False
    key: str = ""
    digest: str = ""

    @property
    def is_known_by_reference(self) -> bool:
        """Whether the reference is that of this session alone."""
        return self.reference is not None and not self.is_shared

    def problem(self, column: str, value: object, message: str) -> Problem:
        """Say what is wrong with one of the row's values."""
        return _problem(self.file, self.line, column, value, message)


def _problem(file: str, line: int, column: str, value: object, message: str) -> Problem:
    return Problem(file, line, column, None if value is None else str(value), message)


def entry_row(file: str, line: int, values: Mapping[str, Any], omitted: frozenset[str]) -> EntryRow:
    """An entry's row from its cells; the columns that are left out hold nothing."""
    # A file that names providers in either way tells of every row's provider.
    besides = "provider_name" if "provider_name" in omitted else "provider_email"
    row = EntryRow(
        file=file,
        line=line,
        email=values["email"],
        activity=values["activity"],
        held_on=values["date"],
        minutes=values["hours"],
        title=values["title"],
        topics=values.get("topics", ()),
        provider_email=values.get("provider_email"),
        provider_name=values.get("provider_name"),
        format=values.get("format"),
        reference=values.get("reference") or values.get("shared_reference"),
        omitted=omitted - {besides, "shared_reference"},
        is_shared=bool(values.get("shared_reference")),
    )
    digest = _digest(row)
    if not row.is_known_by_reference:
        return replace(row, digest=digest)
    return replace(row, digest=digest, key=reference_key(row.reference))


def reference_key(reference: str | None) -> str:
    """The key of a row that is known by its reference."""
    return f"ref:{reference}"


def number_among_equals(row: EntryRow, number: int) -> EntryRow:
    """The row, not known by a reference, as the ``number``-th (from 1) of its person's equals."""
    return replace(row, key=f"{row.digest}:{number}")


def _digest(row: EntryRow) -> str:
    # Only a row known by its reference can be updated, so only there does it matter which columns
    # its file has: the same rows with and without an empty column are the same sessions.
    omitted = ",".join(sorted(row.omitted)) if row.is_known_by_reference else ""
    cells = (
        row.activity,
        row.held_on.isoformat(),
        str(row.minutes),
        row.title,
        ";".join(f"{topic}:{minutes}" for topic, minutes in row.topics),
        row.provider_email or row.provider_name or "",
        row.format or "",
        omitted,
        # Part of the content, as it is not the key.
        *([row.reference] if row.is_shared and row.reference else []),
    )
    return sha256(_BETWEEN_CELLS.join(cells).encode()).hexdigest()


def slips_between_cells(values: Mapping[str, Any], vocabulary: Vocabulary) -> Iterator[Slip]:
    """What is wrong between a row's good cells: column, value, and what would be right."""
    if "category" in values and (association := values.get("association")):
        known = vocabulary.categories[association]
        if values["category"] not in known:
            category = values["category"]
            what = f"{association} has no such category; {what_is_known(category, known)}"
            yield "category", category, what
    starts_on, ends_on = values.get("starts_on"), values.get("ends_on")
    if starts_on and ends_on and ends_on < starts_on:
        yield "ends_on", ends_on, f"must be {starts_on} (the start) or later"
    if (provider := values.get("provider_email")) and provider == values.get("email"):
        yield "provider_email", provider, "must be someone else than the endorsee"
    if provider and (name := values.get("provider_name")):
        yield "provider_name", name, "must be empty where provider_email says who it is"
    if (shared := values.get("shared_reference")) and values.get("reference"):
        yield "shared_reference", shared, "must be empty where reference says it"
    yield from slips_of_applying(values, vocabulary)
    yield from slips_of_cycle(values, vocabulary)
    if "activity" in values:
        yield from slips_of_entry(
            values["activity"],
            values.get("hours"),
            values.get("topics", ()),
            values.get("provider_email") or values.get("provider_name"),
            vocabulary,
        )


def slips_of_entry(
    activity: str, minutes: int | None, topics: Topics, provider: object, vocabulary: Vocabulary
) -> Iterator[Slip]:
    """What does not fit together in an entry; ``minutes`` None: not known, not judged."""
    if activity == "training" and provider is not None:
        yield "provider_email", provider, "only rsc has a provider: leave it empty for training"
    if strange := _topics_of_the_other(activity, topics, vocabulary):
        yield "topics", _written(topics), strange
    about = sum(each for _, each in topics)
    if minutes is not None and about > minutes:
        what = f"must be at most the session's {format_hours_with_unit(minutes)}, and is {format_hours_with_unit(about)}"
        yield "topics", _written(topics), what


def _topics_of_the_other(activity: str, topics: Topics, vocabulary: Vocabulary) -> str | None:
    """What is wrong with topics that only the other activity may have; None if nothing is."""
    own, other = vocabulary.topics, vocabulary.rsc_topics
    if activity == "rsc":
        own, other = other, own
    strange = [topic for topic, _ in topics if topic in other and topic not in own]
    if not strange:
        return None
    whose = "training" if activity == "rsc" else "rsc"
    if not own:
        return f"only {whose} has topics: leave it empty for {activity}"
    verb = "belongs" if len(strange) == 1 else "belong"
    named = f"{' and '.join(strange)} {verb} to {whose} only"
    return f"{named}; {activity} may have {', '.join(sorted(own))}"


def _written(topics: Topics) -> str:
    return "; ".join(
        f"{topic}:{format_hours_with_unit(minutes).split()[0]}" for topic, minutes in topics
    )
