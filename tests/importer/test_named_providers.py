"""RSC whose provider a file tells by name alone: stored as a name that a coordinator confirms."""

from tests.importer.importer import PEOPLE, Importer

HEAD = "email,activity,date,hours,title"
NAMED = f"{HEAD},provider_name\nalice@example.org,rsc,2024-02-01,1,RSC,Jo Hart\n"


def test_a_provider_told_by_name_is_kept_as_a_name(importer: Importer) -> None:
    importer.take(people=PEOPLE, entries=NAMED)
    assert importer.rows("entry", "provider_id", "provider_name") == [(None, "Jo Hart")]
    assert importer.take(entries=NAMED).counts["entries"].unchanged == 1


def test_a_provider_is_told_in_one_way(sqlite_importer: Importer) -> None:
    both = f"{HEAD},provider_email,provider_name\n"
    row = "alice@example.org,rsc,2024-02-01,1,RSC,bob@example.org,Bob\n"
    assert sqlite_importer.told(people=PEOPLE, entries=both + row) == [
        'entries.csv:2: provider_name "Bob": must be empty if provider_email is given'
    ]


def test_a_training_has_no_provider_by_name_either(sqlite_importer: Importer) -> None:
    training = NAMED.replace(",rsc,", ",training,")
    assert len(sqlite_importer.told(people=PEOPLE, entries=training)) == 1


def test_files_of_before_are_known_again_with_a_new_empty_column(sqlite_importer: Importer) -> None:
    head = f"{HEAD},provider_email,reference"
    row = "alice@example.org,rsc,2024-02-01,1,RSC,bob@example.org,r1"
    sqlite_importer.take(people=PEOPLE, entries=f"{head}\n{row}\n")
    again = sqlite_importer.take(entries=f"{head},provider_name\n{row},\n")
    assert again.counts["entries"].unchanged == 1
    assert sqlite_importer.rows("entry", "provider_id", "provider_name") == [(2, None)]


def test_an_apostrophe_before_a_formula_is_left_out(sqlite_importer: Importer) -> None:
    rows = "".join(f"alice@example.org,training,2024-02-0{n},1,{t}\n"
                   for n, t in ((1, "'=1+1"), (2, "''@x"), (3, "'til noon")))  # fmt: skip
    sqlite_importer.take(people=PEOPLE, entries=f"{HEAD}\n{rows}")
    titles = [title for (title,) in sqlite_importer.rows("entry", "title")]
    assert titles == ["=1+1", "'@x", "'til noon"]


def test_a_name_takes_back_neither_who_that_is_nor_the_hours(sqlite_importer: Importer) -> None:
    head = f"{HEAD},provider_email,reference"
    row = "alice@example.org,rsc,2024-02-01,1,RSC,bob@example.org,r1"
    sqlite_importer.take(people=PEOPLE, entries=f"{head}\n{row}\n")
    changed = "alice@example.org,rsc,2024-02-01,2,RSC,Bob,r1"
    told = f"{HEAD},provider_name,reference\n{changed}\n"
    assert sqlite_importer.take(entries=told).counts["entries"].changed == 1
    assert sqlite_importer.rows("entry", "provider_id", "minutes") == [(2, 120)]


def test_of_two_rows_that_say_what_is_stored_once_the_second_is_added(importer: Importer) -> None:
    head = f"{HEAD},provider_email"
    row = "alice@example.org,rsc,2024-02-01,1,RSC"
    importer.take(people=PEOPLE, entries=f"{head}\n{row},bob@example.org\n")
    twice = f"{HEAD},provider_name\n" + f"{row},Bob\n" * 2
    for added in (1, 0):
        counts = importer.take(entries=twice).counts["entries"]
        assert (counts.added, counts.unchanged) == (added, 2 - added)
    other = twice.replace(",Bob", ",Bo")
    assert importer.take(entries=other).counts["entries"].added == 2
