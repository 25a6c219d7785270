"""Drawing renewals for an audit: by the published examples of RFC 3797, and by category."""

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.rules.audit_sampling import (
    MOST_DRAWN,
    FrameLine,
    Quota,
    Stratum,
    draw,
    format_frame,
    hash_frame,
    parse_frame,
    plan_strata,
    select_positions,
)

# RFC 3797, section 6: the key string, the digests of the first selections, and who was selected of
# 25 people, counted from 1.
RFC_KEY = "9319./2.5.8.10.12./9.18.26.34.41.45./"
RFC_DIGESTS = [
    "990DD0A5692A029A98B5E01AA28F3459",
    "3691E55CB63FCC37914430B2F70B5EC6",
    "FE814EDF564C190AC1D25753979990FA",
    "1863CCACEB568C31D7DDBDF1D4E91387",
    "F4AB33DF4889F0AF29C513905BE1D758",
    "13EAEB529F61ACFB9A29D0BA3A60DE4A",
    "992DB77C382CA2BDB9727001F3CDCCD9",
    "63AB4258ECA922976811C7F55C383CE7",
    "DFBC5AC97CED01B3A6E348E3CC63F40D",
    "31CB111C4A4EBE9287CEAE16FE51B909",
]
RFC_SELECTED = [17, 7, 2, 16, 25, 23, 8, 24, 19, 13]
CYCLE = date(2025, 1, 1)


def lines_of(**categories: int) -> list[FrameLine]:
    """As many renewals of each category, in order."""
    return [FrameLine(name, n, CYCLE) for name, size in categories.items() for n in range(size)]


def test_the_worked_example_of_the_rfc_is_drawn() -> None:
    assert [one + 1 for one in select_positions(RFC_KEY, 25, 10)] == RFC_SELECTED


@pytest.mark.parametrize(("number", "digest"), [*enumerate(RFC_DIGESTS)])
def test_each_published_digest_decides_one_selection(number: int, digest: str) -> None:
    left = [one for one in range(25) if one + 1 not in RFC_SELECTED[:number]]
    selected = left[int(digest, 16) % len(left)]
    assert select_positions(RFC_KEY, 25, number + 1)[-1] == selected


def test_a_frame_is_a_sorted_text_and_its_hash() -> None:
    text = format_frame([FrameLine("IFS", 17, CYCLE), FrameLine("IFA", 200, CYCLE)])
    assert text == "IFA 200 2025-01-01\nIFS 17 2025-01-01\n"
    assert hash_frame(text) == hashlib.sha256(text.encode()).hexdigest()
    assert format_frame(parse_frame(text)) == text


def test_a_category_of_two_words_stays_whole() -> None:
    line = FrameLine("IMHM-R/F new", 3, CYCLE)
    assert parse_frame(format_frame([line])) == [line]


@pytest.mark.parametrize(
    ("size", "percent", "count"), [(20, 10, 2), (21, 10, 3), (1, 5, 1), (7, 100, 7)]
)
def test_a_share_is_rounded_up(size: int, percent: int, count: int) -> None:
    [stratum] = plan_strata(lines_of(IFS=size), Quota.SHARE, percent)
    assert stratum == Stratum("IFS", size, count)


def test_a_number_is_drawn_of_each_category_at_most() -> None:
    strata = plan_strata(lines_of(IFA=2, IFS=9), Quota.NUMBER, 3)
    assert strata == [Stratum("IFA", 2, 2), Stratum("IFS", 9, 3)]


def test_no_more_are_drawn_than_the_rfc_can_number() -> None:
    lines = [FrameLine("IFS", 17, CYCLE)] * (MOST_DRAWN + 1)
    assert plan_strata(lines, Quota.SHARE, 100) == [Stratum("IFS", MOST_DRAWN + 1, MOST_DRAWN)]


def test_categories_are_drawn_with_the_same_seed_and_their_names() -> None:
    lines = lines_of(IFA=9, IFS=9)
    drawn = draw(lines, plan_strata(lines, Quota.NUMBER, 9), "4 2 6 1")
    orders = [
        [one.endorsement_id for one in drawn if one.category == name] for name in ("IFA", "IFS")
    ]
    assert orders[0] != orders[1]
    assert orders[0] == select_positions("4 2 6 1/IFA/", 9, 9)
    assert orders[1] == select_positions("4 2 6 1/IFS/", 9, 9)


@given(st.text(max_size=20), st.integers(1, 60), st.data())
def test_nobody_is_drawn_twice_and_more_keeps_who_was_drawn(
    seed: str, size: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, size))
    drawn = select_positions(seed, size, count)
    assert len(set(drawn)) == count
    assert set(drawn) <= set(range(size))
    assert select_positions(seed, size, size)[:count] == drawn
