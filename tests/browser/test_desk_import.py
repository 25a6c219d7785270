"""A workbook is uploaded, mapped, applied, and undone, with a keyboard alone and no script."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook
from playwright.sync_api import expect

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import CAROL

pytestmark = pytest.mark.browser
ROWS = (
    ("Who", "Mail address", "Kind of endorsement", "From", "Shirt"),
    ("Zoe Hart", "zoe@example.org", "Level 2", "2024-03-14", "M"),
    ("Yan Li", "yan@example.org", "Level 2", "2025-05-26", "L"),
    ("No Mail", "", "Level 2", "2025-05-26", "S"),
)


SHARED = (
    ("Name", "Email", "Category", "Endorsed on"),
    ("Zoe Hart", "office@example.org", "IFS", "2024-03-14"),
    ("Yan Li", "office@example.org", "IFA", "2025-05-26"),
    ("Tess Berg", "tess@example.org", "IFS", "2024-03-14"),
    ("Tess Berg-Roy", "tess@example.org", "IFA", "2025-05-26"),
)


def write_workbook(path: Path, rows: Sequence[tuple[str, ...]] = ROWS) -> Path:
    workbook = Workbook()
    for row in rows:
        workbook.worksheets[0].append(row)
    workbook.save(path)
    return path


def test_an_odd_workbook_is_mapped_applied_and_undone(
    keys: Callable[[str, str], Keys], server: LiveServer, tmp_path: Path
) -> None:
    def emails() -> set[str]:
        return {row["email"] for row in server.cast.rows("person")}

    def wait(words: str) -> None:
        server.settle()
        carol.page.reload()
        carol.see_heading(words)

    carol = keys(CAROL, "/coordinator")
    carol.follow("Import")
    carol.upload("Lists for NCIMHA", write_workbook(tmp_path / "members.xlsx"))
    carol.press("Upload")
    carol.see_heading("What do the columns mean?")
    carol.select("Meaning of Who", "People: Name")
    carol.select("Meaning of Kind of endorsement", "Category")
    carol.select("Meaning of From", "Endorsements: First day")
    carol.press("See what would change")
    carol.see_problem("Choose what “Level 2” means")
    carol.select("Level 2", "IFS, Infant Family Specialist")
    carol.press("See what would change")
    wait("members.xlsx: this is what would happen")
    carol.see("4 rows of 6 would change something")
    carol.walk_to(carol.page.get_by_role("link", name="Download refused rows (CSV)"))
    name = carol.download(lambda: carol.page.keyboard.press("Enter"))
    assert name.endswith(".csv")
    assert "zoe@example.org" not in emails()
    carol.press("Apply 4 rows")
    wait("members.xlsx was imported")
    assert {"zoe@example.org", "yan@example.org"} <= emails()
    carol.press("Undo this import")
    wait("members.xlsx: the import was undone")
    carol.see("removed again")
    assert "zoe@example.org" not in emails()


def test_rows_with_one_address_are_decided_on(
    keys: Callable[[str, str], Keys], server: LiveServer, tmp_path: Path
) -> None:
    def wait(words: str) -> None:
        server.settle()
        carol.page.reload()
        carol.see_heading(words)

    carol = keys(CAROL, "/coordinator/import")
    carol.upload("Lists for NCIMHA", write_workbook(tmp_path / "roster.xlsx", SHARED))
    carol.press("Upload")
    carol.press("See what would change")
    wait("this is what would happen")
    carol.see("The same address in different rows: 2 to decide")
    office = carol.page.get_by_role("region", name="office@example.org")
    carol.choose(office.get_by_label("Two people: Zoe Hart (row 2) signs in with this address"))
    carol.type("Own address of Yan Li (row 3)", "yan@example.org")
    tess = carol.page.get_by_role("region", name="tess@example.org")
    carol.choose(tess.get_by_label("One person: keep the name and details of row 5"))
    carol.press("Save these choices")
    wait("this is what would happen")
    expect(office.get_by_label("Two people: Zoe Hart (row 2)")).to_be_checked()
    carol.see("the same person as row 5, whose name and details are kept")
    carol.press("Apply 7 rows")
    wait("roster.xlsx was imported")
    names = {row["email"]: row["name"] for row in server.cast.rows("person")}
    assert names["office@example.org"] == "Zoe Hart"
    assert names["yan@example.org"] == "Yan Li"
    assert names["tess@example.org"] == "Tess Berg-Roy"
    carol.press("Undo this import")
    wait("roster.xlsx: the import was undone")
    left = {row["email"] for row in server.cast.rows("person")}
    assert names.keys() - left == {"office@example.org", "yan@example.org", "tess@example.org"}
