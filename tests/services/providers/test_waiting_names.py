"""Which provider names wait for a coordinator, in which order, and what is known of each."""

from dataclasses import replace
from datetime import date, timedelta

from tests.services.conftest import Act
from tests.services.providers.test_answers import TODAY, name_provider, queue
from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.applications import Application
from tracker.db.providers import DeclinedProvider
from tracker.services.waiting_names import (
    NamedBy,
    WaitingEntry,
    WaitingName,
    find_waiting_names,
)

ENTRY = WaitingEntry(1, 7, "Bob Osei", "jo hart", TODAY, 60, NOW, is_urgent=False)


def test_a_name_sums_up_its_sessions() -> None:
    later, earlier = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
    entries = (
        ENTRY,
        ENTRY._replace(id=2, held_on=earlier, minutes=30),
        ENTRY._replace(id=3, person_id=8, person_name="Zoe Ames", held_on=later, minutes=100),
        ENTRY._replace(id=4, person_id=9, person_name="Ada Bell", minutes=90),
    )
    name = WaitingName("jo hart", ("jo hart", "Jo Hart", "JO HART"), entries)
    assert (name.name, name.minutes, name.waiting_since) == ("Jo Hart", 280, earlier)
    assert name.named_by == [
        NamedBy(8, "Zoe Ames", 1, 100),
        NamedBy(9, "Ada Bell", 1, 90),
        NamedBy(7, "Bob Osei", 2, 90),
    ]
    assert not name.is_urgent
    urgent = ENTRY._replace(is_urgent=True)
    assert replace(name, entries=(*entries, urgent)).is_urgent
    assert replace(name, spellings=("jo hart", "j. hart")).name == "jo hart"


def test_the_most_hours_wait_first(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    name_provider(carol, cast, ALICE, "Zed", date(2026, 2, 1))
    second = name_provider(carol, cast, BOB, "ada", date(2026, 2, 1))
    third = name_provider(carol, cast, ALICE, "Ada", date(2026, 2, 1))
    first = name_provider(carol, cast, BOB, "ADA", date(2026, 1, 31))
    values = {"association": "CT-AIMH", "name_key": "ada", "name": "Ada", "reason": "?"}
    by = {"person_id": cast.people[BOB], "declined_at": NOW, "declined_by": CAROL}
    carol.session.add(DeclinedProvider.model_validate({**values, **by}))
    names = queue(carol)
    assert [each.key for each in names] == ["ada", "zed", "jo hart"]
    assert names[0].spellings == ("ADA", "ada", "Ada")
    assert [each.id for each in names[0].entries] == [first, second, third]
    assert names[0].entries[0] == WaitingEntry(
        first, cast.people[BOB], "Bob Osei", "ADA", date(2026, 1, 31), 120, NOW, is_urgent=True
    )


def test_sessions_that_could_still_count_are_urgent(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    for email, association, state in (
        (EVE, "NCIMHA", "submitted"),
        (DANA, "NCIMHA", "declined"),
        (ERIN, "NCIMHA", "declined"),
        (ERIN, "CT-AIMH", "open"),
    ):
        carol.session.add(
            Application(
                person_id=cast.people[email],
                association=association,
                category="IFS",
                opened_on=date(2026, 3, 1),
                state=state,
                decided_on=TODAY if state == "declined" else None,
            )
        )
    carol.session.flush()
    # Alice's renewal of 2025 is settled, and Erin's cycle is another association's.
    for name, email, held_on in (
        ("Before", ALICE, date(2025, 12, 31)),
        ("First", ALICE, date(2026, 1, 1)),
        ("Last", ALICE, date(2026, 12, 31)),
        ("Next", ALICE, date(2027, 1, 1)),
        ("Applying", EVE, date(2015, 1, 1)),
        ("Declined", DANA, TODAY),
        ("Elsewhere", ERIN, TODAY),
    ):
        name_provider(carol, cast, email, name, held_on)
    keys = {"before", "first", "last", "next", "applying", "declined", "elsewhere"}
    found = find_waiting_names(carol.session, "NCIMHA", TODAY, keys)
    assert {each.key for each in found} == keys
    assert {each.key for each in found if each.is_urgent} == {"first", "last", "applying"}
