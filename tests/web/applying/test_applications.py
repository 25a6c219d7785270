"""The applicant's checklist: each requirement, what is missing, and why."""

import re
from datetime import date

import pytest
from sqlalchemy import insert, update

from tests.support.cast import ALICE
from tests.web.applicants import IDA, IRIS, NORA, OLIVE, apply
from tests.web.client import RSC, TRAINING, WebClient, plain_text, problems, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA

VOLUNTEERED = "early-care volunteer 2021-01-01..2025-12-31 infants supervised trained confirms=all"


def checklist(web: WebClient, email: str) -> str:
    number = web.cast.applications[email]
    return text_of(web.visit(email).get(f"/application/{number}"))


def task(web: WebClient, email: str, name: str) -> str:
    """One requirement's item, as one reads it."""
    page = web.visit(email).get(f"/application/{web.cast.applications[email]}")
    item = page.text.partition(f'<li id="task-{name}"')[2].partition('<li id="task-')[0]
    return plain_text(item.partition(">")[2])


def iris(web: WebClient, **more: object) -> None:
    """Iris applies as an associate: an education or work will do."""
    case = {"applies": "VAIMH IFA 2026-01-05", **more}
    found = apply(web.cast.engine, IRIS, "Iris Day", case)
    web.cast.people[IRIS], web.cast.applications[IRIS] = found


def change(web: WebClient, email: str, **values: object) -> None:
    table = METADATA.tables["application"]
    with writing(web.cast.engine) as session:
        session.connection().execute(
            update(table).where(table.c.id == web.cast.applications[email]).values(values)
        )


def test_the_headline_says_what_is_done_and_next(applicant_web: WebClient) -> None:
    page = checklist(applicant_web, NORA)
    assert "Infant Mental Health Specialist · VAIMH · opened Jan 5, 2026" in page
    assert "Not ready: 2 of 8 done, reflective supervision next." in page
    assert (
        "Missing: 17.5 hours of training, 41.5 hours of reflective supervision, 9 months of work "
        "experience, Code of Ethics and Agreement (1 of 2), written exam, and 2 references." in page
    )


def test_when_all_is_done_the_association_decides(applicant_web: WebClient) -> None:
    page = checklist(applicant_web, IDA)
    assert "Ready: all 8 are done." in page
    assert "Submitted on November 2, 2026. Your association decides next." in page
    assert "To do" not in page


def test_a_requirement_for_reviewers_is_not_a_task(applicant_web: WebClient) -> None:
    page = checklist(applicant_web, OLIVE)
    assert "Needs review: 7 of 8 done, 1 is for the reviewers." in page
    assert "For the reviewers: competencies. Submit it, and your association decides." in page


def test_requirements_keep_the_rulebooks_order(sqlite_applicant_web: WebClient) -> None:
    text = (
        sqlite_applicant_web.visit(NORA)
        .get(f"/application/{sqlite_applicant_web.cast.applications[NORA]}")
        .text
    )
    names = ["education", "training", "rsc", "experience", "membership", "ethics", "exam"]
    places = [text.index(f'id="task-{name}"') for name in [*names, "references"]]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("training", "Training 12.5 of 30 hours"),
        ("experience", "Work experience 1 year 3 months of 2 years"),
        ("ethics", "Code of Ethics and Agreement 1 of 2 signed"),
        ("references", "References 1 of 3 received"),
        ("references", "1 received, 1 waiting"),
        ("exam", "Written exam Passed To do"),
        ("membership", "Paid through December 31, 2026."),
        ("education", "A master's degree or higher, with official transcripts Done"),
    ],
)
def test_progress_is_shown_in_its_own_unit(
    sqlite_applicant_web: WebClient, name: str, said: str
) -> None:
    assert said in task(sqlite_applicant_web, NORA, name)


def test_families_are_counted(sqlite_applicant_web: WebClient) -> None:
    assert "Families served 10 of 10 families" in task(
        sqlite_applicant_web, OLIVE, "experience-families"
    )


def test_uncounted_sessions_say_why(applicant_web: WebClient) -> None:
    rsc = task(applicant_web, NORA, "rsc")
    assert "Reflective supervision 8.5 of 50 hours" in rsc
    assert "2 hours Does not count: Neil was IFA on April 10, 2026: the rule accepts" in rsc
    assert "1 hour Does not count: Newcomer is not yet confirmed as qualified" in rsc
    assert "it counts only after a master's degree (awarded February 1, 2025)" in rsc


def test_the_last_day_of_the_window_is_shown(sqlite_applicant_web: WebClient) -> None:
    rsc = task(sqlite_applicant_web, NORA, "rsc")
    assert "Counted over the best 24 months, March 10, 2025 to March 9, 2027." in rsc
    assert "The current time span ends on March 9, 2027" in rsc
    assert "current time span" not in task(sqlite_applicant_web, IDA, "rsc")


def test_many_uncounted_sessions_are_collapsed(
    sqlite_applicant_web: WebClient,
) -> None:
    entries = [f"rsc 1h 2026-0{month}-10 with Newcomer" for month in range(1, 8)]
    iris(sqlite_applicant_web, applies="VAIMH IMHS 2026-01-05", entries=entries)
    assert "4 more that do not count (Reflective supervision)" in task(
        sqlite_applicant_web, IRIS, "rsc"
    )


def test_advice_is_marked_as_not_required(sqlite_applicant_web: WebClient) -> None:
    training = task(sqlite_applicant_web, IDA, "training")
    assert "Done" in training
    assert "Advice Typical: 75 hours; not required." in training
    assert "Good to know Advice Leadership Activities: Not required." in checklist(
        sqlite_applicant_web, IDA
    )


def test_each_rule_has_its_source_and_its_reading(sqlite_applicant_web: WebClient) -> None:
    training = task(sqlite_applicant_web, NORA, "training")
    assert "VAIMH: Infant Mental Health Endorsement Requirements" in training
    assert "“In-Service Training”. Our reading: The minimum is required of everyone" in training


def test_open_requirements_link_to_their_forms(sqlite_applicant_web: WebClient) -> None:
    number = sqlite_applicant_web.cast.applications[NORA]
    page = sqlite_applicant_web.visit(NORA).get(f"/application/{number}").text
    for path, words in (
        ("/log?activity=training", "Log training"),
        ("/log?activity=rsc", "Log reflective supervision"),
        (f"/application/{number}/references", "Your references"),
        (f"/application/{number}/work", "Add a job"),
        (f"/application/{number}/statements", "Sign"),
        (f"/application/{number}/exam", "Report your exam"),
    ):
        assert f'<a href="{path}">{words}<' in page
    assert "Log training" not in task(sqlite_applicant_web, IDA, "training")


def test_a_met_alternative_makes_the_other_unneeded(sqlite_applicant_web: WebClient) -> None:
    iris(sqlite_applicant_web, degrees=["cda 2020-01-01"], work=[VOLUNTEERED])
    assert "Not ready: 1 of 5 done" in checklist(sqlite_applicant_web, IRIS)
    assert "Not needed: education is enough" in task(sqlite_applicant_web, IRIS, "experience")


def test_work_that_needs_review_says_so(sqlite_applicant_web: WebClient) -> None:
    iris(sqlite_applicant_web, work=[VOLUNTEERED])
    work = task(sqlite_applicant_web, IRIS, "experience")
    assert "5 years of 2 years" in work
    assert "For the reviewers" in work
    assert "5 years volunteer work counts if the reviewers agree" in work
    assert "Does not count" not in work


def test_partial_hours_give_each_reason_once(
    sqlite_applicant_web: WebClient,
) -> None:
    mentored = "rsc 2h 2019-04-10 with Mina"
    iris(
        sqlite_applicant_web,
        applies="VAIMH IMHM-C 2026-01-05",
        degrees=["master 2020-01-01 official"],
        providers={"Mina": ["VAIMH IMHM-C 2015-01-01"]},
        entries=[mentored],
    )
    assert mentored in task(sqlite_applicant_web, IRIS, "rsc")
    assert mentored not in task(sqlite_applicant_web, IRIS, "rsc-giving")
    assert "25 hours of RSC about RSC you provide" in checklist(sqlite_applicant_web, IRIS)


def test_an_endorsed_application_leads_to_the_renewal(sqlite_applicant_web: WebClient) -> None:
    change(sqlite_applicant_web, OLIVE, state="endorsed", decided_on=date(2026, 11, 20))
    page = sqlite_applicant_web.visit(OLIVE).get(
        f"/application/{sqlite_applicant_web.cast.applications[OLIVE]}"
    )
    assert "Endorsed from November 20, 2026." in text_of(page)
    assert "Your first renewal cycle has started" in text_of(page)
    assert '<a class="button" href="/my-year">Go to your renewal</a>' in page.text


def test_an_endorsement_without_rules_promises_no_cycle(
    sqlite_applicant_web: WebClient,
) -> None:
    change(sqlite_applicant_web, IDA, state="endorsed", decided_on=date(2026, 11, 20))
    assert "We don't track its renewal yet; ask VAIMH." in checklist(sqlite_applicant_web, IDA)


def test_an_endorsement_to_come_says_when(sqlite_applicant_web: WebClient) -> None:
    change(sqlite_applicant_web, OLIVE, state="endorsed", decided_on=date(2026, 12, 1))
    assert "Your first renewal cycle starts on that day." in checklist(sqlite_applicant_web, OLIVE)


def test_a_declined_application_shows_no_requirements(
    sqlite_applicant_web: WebClient,
) -> None:
    change(sqlite_applicant_web, NORA, state="declined", decided_on=date(2026, 11, 20))
    page = checklist(sqlite_applicant_web, NORA)
    assert "Declined on November 20, 2026." in page
    assert "Your logged hours are kept." in page
    assert "Training" not in page


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"opened_on": date(2026, 12, 1)}, "Opens on December 1, 2026."),
        ({"association": "GONE"}, "We have no rulebook for this association."),
        ({"category": "NOPE"}, "The rulebook has no initial requirements for this category."),
    ],
)
def test_the_page_says_if_nothing_can_be_evaluated(
    sqlite_applicant_web: WebClient, values: dict[str, object], said: str
) -> None:
    change(sqlite_applicant_web, NORA, **values)
    assert said in checklist(sqlite_applicant_web, NORA)
    assert sqlite_applicant_web.visit(NORA).get("/my-year").status_code == 200
    assert sqlite_applicant_web.visit(NORA).get("/log").status_code == 200


def test_no_one_reads_another_persons_application(applicant_web: WebClient) -> None:
    ida = applicant_web.visit(IDA)
    foreign = ida.get(f"/application/{applicant_web.cast.applications[NORA]}")
    assert foreign.status_code == 404
    assert foreign.content == ida.get("/application/999999").content


def test_my_year_links_to_the_checklist(sqlite_applicant_web: WebClient) -> None:
    page = sqlite_applicant_web.visit(NORA).get("/my-year")
    assert "Not ready: 2 of 8 done, reflective supervision next." in text_of(page)
    assert (
        f'href="/application/{sqlite_applicant_web.cast.applications[NORA]}">Open the checklist'
        in page.text
    )
    assert "You have no endorsement here yet" not in page.text
    assert page.text.count("<h1") == 1
    assert '<a href="/log"' in page.text


def test_my_year_explains_sessions_for_the_application(sqlite_applicant_web: WebClient) -> None:
    page = text_of(sqlite_applicant_web.visit(NORA).get("/my-year"))
    assert "training 12.5h 2026-02-01 12.5 h Counts toward training" in page
    assert "with Mara Counts toward RSC: IMHM-C on that day" in page
    assert "Does not count: it counts only after a master's degree (awarded" in page


def test_an_endorsee_who_applies_sees_both(sqlite_applicant_web: WebClient) -> None:
    with writing(sqlite_applicant_web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["application"]).values(
                person_id=sqlite_applicant_web.cast.people[ALICE],
                association="VAIMH",
                category="IMHS",
                opened_on=date(2026, 1, 5),
                state="open",
            )
        )
    page = sqlite_applicant_web.visit(ALICE).get("/my-year")
    said = text_of(page)
    assert said.index("3.5 RSC hours and one DEIA hour to go by December 31.") < said.index(
        "Open the checklist"
    )
    assert page.text.count("<h1") == 1
    assert "VAIMH IMHS application: Does not count: Dana Ruiz" in said
    assert "NCIMHA IFS: Counts toward RSC: vetted by NCIMHA on that day" in said


def test_my_year_links_to_decided_applications(sqlite_applicant_web: WebClient) -> None:
    change(sqlite_applicant_web, NORA, state="withdrawn", decided_on=date(2026, 11, 20))
    page = text_of(sqlite_applicant_web.visit(NORA).get("/my-year"))
    assert "Application for VAIMH IMHS : Withdrawn on November 20, 2026." in page


def test_saved_hours_show_the_applications_progress(applicant_web: WebClient) -> None:
    nora = applicant_web.visit(NORA)
    saved = text_of(nora.follow(nora.log({**TRAINING, "topic-DEIA": ""})))
    assert "Counts toward training" in saved
    assert "Training 14.5 of 30 hours; Reflective supervision 8.5 of 50 hours" in saved
    assert "Open the checklist" in saved


def test_an_applicant_can_choose_qualified_providers(sqlite_applicant_web: WebClient) -> None:
    form = sqlite_applicant_web.visit(NORA).get("/log").text
    assert 'value="Maya"' in form
    maya = sqlite_applicant_web.cast.rows("person", name="Maya")[0]["id"]
    nora = sqlite_applicant_web.visit(NORA)
    saved = text_of(nora.follow(nora.log({**RSC, "provider": str(maya)})))
    assert "Counts toward RSC: IMHM-C on that day" in saved
    assert "Reflective supervision 10 of 50 hours" in saved


def test_required_topics_have_fields(sqlite_applicant_web: WebClient) -> None:
    iris(sqlite_applicant_web, applies="VAIMH IFRS 2026-01-05")
    form = text_of(sqlite_applicant_web.visit(IRIS).get("/log?activity=training"))
    assert "hours about DEIA" in form
    assert "hours about RSC" in form


def test_rsc_topic_hours_survive_an_edit(
    applicant_web: WebClient,
) -> None:
    mentor = {"Mina": ["VAIMH IMHM-C 2015-01-01"]}
    iris(applicant_web, applies="VAIMH IMHM-C 2026-01-05", degrees=["master 2020-01-01 official"],
         providers=mentor)  # fmt: skip
    visitor = applicant_web.visit(IRIS)
    mina = applicant_web.cast.rows("person", name="Mina")[0]["id"]
    assert "about reflective supervision that" in text_of(visitor.get("/log?activity=rsc"))
    saved = visitor.log({**RSC, "provider": str(mina), "rsc-topic-RSC-GIVEN": "0.5"})
    assert "RSC about RSC you provide 0.5 of 25 hours" in text_of(visitor.follow(saved))
    number = saved.headers["location"].rpartition("/")[2]
    form = visitor.get(f"/entries/{number}/edit").text
    assert re.search(r'name="rsc-topic-RSC-GIVEN" value="0.5"', form)


def test_topic_hours_cannot_exceed_the_session(
    sqlite_applicant_web: WebClient,
) -> None:
    iris(sqlite_applicant_web, applies="VAIMH IMHM-C 2026-01-05")
    answer = sqlite_applicant_web.visit(IRIS).log(
        {**RSC, "provider": "other", "provider_name": "Jo", "rsc-topic-RSC-GIVEN": "3"}
    )
    assert [field for field, _ in problems(answer)] == ["rsc-topic-RSC-GIVEN"]
