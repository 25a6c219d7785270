"""What becomes of listings in a public registry when two records of a person are merged."""

from dataclasses import replace

import pytest

from tests.services.conftest import Act
from tests.services.people.test_merging import merge, rows
from tests.support.cast import ALICE, ATTESTING, NOW, Cast
from tests.support.listing import add_members, list_people, remove_from_registry
from tests.support.submitting import FAY, GIL
from tracker.db.people import Endorsement
from tracker.db.registry import RegistryListing
from tracker.services.context import Actor, ServiceContext
from tracker.services.unmerging import undo_removal_or_merge

Listings = list[tuple[bool, str | None]]
LISTED: Listings = [(True, None)]


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
