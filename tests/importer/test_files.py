"""Which files are read, and how their bytes become rows."""

import errno
from pathlib import Path

import pytest

from tests.importer.importer import PEOPLE, Importer
from tracker.importer.problems import ImportRefused

ZOE = "email,name\nzoë@example.org,x\n"


def problems_of(importer: Importer, *paths: Path) -> list[str]:
    with pytest.raises(ImportRefused) as refused:
        importer.run_on(*paths)
    return [str(each).replace(f"{importer.folder}", "") for each in refused.value.problems]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_every_usual_encoding_is_read(sqlite_importer: Importer, encoding: str) -> None:
    sqlite_importer.run(people="email,name\nzoe@example.org,Zoë “Zo”\n".encode(encoding))
    assert sqlite_importer.rows("person", "name") == [("Zoë “Zo”",)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "email,name\na@b.org,A\n".encode("utf-16") + b"x",
            'people.csv:3: is broken UTF-16: save it again, best as "CSV UTF-8"',
        ),
        ("email,name\n".encode("utf-32"), 'people.csv: is UTF-32: save it as "CSV UTF-8"'),
        (
            b"email,name\na@b.org,\x81\n",
            "people.csv:2: byte 0x81 is neither UTF-8 nor Windows-1252",
        ),
        (
            b"\xef\xbb\xbfemail,name\na@b.org,\xe9\n",
            "people.csv:2: is not UTF-8, as its first bytes say",
        ),
        (
            b"email,name\na@b.org,\0\n",
            "people.csv:2: contains a NUL character: this is not CSV",
        ),
        (b"", "people.csv:1: is empty: its first line must name the columns"),
        (b"\n\n", "people.csv:1: is empty: its first line must name the columns"),
        (
            b'email,name\na@b.org,"Al "ice"\n',
            (
                "people.csv:2: the row can't be read (',' expected after '\"'): "
                "double the quotes inside a quoted cell"
            ),
        ),
        (
            b'email,name\na@b.org,A\nb@b.org,"B\n\n\n',
            (
                "people.csv:3: the row can't be read (unexpected end of data): "
                "double the quotes inside a quoted cell"
            ),
        ),
    ],
)
def test_broken_csv_is_refused_with_its_line(
    sqlite_importer: Importer, content: bytes, expected: str
) -> None:
    assert sqlite_importer.problem_texts(people=content) == [expected]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        (
            "email,name,shoe_size",
            (
                "people.csv:1: shoe_size: is not a known column; "
                "valid values: email, highest_degree, name, previous_email, provides_rsc, and "
                "second_email"
            ),
        ),
        (
            "email,name,second_mail",
            "people.csv:1: second_mail: is not a known column; did you mean second_email or email?",
        ),
        ("email", "people.csv:1: name: is missing; required are email and name"),
        ("email,name,Email", "people.csv:1: email: appears twice: keep one"),
    ],
)
def test_a_wrong_heading_names_the_column(
    sqlite_importer: Importer, heading: str, expected: str
) -> None:
    assert sqlite_importer.problem_texts(people=f"{heading}\n") == [expected]


def test_columns_have_any_case_and_order(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people=" Name ,EMAIL\nAlice,alice@example.org\n")
    assert sqlite_importer.rows("person", "email", "name") == [("alice@example.org", "Alice")]


def test_old_macintosh_files_keep_their_accents(sqlite_importer: Importer) -> None:
    people = "email,name\ra@b.org,José “Pepe” Núñez\rb@b.org,Éva\r"
    sqlite_importer.run(people=people.encode("mac_roman"))
    assert sqlite_importer.rows("person", "name") == [("José “Pepe” Núñez",), ("Éva",)]


@pytest.mark.parametrize("name", ["José", "Méndez", "Márquez"])
def test_text_that_would_be_garbled_is_refused(sqlite_importer: Importer, name: str) -> None:
    content = f"email,name\na@b.org,Ann\nb@b.org,{name}\n".encode("mac_roman")
    garbled = name.encode("mac_roman").decode("cp1252")
    assert sqlite_importer.problem_texts(people=content) == [
        (
            f'people.csv:3: is not Windows-1252, or "{garbled}" would be in it: save it as '
            '"CSV UTF-8"'
        )
    ]


def test_a_file_with_a_heading_only_is_fine(sqlite_importer: Importer) -> None:
    report = sqlite_importer.run(people="email,name\n")
    assert report.counts["people"].added == 0


def test_blank_lines_and_excels_separator_line_are_skipped(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people="sep=,\r\nemail,name\r\n\r\n,\r\nalice@example.org,Alice\r\n")
    assert sqlite_importer.rows("person", "name") == [("Alice",)]


def test_a_row_with_missing_or_extra_cells_is_refused(sqlite_importer: Importer) -> None:
    assert sqlite_importer.problem_texts(people="email,name\na@b.org\nb@b.org,Bob,x\n") == [
        (
            "people.csv:2: the row has 1 cell, but the first line names 2 columns: "
            "name must not be empty"
        ),
        (
            'people.csv:3: column 3 "x": has no name on the first line: name the column, or empty '
            "the cell; quote a cell that contains what separates cells"
        ),
    ]


def test_empty_cells_may_be_left_out_at_the_end(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people="email,name,provides_rsc\na@b.org,Alice\nb@b.org,Bob,yes\n")
    assert sqlite_importer.rows("person", "name", "provides_rsc") == [
        ("Alice", False),
        ("Bob", True),
    ]


def test_columns_without_name_or_content_are_ignored(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people="email,,name,,\na@b.org,,Alice,,\nb@b.org, ,Bob,,,,\n")
    assert sqlite_importer.rows("person", "name") == [("Alice",), ("Bob",)]


def test_a_cell_under_no_heading_is_refused(sqlite_importer: Importer) -> None:
    problems = sqlite_importer.problem_texts(people="email,,name,\na@b.org,x,Alice,\n")
    assert [each.split(":")[2] for each in problems] == [' column 2 "x"']


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_the_first_line_shows_the_separator(sqlite_importer: Importer, separator: str) -> None:
    rows = [["email", "name", "highest_degree"], ["a@b.org", "Adams, Alice", "master"]]
    sqlite_importer.run(people="\n".join(separator.join(cells) for cells in rows))
    assert sqlite_importer.rows("person", "name", "highest_degree") == [("Adams, Alice", "master")]


def test_excels_separator_line_decides(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people="sep=;,\r\nemail;name\r\na@b.org;Adams, Alice\r\n")
    assert sqlite_importer.rows("person", "name") == [("Adams, Alice",)]


def test_excels_unicode_text_is_read(sqlite_importer: Importer) -> None:
    text = 'email\tname\thighest_degree\r\na@b.org\t"Zoë, ""Zo"""\t\r\n'
    path = sqlite_importer.folder / "People.TXT"
    path.write_bytes(text.encode("utf-16"))
    sqlite_importer.run_on(sqlite_importer.folder)
    assert sqlite_importer.rows("person", "name") == [('Zoë, "Zo"',)]


def test_one_sheet_in_two_formats_is_refused(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE)
    (sqlite_importer.folder / "people.tsv").write_text(PEOPLE)
    assert problems_of(sqlite_importer, sqlite_importer.folder) == [
        ": contains people.csv and people.tsv: keep one, or name the files to import"
    ]


def test_problems_name_the_first_line_of_a_row(sqlite_importer: Importer) -> None:
    people = 'email,name\r\na@b.org,"Al\r\nice"\r\n\r\nb@b.org,"B\nob"\r\nnobody,"N\nn"\n'
    assert [each.line for each in sqlite_importer.problems(people=people)] == [7]


def test_a_line_break_becomes_a_blank(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people='email,name\na@b.org,"Alice \r\n Adams\tB."\n')
    assert sqlite_importer.rows("person", "name") == [("Alice Adams B.",)]


def test_a_formula_is_only_text(sqlite_importer: Importer) -> None:
    sqlite_importer.run(people='email,name\na@b.org,"=SUM(1;2)"\n')
    assert sqlite_importer.rows("person", "name") == [("=SUM(1;2)",)]


def test_an_unknown_file_name_is_refused(
    sqlite_importer: Importer,
) -> None:
    path = sqlite_importer.folder / "persons.csv"
    path.write_text(PEOPLE)
    assert problems_of(sqlite_importer, path) == [
        (
            "/persons.csv: is not a known file name; known are people.csv, endorsements.csv, "
            "vetting.csv, memberships.csv, applications.csv, leave.csv, waivers.csv, "
            "extensions.csv, degrees.csv, positions.csv, references.csv, attestations.csv, "
            "exams.csv, and entries.csv"
        )
    ]


def test_a_folder_without_a_known_file_is_refused(sqlite_importer: Importer) -> None:
    [problem] = problems_of(sqlite_importer, sqlite_importer.folder)
    assert problem.startswith(": contains none of the known files: people.csv")


def test_an_unknown_csv_file_is_ignored_and_named(sqlite_importer: Importer) -> None:
    report = sqlite_importer.run(people=PEOPLE, entry="anything")
    assert [Path(each).name for each in report.ignored] == ["entry.csv"]


def test_missing_paths_and_folders_are_refused(
    sqlite_importer: Importer,
) -> None:
    (sqlite_importer.folder / "people.csv").mkdir()
    missing = sqlite_importer.folder / "entries.csv"
    assert problems_of(sqlite_importer, missing, sqlite_importer.folder) == [
        "/entries.csv: does not exist",
        "/people.csv: can't be read: Is a directory",
    ]


def test_an_unreadable_file_is_refused(
    sqlite_importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = sqlite_importer.folder / "people.csv"
    path.touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert problems_of(sqlite_importer, path) == ["/people.csv: can't be read: Permission denied"]


def test_a_file_named_twice_is_read_once(sqlite_importer: Importer) -> None:
    path = sqlite_importer.folder / "people.csv"
    path.write_text(PEOPLE)
    report = sqlite_importer.run_on(path, sqlite_importer.folder, path)
    assert report.counts["people"].added == 2


def test_the_order_of_files_does_not_matter(sqlite_importer: Importer) -> None:
    people, vetting = (sqlite_importer.folder / f"{kind}.csv" for kind in ("people", "vetting"))
    people.write_text(PEOPLE)
    vetting.write_text("email,association,starts_on\nbob@example.org,NCIMHA,2024-01-01\n")
    report = sqlite_importer.run_on(vetting, people)
    assert (report.counts["people"].added, report.counts["vetting"].added) == (2, 1)


def test_problems_of_all_files_are_listed(sqlite_importer: Importer) -> None:
    problems = sqlite_importer.problem_texts(people=ZOE, vetting="email\n", leave="nothing")
    assert [each.split(":")[0] for each in problems] == [
        "leave.csv",
        "leave.csv",
        "leave.csv",
        "leave.csv",
        "leave.csv",
        "people.csv",
        "vetting.csv",
        "vetting.csv",
    ]
