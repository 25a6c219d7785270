"""Whatever the files contain, an import takes all of it or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importer.importer import CONTEXT, NOW, PEOPLE, VOCABULARY, Importer
from tests.support.databases import copy_sqlite
from tracker.db.engine import open_engine
from tracker.importer.apply import import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.reader import read_files
from tracker.importer.schemas import SCHEMAS

GOOD = {
    "email": ["alice@example.org", "BOB@example.org", "carol@example.org"],
    "name": ["Alice", "Bob"],
    "association": ["NCIMHA", "CT-AIMH"],
    "category": ["IFS", "IFA"],
    "organization": ["NCIMHA"],
    "starts_on": ["2024-01-01", "1/1/2022", "2023-06-01"],
    "ends_on": ["", "2024-12-31", "2023-12-31"],
    "activity": ["training", "rsc"],
    "kind": ["", "leave", "inactive"],
    "date": ["2024-02-01", "6/30/2024", "2024-07-01"],
    "hours": ["1", "6:30", "20", "90 min"],
    "title": ["Talk"],
    "topics": ["", "DEIA:1", "DEIA:1;RSC:0.5"],
    "provider_email": ["", "bob@example.org"],
    "provider_name": ["", "Jo Hart"],
    "format": ["", "group"],
    "reference": ["", "1", "2"],
    "shared_reference": ["", "1", "2"],
    "previous_email": ["", "old@example.org"],
    "similar": ["", "same", "new"],
    "days": ["", "2024-02-01 6; 2/2/2024 5:30 (DEIA:1)", "2024-02-01 1"],
    "reason": ["", "A child"],
    "endorsed_on": ["2024-01-01", "1/1/2022"],
    "cycle_starts_on": ["2024-01-01", "2023-01-01"],
    "requirement": ["rsc", "training"],
    "extended_due_on": ["2025-03-01"],
    "second_email": ["", "al@example.net"],
    "highest_degree": ["", "master"],
    "provides_rsc": ["", "yes", "no"],
    "opened_on": ["2024-01-01", "2024-02-01"],
    "submitted_on": ["", "2024-03-01"],
    "decided_on": ["", "2024-04-01"],
    "answer": ["", "Two references"],
    "state": ["", "open", "submitted", "endorsed", "declined"],
    "level": ["bachelor", "cda"],
    "awarded_on": ["2010-06-01"],
    "transcript": ["", "official"],
    "pay": ["paid", "volunteer"],
    "services": ["rsc", "rsc;prevention"],
    "ages": ["", "birth to 36 months"],
    "families": ["", "0", "12"],
    "supervised": ["", "yes"],
    "trained": ["", "no"],
    "gives_rsc": ["", "yes"],
    "statements": ["", "attachment"],
    "supervisor_email": ["", "bob@example.org"],
    "employer": ["", "Clinic A"],
    "referee_email": ["rita@example.net", "bob@example.org"],
    "referee_name": ["Rita"],
    "role": ["supervisor"],
    "received_on": ["", "2024-05-01"],
    "relationship": ["", "Colleague"],
    "signed_as": ["", "Rita Roe"],
    "role_confirmed": ["", "yes", "no"],
    "endorsed_by": ["", "MI-AIMH"],
    "endorsed_as": ["", "IFS"],
    "vetted": ["", "yes"],
    "ratings": ["", "work:Good", "work", ";"],
    "what": ["ethics"],
    "signed_on": ["2024-01-02"],
    "taken_on": ["2024-02-02"],
    "passed": ["yes", "no"],
}


@st.composite
def nearly_right_files(draw: st.DrawFn) -> dict[str, str]:
    """Files with the right columns, and cells that are mostly right."""
    files = {}
    for kind in draw(st.lists(st.sampled_from(list(SCHEMAS)), min_size=1, unique=True)):
        cells = [
            st.one_of(st.sampled_from(GOOD[column]), st.sampled_from(GOOD[column]), st.text())
            if draw(st.booleans())
            else st.sampled_from(GOOD[column])
            for column in SCHEMAS[kind].columns()
        ]
        rows = draw(st.lists(st.tuples(*cells), max_size=8))
        lines = [",".join(SCHEMAS[kind].columns()), *(",".join(map(_quoted, row)) for row in rows)]
        files[kind] = "\n".join(lines)
    return files


def _quoted(cell: str) -> str:
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


@pytest.fixture(scope="module")
def peopled(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy, which knows Alice and Bob."""
    folder = tmp_path_factory.mktemp("peopled")
    with copied(migrated_sqlite, folder) as importer:
        importer.run(people=PEOPLE)
    return folder / migrated_sqlite.name


@contextmanager
def copied(database: Path, folder: Path) -> Iterator[Importer]:
    """An importer on a copy of a database, in ``folder``."""
    files = folder / "files"
    files.mkdir()
    engine = open_engine(copy_sqlite(database, folder))
    yield Importer(engine, files)
    engine.dispose()


@contextmanager
def fresh_importer(peopled: Path) -> Iterator[Importer]:
    """An importer on a database of its own that knows Alice and Bob."""
    with TemporaryDirectory() as folder, copied(peopled, Path(folder)) as importer:
        yield importer


def take_or_refuse(importer: Importer, files: dict[str, bytes]) -> None:
    """Import twice: a refusal changes nothing, and neither does the second time."""
    before = importer.all_rows()
    importer.write(**files)
    problems = importer.problems_of_written_files()
    assert all(str(each).isprintable() for each in problems)
    if problems:
        assert importer.all_rows() == before
        return
    after = importer.all_rows()
    importer.run_on(importer.folder)
    assert importer.all_rows() == after


@given(files=st.dictionaries(st.sampled_from(list(SCHEMAS)), st.binary(max_size=200), min_size=1))
def test_random_bytes_are_imported_or_refused(peopled: Path, files: dict[str, bytes]) -> None:
    with fresh_importer(peopled) as importer:
        take_or_refuse(importer, files)


@given(files=nearly_right_files())
def test_nearly_right_files_are_all_or_nothing(peopled: Path, files: dict[str, str]) -> None:
    with fresh_importer(peopled) as importer:
        take_or_refuse(importer, {kind: text.encode() for kind, text in files.items()})


@given(st.sampled_from(sorted(GOOD)), st.text())
def test_every_cell_is_read_or_refused(column: str, text: str) -> None:
    kind = next(kind for kind, schema in SCHEMAS.items() if column in schema.columns())
    columns = SCHEMAS[kind].columns()
    cells = [text if name == column else GOOD[name][0] for name in columns]
    content = f"{','.join(columns)}\n{','.join(map(_quoted, cells))}\n"
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.csv"
        path.write_text(content, encoding="utf-8", newline="")
        files = read_files([path], CONTEXT)
    assert all(problem.message for problem in files.problems)
    assert bool(files.problems) != any(files.rows.values())


@given(as_of=st.dates())
def test_any_day_may_be_the_as_of_day(peopled: Path, as_of: date) -> None:
    with fresh_importer(peopled) as importer:
        importer.write(
            entries="email,activity,date,hours,title\n"
            f"alice@example.org,training,{as_of.isoformat()},1,Talk\n"
        )
        import_paths(
            importer.engine, [importer.folder], ImportContext(VOCABULARY, as_of, "tests", NOW)
        )
        assert importer.rows("entry", "held_on") == [(as_of,)]
