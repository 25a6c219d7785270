"""My year: one sentence, then rows, dates and reasons."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE
from tests.web.client import RSC, TRAINING, WebClient, plain_text, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA


def year(web: WebClient, email: str) -> str:
    return text_of(web.visit(email).get("/my-year"))


def add(web: WebClient, table: str, **values: object) -> None:
    with writing(web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables[table]).values(**values))


def test_the_headline_says_what_is_missing(web: WebClient) -> None:
    page = year(web, ALICE)
    assert "Infant Family Specialist · NCIMHA · 2026 · due December 31" in page
    assert "3.5 RSC hours and one DEIA hour to go by December 31." in page
    assert "Training and membership are done." in page
    assert (
        "At your current pace, RSC will not be complete by then. "
        "No hours about DEIA are logged yet." in page
    )


def test_requirements_show_state_and_source(sqlite_web: WebClient) -> None:
    page = year(sqlite_web, ALICE)
    assert "Training 16.5 of 15 hours 16.5 of 15 hours Relationship-based education" in page
    assert "Relationship-based education and training Done" in page
    assert "DEIA training 0 of 1 hour 0 of 1 hour Diversity, equity, inclusion, and access" in page
    assert "Diversity, equity, inclusion, and access 1 hour short" in page
    assert "Reflective supervision 8.5 of 12 hours" in page
    assert "Membership NCIMHA, paid to December 31, 2026 Done" in page
    assert "NCIMHA: Infant Family Specialist (IFS), “Continuing endorsement: Education" in page


def test_sessions_that_do_not_count_are_told_first(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/my-year").text
    first_screen = plain_text(page.partition("<main")[2].partition("<h1")[0]).replace("\xa0", " ")
    assert "1 session doesn't count: Jo Hart is not yet confirmed as qualified." in first_screen


def test_a_lapsed_renewal_is_told_first(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(BOB).get("/my-year").text
    first_screen = page.partition("<main")[2].partition("<h1")[0]
    assert '<a href="#renewal-2">Lapsed:' in first_screen
    assert 'id="renewal-2"' in page


def test_pace_and_state_agree(sqlite_web: WebClient) -> None:
    page = year(sqlite_web, ALICE)
    assert "At your current pace, RSC will not be complete by then" in page
    assert "Behind, 3.5 to go" in page


def test_a_good_pace_names_the_week(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 6, 20, 17, 0, tzinfo=UTC)
    page = year(sqlite_web, ALICE)
    assert "At your current pace, RSC will be complete in the first week of December" in page
    assert "On pace, 6 to go" in page


def test_equal_paces_share_a_sentence(sqlite_web: WebClient) -> None:
    add(
        sqlite_web,
        "entry",
        person_id=sqlite_web.cast.people[BOB],
        activity="training",
        held_on=date(2026, 3, 1),
        minutes=780,
        title="A course",
        form_key="1" * 32,
    )
    page = year(sqlite_web, BOB)
    assert "At your current pace, RSC will not be complete by then, and training will be" in page
    assert "complete a little late" in page
    assert "Nearly on pace, 2 to go" in page
    assert "Behind, 12 to go" in page


def test_pace_is_not_shown_early_in_the_year(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 2, 20, 17, 0, tzinfo=UTC)
    page = year(sqlite_web, ALICE)
    assert "pace" not in page
    assert "10.5 hours to go" in page


def test_upcoming_dates_are_listed(sqlite_web: WebClient) -> None:
    page = year(sqlite_web, ALICE)
    ahead = page.partition("Dates")[2].partition("Logged")[0]
    assert "Dec 31, 2026 Membership ends" in ahead
    assert "Dec 31, 2026 Renewal due the whole day counts" in ahead
    assert "Jan 31, 2027 Grace period ends" in ahead
    assert (
        "Dec 21, 2027 Dana Ruiz's sessions stop counting Dana Ruiz's vetting by NCIMHA counts only "
        "through December 21, 2027. All of your 8.5 hours are with this provider" in ahead
    )


def test_every_entry_shows_its_verdict(sqlite_web: WebClient) -> None:
    page = year(sqlite_web, ALICE)
    assert "RSC 1 h with Dana Ruiz Counts toward RSC: vetted by NCIMHA on that day" in page
    assert "Oct 19, 2026 RSC Doesn't count 1 h with Jo Hart" in page
    assert "Does not count: Jo Hart is not yet confirmed as qualified. See the rule" in page
    assert "Infant mental health week training 16.5 h Counts toward training" in page
    assert "Last year's conference" not in page


def test_links_to_rules_have_targets(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/my-year").text
    anchor = page.partition('. <a href="#')[2].partition('"')[0]
    assert f'id="{anchor}"' in page


def test_the_current_cycle_precedes_a_lapsed_one(web: WebClient) -> None:
    page = year(web, BOB)
    lapsed = "Lapsed: 15 training hours (one on DEIA), 12 RSC hours, and your membership missing"
    assert page.startswith(lapsed)
    assert page.index("to go by December 31.") < page.index("Log hours") < page.rindex(lapsed)
    assert "Requirements for 2025" in page
    assert "Nothing is logged yet. Log your first hours" in page
    assert "Jan 31, 2026 Grace period ended the renewal lapsed after this day" in page


def test_the_grace_period_shows_its_end(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2027, 1, 31, 17, 0, tzinfo=UTC)
    page = year(sqlite_web, ALICE)
    assert "3.5 RSC hours and one DEIA hour still missing for 2026." in page
    assert (
        "It was due on December 31, 2026. Sessions on or before December 31, 2026 can still be "
        "logged through January 31, 2027." in page
    )


def test_an_overdue_renewal_precedes_the_current_one(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2027, 1, 31, 17, 0, tzinfo=UTC)
    page = year(sqlite_web, ALICE)
    assert page.index("still missing for 2026.") < page.index("to go by December 31.")


def test_a_late_renewal_is_shown_through_grace(
    sqlite_web: WebClient,
) -> None:
    sqlite_web.now = datetime(2027, 1, 20, 17, 0, tzinfo=UTC)
    alice = sqlite_web.visit(ALICE)
    late = {"day": "30", "month": "12", "year": "2026"}
    provider = {"provider": str(sqlite_web.cast.people[DANA])}
    alice.log(RSC | late | provider | {"hours": "3.5"})
    saved = text_of(alice.follow(alice.log(TRAINING | late)))
    assert "All done for 2026." in saved
    shown = year(sqlite_web, ALICE)
    assert shown.index("to go by December 31.") < shown.index("All done for 2026.")
    assert "Dec 30, 2026 Book club" in shown
    sqlite_web.now = datetime(2027, 2, 2, 17, 0, tzinfo=UTC)
    assert "All done for 2026." not in year(sqlite_web, ALICE)


def test_future_entries_count_once_their_day_comes(
    sqlite_web: WebClient,
) -> None:
    add(sqlite_web, "entry", person_id=sqlite_web.cast.people[ALICE], activity="training",
        held_on=date(2027, 1, 1), minutes=60, title="New Year in Auckland")  # fmt: skip
    sqlite_web.now = datetime(2026, 12, 31, 17, 0, tzinfo=UTC)
    page = year(sqlite_web, ALICE)
    assert (
        "New Year in Auckland training Doesn't count 1 h "
        "Does not count: it is still December 31, 2026 at NCIMHA; "
        "hours on January 1, 2027 count starting that day" in page
    )
    assert "Outside of any renewal cycle" not in page


def test_the_first_cycle_requires_no_hours(sqlite_web: WebClient) -> None:
    page = year(sqlite_web, ERIN)
    assert "Only your membership to renew by December 31." in page
    assert "No hours are required in the cycle of endorsement." in page
    assert "1 hour logged" in page
    assert "of 15 hours" not in page


def test_a_finished_renewal_says_so(sqlite_web: WebClient) -> None:
    add(sqlite_web, "membership", person_id=sqlite_web.cast.people[ERIN], organization="CT-AIMH",
        starts_on=date(2026, 1, 1), ends_on=date(2026, 12, 31))  # fmt: skip
    page = year(sqlite_web, ERIN)
    assert "All done for 2026." in page
    assert "The next cycle begins on January 1, 2027." in page


def test_nothing_is_required_on_leave(sqlite_web: WebClient) -> None:
    add(sqlite_web, "leave", endorsement_id=sqlite_web.cast.endorsements[ALICE],
        starts_on=date(2026, 9, 1), ends_on=date(2027, 2, 28))  # fmt: skip
    page = year(sqlite_web, ALICE)
    assert "You don't need to submit anything while you are on leave." in page
    assert "The leave ends on February 28, 2027." in page
    assert "Feb 28, 2027 Leave ends" in page


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 4, 1), date(2026, 6, 30), "Jun 30, 2026 Leave ended it began on April 1, 2026"),
        (date(2026, 12, 1), date(2026, 12, 30), "Dec 1, 2026 Leave begins through December 30"),
        (date(2027, 2, 1), None, "Feb 1, 2027 Leave begins no end date yet"),
        (date(2026, 11, 1), None, "Nov 1, 2026 Leave began no end date yet"),
    ],
)
def test_leaves_are_among_the_dates(
    sqlite_web: WebClient, first: date, last: date | None, words: str
) -> None:
    add(sqlite_web, "leave", endorsement_id=sqlite_web.cast.endorsements[ALICE],
        starts_on=first, ends_on=last)  # fmt: skip
    assert words in year(sqlite_web, ALICE)


def test_without_rules_logged_hours_are_kept(sqlite_web: WebClient) -> None:
    add(sqlite_web, "endorsement", person_id=sqlite_web.cast.people[EVE], association="VAIMH",
        category="IMHM-P", starts_on=date(2020, 1, 1))  # fmt: skip
    page = year(sqlite_web, EVE)
    assert "We don't track this endorsement's renewal yet; ask VAIMH." in page
    assert "Your logged hours are kept." in page


def test_each_endorsement_has_its_own_verdict(sqlite_web: WebClient) -> None:
    add(sqlite_web, "endorsement", person_id=sqlite_web.cast.people[ALICE], association="CT-AIMH",
        category="IFS", starts_on=date(2024, 1, 1))  # fmt: skip
    page = year(sqlite_web, ALICE)
    assert "NCIMHA IFS: Counts toward RSC: vetted by NCIMHA on that day" in page
    assert "CT-AIMH IFS: Does not count: Dana Ruiz" in page
    assert "Infant mental health week training 16.5 h Counts toward training" in page  # both agree


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"starts_on": date(2027, 1, 1)}, "begins on January 1, 2027"),
        ({"starts_on": date(2026, 1, 1), "ends_on": date(2026, 6, 30)}, "ended on June 30, 2026"),
        ({"starts_on": date(2026, 1, 1), "ends_on": date(2026, 11, 30)}, "ends on November 30"),
    ],
)
def test_an_endorsement_without_a_renewal_is_named(
    sqlite_web: WebClient, dates: dict[str, date], words: str
) -> None:
    add(sqlite_web, "endorsement", person_id=sqlite_web.cast.people[EVE], association="NCIMHA",
        category="IFS", **dates)  # fmt: skip
    assert f"NCIMHA IFS: {words}" in year(sqlite_web, EVE)


def test_without_an_endorsement_help_is_offered(sqlite_web: WebClient) -> None:
    page = year(sqlite_web, EVE)
    assert "You have no endorsement here yet." in page
    assert "ask your coordinator" in page


def test_coordinators_go_to_their_own_page(sqlite_web: WebClient) -> None:
    assert sqlite_web.visit(CAROL).get("/my-year").headers["location"] == "/coordinator"


def test_an_entry_opens_to_rules_and_credentials(
    sqlite_web: WebClient,
) -> None:
    page = year(sqlite_web, ALICE)
    why = page.partition("Nov 14, 2026 RSC 1 h with Dana Ruiz")[2].partition("Oct 19, 2026")[0]
    assert (
        "1 hour toward “Reflective supervision” (12 hours required) NCIMHA: Infant Family "
        "Specialist (IFS), “Continuing endorsement: Reflective Supervision/Consultation”" in why
    )
    assert "Dana Ruiz was vetted by NCIMHA starting January 1, 2020." in why
    assert "The rule accepts vetted by NCIMHA through December 21, 2027." in why
    assert "Qualified: IMHM-C, ERS, or vetted by NCIMHA" in why
    assert "“Footnote 1: vetted professionals”" in why


def test_an_uncounted_entry_shows_a_remedy(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/my-year")
    assert (
        "It counts once Jo Hart is confirmed, as IMHM-C, ERS, or vetted by NCIMHA, for October 19, "
        "2026. Contact your NCIMHA coordinator: Carol Reyes ." in text_of(page)
    )
    assert 'href="mailto:carol@example.org"' in page.text


def test_the_strip_matches_the_dates(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/my-year").text
    assert (
        "From January 1, 2026: today is November 22, 2026, due December 31, 2026, grace period "
        "ends January 31, 2027</title>" in page
    )
    assert "style=" not in page


def test_only_first_hours_are_called_first(sqlite_web: WebClient) -> None:
    add(sqlite_web, "entry", person_id=sqlite_web.cast.people[BOB], activity="training",
        held_on=date(2023, 5, 2), minutes=60, title="Before it all")  # fmt: skip
    page = year(sqlite_web, BOB)
    assert "Nothing is logged yet. Log hours" in page
    assert "Outside of any renewal cycle: 1 entry" in page


def test_hours_before_an_endorsement_are_listed(sqlite_web: WebClient) -> None:
    person_id = sqlite_web.cast.people[EVE]
    add(sqlite_web, "endorsement", person_id=person_id, association="NCIMHA", category="IFS",
        starts_on=date(2026, 12, 1))  # fmt: skip
    add(sqlite_web, "entry", person_id=person_id, activity="training",
        held_on=date(2026, 5, 2), minutes=60, title="While applying")  # fmt: skip
    page = year(sqlite_web, EVE)
    assert "While applying" in page
    assert "Nothing is logged" not in page


def test_a_due_date_in_another_year_shows_it(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    held = sqlite_web.cast.endorsements[ALICE]
    assert "2025 · due December 31, 2025" in text_of(alice.get(f"/my-year/{held}/2025-01-01"))


def test_profile_and_membership_are_linked(
    sqlite_web: WebClient,
) -> None:
    page = sqlite_web.visit(ALICE).get("/my-year").text
    menu = page.partition('aria-label="Pages"')[2].partition("</nav>")[0]
    assert menu.count("<li>") == 5
    assert '"/profile"' in menu
    assert '<a href="/membership">' in page.partition("<main")[2]


def test_dates_are_in_the_locale_of_the_association(sqlite_web: WebClient) -> None:
    rulebook = BOOKS.associations["NCIMHA"].model_copy(update={"locale": "es_US"})
    rulebooks = replace(BOOKS, associations={**BOOKS.associations, "NCIMHA": rulebook})
    web = WebClient(sqlite_web.cast, rulebooks=rulebooks)
    assert "to go by 31 de diciembre." in year(web, ALICE)
    assert "by December 31." in year(web, ERIN)
