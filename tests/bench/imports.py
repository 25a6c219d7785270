"""How long a list takes on the desk: `-m tests.bench.imports check URL ROWS`, or `plan`."""

import csv
import io
import sys
from collections.abc import Iterator

from tests.bench.measuring import Hold, heading, measure, report, say
from tests.importer.uploads import ASSOCIATION, Desk
from tests.support.cast import BOOKS, NOW, Cast
from tracker.db.engine import open_engine
from tracker.db.migrate import migrate
from tracker.importer.cells import ImportContext
from tracker.importer.mapping import map_sheets
from tracker.importer.proposals import Memory, propose_mapping
from tracker.importer.reader import read_tables
from tracker.importer.targets import choices_of
from tracker.importer.vocabulary import vocabulary_of
from tracker.importer.workbooks import read_upload

_MODULE = "tests.bench.imports"
_FILE = "roster.csv"


def list_bytes(rows: int) -> bytes:
    """A roster of new people."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["Name", "E-mail", "Endorsement", "Date endorsed"])
    for number in range(rows):
        # Names of letters that differ, as those of people do.
        letters = "".join(chr(97 + (number // 7**place) % 7 * 3) for place in range(6))
        name = f"{letters[:3].title()} {letters.title()}"
        day = f"{1 + number % 9}/{1 + number % 28}/2024"
        writer.writerow([name, f"person{number}@example.org", "IFS", day])
    return file.getvalue().encode()


def check_rows(data: bytes) -> int:
    """The floor: what the rows say, without any database."""
    sheets = read_upload(_FILE, data)
    choices = choices_of(BOOKS, ASSOCIATION)
    mapping = propose_mapping(sheets, choices, Memory({}, {}, {}))
    tables = map_sheets(sheets, mapping, choices, NOW.date()).tables
    context = ImportContext(vocabulary_of(BOOKS), NOW.date(), _MODULE, NOW)
    return sum(len(rows) for rows in read_tables(tables, context).rows.values())


def plan(url: str, data: bytes) -> int:
    """The upload and its plan, which is stored."""
    desk = Desk(Cast(url, open_engine(url)))
    plan_id = desk.upload((_FILE, data))
    return sum(desk.summary(plan_id).totals.values())


def measure_imports(urls: Iterator[str], rows: int) -> None:
    """Print the figures of a list on an empty database."""
    url = next(urls)
    migrate(url)
    heading(f"a list of {rows:,} people, each with an endorsement")
    floor = measure(_MODULE, "check", url, str(rows))
    say("the floor: checking the rows", floor)
    planned = measure(_MODULE, "plan", url, str(rows))
    say("upload, and plan row by row", planned, floor=floor, hold=Hold(cpu=10))


if __name__ == "__main__":
    _, what, url_, rows_ = sys.argv
    list_ = list_bytes(int(rows_))
    report(lambda: check_rows(list_) if what == "check" else plan(url_, list_))
