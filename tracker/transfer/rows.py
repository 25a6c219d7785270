"""The rows of an import, once their cells are read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any

from tracker.hours import count_hours
from tracker.transfer.application_slips import Slip, slips_of_applying
from tracker.transfer.catalogue import Catalogue, what_is_known
from tracker.transfer.cells import Topics
from tracker.transfer.cycle_slips import slips_of_cycle
from tracker.transfer.problems import Problem

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


def slips_between_cells(values: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Slip]:
    """What is wrong between a row's good cells: column, value, and what would be right."""
    if "category" in values and (association := values.get("association")):
        known = catalogue.categories[association]
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
    yield from slips_of_applying(values, catalogue)
    yield from slips_of_cycle(values, catalogue)
    if "activity" in values:
        yield from slips_of_entry(
            values["activity"],
            values.get("hours"),
            values.get("topics", ()),
            values.get("provider_email") or values.get("provider_name"),
            catalogue,
        )


def slips_of_entry(
    activity: str, minutes: int | None, topics: Topics, provider: object, catalogue: Catalogue
) -> Iterator[Slip]:
    """What does not fit together in an entry; ``minutes`` None: not known, not judged."""
    if activity == "training" and provider is not None:
        yield "provider_email", provider, "only rsc has a provider: leave it empty for training"
    if strange := _topics_of_the_other(activity, topics, catalogue):
        yield "topics", _written(topics), strange
    about = sum(each for _, each in topics)
    if minutes is not None and about > minutes:
        what = f"must be at most the session's {count_hours(minutes)}, and is {count_hours(about)}"
        yield "topics", _written(topics), what


def _topics_of_the_other(activity: str, topics: Topics, catalogue: Catalogue) -> str | None:
    """What is wrong with topics that only the other activity may have; None if nothing is."""
    own, other = catalogue.topics, catalogue.rsc_topics
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
    return "; ".join(f"{topic}:{count_hours(minutes).split()[0]}" for topic, minutes in topics)
