"""Fees on the desk: who owes what, one payment for many, and what a treasurer may do."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from urllib.parse import urlencode

import pytest

from tests.support.cast import BOOKS, CAROL, LEE, NOW
from tests.support.paying import CYCLE, IVY, JON, fill_with_ivy, pay_for_both
from tests.web.client import Visitor, WebClient, text_of
from tests.web.coordinator.desk_steps import find_form, preview
from tests.web.coordinator.test_entries import save, undo_last
from tracker.db.desk import TeamRole
from tracker.db.engine import writing
from tracker.services.context import Actor, ServiceContext
from tracker.services.submissions import SubmissionInput, submit_renewal

PATH = "/coordinator/fees"


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    cast = fill_with_ivy(sqlite_url)
    yield WebClient(cast, NOW)
    cast.engine.dispose()


@pytest.fixture
def lee(web: WebClient) -> Visitor:
    return web.visit(LEE)


def typed(web: WebClient, *emails: str, **changes: str) -> dict[str, str]:
    """The form of a payment of $75 for each."""
    parts = {f"part.{web.cast.endorsements[each]}.2026-01-01.renewal": "75" for each in emails}
    when = {"day": "18", "month": "11", "year": "2026"}
    return {"association": "PAYING", "payer": "Family Agency", "form_key": "a" * 32, **when,
            **parts, **changes}  # fmt: skip


def test_desk_shows_who_owes_what_with_totals(lee: Visitor) -> None:
    page = text_of(lee.get(PATH))
    assert "Ivy Okafor IFS 2026 Renewal fee" in page
    assert "Total of 2 fees $150.00 $0.00 $150.00" in page


def test_one_payment_for_many_is_previewed_saved_and_undone(web: WebClient, lee: Visitor) -> None:
    preview = save(lee, f"{PATH}/payment", **typed(web, IVY, JON))
    assert "Record a payment of $150.00 for 2 people" in preview
    assert "Total of 2 fees $150.00 $150.00 $0.00" in text_of(lee.get(PATH))
    undo_last(lee)
    assert web.cast.rows("payment") == []
    assert "Total of 2 fees $150.00 $0.00 $150.00" in text_of(lee.get(PATH))


def test_the_preview_names_what_is_left_of_a_payment(web: WebClient, lee: Visitor) -> None:
    preview = save(lee, f"{PATH}/payment", **typed(web, IVY, amount="100"))
    assert "Record a payment of $100.00 ($25.00 not assigned yet) for Ivy" in preview


def confirm_twice(web: WebClient, visitor: Visitor) -> list[str]:
    """Press Save on one preview two times; where each answer leads."""
    form = find_form(preview(visitor, f"{PATH}/payment", typed(web, IVY)), "confirmed")
    sent = {**dict(form.sent), "confirmed": "yes"}
    return [visitor.post(form.action, sent).headers["location"] for _ in range(2)]


def test_a_double_click_saves_a_payment_once(web: WebClient, lee: Visitor) -> None:
    first, second = confirm_twice(web, lee)
    assert first == second
    assert len(web.cast.rows("payment")) == 1
    assert len(web.cast.rows("desk_change")) == 1
    assert "Saved." in text_of(lee.get(second))


def test_a_form_can_be_sent_again_after_its_undo(web: WebClient, lee: Visitor) -> None:
    form = find_form(preview(lee, f"{PATH}/payment", typed(web, IVY)), "confirmed")
    sent = {**dict(form.sent), "confirmed": "yes"}
    for _ in range(2):
        assert lee.post(form.action, sent).status_code == 303
        undo_last(lee)
    assert len(web.cast.rows("desk_change")) == 2
    assert web.cast.rows("payment") == []


def test_a_treasurer_is_not_told_to_only_look(web: WebClient, treasurer: Visitor) -> None:
    shown = preview(treasurer, f"{PATH}/payment", typed(web, IVY))
    assert "You can look at this desk" not in text_of(shown)
    people = text_of(treasurer.get("/coordinator/people"))
    assert "You can look at this desk and record payments." in people


def test_form_says_what_is_wrong(web: WebClient, lee: Visitor) -> None:
    page = lee.post(f"{PATH}/payment", typed(web, IVY, amount="fifty", payer=""))
    assert page.status_code == 422
    assert "Enter an amount like 75 or 87.50" in text_of(page)
    page = lee.post(f"{PATH}/payment", typed(web, IVY, JON, amount="100"))
    assert "The parts come to more than the payment" in text_of(page)


def test_file_has_exactly_what_the_filter_shows(web: WebClient, lee: Visitor) -> None:
    save(lee, f"{PATH}/payment", **typed(web, IVY))
    lines = lee.get(f"{PATH}.csv?association=PAYING&state=open").text.splitlines()
    assert [line.split(",")[0].strip('"\ufeff') for line in lines] == ["Name", "Jon Petersen"]
    assert lines[1].endswith("75,0,75,Open")


def test_payment_is_corrected_and_removed(web: WebClient, lee: Visitor) -> None:
    with writing(web.cast.engine) as session:
        first = pay_for_both(session, web.cast)
    form = text_of(lee.get(f"{PATH}/payment?association=PAYING&corrects={first}"))
    assert "Correct a payment" in form
    save(lee, f"{PATH}/payment", **typed(web, IVY, corrects=str(first), reason="Only Ivy"))
    removed, second = web.cast.rows("payment")
    assert removed["removed_because"] == "Only Ivy"
    assert second["amount_cents"] == 7500
    save(lee, f"{PATH}/payments/{second['id']}", reason="Bounced")
    assert "Total of 2 fees $150.00 $0.00 $150.00" in text_of(lee.get(PATH))
    assert "Bounced" in text_of(lee.get(f"{PATH}/payments/{second['id']}"))


@pytest.fixture
def treasurer(web: WebClient) -> Visitor:
    tess = "tess@example.org"
    with writing(web.cast.engine) as session:
        session.add(
            TeamRole(association="PAYING", email=tess, name="Tess Roy", role="treasurer",
                     starts_on=date(2026, 1, 1), added_at=NOW, added_by=LEE)
        )  # fmt: skip
    return web.visit(tess)


def test_treasurer_records_payments_and_changes_nothing_else(
    web: WebClient, treasurer: Visitor
) -> None:
    assert "Record a payment for the checked" in text_of(treasurer.get(PATH))
    save(treasurer, f"{PATH}/payment", **typed(web, IVY))
    assert len(web.cast.rows("payment")) == 1
    person = web.cast.people[IVY]
    refused = treasurer.post(f"/coordinator/person/{person}/change/name", {"name": "Eve"})
    assert refused.status_code == 403


def test_treasurer_undoes_their_own_payment(web: WebClient, treasurer: Visitor) -> None:
    save(treasurer, f"{PATH}/payment", **typed(web, IVY))
    [change] = web.cast.rows("desk_change")
    undo = f'action="{PATH}/changes/{change["id"]}/undo"'
    for path in ("/coordinator", "/coordinator/changes", f"/coordinator/changes/{change['id']}"):
        assert undo in treasurer.get(path).text, path
    done = treasurer.post(f"{PATH}/changes/{change['id']}/undo")
    assert "Undone" in text_of(treasurer.follow(done))
    assert web.cast.rows("payment") == []


def test_treasurer_is_offered_undo_right_after_saving(web: WebClient, treasurer: Visitor) -> None:
    save(treasurer, f"{PATH}/payment", **typed(web, IVY))
    assert f'action="{PATH}/changes/1/undo"' in treasurer.get(PATH).text


def test_treasurer_cannot_undo_what_others_did(
    web: WebClient, lee: Visitor, treasurer: Visitor
) -> None:
    save(lee, f"{PATH}/payment", **typed(web, IVY))
    [change] = web.cast.rows("desk_change")
    assert "/undo" not in treasurer.get("/coordinator/changes").text
    assert treasurer.post(f"{PATH}/changes/{change['id']}/undo").status_code == 404
    assert treasurer.post(f"/coordinator/changes/{change['id']}/undo").status_code == 403
    assert len(web.cast.rows("payment")) == 1


def test_menu_has_fees_only_where_the_rulebook_does(web: WebClient, lee: Visitor) -> None:
    assert "Fees" in text_of(lee.get("/coordinator"))
    carol = web.visit(CAROL)
    assert f'href="{PATH}' not in carol.get("/coordinator").text
    assert carol.get(PATH).status_code == 404


def test_paid_fee_is_found_by_its_year(web: WebClient, lee: Visitor) -> None:
    save(lee, f"{PATH}/payment", **typed(web, IVY))
    web.now = datetime(2028, 6, 1, 18, tzinfo=UTC)
    lee = web.visit(LEE)
    assert not any(line.endswith("Paid") for line in rows(lee))
    assert rows(lee, period="2026")[0].endswith("Paid")
    assert lee.get(f"{PATH}?association=PAYING&period=soon").status_code == 404


def test_payment_for_a_lapsed_renewal_is_recorded(web: WebClient) -> None:
    web.now = datetime(2027, 2, 10, 18, tzinfo=UTC)
    lee = web.visit(LEE)
    key = f"{web.cast.endorsements[IVY]}.2026-01-01.renewal"
    form = text_of(lee.get(f"{PATH}/payment?association=PAYING&fee={key}"))
    assert "Ivy Okafor IFS 2026 Renewal fee $100.00" in form
    late = {"part." + key: "100", "day": "9", "month": "2", "year": "2027"}
    save(lee, f"{PATH}/payment", **typed(web, **late))
    assert "Ivy Okafor IFS 2026 Renewal fee Dec 31, 2026 $100.00 $100.00 $0.00 Paid" in text_of(
        lee.get(PATH)
    )


def rows(visitor: Visitor, **query: str) -> list[str]:
    """The lines of the file, without the headings."""
    found = visitor.get(f"{PATH}.csv?{urlencode({'association': 'PAYING', **query})}")
    return found.text.splitlines()[1:]


def submit_for_ivy(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        ivy = web.cast.people[IVY]
        context = ServiceContext(session, BOOKS, Actor(IVY, ivy), NOW)
        held = web.cast.endorsements[IVY]
        submit_renewal(context, SubmissionInput(held, CYCLE, "Ivy Okafor", frozenset(), "b" * 32))


def test_preview_says_that_a_payment_accepts_a_renewal(web: WebClient, lee: Visitor) -> None:
    submit_for_ivy(web)
    before = len(web.mails())
    preview = save(lee, f"{PATH}/payment", **typed(web, IVY))
    assert "Accepts the 2026 renewal of Ivy Okafor." in preview
    assert "To ivy@example.org: You are renewed through December 31, 2027" in preview
    assert "You are renewed through December 31, 2027." in web.mails()[before]
    undo_last(lee)
    assert web.cast.rows("submission")[0]["state"] == "submitted"


def test_removing_a_payment_says_what_stays_accepted(web: WebClient, lee: Visitor) -> None:
    submit_for_ivy(web)
    save(lee, f"{PATH}/payment", **typed(web, IVY))
    preview = save(lee, f"{PATH}/payments/1", reason="Bounced")
    assert "The renewal of Ivy Okafor stays accepted" in preview
    page = text_of(web.visit(IVY).get(f"/my-year/{web.cast.endorsements[IVY]}/2026-01-01"))
    assert "Renewal fee Paid to the association Paid when it was accepted" in page
    assert "$75.00 to pay" in page


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"amount": "600", "ivy": "600"}, "Only $75.00 is owed for Renewal fee (Ivy Okafor, 2026)"),
        ({"year": "2001"}, "November 18, 2001 is more than a year ago. Is the date right?"),
        ({"year": "2001"}, "before the cycle of Ivy Okafor, which begins on January 1, 2026"),
    ],
)
def test_odd_payment_gets_a_warning(
    web: WebClient, lee: Visitor, changes: dict[str, str], warning: str
) -> None:
    form = typed(web, IVY, **changes)
    if part := form.pop("ivy", ""):
        form[f"part.{web.cast.endorsements[IVY]}.2026-01-01.renewal"] = part
    assert warning in text_of(lee.post(f"{PATH}/payment", form))


def test_second_tab_says_that_the_fee_is_paid(web: WebClient, lee: Visitor) -> None:
    stale = lee.post(f"{PATH}/payment", typed(web, IVY))
    state = re.findall(r'name="state" value="([^"]*)"', stale.text)[0]
    save(lee, f"{PATH}/payment", **typed(web, IVY))
    form = typed(web, IVY, form_key="c" * 32, state=state, confirmed="yes")
    page = lee.post(f"{PATH}/payment", form)
    assert "Nothing is owed for Renewal fee (Ivy Okafor, 2026): $75.00 is paid" in text_of(page)
    assert 'name="confirmed"' not in page.text
    assert len(web.cast.rows("payment")) == 1
