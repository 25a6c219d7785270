"""The public registry: who is in it, what it shows of them, and who else may show it."""

import json
import re
from collections.abc import Iterator
from datetime import date

import pytest
from httpx2 import Response
from sqlalchemy import insert, update

from tests.support.cast import ALICE, ATTESTING, BOOKS, KAI, NOW, fill
from tests.support.listing import NOE, REGISTRY, add_members, list_people
from tests.support.submitting import FAY, GIL
from tests.web.client import WebClient, problems, settle_all, text_of
from tests.web.coordinator.desk_steps import change, preview, undo
from tests.web.exports.test_my_data import archive_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.model import Rulebook

CHOICE = "/profile/registry"
OWN_SITE = "https://www.attesting.example"


@pytest.fixture
def web(database_url: str) -> Iterator[WebClient]:
    """The site, on both engines: Fay and Noe are listed, Gil is not."""
    cast = fill(database_url)
    with writing(cast.engine) as session:
        add_members(session, cast)
        list_people(session, cast, FAY, NOE)
    yield WebClient(cast)
    settle_all()
    cast.engine.dispose()


@pytest.fixture
def fast_web(sqlite_url: str) -> Iterator[WebClient]:
    """The same, on SQLite only."""
    cast = fill(sqlite_url)
    with writing(cast.engine) as session:
        add_members(session, cast)
        list_people(session, cast, FAY, NOE)
    yield WebClient(cast)
    settle_all()
    cast.engine.dispose()


def with_registry(**keys: object) -> Rulebooks:
    """The cast's rulebooks with other keys of the registry; None removes one."""
    data = BOOKS.associations[ATTESTING].model_dump(by_alias=True, exclude_unset=True)
    registry = {name: each for name, each in {**data["registry"], **keys}.items() if each}
    return with_rulebook(BOOKS, Rulebook.model_validate({**data, "registry": registry}))


def listed(web: WebClient, query: str = "") -> dict[str, list[str]]:
    """Status by category of everyone in the JSON, by name."""
    people = web.visit().get(f"{REGISTRY}.json{query}").json()["people"]
    return {
        each["name"]: [f"{one['category']} {one['status']}" for one in each["endorsements"]]
        for each in people
    }


def set_row(web: WebClient, table: str, email: str, **values: object) -> None:
    """Change the row of a person, or of their endorsement, behind the pages' backs."""
    found = METADATA.tables[table]
    ids = web.cast.people if table == "person" else web.cast.endorsements
    with writing(web.cast.engine) as session:
        session.connection().execute(update(found).where(found.c.id == ids[email]).values(**values))


def test_it_lists_only_people_who_agreed(web: WebClient) -> None:
    page = web.visit().get(REGISTRY)
    shown = text_of(page)
    assert "2 people listed" in shown
    assert "Fay Lani Infant Family Specialist Endorsed" in shown
    assert "Noe Pua Infant Family Reflective Supervisor Endorsed Takes new supervisees" in shown
    assert "Gil" not in page.text
    assert "example.org" not in page.text
    assert listed(web) == {"Fay Lani": ["IFS endorsed"], "Noe Pua": ["IFRS endorsed"]}


def test_unlisted_people_answer_like_unknown_ones(fast_web: WebClient) -> None:
    visitor = fast_web.visit()

    def search(name: str) -> list[str]:
        answers = [visitor.get(f"{REGISTRY}{end}?name={name}") for end in ("", "/embed", ".json")]
        return [each.text.replace(name, "…") for each in answers]

    assert search("Mahoe") == search("Xyzzy")
    assert "Nobody in the registry matches." in search("Mahoe")[0]
    for path in ("/registry/NCIMHA", "/registry/NCIMHA.json", "/registry/NCIMHA/embed"):
        absent = visitor.get(path.replace("NCIMHA", "NOWHERE"))
        assert absent.status_code == 404
        assert visitor.get(path).content == absent.content


def test_it_shows_no_address_id_or_date_of_a_person(fast_web: WebClient) -> None:
    answer = fast_web.visit().get(f"{REGISTRY}.json?name=noe").json()
    assert answer["people"] == [
        {
            "name": "Noe Pua",
            "endorsements": [
                {
                    "category": "IFRS",
                    "name": "Infant Family Reflective Supervisor",
                    "status": "endorsed",
                }
            ],
            "takes_new_supervisees": True,
            "provider": {"credentials": ["ATTESTING IFRS"], "line": "Groups by video"},
        }
    ]
    assert set(answer) == {"association", "name", "as_of", "url", "count", "page", "pages", "next",
                           "people"}  # fmt: skip


def test_it_is_searched_by_name_category_and_supervisees(fast_web: WebClient) -> None:
    assert list(listed(fast_web, "?name=la")) == ["Fay Lani"]
    assert list(listed(fast_web, "?name=Pua+Noe")) == ["Noe Pua"]
    assert list(listed(fast_web, "?category=IFS")) == ["Fay Lani"]
    assert list(listed(fast_web, "?supervisees=yes")) == ["Noe Pua"]
    assert listed(fast_web, "?category=nothing") == {}
    shown = text_of(fast_web.visit().get(f"{REGISTRY}?name=fay"))
    assert "1 person found. Show everyone listed" in shown


def test_long_registries_have_pages_that_keep_the_search(fast_web: WebClient) -> None:
    person, held, listing = (
        METADATA.tables[name] for name in ("person", "endorsement", "registry_listing")
    )
    with writing(fast_web.cast.engine) as session:
        write = session.connection().execute
        for number in range(60):
            new = {"email": f"p{number}@example.org", "name": f"Mele {number:02}"}
            rest = {"highest_degree": "none", "provides_rsc": False}
            row = insert(person).values(**new, **rest).returning(person.c.id)
            key = write(row).scalar_one()
            of = {"person_id": key, "association": ATTESTING}
            write(insert(held).values(**of, category="IFS", starts_on=date(2024, 1, 1)))
            write(insert(listing).values(**of, listed_at=NOW))
    visitor = fast_web.visit()
    first = visitor.get(f"{REGISTRY}.json?name=mele").json()
    assert (first["count"], first["pages"], len(first["people"])) == (60, 2, 50)
    second = visitor.get(first["next"]).json()
    assert [len(second["people"]), second["next"]] == [10, None]
    page = visitor.get(f"{REGISTRY}/embed?name=mele")
    [link] = re.findall(r'href="([^"]+)">Next', page.text)
    assert "Mele 59" in text_of(visitor.get(link.replace("&amp;", "&")))


def test_an_ended_endorsement_shows_at_the_next_request(web: WebClient) -> None:
    set_row(web, "endorsement", FAY, ends_on=date(2026, 11, 21))
    assert listed(web)["Fay Lani"] == ["IFS not endorsed"]
    assert "Not currently endorsed" in text_of(web.visit().get(REGISTRY))
    set_row(web, "endorsement", FAY, ends_on=date(2026, 11, 22))
    assert listed(web)["Fay Lani"] == ["IFS endorsed"]


def test_a_lapse_shows_until_it_is_made_good(web: WebClient) -> None:
    [standing] = web.cast.rows("standing", endorsement_id=web.cast.endorsements[FAY])
    days = {"cycle_starts_on": date(2022, 1, 1), "cycle_ends_on": date(2024, 12, 31)}
    lapsed = {**standing, **days, "status": "lapsed"}
    with writing(web.cast.engine) as session:
        new = insert(METADATA.tables["standing"]).values(**lapsed)
        session.connection().execute(new)
    assert listed(web)["Fay Lani"] == ["IFS not endorsed"]
    # A later cycle makes it good once it is over, and not just because everything is in already.
    later = METADATA.tables["standing"]
    of_fay = later.c.endorsement_id == web.cast.endorsements[FAY]
    for values, status in (
        ({"status": "met"}, "IFS not endorsed"),
        ({"cycle_ends_on": date(2026, 6, 30)}, "IFS endorsed"),
    ):
        with writing(web.cast.engine) as session:
            is_current = of_fay & (later.c.cycle_starts_on > date(2024, 12, 31))
            session.connection().execute(update(later).where(is_current).values(**values))
        assert listed(web)["Fay Lani"] == [status]


def test_leave_does_not_show_and_inactive_status_does(web: WebClient) -> None:
    leave = METADATA.tables["leave"]
    days = {"starts_on": date(2026, 11, 1), "ends_on": date(2027, 10, 31), "reason": "Away"}
    with writing(web.cast.engine) as session:
        for email, kind in ((FAY, "leave"), (NOE, "inactive")):
            of = {"endorsement_id": web.cast.endorsements[email], "kind": kind}
            session.connection().execute(insert(leave).values(**of, **days))
    assert listed(web) == {"Fay Lani": ["IFS endorsed"], "Noe Pua": ["IFRS not endorsed"]}
    assert listed(web, "?supervisees=yes") == {}


def test_people_who_are_not_endorsed_can_be_left_out(sqlite_url: str) -> None:
    cast = fill(sqlite_url)
    with writing(cast.engine) as session:
        add_members(session, cast)
        list_people(session, cast, FAY, NOE)
    web = WebClient(cast, rulebooks=with_registry(lists_former=None))
    set_row(web, "endorsement", FAY, ends_on=date(2026, 11, 21))
    assert list(listed(web)) == ["Noe Pua"]
    cast.engine.dispose()


def test_it_opens_on_its_first_day(fast_web: WebClient) -> None:
    later = WebClient(fast_web.cast, rulebooks=with_registry(**{"from": date(2026, 11, 23)}))
    assert later.visit().get(REGISTRY).status_code == 404
    # Midnight in Honolulu.
    later.now = NOW.replace(day=23, hour=9, minute=59)
    assert later.visit().get(REGISTRY).status_code == 404
    later.pass_time(minutes=1)
    assert later.visit().get(REGISTRY).status_code == 200


def test_people_list_themselves_and_withdraw(web: WebClient) -> None:
    gil = web.visit(GIL)
    assert "ATTESTING public registry not listed" in text_of(gil.get("/profile"))
    assert "checked" not in gil.get(CHOICE).text
    answer = gil.follow(gil.post(CHOICE, {"listed": ATTESTING}))
    assert "Your choice about the public registry is saved." in text_of(answer)
    assert "Gil Mahoe" in listed(web)
    gil.post(CHOICE)
    assert "Gil Mahoe" not in listed(web)
    events = web.cast.rows("audit_event", table_name="registry_listing")
    assert [each["who"] for each in events] == [GIL, GIL]


def test_nobody_lists_themselves_where_they_hold_nothing(fast_web: WebClient) -> None:
    alice = fast_web.visit(ALICE)
    assert "registry" not in text_of(alice.get("/profile"))
    assert alice.get(CHOICE).status_code == 404
    assert alice.post(CHOICE, {"listed": ATTESTING}).status_code == 404
    assert "Alice Moreno" not in listed(fast_web)


def test_a_coordinator_removes_a_listing_and_allows_it_again(web: WebClient) -> None:
    kai, fay = web.visit(KAI), web.visit(FAY)
    person = f"/coordinator/person/{web.cast.people[FAY]}"
    saved = change(kai, f"{person}/unlist/{ATTESTING}", {"reason": "Under review"})
    assert "Removed Nov 22, 2026: Under review" in text_of(saved)
    assert list(listed(web)) == ["Noe Pua"]
    assert "removed by ATTESTING" in text_of(fay.get("/profile"))
    form = fay.get(CHOICE)
    assert "removed you from its registry on November 22, 2026. Reason: Under review" in text_of(
        form
    )
    assert 'name="listed"' not in form.text
    refused = fay.post(CHOICE, {"listed": ATTESTING})
    assert problems(refused)[0][0] == "listed"
    change(kai, f"{person}/allow-listing/{ATTESTING}", {"reason": "Review is over"})
    assert list(listed(web)) == ["Noe Pua"]
    fay.post(CHOICE, {"listed": ATTESTING})
    assert "Fay Lani" in listed(web)


def test_a_removal_is_previewed_and_undone(fast_web: WebClient) -> None:
    kai = fast_web.visit(KAI)
    path = f"/coordinator/person/{fast_web.cast.people[FAY]}/unlist/{ATTESTING}"
    assert "Remove Fay Lani from the public registry" in text_of(preview(kai, path, {}))
    assert "Fay Lani" in listed(fast_web)
    saved = change(kai, path, {})
    undo(kai, saved)
    assert "Fay Lani" in listed(fast_web)


def test_timeline_and_my_data_have_the_consent(fast_web: WebClient) -> None:
    person = fast_web.cast.people[FAY]
    change(fast_web.visit(KAI), f"/coordinator/person/{person}/unlist/{ATTESTING}", {})
    timeline = text_of(fast_web.visit(KAI).get(f"/coordinator/person/{person}/timeline"))
    assert "Listing in the public registry" in timeline
    assert "Removed because empty → A phone call" in timeline
    archive = archive_of(fast_web, FAY)
    [listing] = json.loads(archive.read("other.json"))["registry_listing"]
    assert (listing["association"], listing["removal_reason"]) == (ATTESTING, "A phone call")


def test_undoing_a_removal_respects_a_withdrawal(fast_web: WebClient) -> None:
    kai = fast_web.visit(KAI)
    path = f"/coordinator/person/{fast_web.cast.people[FAY]}/unlist/{ATTESTING}"
    saved = change(kai, path, {})
    fast_web.visit(FAY).post(CHOICE)
    undo(kai, saved)
    assert list(listed(fast_web)) == ["Noe Pua"]


def headers_of(answer: Response) -> tuple[str, str]:
    policy = answer.headers["content-security-policy"]
    return policy.partition("frame-ancestors ")[2], answer.headers["cache-control"]


def test_only_the_frame_may_be_shown_on_named_websites(fast_web: WebClient) -> None:
    visitor = fast_web.visit()
    assert headers_of(visitor.get(f"{REGISTRY}/embed")) == (f"'self' {OWN_SITE}", "no-cache")
    assert headers_of(visitor.get(REGISTRY)) == ("'none'", "private, no-cache")
    frame = visitor.get(f"{REGISTRY}/embed")
    assert "<script" not in frame.text
    assert "set-cookie" not in frame.headers
    for rulebooks, ancestors in (
        (with_registry(embed_on=None), "'self'"),
        (with_registry(embed_on=["*"]), "'self' *"),
    ):
        other = WebClient(fast_web.cast, rulebooks=rulebooks).visit()
        assert headers_of(other.get(f"{REGISTRY}/embed"))[0] == ancestors


def test_only_scripts_of_named_websites_read_it(fast_web: WebClient) -> None:
    client = fast_web.visit().client

    def allowed(path: str, origin: str) -> str | None:
        answer = client.get(path, headers={"Origin": origin})
        return answer.headers.get("access-control-allow-origin")

    assert allowed(f"{REGISTRY}.json", OWN_SITE) == OWN_SITE
    assert allowed(f"{REGISTRY}.json", f"{OWN_SITE}.evil.example") is None
    for path in (REGISTRY, f"{REGISTRY}/embed", "/help", "/profile"):
        assert allowed(path, OWN_SITE) is None


def test_an_unchanged_list_is_not_sent_again(fast_web: WebClient) -> None:
    client = fast_web.visit().client
    first = client.get(f"{REGISTRY}.json")
    assert first.headers["cache-control"] == "no-cache"
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.get(f"{REGISTRY}.json", headers=tag).status_code == 304
    fast_web.visit(FAY).post(CHOICE)
    assert client.get(f"{REGISTRY}.json", headers=tag).status_code == 200


def test_one_client_reads_it_only_so_often(sqlite_url: str) -> None:
    cast = fill(sqlite_url)
    settings = cast.settings.model_copy(
        update={"web": cast.settings.web.model_copy(update={"registry_visits_per_client": 3})}
    )
    web = WebClient(cast, settings=settings)
    visitor = web.visit()
    assert [visitor.get(REGISTRY).status_code for _ in range(3)] == [200] * 3
    refused = visitor.get(f"{REGISTRY}.json")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert visitor.get("/help").status_code == 200
    web.pass_time(minutes=1)
    assert visitor.get(f"{REGISTRY}/embed").status_code == 200
    cast.engine.dispose()


def test_the_desk_shows_how_to_embed_it(fast_web: WebClient) -> None:
    kai = fast_web.visit(KAI)
    shown = kai.get(f"/coordinator/registry?association={ATTESTING}")
    assert "2 people have agreed to be listed." in text_of(shown)
    assert f"It may be shown on {OWN_SITE}." in text_of(shown)
    assert "&lt;iframe src=" in shown.text
    assert shown.headers["content-security-policy"].endswith("frame-src 'self'")
