"""Who agreed to be listed in a public registry, also after two records are merged."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select, update

from tests.services.conftest import Act
from tests.services.people.test_merging import merge, rows
from tests.support.audit_log import list_changes
from tests.support.cast import ALICE, ATTESTING, BOOKS, CAROL, KAI, NOW, Cast, acting
from tests.support.listing import add_members, list_people, remove_from_registry
from tests.support.submitting import FAY, GIL
from tracker.db.people import Endorsement
from tracker.db.registry import RegistryListing
from tracker.rulebooks import with_rulebook
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.registry_consent import (
    ListingChoice,
    allow_listing,
    choose_listings,
    find_listings_to_end,
    list_choices,
    unlist_person,
)
from tracker.services.unmerging import undo_removal_or_merge

Listings = list[tuple[bool, str | None]]
LISTED: Listings = [(True, None)]
DAY = timedelta(days=1)
REGISTRY = BOOKS.associations[ATTESTING].registry
# Two associations with registries.
TWO_BOOKS = with_rulebook(
    BOOKS, BOOKS.associations["NCIMHA"].model_copy(update={"registry": REGISTRY})
)
# At night in Honolulu, where it is the day before.
NIGHT = datetime(2026, 11, 22, 5, tzinfo=UTC)


@pytest.fixture
def operator(act: Act, cast: Cast) -> ServiceContext:
    """An operator of a site where Fay and Gil are two records of one person, both endorsed."""
    context = replace(act(ALICE), actor=Actor("tracker person"))
    add_members(context.session, cast)
    return context


def listings(operator: ServiceContext, cast: Cast) -> Listings:
    """Whether Fay's listing is in force, and why a coordinator removed it."""
    found = rows(operator.session, "registry_listing", person_id=cast.people[FAY])
    return [(each["withdrawn_at"] is None, each["removal_reason"]) for each in found]


def test_merged_people_are_listed_if_both_agreed(operator: ServiceContext, cast: Cast) -> None:
    list_people(operator.session, cast, FAY, GIL)
    merge(operator, FAY, GIL, "same")
    assert listings(operator, cast) == LISTED


@pytest.mark.parametrize("listed", [FAY, GIL])
def test_one_record_without_consent_ends_the_listing(
    operator: ServiceContext, cast: Cast, listed: str
) -> None:
    list_people(operator.session, cast, listed)
    result = merge(operator, FAY, GIL, "same")
    assert listings(operator, cast) == [(False, None)]
    undo_removal_or_merge(operator, result.removal_id)
    assert listings(operator, cast) == (LISTED if listed == FAY else [])


def test_a_record_without_endorsement_there_does_not_object(
    operator: ServiceContext, cast: Cast
) -> None:
    held = operator.session.get_one(Endorsement, cast.endorsements[FAY])
    operator.delete_row(held, {"category"})
    list_people(operator.session, cast, GIL)
    merge(operator, FAY, GIL, "same")
    assert listings(operator, cast) == LISTED


def test_a_listing_elsewhere_stays_in_force(operator: ServiceContext, cast: Cast) -> None:
    fay = cast.people[FAY]
    operator.session.add(RegistryListing(person_id=fay, association="AAA", listed_at=NOW))
    list_people(operator.session, cast, FAY)
    merge(operator, FAY, GIL, "same")
    found = rows(operator.session, "registry_listing", person_id=fay)
    ended = [(each["association"], each["withdrawn_at"], each["withdrawn_by"]) for each in found]
    assert ended == [("AAA", None, None), (ATTESTING, NOW, "tracker person")]


@pytest.mark.parametrize("removed", [FAY, GIL])
def test_a_removal_from_the_registry_survives_merging(
    operator: ServiceContext, cast: Cast, removed: str
) -> None:
    list_people(operator.session, cast, FAY, GIL)
    remove_from_registry(operator.session, cast, removed)
    merge(operator, FAY, GIL, "same")
    assert listings(operator, cast) == [(False, "The category is under review")]


@pytest.fixture
def fay(session: Session, cast: Cast) -> ServiceContext:
    """Fay herself, who is endorsed and not listed; two associations have registries."""
    add_members(session, cast)
    return replace(acting(session, cast, FAY), rulebooks=TWO_BOOKS)


@pytest.fixture
def kai(fay: ServiceContext) -> ServiceContext:
    """The coordinator of Fay's association."""
    return replace(fay, actor=Actor(KAI, None, (ATTESTING,)), now=NOW + DAY)


def add_listing(context: ServiceContext, person_id: int, association: str, **values: Any) -> None:  # noqa: ANN401
    """Store a listing of a person since the night, or with other values."""
    row = RegistryListing(
        **{"person_id": person_id, "association": association, "listed_at": NIGHT, **values}
    )
    context.session.add(row)
    context.session.flush()


def choices(fay: ServiceContext, *associations: str) -> list[tuple[object, ...]]:
    """Fay's choices without their registries: of some associations, or all."""
    found = list_choices(fay.session, TWO_BOOKS, fay.person_id, associations or None)
    return [
        (each.association, each.listed_on, each.removed_on, each.removal_reason) for each in found
    ]


def withdraw_elsewhere(fay: ServiceContext) -> RegistryListing:
    """Withdraw Fay's listing as another request does, so that the session does not know."""
    own = select(RegistryListing).filter_by(person_id=fay.person_id, association=ATTESTING)
    listing = fay.session.exec(own).one()
    ended = update(RegistryListing).where(col(RegistryListing.id) == listing.id)
    values = {"withdrawn_at": NOW, "withdrawn_by": FAY}
    fay.session.connection().execute(ended.values(values))
    return listing


def get_listing(fay: ServiceContext) -> RegistryListing:
    fay.session.expire_all()
    return fay.session.exec(select(RegistryListing).filter_by(association=ATTESTING)).one()


def test_endorsees_can_choose_among_registries(fay: ServiceContext, cast: Cast) -> None:
    assert REGISTRY is not None
    assert list_choices(fay.session, TWO_BOOKS, fay.person_id) == [
        ListingChoice(ATTESTING, REGISTRY, None, None, "")
    ]
    alice = list_choices(fay.session, TWO_BOOKS, cast.people[ALICE])
    assert [each.association for each in alice] == ["NCIMHA"]
    assert list_choices(fay.session, BOOKS, cast.people[ALICE]) == []
    ended: dict[str, Any] = {"withdrawn_at": NIGHT, "withdrawn_by": KAI}
    add_listing(fay, cast.people[GIL], "NCIMHA")
    for association in ("PAYING", "NOWHERE"):
        add_listing(fay, fay.person_id, association)
    add_listing(fay, fay.person_id, "NCIMHA", **ended)
    assert choices(fay) == [(ATTESTING, None, None, "")]
    # What is in force, or was removed, stands there without an endorsement.
    row = fay.session.exec(
        select(RegistryListing).filter_by(person_id=fay.person_id, association="NCIMHA")
    ).one()
    row.removal_reason = "Wrong name"
    add_listing(fay, fay.person_id, ATTESTING)
    own = (ATTESTING, date(2026, 11, 21), None, "")
    removed = ("NCIMHA", None, date(2026, 11, 22), "Wrong name")
    assert choices(fay) == [own, removed]
    assert choices(fay, ATTESTING) == [own]
    row.removal_reason, row.withdrawn_at, row.withdrawn_by = None, None, None
    assert choices(fay, "NCIMHA") == [("NCIMHA", date(2026, 11, 22), None, "")]


def test_people_list_themselves_and_withdraw_again(fay: ServiceContext) -> None:
    session = fay.session
    for day, wanted in enumerate(([], [ATTESTING], [ATTESTING], [], [], [ATTESTING])):
        choose_listings(replace(fay, now=NOW + day * DAY), wanted)
    listing = get_listing(fay)
    audited = {"person_id": fay.person_id, "association": ATTESTING, "removal_reason": None}
    rows = [
        {**audited, "listed_at": (NOW + since * DAY).isoformat(), "withdrawn_at": until}
        for since, until in ((1, None), (1, (NOW + 3 * DAY).isoformat()), (5, None))
    ]
    changes = list_changes(session, "registry_listing")
    assert [(each.who, each.row_id) for each in changes] == [(FAY, listing.id)] * 3
    assert [(each.before, each.after) for each in changes] == [
        (None, rows[0]),
        (rows[0], rows[1]),
        (rows[1], rows[2]),
    ]
    assert (listing.listed_at, listing.withdrawn_by) == (NOW + 5 * DAY, None)


def test_nobody_chooses_for_others_or_elsewhere(fay: ServiceContext, kai: ServiceContext) -> None:
    for context, wanted in (
        (kai, [ATTESTING]),
        (fay, ["NCIMHA"]),
        (fay, [ATTESTING, "NCIMHA"]),
        (fay, ["NOWHERE"]),
    ):
        with pytest.raises(NotFound):
            choose_listings(context, wanted)
    assert list_changes(fay.session, "registry_listing") == []


def test_each_choice_is_about_ones_own_listings(fay: ServiceContext, cast: Cast) -> None:
    add_listing(fay, fay.person_id, "NCIMHA")
    add_listing(fay, cast.people[GIL], ATTESTING)
    choose_listings(fay, [ATTESTING, "NCIMHA"])
    assert [each[:2] for each in choices(fay)] == [
        (ATTESTING, NOW.date()),
        ("NCIMHA", date(2026, 11, 22)),
    ]
    listing = withdraw_elsewhere(fay)
    choose_listings(replace(fay, now=NOW + DAY), [ATTESTING, "NCIMHA"])
    assert [each[:2] for each in choices(fay)] == [
        (ATTESTING, date(2026, 11, 23)),
        ("NCIMHA", date(2026, 11, 22)),
    ]
    assert listing.withdrawn_by is None
    gil = list_choices(fay.session, TWO_BOOKS, cast.people[GIL])
    assert [each.listed_on for each in gil] == [date(2026, 11, 21)]


def test_a_removal_holds_until_it_is_allowed_again(
    fay: ServiceContext, kai: ServiceContext, cast: Cast
) -> None:
    add_listing(fay, cast.people[GIL], ATTESTING)
    choose_listings(fay, [ATTESTING])
    unlist_person(kai, fay.person_id, ATTESTING, "Under review")
    assert choices(fay) == [(ATTESTING, None, date(2026, 11, 23), "Under review")]
    with pytest.raises(Refused) as refused:
        choose_listings(fay, [ATTESTING])
    facts = {"association": ATTESTING}
    assert list(refused.value.refusals) == [Refusal("listed", "registry-removed", facts)]
    allow_listing(kai, fay.person_id, ATTESTING)
    assert choices(fay) == [(ATTESTING, None, None, "")]
    changes = list_changes(fay.session, "registry_listing")
    assert [each.who for each in changes] == [FAY, KAI, KAI]
    removed, allowed = changes[1:]
    assert removed.after is not None
    ended = {"withdrawn_at": (NOW + DAY).isoformat(), "removal_reason": "Under review"}
    assert removed.after == {**(removed.before or {}), **ended}
    assert allowed.after == {**removed.after, "removal_reason": None}
    gil = list_choices(fay.session, TWO_BOOKS, cast.people[GIL])
    assert [each.removal_reason for each in gil] == [""]


def test_a_removal_becomes_ones_own_decision(fay: ServiceContext, kai: ServiceContext) -> None:
    choose_listings(fay, [ATTESTING])
    unlist_person(kai, fay.person_id, ATTESTING, "Under review")
    choose_listings(fay, [])
    listing = fay.session.exec(select(RegistryListing)).one()
    assert (listing.withdrawn_at, listing.withdrawn_by) == (NOW + DAY, FAY)
    assert listing.removal_reason == "Under review"


def test_a_listing_withdrawn_meanwhile_is_not_removed(
    fay: ServiceContext, kai: ServiceContext
) -> None:
    choose_listings(fay, [ATTESTING])
    listing = withdraw_elsewhere(fay)
    with pytest.raises(NotFound):
        unlist_person(kai, fay.person_id, ATTESTING, "Under review")
    assert listing.withdrawn_by == FAY


def test_only_a_listing_of_the_own_association_is_removed(
    fay: ServiceContext, kai: ServiceContext, cast: Cast
) -> None:
    own = fay.person_id
    add_listing(fay, own, "NCIMHA")
    add_listing(fay, cast.people[GIL], ATTESTING)
    carol = replace(kai, actor=Actor(CAROL, None, ("NCIMHA",)))
    both = replace(kai, actor=Actor(KAI, None, (ATTESTING, "NCIMHA")))

    def check(context: ServiceContext, person_id: int, association: str) -> None:
        with pytest.raises(NotFound):
            unlist_person(context, person_id, association, "Under review")
        with pytest.raises(NotFound):
            allow_listing(context, person_id, association)

    check(kai, own, ATTESTING)
    check(kai, own, "NCIMHA")
    check(carol, own, "NCIMHA")
    check(both, cast.people[ALICE], "NCIMHA")
    for reason, code in (("", "reason-missing"), ("x" * 501, "text-too-long")):
        with pytest.raises(Refused) as refused:
            unlist_person(both, own, "NCIMHA", reason)
        assert [(each.field, each.code) for each in refused.value.refusals] == [("reason", code)]
    with pytest.raises(NotFound):
        allow_listing(both, own, "NCIMHA")
    unlist_person(both, own, "NCIMHA", "Under review")
    with pytest.raises(NotFound):
        unlist_person(both, own, "NCIMHA", "Again")
    itself = replace(both, actor=Actor(FAY, own, (ATTESTING, "NCIMHA")))
    with pytest.raises(Refused):
        allow_listing(itself, own, "NCIMHA")


def test_a_listing_takes_a_yes_of_both_records(fay: ServiceContext, cast: Cast) -> None:
    fay_id, gil, alice = (cast.people[email] for email in (FAY, GIL, ALICE))
    ended: dict[str, Any] = {"withdrawn_at": NOW, "withdrawn_by": KAI}

    def found(*pair: int) -> list[tuple[str, str | None]]:
        return list(find_listings_to_end(fay.session, *pair).items())

    assert found(fay_id, gil) == []
    add_listing(fay, fay_id, ATTESTING)
    add_listing(fay, gil, "NCIMHA")
    # Alice holds an endorsement of the one and not of the other.
    assert found(fay_id, gil) == found(gil, fay_id) == [(ATTESTING, None)]
    assert found(fay_id, alice) == []
    assert found(gil, alice) == found(alice, gil) == [("NCIMHA", None)]
    add_listing(fay, alice, ATTESTING, **ended)
    assert found(fay_id, alice) == found(alice, fay_id) == [(ATTESTING, None)]
    add_listing(fay, alice, "NCIMHA", removal_reason="Under review", **ended)
    removed = ("NCIMHA", "Under review")
    assert found(fay_id, alice) == found(alice, fay_id) == [(ATTESTING, None), removed]
    assert found(gil, alice) == [removed]
