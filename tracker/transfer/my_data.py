"""All that is stored of one person, as a ZIP: files for an import, the rest as JSON, evidence."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import Connection, select

from tracker.records.schema.tables import METADATA
from tracker.transfer.export_rows import export_csv
from tracker.transfer.layouts import LAYOUTS
from tracker.transfer.own_records import own_records
from tracker.transfer.provider_rows import providers_csv

_PERSON = METADATA.tables["person"]
_REFERENCE = METADATA.tables["reference"]
_APPLICATION = METADATA.tables["application"]
# Readable by its owner alone, once unpacked.
_MODE = 0o600 << 16
_CHUNK = 64 * 1024
# A stored file: the name that it gets in the archive, and how to open its bytes.
Evidence = Iterable[tuple[str, Callable[[], IO[bytes]]]]

_README = """\
This is all that is stored about {name} ({email}), as of {at}.

import/   Tables that any spreadsheet opens, in the layout that `tracker import` reads, so that
          another association can take them in: leave, waivers and later due dates come along.
          Providers stand there by name: a coordinator confirms who that is, and then those
          sessions count again. Whoever takes the files in may write the providers' addresses
          into a column provider_email instead. Of references
          there is only whom you asked: what they wrote is for the association alone. A cell that
          begins with an apostrophe and = + - or @ is written so that no spreadsheet calculates
          with it; the import leaves the apostrophe out. A reference that several of your sessions
          have stands in the column shared_reference. Where it is all stored already, an
          import of it changes nothing.
providers.csv
          What your providers held on the days of your sessions, as Why shows it: for whoever
          confirms who they are. No import reads it, so until then your standing elsewhere lacks
          those sessions: a name is nobody for sure, the address that would be is the provider's
          to give, and each association looks itself whom it accepts.
other.json
          The rest: standings, notices and mail that you got, requests, browsers in which you are
          signed in, and who changed what and when. Keys and addresses of other people are left
          out.
evidence/ The files that you added to your entries, under the names that you gave them and the
          number of the entry.

Keep it where only you can read it.
"""


def write_my_data(
    connection: Connection, person_id: int, target: IO[bytes], at: datetime, evidence: Evidence = ()
) -> None:
    """Write the archive into ``target``, file by file; the same data gives the same bytes."""
    whose = _PERSON.c.id == person_id
    person = connection.execute(select(_PERSON).where(whose)).mappings().one()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        words = _README.format(name=person["name"], email=person["email"], at=f"{at:%Y-%m-%d}")
        _add(archive, "README.txt", at, [words.encode()])
        for kind in LAYOUTS:
            lines = export_csv(connection, kind, person_id, person["email"])
            _add(archive, f"import/{kind}.csv", at, lines)
        _add(archive, "providers.csv", at, providers_csv(connection, person_id))
        rest = own_records(connection, person_id, _typed(connection, person_id))
        text = json.dumps(rest, ensure_ascii=False, indent=1, sort_keys=True)
        _add(archive, "other.json", at, [text.encode()])
        for name, opened in evidence:
            _add(archive, f"evidence/{name}", at, _pieces(opened), packed=False)


def _typed(connection: Connection, person_id: int) -> set[str]:
    """The addresses that a person typed: the own ones, and those of referees."""
    own = select(_PERSON.c.email, _PERSON.c.second_email).where(_PERSON.c.id == person_id)
    mine = {each.lower() for each in connection.execute(own).one() if each}
    asked = (
        select(_REFERENCE.c.email)
        .join_from(_REFERENCE, _APPLICATION)
        .where(_APPLICATION.c.person_id == person_id)
    )
    return mine | {each.lower() for each in connection.scalars(asked)}


def _add(
    archive: ZipFile, name: str, at: datetime, pieces: Iterable[bytes], *, packed: bool = True
) -> None:
    """Put a file into the archive, piece by piece."""
    about = ZipInfo(name, at.timetuple()[:6])
    about.compress_type = ZIP_DEFLATED if packed else ZIP_STORED
    about.external_attr = _MODE
    with archive.open(about, "w", force_zip64=True) as file:
        for piece in pieces:
            file.write(piece)


def _pieces(opened: Callable[[], IO[bytes]]) -> Iterator[bytes]:
    with opened() as file:
        while piece := file.read(_CHUNK):
            yield piece
