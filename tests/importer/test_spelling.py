"""Texts that look alike are one text, whatever file they come in."""

import unicodedata
from hashlib import sha256

import pytest
from sqlmodel import delete, update

from tests.importer.importer import PEOPLE, Importer
from tracker.db.engine import writing
from tracker.db.log import Entry, ImportedRow

HEAD = "email,activity,date,hours,title"
ROW = "alice@example.org,training,2024-02-01,1"
NFD = unicodedata.normalize("NFD", "José Núñez on play")


def entries(*titles: str) -> str:
    return "\n".join([HEAD, *(f"{ROW},{title}" for title in titles)]) + "\n"


@pytest.mark.parametrize("title", [NFD, "José\xa0Núñez on\u3000 play", "José Núñez\u200b on play"])
def test_titles_that_look_alike_are_one_session(importer: Importer, title: str) -> None:
    importer.run(people=PEOPLE, entries=entries("José Núñez on play"))
    assert importer.run(entries=entries(title)).counts["entries"].unchanged == 1
    assert importer.rows("entry", "title") == [("José Núñez on play",)]


def test_text_is_stored_composed_with_single_spaces(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=f"email,name\na@b.org,{NFD}  \xa0 B\n")
    assert sqlite_importer.rows("person", "name") == [("José Núñez on play B",)]


def test_a_degree_spelled_otherwise_is_the_same(sqlite_importer: Importer) -> None:
    head = "email,level,title,awarded_on"
    for title, added in (("Psicología", 1), (unicodedata.normalize("NFD", "Psicología"), 0)):
        degrees = f"{head}\nalice@example.org,master,{title},2010-06-01\n"
        report = sqlite_importer.run(people=PEOPLE, degrees=degrees)
        assert report.counts["degrees"].added == added


def store_as_earlier(importer: Importer, title: str) -> None:
    """Change the one imported row to what versions stored that did not normalize text."""
    cells = ["training", "2024-02-01", "60", title, "", "", "", ""]
    digest = sha256("\x1f".join(cells).encode()).hexdigest()
    with writing(importer.engine) as session:
        session.exec(update(ImportedRow).values(key=f"{digest}:1", digest=digest))
        session.exec(update(Entry).values(title=title))


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize("title", [NFD, "José\xa0Núñez", "Play  and\u200bgrow"])
def test_a_file_imported_by_earlier_versions_changes_nothing(
    importer: Importer, title: str, *, is_deleted: bool
) -> None:
    importer.run(people=PEOPLE, entries=entries(title))
    store_as_earlier(importer, title)
    if is_deleted:
        with writing(importer.engine) as session:
            session.exec(delete(Entry))
    assert importer.run(entries=entries(title)).counts["entries"].unchanged == 1
    assert len(importer.rows("entry")) == (not is_deleted)


def test_a_composed_copy_of_a_decomposed_file_changes_nothing(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=entries(NFD))
    store_as_earlier(importer, NFD)
    with writing(importer.engine) as session:
        session.exec(update(Entry).values(title="Changed in the browser"))
    composed = unicodedata.normalize("NFC", NFD)
    assert importer.run(entries=entries(composed)).counts["entries"].unchanged == 1


def test_a_mac_roman_file_read_as_windows_changes_nothing(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=entries("José on play"))
    store_as_earlier(importer, "JosŽ on play")
    again = entries("José on play").replace("\n", "\r").encode("mac_roman")
    assert importer.run(entries=again).counts["entries"].unchanged == 1
