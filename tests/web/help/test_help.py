"""Help: an endorsee's own rulebooks with sources and contacts; general help for everybody."""

from datetime import date

from sqlalchemy import insert

from tests.support.cast import ALICE, BOOKS, CAROL, ERIN, EVE
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.web.pages.help_page import describe_rulebook


def test_endorsees_read_their_rules_with_sources(sqlite_web: WebClient) -> None:
    page = text_of(sqlite_web.visit(ALICE).get("/help"))
    assert "Infant Family Specialist (IFS)" in page
    assert "15 hours" in page
    assert "12 hours" in page
    assert "NCIMHA: Infant Family Specialist (IFS), “Continuing endorsement: Education" in page
    assert "vetted by the association, through December 21, 2027" in page
    assert "Footnote 1: vetted professionals" in page
    assert "A cycle lasts one year and ends on December 31." in page
    assert "grace period of 31 days" in page
    assert "The same endorsement by any association counts" in page
    assert "Years of work" not in page
    assert "Application: Education" not in page


def test_help_names_the_associations_coordinator(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/help").text
    assert 'href="mailto:carol@example.org">Carol Reyes</a>' in page
    assert "dan@example.org" not in page
    assert "Dan Whitfield" in sqlite_web.visit(ERIN).get("/help").text


def test_help_has_no_operator_instructions(sqlite_web: WebClient) -> None:
    page = text_of(sqlite_web.visit(ALICE).get("/help"))
    assert "An endorsement by any association counts." in page
    for words in ("in the provider rule", "[[", "first_cycle", "associations in"):
        assert words not in page
    for rulebook in BOOKS.associations.values():
        for found in rulebook.interpretations:
            assert "rule to" not in found.taken
            assert "[[" not in found.taken


def test_help_links_to_the_second_address(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/help").text
    assert '<a href="/profile/second-address">on your profile</a>' in page


def test_partial_requirements_name_their_group_once() -> None:
    view = describe_rulebook(BOOKS, "MI-AIMH", "IMHS", date(2026, 11, 22))
    abouts = [requirement["about"] for requirement in view["requirements"]]
    (about,) = [text for text in abouts if "those who provide" in text]
    assert about.count("required") == 1


def test_others_read_general_help(sqlite_web: WebClient) -> None:
    for who in ("", EVE, CAROL):
        page = sqlite_web.visit(who).get("/help")
        assert page.status_code == 200
        words = text_of(page)
        assert "There is no password" in words
        assert "Our email comes from renewals@localhost" in words
        assert "Reflective Supervision/Consultation" in words
        assert "mailto:" not in page.text
        assert "Requirements for renewal" not in words


def test_a_category_without_rules_says_so(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["endorsement"]).values(
                person_id=sqlite_web.cast.people[EVE],
                association="NCIMHA",
                category="ERS",
                starts_on=date(2026, 1, 1),
            )
        )
    assert "We don't track this endorsement's renewal yet; ask NCIMHA." in text_of(
        sqlite_web.visit(EVE).get("/help")
    )


def test_every_category_has_its_rules(sqlite_web: WebClient) -> None:
    rows = [
        {
            "person_id": sqlite_web.cast.people[EVE],
            "association": name,
            "category": category,
            "starts_on": date(2026, 1, 1),
        }
        for name, rulebook in BOOKS.associations.items()
        for category in rulebook.categories
    ]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["endorsement"]), rows)
    page = sqlite_web.visit(EVE).get("/help")
    assert page.status_code == 200
    assert page.text.count('id="rules-') == len(rows)


def test_help_is_last_in_every_menu(sqlite_web: WebClient) -> None:
    for who, path in (("", "/"), ("", "/help"), (ALICE, "/my-year"), (CAROL, "/coordinator")):
        menu = sqlite_web.visit(who).get(path).text.partition('aria-label="Pages"')[2]
        assert '"/help"' in menu.partition("</nav>")[0].rpartition("<li>")[2]
