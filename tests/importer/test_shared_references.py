"""References that several sessions share, in a column of their own."""

from tests.importer.importer import PEOPLE, Importer

HEAD = "email,activity,date,hours,title,reference,shared_reference"
DAYS = "".join(
    f"alice@example.org,training,2024-02-0{day},{day},Two days,,C-1\n" for day in (1, 1, 2)
)


def test_sessions_share_one_certificate(
    importer: Importer,
) -> None:
    for added in (3, 0):
        counts = importer.run(people=PEOPLE, entries=f"{HEAD}\n{DAYS}").counts["entries"]
        assert (counts.added, counts.changed, counts.unchanged) == (added, 0, 3 - added)
    stored = importer.rows("entry", "minutes", "reference")
    assert stored == [(60, "C-1"), (60, "C-1"), (120, "C-1")]


def test_another_shared_reference_is_another_session(
    sqlite_importer: Importer,
) -> None:
    sqlite_importer.run(people=PEOPLE, entries=f"{HEAD}\n{DAYS}")
    changed = DAYS.replace("C-1", "C-2,new", 1)
    counts = sqlite_importer.run(entries=f"{HEAD},similar\n{changed}").counts["entries"]
    assert (counts.added, counts.unchanged) == (1, 2)


def test_a_row_has_one_of_the_two_references(sqlite_importer: Importer) -> None:
    row = "alice@example.org,training,2024-02-01,1,One day,A-1,C-1"
    assert sqlite_importer.problem_texts(people=PEOPLE, entries=f"{HEAD}\n{row}\n") == [
        'entries.csv:2: shared_reference "C-1": must be empty if reference is given'
    ]


def test_an_empty_shared_reference_column_changes_nothing(
    sqlite_importer: Importer,
) -> None:
    head, row = "email,activity,date,hours,title", "alice@example.org,training,2024-02-01,1,A"
    rows = (f"{row},\n{row},A-1\n", f"{row},,\n{row},A-1,\n")
    sqlite_importer.run(people=PEOPLE, entries=f"{head},reference\n{rows[0]}")
    counts = sqlite_importer.run(entries=f"{HEAD}\n{rows[1]}").counts["entries"]
    assert (counts.added, counts.changed, counts.unchanged) == (0, 0, 2)


def test_a_formerly_shared_reference_finds_its_session(
    sqlite_importer: Importer,
) -> None:
    sqlite_importer.run(people=PEOPLE, entries=f"{HEAD}\n{DAYS}")
    alone = DAYS.splitlines()[2].replace(",,C-1", ",C-1,")
    counts = sqlite_importer.run(entries=f"{HEAD}\n{alone}\n").counts["entries"]
    assert (counts.added, counts.changed, counts.unchanged) == (0, 0, 1)
