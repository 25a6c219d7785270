"""The first sentence on a renewal."""

from datetime import date

from tests.support.cast import CONFIG
from tracker.demo.stories import add_made_up_rulebooks
from tracker.rulebooks import load_rulebooks
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Facts, Span
from tracker.web.pages.renewal_text import format_headline

ENDORSED_ON = date(2022, 4, 13)


def headline(day: date) -> str:
    """That of an endorsee whose submission opens on January 13, 2028; hours can be attested."""
    books = add_made_up_rulebooks(load_rulebooks(CONFIG), CONFIG)
    plan = books.plan("PRAIRIE", "IFS", ENDORSED_ON, day)
    assert plan
    member = (Span(ENDORSED_ON, date(2030, 12, 31)),)
    facts = Facts(
        1, 1, "", "", ENDORSED_ON, None, provides_rsc=False, minutes={}, memberships=member
    )
    standing = judge_renewal(plan, facts, day)
    assert standing
    return format_headline(standing, day)


def test_a_renewal_is_not_ready_before_its_window_opens() -> None:
    assert headline(date(2028, 1, 12)) == "Nothing to submit yet."
    assert headline(date(2028, 1, 13)) == "Ready to submit by April 12."
    assert headline(date(2028, 4, 12)) == "Ready to submit by April 12."
