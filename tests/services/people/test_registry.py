"""Whom an association's public registry shows, and what it shows of them."""

from datetime import date, timedelta

import pytest

from tests.rules.case_data import IMAGINED, CasePeople
from tests.support.cast import ATTESTING, CAROL, NOW
from tracker.db.ledgers import EndorsementEnd, ProviderSpan, StandingRow
from tracker.db.people import Person
from tracker.db.providers import OutsideEndorsement
from tracker.db.registry import RegistryListing
from tracker.rulebooks import with_rulebook
from tracker.services.provider_overview import RosterEntry
from tracker.services.registry import (
    ListedCategory,
    ListedPerson,
    PublicStatus,
    RegistrySearch,
    count_listed,
    find_open_registry,
    list_registry,
    read_roster,
    search_registry,
)

DAY = timedelta(days=1)
TODAY = date(2026, 11, 22)
RULEBOOK = IMAGINED.associations[ATTESTING]
CATEGORIES = (
    ListedCategory("IFS", "Infant Family Specialist", PublicStatus.ENDORSED),
    ListedCategory("IFRS", "Infant Family Reflective Supervisor", PublicStatus.NOT_ENDORSED),
)


def add(people: CasePeople, name: str, *held: str, association: str = ATTESTING) -> int:
    """Store a listed person with endorsements, each a category and its days; the person's id."""
    people.add(name, [f"{ATTESTING} {each}" for each in held])
    number = people.ids[name]
    people.session.add(RegistryListing(person_id=number, association=association, listed_at=NOW))
    people.session.flush()
    return number


def add_standing(people: CasePeople, held: str, year: int, status: str) -> None:
    """Store the standing of a cycle of one year."""
    row = StandingRow(
        endorsement_id=people.endorsements[held],
        cycle_starts_on=date(year, 1, 1),
        cycle_ends_on=date(year, 12, 31),
        association=ATTESTING,
        due_on=date(year, 12, 31),
        status=status,
        status_since=TODAY,
        requirements="[]",
        judged_on=TODAY,
        rules_digest="",
    )
    people.session.add(row)
    people.session.flush()


def show(people: CasePeople) -> dict[str, str]:
    """The status of each shown person's categories, by name in the registry's order."""
    return {
        each.name: ", ".join(f"{one.category} {one.status}" for one in each.categories)
        for each in list_registry(people.session, RULEBOOK, TODAY)
    }


def test_a_registry_is_open_from_its_first_day() -> None:
    registry = RULEBOOK.registry
    assert registry is not None
    first = registry.opens_on
    assert find_open_registry(IMAGINED, ATTESTING, first) == (RULEBOOK, registry)
    assert find_open_registry(IMAGINED, ATTESTING, first - DAY) is None
    assert find_open_registry(IMAGINED, "NOWHERE", first) is None
    closed = with_rulebook(IMAGINED, RULEBOOK.model_copy(update={"registry": None}))
    assert find_open_registry(closed, ATTESTING, first) is None


def test_people_who_agreed_are_listed_with_their_categories(people: CasePeople) -> None:
    zoe = add(people, "Zoe", "IFRS 2020-01-01..2024-12-31", "IFS 2020-01-01")
    people.hold("Zoe", f"{ATTESTING} OLD 2020-01-01")
    people.hold("Zoe", f"{ATTESTING} ALSO 2020-01-01")
    people.hold("Zoe", f"{ATTESTING} ECFS {TODAY + DAY}")
    people.hold("Zoe", "CT-AIMH IMHS 2020-01-01")
    # Of several records of it, others have ended.
    for days in ("2010-01-01..2015-12-31", "2021-01-01..2022-12-31"):
        people.hold("Zoe", f"{ATTESTING} IFS {days}")
    first, second = (add(people, name, f"IFS {TODAY}") for name in ("Éva", "eva"))
    people.session.get_one(Person, second).name = "Eva"
    add(people, "Gil", "IFS 2020-01-01", association="CT-AIMH")
    people.hold("Gil", "CT-AIMH IFS 2020-01-01")
    people.add("Hal", [f"{ATTESTING} IFS 2020-01-01"])
    withdrawn = {"withdrawn_at": NOW, "withdrawn_by": CAROL}
    listing = RegistryListing(
        person_id=people.ids["Hal"], association=ATTESTING, listed_at=NOW
    ).sqlmodel_update(withdrawn)
    people.session.add(listing)
    add(people, "Ida", f"IFS {TODAY + DAY}")
    categories = (
        *CATEGORIES,
        ListedCategory("ALSO", "ALSO", PublicStatus.ENDORSED),
        ListedCategory("OLD", "OLD", PublicStatus.ENDORSED),
    )
    endorsed = (CATEGORIES[0],)
    assert list_registry(people.session, RULEBOOK, TODAY) == [
        ListedPerson(first, "Éva", endorsed, takes_supervisees=False),
        ListedPerson(second, "Eva", endorsed, takes_supervisees=False),
        ListedPerson(zoe, "Zoe", categories, takes_supervisees=False),
    ]
    # Ida agreed, and is not endorsed yet.
    assert count_listed(people.session, ATTESTING) == 4


def test_former_endorsees_are_shown_if_the_rulebook_says_so(people: CasePeople) -> None:
    add(people, "Abe", f"IFS 2020-01-01..{TODAY - DAY}", "IFRS 2020-01-01")
    add(people, "Bea", f"IFS 2020-01-01..{TODAY - DAY}")
    add(people, "Cy", f"IFRS 2020-01-01..{TODAY}")
    add(people, "Dee", "IFS 2020-01-01")
    end = EndorsementEnd(
        endorsement_id=people.endorsements[f"Dee: {ATTESTING} IFS"], ends_on=TODAY - DAY
    )
    people.session.add(end)
    people.session.flush()
    assert show(people) == {
        "Abe": "IFS not endorsed, IFRS endorsed",
        "Bea": "IFS not endorsed",
        "Cy": "IFRS endorsed",
        "Dee": "IFS not endorsed",
    }
    registry = RULEBOOK.registry
    assert registry is not None
    current = registry.model_copy(update={"lists_former": False})
    rulebook = RULEBOOK.model_copy(update={"registry": current})
    shown = list_registry(people.session, rulebook, TODAY)
    assert [(each.name, [one.category for one in each.categories]) for each in shown] == [
        ("Abe", ["IFRS"]),
        ("Cy", ["IFRS"]),
    ]


@pytest.mark.parametrize(
    ("kind", "days", "is_endorsed"),
    [
        ("inactive", f"2026-01-01..{TODAY}", False),
        ("inactive", str(TODAY), False),
        ("inactive", f"2026-01-01..{TODAY - DAY}", True),
        ("inactive", str(TODAY + DAY), True),
        ("leave", str(TODAY), True),
        ("emeritus", str(TODAY), True),
    ],
)
def test_only_inactive_status_shows(
    people: CasePeople, kind: str, days: str, *, is_endorsed: bool
) -> None:
    add(people, "Abe", "IFS 2020-01-01")
    add(people, "Bea", "IFS 2020-01-01")
    people.leave(f"Bea: {ATTESTING} IFS {days}", kind)
    bea = "IFS endorsed" if is_endorsed else "IFS not endorsed"
    assert show(people) == {"Abe": "IFS endorsed", "Bea": bea}


@pytest.mark.parametrize(
    ("standings", "is_endorsed"),
    [
        ({2024: "lapsed"}, False),
        ({2024: "met"}, True),
        ({2023: "lapsed", 2024: "met"}, True),
        ({2023: "lapsed", 2024: "excused"}, True),
        ({2023: "lapsed", 2024: "overdue"}, False),
        ({2023: "met", 2024: "lapsed"}, False),
        # The cycle is not over yet.
        ({2025: "lapsed", 2026: "met"}, False),
    ],
)
def test_a_lapse_shows_until_a_later_renewal(
    people: CasePeople, standings: dict[int, str], *, is_endorsed: bool
) -> None:
    add(people, "Abe", "IFS 2020-01-01")
    add(people, "Bea", "IFS 2020-01-01")
    add_standing(people, f"Abe: {ATTESTING} IFS", 2025, "met")
    for year, status in standings.items():
        add_standing(people, f"Bea: {ATTESTING} IFS", year, status)
    bea = "IFS endorsed" if is_endorsed else "IFS not endorsed"
    assert show(people) == {"Abe": "IFS endorsed", "Bea": bea}


def test_a_renewal_is_over_after_its_last_day(people: CasePeople) -> None:
    add(people, "Abe", "IFS 2020-01-01")
    for year, status in ((2025, "lapsed"), (2026, "met")):
        add_standing(people, f"Abe: {ATTESTING} IFS", year, status)
    days = (date(2026, 12, 31), date(2027, 1, 1))
    shown = [list_registry(people.session, RULEBOOK, day)[0].categories[0] for day in days]
    assert [each.status for each in shown] == ["not endorsed", "endorsed"]


@pytest.mark.parametrize(
    ("takes", "rule", "first", "last", "held", "is_shown"),
    [
        (True, ATTESTING, TODAY, TODAY, "2020-01-01", True),
        (False, ATTESTING, TODAY, TODAY, "2020-01-01", False),
        (True, "OTHER", TODAY, TODAY, "2020-01-01", False),
        (True, f"{ATTESTING}-B", TODAY, TODAY, "2020-01-01", False),
        (True, ATTESTING, TODAY + DAY, TODAY + DAY, "2020-01-01", False),
        (True, ATTESTING, TODAY - DAY, TODAY - DAY, "2020-01-01", False),
        (True, ATTESTING, TODAY, TODAY, "2020-01-01..2025-12-31", False),
    ],
)
def test_qualified_providers_take_supervisees(
    people: CasePeople,
    *,
    takes: bool,
    rule: str,
    first: date,
    last: date,
    held: str,
    is_shown: bool,
) -> None:
    abe, bea = add(people, "Abe", f"IFRS {held}"), add(people, "Bea", "IFRS 2020-01-01")
    for number in (abe, bea):
        person = people.session.get_one(Person, number)
        person.takes_supervisees_since = NOW if takes else None
    span = ProviderSpan(rule=f"{rule}/rsc", provider_id=abe, starts_on=first, ends_on=last)
    people.session.add(span)
    people.session.flush()
    shown = list_registry(people.session, RULEBOOK, TODAY)
    assert [each.takes_supervisees for each in shown] == [is_shown, False]


def test_a_search_takes_people_who_match_everything() -> None:
    ann = ListedPerson(1, "Ann Lani", (CATEGORIES[0],), takes_supervisees=True)
    lana = ListedPerson(2, "Lana Pua", CATEGORIES, takes_supervisees=False)
    everyone = [ann, lana]
    for wanted, found in (
        (RegistrySearch(), everyone),
        (RegistrySearch("la"), everyone),
        (RegistrySearch("pua LANA"), [lana]),
        (RegistrySearch("x"), []),
        (RegistrySearch(" "), everyone),
        (RegistrySearch(category="IFRS"), [lana]),
        (RegistrySearch(category="IFS"), everyone),
        (RegistrySearch(takes_supervisees=True), [ann]),
        (RegistrySearch("la", "IFRS", takes_supervisees=True), []),
        (RegistrySearch("pua", "IFS", takes_supervisees=True), []),
    ):
        assert search_registry(everyone, wanted) == found


def test_a_roster_has_providers_who_take_supervisees(people: CasePeople) -> None:
    session = people.session
    ids = [add(people, name, "IFRS 2020-01-01") for name in ("Abe", "Bea", "Cy")]
    for number in ids[:2]:
        session.get_one(Person, number).takes_supervisees_since = NOW
    session.get_one(Person, ids[0]).provider_line = "By video"
    for known_to, association in ((ATTESTING, "FAR"), ("CT-AIMH", "FARTHER")):
        outside = OutsideEndorsement(
            known_to=known_to,
            person_id=ids[0],
            association=association,
            category="IMHS",
            starts_on=date(2020, 1, 1),
            recorded_by=CAROL,
        )
        session.add(outside)
    session.flush()
    abe, bea, cy = (
        ListedPerson(number, "", (), takes_supervisees=number != ids[1]) for number in ids
    )
    # Cy has changed their mind since the list was read.
    entry = RosterEntry("Abe", (f"{ATTESTING} IFRS", "FAR IMHS"), "By video")
    assert read_roster(session, ATTESTING, TODAY, [abe, bea, cy]) == {ids[0]: entry}
    assert read_roster(session, ATTESTING, TODAY, [bea]) == {}
    assert read_roster(session, ATTESTING, date(2019, 12, 31), [abe]) == {}
