"""The applicant names referees and waits; each referee answers once, by a secret link."""

import re
from collections.abc import Callable

import pytest

from tests.support.cast import ALICE, BOB, Cast
from tests.support.referees import ANSWER, PAT, REF_BOOKS, apply, decided
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor, ServiceContext
from tracker.services.unmerging import undo_removal_or_merge

SECRET = "They once forgot their keys"
Open = Callable[[str], Visitor]


class Applying:
    """Alice and her application at REF, on a site that knows its rulebook."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.web = WebClient(cast, rulebooks=REF_BOOKS)
        with writing(cast.engine) as session:
            self.application = apply(session, cast.people[ALICE])
        self.page = f"/application/{self.application}/references"
        self.alice = self.web.visit(ALICE)
        self.pat = self.web.visit()

    def name(self, **changed: str) -> str:
        """Name Pat, and give the path of the link in the mail."""
        answer = self.alice.post(self.page, {**PAT, **changed})
        assert answer.status_code == 303, answer.text
        return self.link()

    def link(self) -> str:
        found = re.findall(r"http://testserver(/reference/\S+)", self.web.mails()[-1])
        return str(found[0])

    def row(self) -> dict[str, object]:
        [row] = self.cast.rows("reference")
        return row

    def change(self, table: str, **values: object) -> None:
        with writing(self.cast.engine) as session:
            session.connection().execute(METADATA.tables[table].update().values(values))


@pytest.fixture
def applying(cast: Cast) -> Applying:
    return Applying(cast)


@pytest.fixture
def page(sqlite_web: WebClient) -> Applying:
    """On SQLite alone: for what pages say."""
    return Applying(sqlite_web.cast)


def test_the_page_explains_the_required_references(page: Applying) -> None:
    text = text_of(page.alice.get(page.page))
    assert "You need 3 references" in text
    assert "Current program supervisor or colleague" in text
    assert "Or, if the reviewers agree" in text
    assert "At least 1 referee needs an endorsement as IFS or IMHS, or vetting by" in text
    assert "guide, References" in text
    assert "You have not named anyone yet." in text


def test_naming_a_referee_saves_and_sends_mail(applying: Applying) -> None:
    answer = applying.alice.post(applying.page, PAT)
    assert answer.headers["location"] == applying.page
    text = text_of(applying.alice.follow(answer))
    assert "We have sent them an email" in text
    assert "Pat Doe Current program supervisor pat@example.org Asked on November" in text
    [mail] = applying.cast.rows("outbox", kind="reference")
    assert (mail["recipient"], mail["person_id"]) == ("pat@example.org", None)
    assert "Alice Moreno is asking you for a reference" in applying.web.mails()[-1]


def test_a_double_tap_names_once_and_mails_once(applying: Applying) -> None:
    answers = [applying.alice.post(applying.page, PAT) for _ in range(2)]
    assert [a.status_code for a in answers] == [303, 303]
    assert len(applying.cast.rows("reference")) == len(applying.web.mails()) == 1


def test_each_mistake_is_shown_at_its_field(page: Applying) -> None:
    typed = {"name": "Pat, see www.buy.example", "email": "pat at example", "role": "friend"}
    answer = page.alice.post(page.page, typed)
    assert answer.status_code == 422
    assert problems(answer) == [
        ("name", "Enter only the name, without a link or an address"),
        ("email", "Enter an email address, like name@example.org"),
        ("role", "Choose one of the roles in the list"),
    ]
    assert 'value="pat at example"' in answer.text
    assert "<title>Error: Your references" in answer.text
    assert page.cast.rows("reference") == []


@pytest.mark.parametrize(
    "typed",
    [
        "Visit evil.example.com now",
        "Visit EVIL.COM",
        "x.com",
        "https:evil.example",
        "evil\uff0eexample",
        "Jane, M.Ed.example.com",
    ],
)
def test_a_name_that_looks_like_a_link_is_refused(page: Applying, typed: str) -> None:
    answer = page.alice.post(page.page, {**PAT, "name": typed})
    assert problems(answer) == [("name", "Enter only the name, without a link or an address")]
    assert page.cast.rows("outbox") == []


@pytest.mark.parametrize(
    "typed", ["J.R. Smith", "Dr. Jo O'Neil-Diaz, Ph.D.", "Jane Doe, M.Ed.", "Jo B.Sc.", "Ł. Ñúñez"]
)
def test_a_name_with_initials_or_degrees_is_a_name(page: Applying, typed: str) -> None:
    page.name(name=typed)
    assert page.row()["name"] == typed


def test_an_applicant_named_like_a_link_sends_no_mail(page: Applying) -> None:
    person = METADATA.tables["person"]
    with writing(page.cast.engine) as session:
        whose = person.c.id == page.cast.people[ALICE]
        session.connection().execute(
            person.update().where(whose).values(name="Win at evil.example")
        )
    [(field, words)] = problems(page.alice.post(page.page, PAT))
    assert field == "name"
    assert words.startswith("Ask your coordinator to correct your own name, “Win at evil.example”")
    assert page.cast.rows("reference") == page.cast.rows("outbox") == []


def test_naming_a_declined_referee_sends_no_mail(page: Applying) -> None:
    page.pat.post(f"{page.name()}/decline")
    answer = page.alice.post(page.page, PAT)
    assert answer.status_code == 422
    words = "You have named Pat Doe with this address, and they declined. Name someone else."
    assert problems(answer) == [("email", words)]
    assert "We have sent them an email" not in answer.text
    assert len(page.web.mails()) == 1


def test_naming_an_imported_referee_asks_them(page: Applying) -> None:
    page.name()
    page.change("reference", asked_at=None, token_hash=None)
    page.web.pass_time(minutes=1)
    page.name()
    assert len(page.web.mails()) == 2


def test_an_empty_form_says_what_to_enter(page: Applying) -> None:
    assert dict(problems(page.alice.post(page.page, {}))) == {
        "name": "Enter the referee&#39;s name",
        "email": "Enter an email address, like name@example.org",
        "role": "Choose who they are to you",
    }


@pytest.mark.parametrize("own", [ALICE, "Alice@Home.example"])
def test_your_own_address_is_refused(page: Applying, own: str) -> None:
    answer = page.alice.post(page.page, {**PAT, "email": own})
    assert problems(answer) == [("email", "Enter the referee&#39;s address. This one is your own.")]
    assert page.web.mails() == []


def test_an_unanswered_referee_can_be_removed(applying: Applying) -> None:
    link = applying.name()
    answer = applying.alice.post(applying.page, {"remove": str(applying.row()["id"])})
    assert "Their link no longer works" in text_of(applying.alice.follow(answer))
    assert applying.cast.rows("reference") == []
    assert applying.pat.get(link).status_code == 404


def test_an_answered_referee_cannot_be_removed(page: Applying) -> None:
    link = page.name()
    page.pat.post(link, ANSWER)
    answer = page.alice.post(page.page, {"remove": str(page.row()["id"])})
    assert answer.status_code == 404
    assert page.row()["received_at"] is not None
    assert 'name="remove"' not in page.alice.get(page.page).text


def test_a_button_asks_an_imported_referee(applying: Applying) -> None:
    applying.name()
    applying.change("reference", asked_at=None, token_hash=None)
    assert "pat@example.org Not asked" in text_of(applying.alice.get(applying.page))
    number = str(applying.row()["id"])
    applying.web.pass_time(minutes=1)
    for _ in range(2):
        assert applying.alice.post(applying.page, {"ask": number}).status_code == 303
    assert len(applying.web.mails()) == 2
    assert applying.pat.get(applying.link()).status_code == 200


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "1e3", "9" * 40, "\u0661", "999"])
@pytest.mark.parametrize("button", ["remove", "ask"])
def test_a_button_with_an_unknown_id_is_not_found(page: Applying, button: str, number: str) -> None:
    page.name()
    assert page.alice.post(page.page, {button: number}).status_code == 404
    assert len(page.cast.rows("reference")) == 1


def test_another_persons_references_are_not_here(page: Applying) -> None:
    page.name()
    bob = page.web.visit(BOB)
    absent = bob.get("/application/999/references")
    number = str(page.row()["id"])
    for answer in (
        bob.get(page.page),
        bob.post(page.page, PAT),
        bob.post(page.page, {"remove": number}),
        bob.post(page.page, {"ask": number}),
    ):
        assert (answer.status_code, answer.content) == (404, absent.content)
    assert len(page.web.mails()) == 1


def test_the_form_goes_when_the_limit_is_reached(page: Applying) -> None:
    for number in range(5):
        page.name(email=f"p{number}@example.org")
    assert "as many referees as you can at one time" in text_of(page.alice.get(page.page))
    assert 'name="email"' not in page.alice.get(page.page).text
    assert page.alice.post(page.page, PAT).status_code == 422


def test_a_decided_application_asks_nobody(page: Applying) -> None:
    page.change("application", **decided(page.web.now))
    assert "This application was endorsed" in text_of(page.alice.get(page.page))
    assert page.alice.post(page.page, PAT).status_code == 422
    assert page.web.mails() == []


def test_the_page_says_if_no_references_are_required(page: Applying) -> None:
    page.change("application", category="IMHS")
    assert "does not require references" in text_of(page.alice.get(page.page))
    assert page.alice.post(page.page, PAT).status_code == 422
    page.change("application", association="NOWHERE")
    assert page.alice.get(page.page).status_code == 404


def test_the_link_says_who_asks_for_reinstatement(page: Applying) -> None:
    path = page.name()
    page.change("application", purpose="reinstatement")
    text = text_of(page.pat.get(path))
    assert "Alice Moreno is asking Association of References to reinstate their endorsement" in text


def test_the_link_shows_only_the_request(page: Applying) -> None:
    answer = page.pat.get(page.name())
    text = text_of(answer)
    assert "Alice Moreno is applying to Association of References" in text
    assert "Infant Family Specialist (IFS)" in text
    assert "Is “Current program supervisor” correct?" in text
    assert "Association of References has vetted me" in text
    for private in (ALICE, "alice@home.example", "2024", "open"):
        assert private not in answer.text.replace("Are you endorsed", "")
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "private, no-cache"


def test_an_answer_is_stored_and_confirmed(applying: Applying) -> None:
    link = applying.name()
    answer = applying.pat.post(link, {**ANSWER, "vetted": "yes", "relationship": SECRET})
    assert answer.status_code == 303
    thanks = applying.pat.follow(answer)
    assert text_of(thanks).startswith("Received, thank you.")
    row = applying.row()
    assert (row["role_confirmed"], row["vetted"], row["relationship"]) == (True, True, SECRET)
    assert (row["endorsed_by"], row["endorsed_as"]) == ("REF", "IMHS")
    assert (row["signed_as"], row["received_at"]) == ("Pat Doe", applying.web.now)


def test_opening_the_link_changes_nothing(applying: Applying) -> None:
    link = applying.name()
    before = applying.row()
    for _ in range(3):
        assert applying.pat.get(link).status_code == 200
        assert applying.pat.client.head(link).status_code in {200, 405}
        assert applying.pat.get(f"{link}/decline").status_code == 405
    assert applying.row() == before


def test_an_answered_link_takes_no_second_answer(applying: Applying) -> None:
    link = applying.name()
    applying.pat.post(link, {**ANSWER, "relationship": SECRET})
    stored = applying.row()
    applying.pat.post(link, {**ANSWER, "relationship": "Another"})
    applying.pat.post(f"{link}/decline")
    assert applying.row() == stored
    shown = applying.pat.get(link).text
    for private in (SECRET, "Pat Doe", "Alice", "IMHS"):
        assert private not in shown


def test_the_applicant_only_sees_that_it_was_received(page: Applying) -> None:
    page.pat.post(page.name(), {**ANSWER, "relationship": SECRET, "signed_as": "Patricia Doe"})
    shown = page.alice.get(page.page)
    assert "pat@example.org Received on November" in text_of(shown)
    assert SECRET not in shown.text
    assert "Patricia" not in shown.text


def test_the_applicant_sees_that_a_referee_declined(applying: Applying) -> None:
    link = applying.name()
    answer = applying.pat.post(f"{link}/decline")
    assert text_of(applying.pat.follow(answer)).startswith("You declined to give this reference")
    assert applying.row()["declined_at"] == applying.web.now
    text = text_of(applying.alice.get(applying.page))
    assert "pat@example.org Asked on November" in text
    assert "They can't give this reference." in text
    applying.pat.post(link, ANSWER)
    assert applying.row()["received_at"] is None


def test_an_unendorsed_referee_names_no_category(page: Applying) -> None:
    page.pat.post(page.name(), {**ANSWER, "endorsed": "no"})
    assert (page.row()["endorsed_by"], page.row()["endorsed_as"]) == (None, None)


def test_a_denied_role_is_stored(page: Applying) -> None:
    page.pat.post(page.name(), {**ANSWER, "role_confirmed": "no"})
    assert page.row()["role_confirmed"] is False


def test_an_empty_answer_says_what_is_missing(page: Applying) -> None:
    answer = page.pat.post(page.name(), {})
    assert answer.status_code == 422
    assert problems(answer) == [
        ("role_confirmed", "Say whether this role is correct"),
        ("relationship", "Say in a sentence how you know their work"),
        ("endorsed", "Say whether you are endorsed"),
        ("rating-work", "Choose one of the ratings"),
        ("signed_as", "Type your full name to sign"),
    ]
    assert page.row()["received_at"] is None


def test_a_wrong_answer_keeps_what_was_typed(page: Applying) -> None:
    wrong = {**ANSWER, "endorsed_by": " ", "endorsed_as": "", "relationship": "x" * 501}
    answer = page.pat.post(page.name(), wrong)
    assert problems(answer) == [
        ("relationship", "Use at most 500 characters to say how you know their work"),
        ("endorsed_by", "Enter the name of the association that has endorsed you"),
        ("endorsed_as", "Choose the category in which you are endorsed"),
    ]
    assert "x" * 501 in answer.text
    assert 'value="Pat Doe"' in answer.text
    assert 'value="yes" id="role_confirmed" checked' in answer.text


def test_markup_stays_text(page: Applying) -> None:
    wrong = {**ANSWER, "signed_as": "", "relationship": "</textarea><script>alert(1)</script>"}
    assert "<script" not in page.pat.post(page.name(), wrong).text


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "\u00e9", "a" * 3000])
def test_an_unknown_link_explains_itself(page: Applying, token: str) -> None:
    page.name()
    for answer in (
        page.pat.get(f"/reference/{token}"),
        page.pat.post(f"/reference/{token}", ANSWER),
        page.pat.post(f"/reference/{token}/decline"),
    ):
        assert answer.status_code == 404
        assert text_of(answer).startswith("This link does not work.")
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"


def test_a_decided_applications_link_is_over(page: Applying) -> None:
    link = page.name()
    page.change("application", **decided(page.web.now))
    shown = page.pat.get(link)
    assert text_of(shown).startswith("This reference is no longer needed.")
    assert "Alice" not in shown.text
    page.pat.post(link, ANSWER)
    page.pat.post(f"{link}/decline")
    assert (page.row()["received_at"], page.row()["declined_at"]) == (None, None)


def test_another_sites_form_submits_no_reference(page: Applying) -> None:
    link = page.name()
    foreign = {"Origin": "https://evil.example"}
    for path in (link, f"{link}/decline", page.page):
        assert page.alice.client.post(path, data=ANSWER, headers=foreign).status_code == 403
    assert page.row()["received_at"] is None


def test_a_referee_and_the_mail_are_saved_together(
    page: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no mail today")

    monkeypatch.setattr(page.web.app.state.site.composer, "compose", fail)
    with pytest.raises(RuntimeError, match="no mail today"):
        page.alice.post(page.page, PAT)
    assert page.cast.rows("reference") == page.cast.rows("outbox") == []


def test_ratings_good_and_bad_look_alike_to_the_applicant(page: Applying) -> None:
    page.pat.post(page.name(), ANSWER)
    page.alice.get(page.page)
    good = page.alice.get(page.page).text
    page.change("reference", ratings='[{"id": "work", "asks": "How?", "rating": "Fair"}]')
    assert page.alice.get(page.page).text == good
    assert "How do you rate" not in good


@pytest.mark.parametrize("sent", ["Superb", "", None])
def test_a_rating_that_is_not_on_the_scale_is_refused(page: Applying, sent: str | None) -> None:
    typed = {name: value for name, value in ANSWER.items() if name != "rating-work"}
    answer = page.pat.post(page.name(), typed if sent is None else {**typed, "rating-work": sent})
    assert problems(answer) == [("rating-work", "Choose one of the ratings")]


def test_the_referee_form_offers_known_associations(page: Applying) -> None:
    shown = page.pat.get(page.name()).text
    assert '<option value="Association of References">' in shown
    assert "How do you rate their work?" in text_of(page.pat.get(page.link()))


def test_an_unknown_association_is_stored_as_typed(applying: Applying) -> None:
    link = applying.name()
    applying.pat.post(link, {**ANSWER, "endorsed_by": "Associa\u00e7\u00e3o Beb\u00ea"})
    assert applying.row()["endorsed_by"] == "Associa\u00e7\u00e3o Beb\u00ea"


def remove(applying: Applying) -> str:
    """Remove the only referee; the id that the Undo button sends."""
    answer = applying.alice.post(applying.page, {"remove": str(applying.row()["id"])})
    button = re.search(r'name="undo" value="(\d+)"', applying.alice.follow(answer).text)
    assert button is not None
    return button[1]


def test_a_removed_referee_comes_back_with_the_link(applying: Applying) -> None:
    link = applying.name()
    before = applying.row()
    undo = {"undo": remove(applying)}
    answer = applying.alice.post(applying.page, undo)
    assert "If they had a link, it works again." in text_of(applying.alice.follow(answer))
    assert applying.row() == before
    assert applying.cast.rows("withdrawn_reference") == []
    assert applying.pat.get(link).status_code == 200
    assert applying.alice.post(applying.page, undo).status_code == 303
    assert len(applying.cast.rows("reference")) == len(applying.web.mails()) == 1


def test_an_old_undo_button_brings_nobody_else_back(page: Applying) -> None:
    page.name(email="first@example.org")
    first = remove(page)
    page.name()
    second = remove(page)
    for _ in range(2):
        page.alice.post(page.page, {"undo": second})
    assert [row["email"] for row in page.cast.rows("reference")] == ["pat@example.org"]
    page.alice.post(page.page, {"undo": first})
    assert len(page.cast.rows("reference")) == 2


def test_a_referee_whose_mail_was_dropped_is_asked_again(page: Applying) -> None:
    link = page.name()
    number = remove(page)
    key = page.cast.rows("outbox")[0]["dedupe_key"]
    page.change("outbox", state="dropped", dedupe_key=f"{key}:dropped:1")
    page.web.pass_time(minutes=5)
    page.alice.post(page.page, {"undo": number})
    assert len(page.cast.rows("outbox", state="waiting")) == 1
    assert page.link() != link
    assert page.pat.get(page.link()).status_code == 200


def test_a_referee_named_anew_is_not_brought_back(page: Applying) -> None:
    page.name()
    number = remove(page)
    page.web.pass_time(minutes=1)
    page.name()
    [(_, why)] = problems(page.alice.post(page.page, {"undo": number}))
    assert why.startswith("Pat Doe was not brought back: you have named someone")


def test_a_referee_without_a_place_is_not_brought_back(page: Applying) -> None:
    page.name()
    number = remove(page)
    for place in range(5):
        page.name(email=f"p{place}@example.org")
    [(_, why)] = problems(page.alice.post(page.page, {"undo": number}))
    assert "as many referees as you can at one time" in why


@pytest.mark.parametrize("number", ["", "0", "x", "999"])
def test_an_unknown_removal_is_not_undone(page: Applying, number: str) -> None:
    page.name()
    remove(page)
    answer = page.alice.post(page.page, {"undo": number})
    assert "could not be brought back" in text_of(page.alice.follow(answer))
    assert page.cast.rows("reference") == []


def test_a_removal_can_be_undone_for_a_day(page: Applying) -> None:
    page.name()
    number = remove(page)
    page.web.pass_time(hours=24)
    page.alice.post(page.page, {"undo": number})
    assert page.cast.rows("reference") == []
    assert 'name="undo"' not in page.alice.get(page.page).text


def test_nobody_else_undoes_a_removal(page: Applying) -> None:
    page.name()
    number = remove(page)
    assert page.web.visit(BOB).post(page.page, {"undo": number}).status_code == 404
    with writing(page.cast.engine) as session:
        apply(session, page.cast.people[BOB])
    other = f"/application/{page.application + 1}/references"
    page.web.visit(BOB).post(other, {"undo": number})
    assert page.cast.rows("reference") == []


def test_an_operator_brings_a_removed_referee_back(page: Applying) -> None:
    link = page.name()
    number = int(remove(page))
    with writing(page.cast.engine) as session:
        operator = Actor("tracker remove undo")
        undo_removal_or_merge(ServiceContext(session, REF_BOOKS, operator, page.web.now), number)
    assert page.pat.get(link).status_code == 200
    assert page.cast.rows("withdrawn_reference") == []


def test_the_mail_says_that_the_form_asks_for_ratings(page: Applying) -> None:
    page.name()
    mail = " ".join(page.web.mails()[-1].split())
    assert "how you know and rate their work, and whether you are endorsed" in mail
