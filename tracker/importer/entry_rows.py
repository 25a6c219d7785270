"""What a row of entries.csv describes, and what later imports recognize it by."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from tracker.importer.schemas import EntryRow
from tracker.services.entry_rules import EntryInput

# Optional columns of the file, and what stays as it is stored if the file has no such column.
STORED_FIELDS = {
    "topics": ("topics",),
    "provider_email": ("provider_id", "provider_name"),
    "format": ("format",),
    "reference": ("reference",),
}
# Those that a digest names if the file lacks them. A column that comes later stays out of it, as
# otherwise every row imported before would look changed, and undo what people changed since.
_DIGESTED_IF_MISSING = {"topics", "provider_email", "format", "reference"}
# No cell can contain it, so it cannot make two different rows look the same.
_BETWEEN_CELLS = "\x1f"
# The texts of a row by column; those that are not given are absent.
_Texts = dict[str, str]


def entry_of(row: EntryRow, person_ids: Mapping[str, int]) -> EntryInput:
    """The entry that a row describes.

    A provider whom the files add has the id 0 until people are stored.
    """
    return EntryInput(
        activity=row.activity,
        held_on=row.date,
        minutes=row.hours,
        title=row.title,
        provider_id=person_ids.get(row.provider_email, 0) if row.provider_email else None,
        provider_name=row.provider_name,
        format=row.format,
        reference=row.reference or row.shared_reference,
        topics=dict(row.topics),
    )


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """A row with what later imports recognize it by, as `ImportedRow` stores it.

    ``key`` is the row's own reference. A row without one has the digest of its content and its
    number among equal rows of the person. ``earlier`` are the keys and digests that earlier
    versions may have stored for it, because they did not normalize text.
    """

    row: EntryRow
    key: str
    digest: str
    earlier: tuple[tuple[str, str], ...] = ()


def reference_key(reference: str | None) -> str:
    """The key of a row that has a reference of its own."""
    return f"ref:{reference}"


def identify_rows(rows: Iterable[EntryRow]) -> Iterator[ImportedEntry]:
    """Give each row its keys and digests."""
    equal_rows = Counter[tuple[str, str]]()
    for row in rows:
        identities = []
        for texts in _list_spellings(row):
            digest = _digest(row, texts)
            key = reference_key(texts.get("reference"))
            if row.days:
                key = reference_key(row.own_reference)
            if not row.reference:
                equal_rows[row.email, digest] += 1
                key = f"{digest}:{equal_rows[row.email, digest]}"
            identities.append((key, digest))
        (key, digest), *earlier = identities
        yield ImportedEntry(row, key, digest, tuple(earlier))


def _list_spellings(row: EntryRow) -> list[_Texts]:
    """The texts of a row: normalized, and as earlier versions may have read the same cells.

    Those kept every blank and every way to write an accent, and read Mac Roman as Windows-1252.
    """
    normal = row.texts()
    spellings = [normal, {**normal, **row.literal_texts}]
    if not all(text.isascii() for text in normal.values()):
        spellings.append({name: unicodedata.normalize("NFD", normal[name]) for name in normal})
        try:
            garbled = {name: normal[name].encode("mac_roman").decode("cp1252") for name in normal}
            spellings.append(garbled)
        except UnicodeError:
            pass
    return [texts for number, texts in enumerate(spellings) if texts not in spellings[:number]]


# A new optional column is added to the digest only if it is filled, with its name. Otherwise every
# row imported before would look new.
def _digest(row: EntryRow, texts: _Texts) -> str:
    topics = ";".join(f"{topic}:{minutes}" for topic, minutes in row.topics)
    provider = row.provider_email or texts.get("provider_name", "")
    cells = [row.activity, row.date.isoformat(), str(row.hours), texts["title"], topics, provider]
    cells.append(row.format or "")
    # Only a row with a reference can change an entry, so only there do missing columns matter.
    missing = [column for column in missing_columns(row) if column in _DIGESTED_IF_MISSING]
    cells.append(",".join(missing) if row.reference else "")
    if "shared_reference" in texts:
        cells.append(texts["shared_reference"])
    return sha256(_BETWEEN_CELLS.join(cells).encode()).hexdigest()


def missing_columns(row: EntryRow) -> list[str]:
    """The optional columns that the row's file does not have; either provider column is enough."""
    given = row.model_fields_set
    if "provider_name" in given:
        given = given | {"provider_email"}
    return sorted(STORED_FIELDS.keys() - given)
