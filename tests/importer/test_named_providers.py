"""RSC providers given by name alone: stored as a name that a coordinator confirms."""

from tests.importer.importer import PEOPLE, Importer

HEAD = "email,activity,date,hours,title"
NAMED = f"{HEAD},provider_name\nalice@example.org,rsc,2024-02-01,1,RSC,Jo Hart\n"


def test_a_provider_given_by_name_stays_a_name(importer: Importer) -> None:
    importer.run(people=PEOPLE, entries=NAMED)
    assert importer.rows("entry", "provider_id", "provider_name") == [(None, "Jo Hart")]
    assert importer.run(entries=NAMED).counts["entries"].unchanged == 1


def test_a_provider_is_told_in_one_way(sqlite_importer: Importer) -> None:
    both = f"{HEAD},provider_email,provider_name\n"
    row = "alice@example.org,rsc,2024-02-01,1,RSC,bob@example.org,Bob\n"
    assert sqlite_importer.problem_texts(people=PEOPLE, entries=both + row) == [
        'entries.csv:2: provider_name "Bob": must be empty if provider_email is given'
    ]


def test_a_training_has_no_provider_by_name_either(sqlite_importer: Importer) -> None:
    training = NAMED.replace(",rsc,", ",training,")
    assert len(sqlite_importer.problem_texts(people=PEOPLE, entries=training)) == 1


def test_a_new_empty_column_changes_nothing(sqlite_importer: Importer) -> None:
    head = f"{HEAD},provider_email,reference"
    row = "alice@example.org,rsc,2024-02-01,1,RSC,bob@example.org,r1"
    sqlite_importer.run(people=PEOPLE, entries=f"{head}\n{row}\n")
    again = sqlite_importer.run(entries=f"{head},provider_name\n{row},\n")
    assert again.counts["entries"].unchanged == 1
    assert sqlite_importer.rows("entry", "provider_id", "provider_name") == [(2, None)]


def test_an_apostrophe_before_a_formula_is_left_out(sqlite_importer: Importer) -> None:
    rows = "".join(f"alice@example.org,training,2024-02-0{n},1,{t}\n"
                   for n, t in ((1, "'=1+1"), (2, "''@x"), (3, "'til noon")))  # fmt: skip
    sqlite_importer.run(people=PEOPLE, entries=f"{HEAD}\n{rows}")
    titles = [title for (title,) in sqlite_importer.rows("entry", "title")]
    assert titles == ["=1+1", "'@x", "'til noon"]


def test_a_provider_name_keeps_the_known_provider(sqlite_importer: Importer) -> None:
    head = f"{HEAD},provider_email,reference"
    row = "alice@example.org,rsc,2024-02-01,1,RSC,bob@example.org,r1"
    sqlite_importer.run(people=PEOPLE, entries=f"{head}\n{row}\n")
    changed = "alice@example.org,rsc,2024-02-01,2,RSC,Bob,r1"
    entries = f"{HEAD},provider_name,reference\n{changed}\n"
    assert sqlite_importer.run(entries=entries).counts["entries"].changed == 1
    assert sqlite_importer.rows("entry", "provider_id", "minutes") == [(2, 120)]


def test_the_second_of_two_equal_rows_is_new(importer: Importer) -> None:
    head = f"{HEAD},provider_email"
    row = "alice@example.org,rsc,2024-02-01,1,RSC"
    importer.run(people=PEOPLE, entries=f"{head}\n{row},bob@example.org\n")
    twice = f"{HEAD},provider_name\n" + f"{row},Bob\n" * 2
    for added in (1, 0):
        counts = importer.run(entries=twice).counts["entries"]
        assert (counts.added, counts.unchanged) == (added, 2 - added)
    other = twice.replace(",Bob", ",Bo,new").replace("provider_name", "provider_name,similar")
    assert importer.run(entries=other).counts["entries"].added == 2
