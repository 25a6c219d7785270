"""What it means if two people in people.csv or in the database have one address.

A first address is one person. A second address can be shared, such as an office's mailbox.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from tracker.db.people import Person
from tracker.formatting import format_list
from tracker.importer.reader import ImportedFiles
from tracker.importer.schemas import PersonRow
from tracker.importer.table_rows import chunked
from tracker.plain_text import plain_name

# Name and second address, by first address.
_People = dict[str, tuple[str, str | None]]


class _Stored(NamedTuple):
    email: str
    name: str
    second_email: str | None
    has_chosen: bool


def list_address_notes(session: Session, files: ImportedFiles) -> list[str]:
    """Say what the rows of people.csv mean that share an address, where that is new."""
    rows = files.rows_of(PersonRow)
    stored = _load_people(session, rows)
    after = _merge(stored, rows)
    by_second = defaultdict[str, dict[str, str]](dict)
    for email, (name, second) in after.items():
        if second:
            by_second[second][email] = name
    notes = list[str]()
    for row in rows:
        before = stored.get(row.email)
        second = after[row.email][1]
        if before is not None:
            notes += _note_on_name(row, before)
        else:
            notes += _note_on_first(row, [stored[e] for e in by_second[row.email] if e in stored])
        if second and (before is None or before.second_email != second):
            notes += _note_on_second(row, second, after, by_second[second])
    return notes


def _merge(stored: dict[str, _Stored], rows: list[PersonRow]) -> _People:
    """Names and second addresses as they are after the import."""
    after = {email: (each.name, each.second_email) for email, each in stored.items()}
    for row in rows:
        second = after.get(row.email, ("", None))[1]
        # No file changes what the person chose in the browser.
        has_chosen = row.email in stored and stored[row.email].has_chosen
        if "second_email" in row.model_fields_set and not has_chosen:
            second = row.second_email
        after[row.email] = (row.name, second)
    return after


def _load_people(session: Session, rows: list[PersonRow]) -> dict[str, _Stored]:
    """Everyone whose first or second address is in the rows, by first address."""
    emails = [email for row in rows for email in (row.email, row.second_email) if email]
    second = func.lower(Person.second_email)
    columns = (
        col(Person.email),
        col(Person.name),
        second,
        col(Person.second_email_confirmed_at).is_not(None),
    )
    stored = dict[str, _Stored]()
    connection = session.connection()
    for chunk in chunked(emails):
        for values in connection.execute(select(*columns).where(col(Person.email).in_(chunk))):
            stored[values[0]] = _Stored(*values)
    # No index finds second addresses in lower case, and few people have one.
    wanted = set(emails)
    for values in connection.execute(select(*columns).where(second.is_not(None))):
        if values[2] in wanted:
            stored[values[0]] = _Stored(*values)
    return stored


def _note_on_name(row: PersonRow, before: _Stored) -> Iterator[str]:
    if set(plain_name(before.name).split()) & set(plain_name(row.name).split()):
        return
    yield (
        f"{row.file_and_line}: {row.email} was {before.name} and is {row.name} now, with the same "
        f"hours. If they are two people, import {before.name} under this address again, and give "
        f"{row.name} another one: an address is one person."
    )


def _note_on_first(row: PersonRow, others: list[_Stored]) -> Iterator[str]:
    names = format_list([other.name for other in others])
    if names:
        yield (
            f"{row.file_and_line}: {row.email} is also the second address of {names}. It signs in "
            f"{row.name} only, and mail for {names} can go there too."
        )


def _note_on_second(
    row: PersonRow,
    second: str,
    after: _People,
    sharing: dict[str, str],
) -> Iterator[str]:
    place = f"{row.file_and_line}: {second}, the second address of {row.name},"
    if second == row.email:
        yield f"{place} is the first address too, so it adds nothing."
    elif second in after:
        owner = after[second][0]
        yield (
            f"{place} is the address of {owner}. It signs in {owner} only, who also gets mail for "
            f"{row.name} while the first address fails."
        )
    elif others := [name for email, name in sharing.items() if email != row.email]:
        yield (
            f"{place} is also that of {format_list(others)}. Nobody can sign in with it, and mail "
            "for each of them goes there while their first address fails."
        )
