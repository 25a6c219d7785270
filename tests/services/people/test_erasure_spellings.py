"""The erasure finds a name in every spelling, and leaves the names of others as they are."""

import json
from collections.abc import Collection
from urllib.parse import parse_qs, quote_plus, urlencode

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, select, text, update

from tests.support.backups import Kept
from tests.support.cast import ALICE, BOB, CAROL, NOW
from tests.support.erasing import erase
from tracker.db.audit import Change, record_changes
from tracker.db.engine import writing
from tracker.db.lists import SavedFilter
from tracker.db.tables import METADATA
from tracker.plain_text import plain_name
from tracker.services.identifying_text import IdentifyingText

EMAIL = "nadia@example.org"


def naming(*names: str, others: Collection[str] = (), email: str = EMAIL) -> IdentifyingText:
    plain = {plain_name(name) for name in others}
    return IdentifyingText([email], names, plain, address="(address)", label="(name)")


def is_searched(name: str, words: str) -> bool:
    """Whether a row with this text is among those that are searched for a name."""
    table = Table("texts", MetaData(), Column("words", String))
    query = select(table).where(naming(name).may_be_in(table.c.words))
    with create_engine("sqlite://").connect() as connection:
        table.create(connection)
        connection.execute(table.insert().values(words=words))
        return connection.execute(query).first() is not None


def rename(kept: Kept, email: str, name: str) -> None:
    with writing(kept.cast.engine) as session:
        statement = text("UPDATE person SET name = :name WHERE email = :email")
        session.connection().execute(statement, {"name": name, "email": email})


def note(kept: Kept, words: str) -> str:
    """Erase Alice, whom a note of a payment names in these words; the note after that."""
    with writing(kept.cast.engine) as session:
        session.connection().execute(update(METADATA.tables["payment"]).values(note=words))
    assert erase(ALICE).exit_code == 0
    number = kept.cast.people[ALICE]
    [row] = kept.cast.rows("payment")
    return str(row["note"]).replace(f"Erased person {number}", "(name)")


@pytest.mark.parametrize(
    "words",
    [
        "Nadia  Delgado",
        "Nadia\nDelgado",
        "Nadia\N{NO-BREAK SPACE}Delgado",
        "NADIA DELGADO",
        "Delgado, Nadia",
        "Delgado,Nadia",
        "DELGADO NADIA",
    ],
)
def test_a_name_is_found_in_each_spelling(file_kept: Kept, words: str) -> None:
    rename(file_kept, ALICE, "Nadia Delgado")
    assert note(file_kept, f"About {words}.") == "About (name)."


@pytest.mark.parametrize("words", ["Élodie Brown", "ÉLODIE BROWN", "élodie\nbrown", "Elodie Brown"])
def test_a_name_is_found_whatever_the_locale(kept: Kept, words: str) -> None:
    # The tests' PostgreSQL server lowers ASCII letters only.
    rename(kept, ALICE, "Élodie Brown")
    assert note(kept, f"About {words}.") == "About (name)."


@pytest.mark.parametrize("words", ["Нина Петрова", "НИНА ПЕТРОВА", "Петрова, Нина"])
def test_a_name_without_ascii_letters_is_found(kept: Kept, words: str) -> None:
    rename(kept, ALICE, "Нина Петрова")
    assert note(kept, f"About {words}.") == "About (name)."


def test_a_name_across_lines_leaves_the_history(kept: Kept) -> None:
    rename(kept, ALICE, "Nadia Delgado")
    with writing(kept.cast.engine) as session:
        values = {"reason": "Talked to\nNadia\nDelgado\nnadia"}
        record_changes(session, [Change("x", NOW, "waiver", 8, None, values)])
    erase(ALICE)
    [event] = [row for row in kept.cast.rows("audit_event") if row["row_id"] == 8]
    number = kept.cast.people[ALICE]
    assert json.loads(event["after"]) == {"reason": f"Talked to\nErased person {number}\nnadia"}


def test_a_saved_filter_names_nobody(kept: Kept) -> None:
    rename(kept, ALICE, "Nadia Delgado")
    with writing(kept.cast.engine) as session:
        for name, words in (("name", "Nadia Delgado"), ("address", ALICE)):
            session.add(
                SavedFilter(
                    owner=CAROL, association="NCIMHA", name=name, query=urlencode({"q": words}),
                    saved_at=NOW,
                )
            )  # fmt: skip
    erase(ALICE)
    found = {row["name"]: parse_qs(row["query"])["q"] for row in kept.cast.rows("saved_filter")}
    number = kept.cast.people[ALICE]
    assert found["name"] == [f"Erased person {number}"]
    assert found["address"] == [f"erased-{number}@erased.invalid"]


def test_a_reversed_name_of_somebody_else_stays(kept: Kept) -> None:
    rename(kept, ALICE, "Kim Lee")
    rename(kept, BOB, "Lee Kim")
    assert note(kept, "Kim Lee, then Lee Kim") == "(name), then Lee Kim"
    assert [row["name"] for row in kept.cast.rows("person", email=BOB)] == ["Lee Kim"]


def test_a_longer_name_of_somebody_else_stays(kept: Kept) -> None:
    rename(kept, ALICE, "Maria Lopez")
    rename(kept, BOB, "Ana Maria Lopez")
    assert note(kept, "Maria Lopez, and Ana Maria Lopez") == "(name), and Ana Maria Lopez"
    assert [row["name"] for row in kept.cast.rows("person", email=BOB)] == ["Ana Maria Lopez"]


@pytest.mark.parametrize("words", ["Eve Delgado, Nadia Chen", "Eve Delgado,Nadia Chen"])
def test_neighbors_in_a_list_of_names_stay(words: str) -> None:
    assert naming("Nadia Delgado", others=["Eve Delgado"]).replace(words) == words
    assert naming("Nadia Delgado", others=["Nadia Chen"]).replace(words) == words


def test_a_longer_former_name_goes_whole() -> None:
    found = naming("Nadia Delgado", "Nadia Delgado Rivera, LCSW")
    assert found.replace("Nadia Delgado Rivera is Nadia Delgado") == "(name) is (name)"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Zoe O'Neil-Fay", "Zoe O\N{RIGHT SINGLE QUOTATION MARK}Neil Fay"),
        ("Ann René", "Ann Rene\N{COMBINING ACUTE ACCENT}"),
        ("ǆemo Hodžić", "Dzemo Hodzic"),
        ("élodie brown", json.dumps("ÉLODIE BROWN")[1:-1]),
        ("Élodie Brown", "%c3%a9lodie+brown"),
        ("Nadia Delgado", "Delgado%2C%0ANadia"),
        ("Nadia Delgado", "Delgado%2c%0anadia"),
        ("Nadia Delgado, LCSW", "Nadia Delgado LCSW"),
        ("Nadia Delgado, LCSW, PhD", "Nadia Delgado"),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, words: str) -> None:
    assert naming(name).replace(words) == "(name)"
    assert naming(name).is_in(words)
    assert is_searched(name, words)


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("a/b@example.org", "a%2FB%40example.org"),
        ("zoë@example.org", json.dumps("ZOË@example.org")[1:-1]),
        ("zoë@example.org", json.dumps("zoë@example.org")[1:-1]),
    ],
)
def test_an_address_is_found_however_it_is_written(email: str, words: str) -> None:
    found = naming("Nadia Delgado", email=email)
    assert found.replace(words) == "(address)"
    assert found.is_in(words)


@pytest.mark.parametrize(
    "words",
    ["Нина Петрова", "НИНА ПЕТРОВА", json.dumps("Нина Петрова"), quote_plus("НИНА петрова")],
)
def test_texts_without_ascii_letters_are_searched(words: str) -> None:
    assert is_searched("Нина Петрова", words)
    assert is_searched("Нина Петрова", json.dumps(json.dumps(words)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Nadia Delgado", "xadia xelgado"),
        ("Nadia Delgado", "aidan odagled"),
        ("Nadia Delgado", "nadia"),
        ("Нина Петрова", "Нина"),
        ("Нина Петрова", json.dumps("Нина Петрова").replace("u", "x")),
        ("Нина Петрова", quote_plus("Нина Петрова").replace("%", "x")),
    ],
)
def test_texts_without_the_letters_are_not_searched(name: str, words: str) -> None:
    assert not is_searched(name, words)


def test_a_name_without_letters_is_searched_everywhere() -> None:
    assert is_searched("\N{WHITE SMILING FACE} \N{BLACK SMILING FACE}", "x")


def test_a_single_word_is_no_name() -> None:
    assert naming("Nadia").replace("Nadia") == "Nadia"
    assert naming("Nadia Delgado", others=["Nadia"]).replace("Delgado, Nadia") == "(name)"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("Nadia Delgado", "Nadia\N{ZERO WIDTH SPACE}Delgado"),
        ("Nadia Delgado Rivera", "Nadia Delgado Rivera"),
        ("Nadia Delgado Rivera", "Nadia Delgado Rivera came"),
        ("Zoë Nadia Delgado", json.dumps("Zoë Nadia Delgado")),
        ("Zoë Nadia Delgado", json.dumps("Zoë Nadia Delgado").replace("00eb", "00EB")),
        ("Zoë Nadia Delgado", json.dumps("Zoë\nNadia Delgado")),
        ("Zoë Nadia Delgado", quote_plus("Zoë Nadia Delgado")),
    ],
)
def test_a_name_within_somebody_elses_stays(other: str, words: str) -> None:
    assert naming("Nadia Delgado", others=[other]).replace(words) == words


@pytest.mark.parametrize("around", ["{}s", "x{}", "{}é", "\u00e9{}"])
def test_a_part_of_a_longer_word_stays(around: str) -> None:
    words = around.format("Nadia Delgado")
    assert naming("Nadia Delgado").replace(words) == words
    assert not naming("Nadia Delgado").is_in(words)
    in_json = json.dumps(words)
    assert naming("Nadia Delgado").replace(in_json) == in_json


@pytest.mark.parametrize(
    "words", ["Élodie Brown", "É\nélodie\u2009BROWN", "a\nélodie brown\nb", "—Élodie\r\nBrown—"]
)
def test_json_in_json_is_searched(words: str) -> None:
    found = naming("Élodie Brown")
    nested = json.loads(json.loads(found.replace(json.dumps(json.dumps(words)))))
    assert nested == found.replace(words)
    assert "(name)" in nested


@pytest.mark.parametrize(
    "email", ["a.nadia@example.org", "nadia@example.org.uk", "x-nadia@example.org"]
)
def test_a_longer_address_of_somebody_else_stays(email: str) -> None:
    assert naming("Nadia Delgado").replace(email) == email


def test_an_address_after_a_line_break_in_json_is_found() -> None:
    found = naming("Nadia Delgado").replace(json.dumps(f"From\n{EMAIL}\n"))
    assert json.loads(found) == "From\n(address)\n"
