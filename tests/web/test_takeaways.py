"""Takeaways: one page from which everything can be taken."""

import re

from tests.support.cast import ALICE, CAROL, EVE
from tests.web.visiting import House, text_of


def test_each_cycle_offers_its_transcripts_newest_first(house: House) -> None:
    page = house.visit(ALICE).get("/takeaways")
    base = f"/transcript/{house.cast.endorsements[ALICE]}"
    links = re.findall(rf'href="({base}/[^"]+)"', page.text)
    years = ("2026", "2025", "2024")
    assert links == [f"{base}/{y}-01-01{end}" for y in years for end in ("", ".pdf", ".csv")]
    for link in links:
        assert house.visit(ALICE).get(link).status_code == 200


def test_who_holds_nothing_is_told_so_and_offered_one_thing_to_do(page_house: House) -> None:
    page = page_house.visit(EVE).get("/takeaways")
    assert "you hold none here yet" in text_of(page)
    assert 'href="/help"' in page.text


def test_the_calendar_says_what_its_address_shows(page_house: House) -> None:
    alice = page_house.visit(ALICE)
    alice.post("/takeaways/calendar", {"instead": ""})
    page = text_of(alice.get("/takeaways"))
    for shown in ("associations and categories", "complete", "membership ends", "provider"):
        assert shown in page.partition("as good as a key")[2]


def test_who_is_not_among_the_people_has_no_takeaways(page_house: House) -> None:
    carol = page_house.visit(CAROL)
    assert carol.get("/takeaways").content == carol.get("/nowhere").content
