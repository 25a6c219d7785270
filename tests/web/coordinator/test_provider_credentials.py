"""What qualifies a provider, recorded on the provider's page, changed, and undone."""

from datetime import date

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, CAROL, DAN, EVE, NOW
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.test_provider_names import OWN, short_of, state_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.rulebooks import with_rulebook
from tracker.rules.model import AcceptedProvider, ProviderRule

PROVIDERS = "/coordinator/providers"
SINCE = {"starts_day": "1", "starts_month": "jan", "starts_year": "2020"}
VETTED = {"association": "NCIMHA", "record": "vetting", **SINCE}
ELSEWHERE = {**VETTED, "record": "elsewhere", "elsewhere": "MI-AIMH", "category": "IMHM-C"}
ENDED = {"ends_day": "31", "ends_month": "12", "ends_year": "2025"}


def see_bob(web: WebClient) -> int:
    """Let Alice log five hours with Bob, who holds nothing that counts; return Bob's id."""
    bob = web.cast.people[BOB]
    values = {"activity": "rsc", "minutes": 300, "title": "RSC", "logged_at": NOW}
    people = {"person_id": web.cast.people[ALICE], "provider_id": bob}
    with writing(web.cast.engine) as session:
        statement = insert(METADATA.tables["entry"])
        session.connection().execute(statement.values(**values, **people, held_on=date(2026, 3, 1)))
    return bob


def save(visitor: Visitor, path: str, form: dict[str, str]) -> str:
    """Send a form, save what its preview shows, and return what the preview said."""
    preview = visitor.post(path, form)
    assert preview.status_code == 200, problems(preview)
    saved = visitor.post(path, {**form, "confirmed": "yes", "state": state_of(preview)})
    assert saved.status_code == 303
    assert "Saved. Undo" in text_of(visitor.follow(saved))
    return text_of(preview)


@pytest.mark.parametrize(
    ("form", "table"), [(VETTED, "vetting"), (ELSEWHERE, "outside_endorsement")]
)
def test_a_recorded_credential_makes_hours_count(
    web: WebClient, form: dict[str, str], table: str
) -> None:
    bob, carol = see_bob(web), web.visit(CAROL)
    before, stored = short_of(web, ALICE), web.cast.rows(table)
    page = carol.get(f"{PROVIDERS}/{bob}")
    assert "Sessions with Bob Osei do not count today." in text_of(page)
    assert f'href="{PROVIDERS}/{bob}/credential?association=NCIMHA"' in page.text
    preview = save(carol, f"{PROVIDERS}/{bob}/credential", form)
    assert "Alice Moreno" in preview
    assert len(web.cast.rows(table)) == len(stored) + 1
    assert short_of(web, ALICE) < before
    assert "Sessions with Bob Osei count today" in text_of(carol.get(f"{PROVIDERS}/{bob}"))
    carol.post(f"/coordinator/changes/{web.cast.rows('desk_change')[0]['id']}/undo")
    assert web.cast.rows(table) == stored
    assert short_of(web, ALICE) == before


def test_an_endorsement_elsewhere_ends_and_is_removed(web: WebClient) -> None:
    bob, carol = see_bob(web), web.visit(CAROL)
    before = short_of(web, ALICE)
    save(carol, f"{PROVIDERS}/{bob}/credential", ELSEWHERE)
    [outside] = web.cast.rows("outside_endorsement")
    path = f"{PROVIDERS}/elsewhere/{outside['id']}"
    assert f'href="{path}"' in carol.get(f"{PROVIDERS}/{bob}").text
    assert "Alice Moreno" in save(carol, path, ENDED)
    assert short_of(web, ALICE) == before
    assert 'value="2025"' in carol.get(path).text
    save(carol, path, {})
    assert short_of(web, ALICE) < before
    assert "Alice Moreno" in save(carol, f"{path}/remove", {})
    assert web.cast.rows("outside_endorsement") == []
    assert short_of(web, ALICE) == before


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (
            {"association": "NCIMHA"},
            ("record", "Choose vetting, or an endorsement by another association"),
        ),
        (
            {**ELSEWHERE, "elsewhere": "NCIMHA"},
            ("elsewhere", OWN),
        ),
        ({**ELSEWHERE, "category": ""}, ("category", "Choose a category from the list")),
        (
            {**VETTED, "ends_day": "1", "ends_month": "1", "ends_year": "2019"},
            ("ends_day", "The last day must be January 1, 2020 or later"),
        ),
        (
            {**VETTED, "ends_day": "31", "ends_month": "feb", "ends_year": "2026"},
            ("ends_day", "February 2026 has days 1 to 28"),
        ),
    ],
)
def test_wrong_credentials_are_shown_at_their_fields(
    sqlite_web: WebClient, form: dict[str, str], problem: tuple[str, str]
) -> None:
    bob = see_bob(sqlite_web)
    answer = sqlite_web.visit(CAROL).post(f"{PROVIDERS}/{bob}/credential", form)
    assert (answer.status_code, problems(answer)) == (422, [problem])


def test_a_credential_is_recorded_once(sqlite_web: WebClient) -> None:
    bob, carol = see_bob(sqlite_web), sqlite_web.visit(CAROL)
    path = f"{PROVIDERS}/{bob}/credential"
    save(carol, path, VETTED)
    expected = (
        "Bob Osei has this on record already, starting January 1, 2020. Enter other days, or leave "
        "it as it is."
    )
    assert problems(carol.post(path, VETTED)) == [("starts_day", expected)]


def test_a_last_day_stays_before_the_next_record(sqlite_web: WebClient) -> None:
    bob, carol = see_bob(sqlite_web), sqlite_web.visit(CAROL)
    path = f"{PROVIDERS}/{bob}/credential"
    save(carol, path, {**ELSEWHERE, **ENDED})
    save(carol, path, {**ELSEWHERE, "starts_year": "2026"})
    first = sqlite_web.cast.rows("outside_endorsement")[0]["id"]
    answer = carol.post(f"{PROVIDERS}/elsewhere/{first}", {})
    expected = "Another record of the same kind starts January 1, 2026. Enter a day before"
    assert problems(answer) == [("ends_day", expected)]


def test_others_can_neither_record_nor_change(sqlite_web: WebClient) -> None:
    bob, carol, dan = see_bob(sqlite_web), sqlite_web.visit(CAROL), sqlite_web.visit(DAN)
    save(carol, f"{PROVIDERS}/{bob}/credential", ELSEWHERE)
    [outside] = sqlite_web.cast.rows("outside_endorsement")
    for path in (f"{bob}/credential", f"elsewhere/{outside['id']}"):
        assert dan.get(f"{PROVIDERS}/{path}").status_code == 404
        assert dan.post(f"{PROVIDERS}/{path}", ELSEWHERE).status_code == 404
    assert dan.post(f"{PROVIDERS}/elsewhere/{outside['id']}/remove", {}).status_code == 404
    eve = sqlite_web.cast.people[EVE]
    assert carol.post(f"{PROVIDERS}/{eve}/credential", VETTED).status_code == 404
    assert sqlite_web.cast.rows("outside_endorsement") == [outside]


def accepting(web: WebClient, **accepted: object) -> WebClient:
    """A site whose NCIMHA accepts other providers of IFS's RSC, and no others."""
    rulebook = web.rulebooks.associations["NCIMHA"]
    values = {"source": rulebook.providers["ifs-rsc"].accepts[0].source, **accepted}
    rule = ProviderRule(says="others", accepts=(AcceptedProvider.model_validate(values),))
    changed = rulebook.model_copy(update={"providers": {**rulebook.providers, "ifs-rsc": rule}})
    return WebClient(web.cast, rulebooks=with_rulebook(web.rulebooks, changed))


def test_vetting_elsewhere_is_recorded_where_a_rule_accepts_it(sqlite_web: WebClient) -> None:
    web = accepting(sqlite_web, vetted=True, associations=["MI-AIMH"])
    bob, carol = see_bob(web), web.visit(CAROL)
    path = f"{PROVIDERS}/{bob}/credential"
    assert "Vetted, without an endorsement" in text_of(carol.get(f"{path}?association=NCIMHA"))
    save(carol, path, {**ELSEWHERE, "category": "vetted"})
    page = text_of(carol.get(f"{PROVIDERS}/{bob}"))
    assert "Sessions with Bob Osei count today" in page
    assert "vetting by MI-AIMH" in page
    [outside] = web.cast.rows("outside_endorsement")
    assert (outside["association"], outside["category"]) == ("MI-AIMH", "")
    shown = text_of(carol.get(f"{PROVIDERS}/elsewhere/{outside['id']}"))
    assert "Vetting by MI-AIMH, since January 1, 2020." in shown
    save(carol, f"{PROVIDERS}/elsewhere/{outside['id']}/remove", {})
    assert web.cast.rows("outside_endorsement") == []


def test_vetting_elsewhere_is_refused_where_no_rule_accepts_it(sqlite_web: WebClient) -> None:
    bob, carol = see_bob(sqlite_web), sqlite_web.visit(CAROL)
    path = f"{PROVIDERS}/{bob}/credential"
    assert "Vetted, without" not in text_of(carol.get(f"{path}?association=NCIMHA"))
    answer = carol.post(path, {**ELSEWHERE, "category": "vetted"})
    assert problems(answer) == [("category", "Choose a category from the list")]


def test_a_provider_page_says_when_years_held_are_reached(sqlite_web: WebClient) -> None:
    web = accepting(sqlite_web, categories=["IMHM-C"], held_years=3)
    bob, carol = see_bob(web), web.visit(CAROL)
    save(carol, f"{PROVIDERS}/{bob}/credential", {**ELSEWHERE, "starts_year": "2024"})
    page = text_of(carol.get(f"{PROVIDERS}/{bob}"))
    assert "Sessions with Bob Osei do not count today." in page
    reason = "counts only after 3 years without a break: held since January 1, 2024, it counts"
    assert f"endorsement as IMHM-C {reason} starting January 1, 2027" in page
    assert "Jan 1, 2027 to no end: endorsement as IMHM-C" in page
