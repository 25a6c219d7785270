"""Each link of each mail arrives at its page, filled in, with a sign-in on the way or without."""

import re
from datetime import timedelta
from urllib.parse import unquote

from tests.support.cast import ALICE, BASE_URL, BOB, BOOKS, CAROL, CONFIG, DAN, NOW
from tests.web.client import TRAINING, WebClient
from tests.web.signing import ask
from tracker.jobs.runner import run_due
from tracker.notifications.context import open_context

LINK = re.compile(rf"{BASE_URL}(/\S*)")


def links_of_mails(web: WebClient) -> set[tuple[str, str]]:
    """Who got which path in a mail, after two days' jobs."""
    settings = web.cast.settings.model_copy(update={"config_dir": CONFIG})
    context = open_context(settings, BOOKS, web.cast.engine)
    for day in range(2):
        list(run_due(context, NOW + timedelta(days=day), lambda: NOW))
    web.now = NOW + timedelta(days=1)
    recipients = [row["recipient"] for row in web.cast.rows("outbox")]
    mails = zip(recipients, web.mails(), strict=True)
    return {(who, path) for who, mail in mails for path in LINK.findall(mail)}


def arrives(web: WebClient, who: str, path: str) -> str:
    """The page behind a link: opened signed out, the code typed in another browser."""
    web.pass_time(hours=1)
    first = web.visit()
    asked = first.get(path)
    if asked.status_code == 200:  # its token is enough
        return asked.text
    wanted = unquote(asked.headers["location"].partition("next=")[2])
    link, code = ask(web, first, who, wanted)
    other = web.visit()
    field = re.search(r'name="next" value="([^"]*)"', other.get(link).text)
    assert field is not None
    signed_in = other.post(link, {"code": code, "next": field[1].replace("&amp;", "&")})
    # Browsers keep what comes after # to themselves.
    assert signed_in.headers["location"] == path.partition("#")[0]
    page = other.follow(signed_in)
    assert page.status_code == 200, path
    return page.text


def test_every_mail_link_opens(sqlite_applicant_web: WebClient) -> None:
    links = links_of_mails(sqlite_applicant_web)
    assert {ALICE, BOB, CAROL, DAN} <= {who for who, _ in links}
    found = {path.split("?")[0].rstrip("0123456789") for _, path in links}
    assert found >= {"/log", "/coordinator"}
    # The digest's links open rows of the start page.
    assert any("cause=renewal-" in path for _, path in links)
    for who, path in sorted(links):
        page = arrives(sqlite_applicant_web, who, path)
        if path.startswith("/log?"):
            activity = path.partition("activity=")[2].partition("&")[0]
            assert re.search(rf'value="{activity}"[^>]* checked', page), path


def test_a_topic_link_fills_in_the_topic(
    sqlite_web: WebClient,
) -> None:
    page = arrives(sqlite_web, ALICE, "/log?activity=training&topic=DEIA")
    assert re.search(r'value="training"[^>]* checked', page)
    assert re.search(r'name="topic-DEIA" value="all"', page)
    alice = sqlite_web.visit(ALICE)
    saved = alice.log({**TRAINING, "hours": "1:30", "topic-DEIA": "All"})
    number = int(saved.headers["location"].rpartition("/")[2])
    (topic,) = sqlite_web.cast.rows("entry_topic", entry_id=number)
    assert (topic["topic"], topic["minutes"]) == ("DEIA", 90)


def test_unknown_topics_are_left_out(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    for topic in ("nonsense", "", '"><script>', "DEIA" * 500):
        page = alice.get("/log?activity=training&topic=" + topic)
        assert page.status_code == 200
        assert 'value="all"' not in page.text
        assert "nonsense" not in page.text
    assert 'value="all"' not in alice.get("/log?topic=DEIA").text


def test_wrong_hours_are_reported_once(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).log({**TRAINING, "hours": "lots", "topic-DEIA": "all"})
    assert answer.status_code == 422
    assert answer.text.count('class="wrong"') == 1
