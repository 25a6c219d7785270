"""Changed rulebooks that coordinators upload: what they can be, and how long they are kept."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session

from tests.services.conftest import Act
from tests.support.cast import ALICE, CAROL, NOW
from tracker.services.context import NotFound, Refusal, Refused
from tracker.services.rulebook_drafts import (
    MAX_BYTES,
    decode_rulebook,
    find_draft,
    forget_rulebook_drafts,
    store_draft,
)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", Refusal("files", "rulebook-empty")),
        (
            b"x" * (MAX_BYTES + 1),
            Refusal("files", "rulebook-too-large", {"limit": 524_288}),
        ),
        (b"ab\xff", Refusal("files", "rulebook-not-text", {"byte": 2})),
    ],
)
def test_a_file_that_is_no_rulebook_is_refused(content: bytes, refusal: Refusal) -> None:
    with pytest.raises(Refused) as refused:
        decode_rulebook(content)
    assert refused.value.refusals == (refusal,)


def test_a_rulebook_can_be_as_large_as_the_limit() -> None:
    assert decode_rulebook(b"x" * MAX_BYTES) == "x" * MAX_BYTES
    assert decode_rulebook(b"\xef\xbb\xbfna\xc3\xafve") == "na\u00efve"


def test_drafts_belong_to_their_association(session: Session, act: Act) -> None:
    context = act(CAROL)
    first, second = (store_draft(context, "NCIMHA", "a" * 121, text) for text in ("1", "2"))
    draft = find_draft(session, second, {"CT-AIMH", "NCIMHA"})
    assert draft
    assert draft.model_dump(exclude={"id"}) == {
        "association": "NCIMHA",
        "file_name": "a" * 120,
        "content": "2",
        "uploaded_at": NOW,
        "uploaded_by": CAROL,
    }
    assert find_draft(session, first, {"CT-AIMH"}) is None
    assert find_draft(session, second + 1, {"NCIMHA"}) is None
    for other, association in ((CAROL, "CT-AIMH"), (ALICE, "NCIMHA")):
        with pytest.raises(NotFound):
            store_draft(act(other), association, "rules.toml", "3")


def test_drafts_are_kept_for_30_days(session: Session, act: Act) -> None:
    context = act(CAROL)
    later = NOW + timedelta(days=30)
    old, kept = (
        store_draft(replace(context, now=now), "NCIMHA", "rules.toml", "x")
        for now in (NOW - timedelta(seconds=1), NOW)
    )
    assert forget_rulebook_drafts(session, later) == 1
    new = store_draft(replace(context, now=later), "NCIMHA", "rules.toml", "x")
    found = [find_draft(session, each, {"NCIMHA"}) for each in (old, kept, new)]
    assert [draft is not None for draft in found] == [False, True, True]
    store_draft(replace(context, now=later + timedelta(seconds=1)), "NCIMHA", "rules.toml", "x")
    assert find_draft(session, kept, {"NCIMHA"}) is None
