"""What applicants enter themselves, when it can change, and what an application asks for."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.services.people.test_merging import add
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOOKS, CAROL, DANA, EVE, NOW, Cast
from tracker.db.applications import Application, Attestation, Degree, ExamResult, Position
from tracker.db.corrections import Removal
from tracker.db.tables import METADATA
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.portfolio import (
    DegreeInput,
    PositionInput,
    get_own_degree,
    get_own_position,
    list_supervisors,
    remove_degree,
    remove_exam,
    remove_position,
    report_exam,
    restore_removed,
    save_degree,
    save_position,
    sign_statements,
)
from tracker.services.portfolio_terms import find_terms, load_portfolio
from tracker.services.removals import MAY_UNDO_FOR

TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)
CT = "CT-AIMH"
MASTER = DegreeInput("master", "MSW", date(2020, 5, 15), "unofficial")
VISITS = PositionInput(
    title="Home visitor",
    employer="Healthy Families",
    pay="paid",
    services=("imh-services", "prevention"),
    ages=("birth to 36 months", "3 up to 6 years"),
    families=12,
    supervised=True,
    trained=False,
    statements=("imh-range", "attachment-issues"),
    supervisor_id=None,
    starts_on=date(2021, 6, 1),
    ends_on=date(2021, 6, 1),
)
INPUTS = [MASTER, VISITS]
LONG, TOO_LONG = "x" * 200, Refusal("title", "text-too-long", {"limit": 200})

# What is wrong with a degree, or with work, that differs so from those above.
Cases = list[tuple[dict[str, Any], list[Refusal]]]
DEGREES: Cases = [
    ({"level": "none"}, [Refusal("level", "level-required")]),
    ({"title": ""}, [Refusal("title", "degree-title-missing")]),
    ({"title": LONG}, []),
    ({"title": f"{LONG}x"}, [TOO_LONG]),
    ({"awarded_on": None}, [Refusal("awarded_on", "day-required")]),
    ({"awarded_on": TODAY}, []),
    ({"awarded_on": TODAY + DAY}, [Refusal("awarded_on", "degree-in-future")]),
    ({"transcript": "none"}, []),
    ({"transcript": "official"}, [Refusal("transcript", "transcript-for-association")]),
]
WORK: Cases = [
    ({"title": ""}, [Refusal("title", "position-title-missing")]),
    ({"title": f"{LONG}x"}, [TOO_LONG]),
    ({"title": LONG, "employer": LONG}, []),
    ({"employer": f"{LONG}x"}, [Refusal("employer", "text-too-long", {"limit": 200})]),
    ({"pay": ""}, [Refusal("pay", "pay-required")]),
    ({"pay": "internship", "services": ("rsc",)}, [Refusal("services", "choice-unknown")]),
    ({"services": ()}, [Refusal("services", "services-required")]),
    ({"statements": (), "ages": ()}, []),
    ({"statements": ("unknown",)}, [Refusal("statements", "choice-unknown")]),
    ({"ages": ("6 to 9 years",)}, [Refusal("ages", "choice-unknown")]),
    ({"families": None}, [Refusal("families", "families-required")]),
    ({"families": 0}, []),
    ({"families": 9_999}, []),
    ({"families": -1}, [Refusal("families", "families-out-of-range", {"limit": 9_999})]),
    ({"families": 10_000}, [Refusal("families", "families-out-of-range", {"limit": 9_999})]),
    ({"starts_on": None}, [Refusal("starts_on", "day-required")]),
    ({"starts_on": TODAY, "ends_on": TODAY}, []),
    ({"starts_on": TODAY + DAY, "ends_on": None}, [Refusal("starts_on", "position-in-future")]),
    ({"ends_on": None}, []),
    ({"ends_on": TODAY + DAY}, [Refusal("ends_on", "position-ends-in-future")]),
    (
        {"ends_on": date(2021, 5, 31)},
        [Refusal("ends_on", "ends-before-start", {"starts_on": date(2021, 6, 1)})],
    ),
]


@pytest.fixture
def eve(act: Act) -> ServiceContext:
    return act(EVE)


def apply(context: ServiceContext, **values: object) -> int:
    """Store an application of the actor's; its id."""
    row = {
        "person_id": context.person_id,
        "association": CT,
        "category": "IMHS",
        "opened_on": date(2026, 1, 1),
        "state": "open",
        **values,
    }
    return add(context.session, "application", **row)


def save(
    context: ServiceContext,
    application_id: int,
    given: DegreeInput | PositionInput,
    row_id: int | None = None,
) -> int:
    if isinstance(given, DegreeInput):
        return save_degree(context, application_id, given, row_id)
    return save_position(context, application_id, given, row_id)


def remove(
    context: ServiceContext, application_id: int, kind: type[Degree | Position], row_id: int
) -> None:
    change = remove_degree if kind is Degree else remove_position
    change(context, application_id, row_id)


def refusals(call: Callable[[], object]) -> list[Refusal]:
    with pytest.raises(Refused) as refused:
        call()
    return list(refused.value.refusals)


def kind_of(given: DegreeInput | PositionInput) -> type[Degree | Position]:
    return Degree if isinstance(given, DegreeInput) else Position


@pytest.mark.parametrize("given", INPUTS)
def test_an_entered_row_is_stored_once_and_audited(
    eve: ServiceContext, act: Act, given: DegreeInput | PositionInput
) -> None:
    number = apply(eve)
    alice = act(ALICE)
    other = save(alice, apply(alice), given)
    row_id = save(eve, number, given)
    assert row_id == save(eve, number, given) != other
    kind = kind_of(given)
    row = eve.session.get_one(kind, row_id)
    stored = row.model_dump(mode="json", exclude={"id"})
    own = {"person_id": eve.person_id, "recorded_by": EVE}
    if given is VISITS:
        own |= {
            "services": "imh-services; prevention",
            "statements": "imh-range; attachment-issues",
            "ages": "birth to 36 months; 3 up to 6 years",
            "gives_rsc": False,
        }
    days = {k: v.isoformat() for k, v in asdict(given).items() if isinstance(v, date)}
    assert stored == {**asdict(given), **days, **own}
    assert save(eve, number, replace(given, title="Other"), row_id) == row_id
    remove(eve, number, kind, row_id)
    assert eve.session.exec(select(kind.id)).all() == [other]
    changed = {**stored, "title": "Other"}
    assert list_changes(eve.session, kind.__tablename__)[1:] == [
        LoggedChange(EVE, row_id, None, stored),
        LoggedChange(EVE, row_id, stored, changed),
        LoggedChange(EVE, row_id, changed, None),
    ]


def test_degrees_are_complete_and_in_the_past(eve: ServiceContext) -> None:
    number = apply(eve)
    for index, (change, expected) in enumerate(DEGREES):
        given = replace(MASTER, **{"title": f"{index}", **change})
        if expected:
            assert refusals(partial(save, eve, number, given)) == expected
        else:
            assert save(eve, number, given)


def test_work_is_complete_and_in_the_past(eve: ServiceContext) -> None:
    number = apply(eve)
    for index, (change, expected) in enumerate(WORK):
        given = replace(VISITS, **{"title": f"{index}", **change})
        if expected:
            assert refusals(partial(save, eve, number, given)) == expected
        else:
            row = eve.session.get_one(Position, save(eve, number, given))
            statements, ages = "; ".join(given.statements), "; ".join(given.ages)
            assert (row.statements, row.ages) == (statements, ages or None)


def test_providers_may_have_supervised_work(eve: ServiceContext, act: Act, cast: Cast) -> None:
    session, dana = eve.session, cast.people[DANA]
    rulebook = BOOKS.associations["NCIMHA"]
    assert [each.id for each in list_supervisors(session, rulebook, eve.person_id)] == [dana]
    number = apply(eve, association="NCIMHA", category="IFS")
    work = replace(
        VISITS, services=("prevention",), statements=("social-emotional-focus",), supervisor_id=dana
    )
    row = session.get_one(Position, save(eve, number, work))
    assert row.supervisor_id == dana
    unknown = replace(work, supervisor_id=cast.people[ALICE], title="Intern")
    unlisted = [Refusal("supervisor", "choice-unknown")]
    assert refusals(lambda: save(eve, number, unknown)) == unlisted
    own = act(DANA)
    assert (
        refusals(lambda: save(own, apply(own, association="NCIMHA", category="IFS"), work))
        == unlisted
    )


def test_providers_of_rsc_say_so_in_their_work(eve: ServiceContext) -> None:
    number = apply(eve, association="VAIMH")
    row_id = save(eve, number, replace(VISITS, services=("rsc", "prevention")))
    assert eve.session.get_one(Position, row_id).gives_rsc


@pytest.mark.parametrize(
    ("given", "others", "fact"),
    [
        (MASTER, ({"level": "doctorate"}, {"title": "MA"}), "awarded_on"),
        (
            VISITS,
            ({"title": "Therapist"}, {"employer": "Head Start"}, {"starts_on": date(2021, 5, 1)}),
            "starts_on",
        ),
    ],
)
def test_rows_that_are_alike_are_refused(
    eve: ServiceContext,
    given: DegreeInput | PositionInput,
    others: tuple[dict[str, Any], ...],
    fact: str,
) -> None:
    number = apply(eve)
    same = replace(given, **({"transcript": "none"} if given is MASTER else {"families": 3}))
    ids = [save(eve, number, replace(given, **other)) for other in others]
    first = save(eve, number, given)
    on_record = [
        Refusal("title", f"{kind_of(given).__tablename__}-on-record", {fact: getattr(given, fact)})
    ]
    assert refusals(lambda: save(eve, number, same)) == on_record
    assert refusals(lambda: save(eve, number, given, ids[-1])) == on_record
    assert save(eve, number, same, first) == first
    assert len({*ids, first}) == len(others) + 1


@pytest.mark.parametrize("given", INPUTS)
def test_a_portfolio_has_room_for_a_hundred(
    eve: ServiceContext, cast: Cast, given: DegreeInput | PositionInput
) -> None:
    number, kind = apply(eve), kind_of(given)
    for count, email in ((98, EVE), (9, ALICE)):
        values = given.values() if isinstance(given, PositionInput) else asdict(given)
        eve.session.add_all(
            kind(**{**values, "title": f"{index}"}, person_id=cast.people[email])
            for index in range(count)
        )
    save(eve, number, replace(given, title="99"))
    last = save(eve, number, given)
    full = [Refusal("title", "portfolio-full", {"limit": 100})]
    assert refusals(lambda: save(eve, number, replace(given, title="101"))) == full
    assert save(eve, number, replace(given, title="100"), last) == last


@pytest.mark.parametrize("given", INPUTS)
def test_only_ones_own_entries_can_change(
    eve: ServiceContext, act: Act, given: DegreeInput | PositionInput
) -> None:
    number, kind = apply(eve), kind_of(given)
    get = get_own_degree if kind is Degree else get_own_position
    own = save(eve, number, given)
    assert get(eve.session, eve.person_id, own).id == own
    alice = act(ALICE)
    foreign = save(alice, apply(alice), given)
    theirs = save(eve, number, replace(given, title="Theirs"))
    eve.session.get_one(kind, theirs).recorded_by = None
    eve.session.flush()
    for row_id in (foreign, theirs, 999):
        with pytest.raises(NotFound):
            save(eve, number, replace(given, title="Changed"), row_id)
        with pytest.raises(NotFound):
            remove(eve, number, kind, row_id)
        with pytest.raises(NotFound):
            get(eve.session, eve.person_id, row_id)


@pytest.mark.parametrize("given", INPUTS)
def test_a_submitted_portfolio_only_grows(
    eve: ServiceContext, given: DegreeInput | PositionInput
) -> None:
    number, kind = apply(eve), kind_of(given)
    row_id = save(eve, number, given)
    apply(eve, association="VAIMH", state="submitted", submitted_on=TODAY)
    facts = {"association": "VAIMH", "category": "IMHS"}
    submitted = [Refusal("", "portfolio-submitted", facts)]
    changed = replace(given, title="Changed")
    assert refusals(lambda: save(eve, number, changed, row_id)) == submitted
    assert refusals(lambda: remove(eve, number, kind, row_id)) == submitted
    assert save(eve, number, changed)


def test_only_undecided_applications_can_change(eve: ServiceContext, act: Act) -> None:
    alice = act(ALICE)
    for number in (apply(alice), 999, apply(eve, association="GONE")):
        changes: list[tuple[Callable[..., object], tuple[object, ...]]] = [
            (save_degree, (MASTER, None)),
            (save_position, (VISITS, None)),
            (remove_degree, (1,)),
            (remove_position, (1,)),
            (restore_removed, ("degree", 1)),
            (sign_statements, ([],)),
            (partial(report_exam, passed=True), (TODAY,)),
            (remove_exam, (1,)),
        ]
        for change, given in changes:
            with pytest.raises(NotFound):
                change(eve, number, *given)
    number = apply(eve)
    # Another process decides about an application that was read before.
    application = eve.session.get_one(Application, number)
    withdrawn = update(METADATA.tables["application"]).filter_by(id=number)
    values = {"state": "withdrawn", "decided_on": TODAY}
    eve.session.connection().execute(withdrawn.values(values))
    facts = {"state": "withdrawn", "decided_on": TODAY}
    decided = [Refusal("", "application-decided", facts)]
    assert refusals(lambda: save(eve, number, MASTER)) == decided
    assert application.is_decided
    with pytest.raises(NotFound):
        save(act(CAROL), number, MASTER)


@pytest.mark.parametrize("given", INPUTS)
def test_a_removed_row_comes_back_within_a_day(
    eve: ServiceContext, given: DegreeInput | PositionInput
) -> None:
    number, kind = apply(eve), kind_of(given)
    name = kind.__tablename__
    row_id = save(eve, number, given)
    removal_id = _remove(eve, number, kind, row_id)
    other = "position" if kind is Degree else "degree"
    with pytest.raises(NotFound):
        restore_removed(eve, number, other, removal_id)
    for _ in range(2):
        restore_removed(eve, number, name, removal_id)
    assert eve.session.exec(select(kind.title)).all() == [given.title]
    again = _remove(eve, number, kind, row_id)
    with pytest.raises(NotFound):
        restore_removed(replace(eve, now=NOW + MAY_UNDO_FOR), number, name, again)


def _remove(
    context: ServiceContext, number: int, kind: type[Degree | Position], row_id: int
) -> int:
    remove(context, number, kind, row_id)
    removals = select(Removal).order_by(col(Removal.id).desc())
    removal = context.session.exec(removals).first()
    assert removal is not None
    given = MASTER if kind is Degree else VISITS
    assert (removal.kind, removal.description) == (f"own {kind.__tablename__}", given.title)
    return removal.id


def test_what_is_signed_keeps_its_day(eve: ServiceContext) -> None:
    session, number, other = eve.session, apply(eve), apply(eve, association="VAIMH")

    def signed(of: int = number) -> dict[str, tuple[date, str | None]]:
        query = select(Attestation).where(Attestation.application_id == of)
        return {each.what: (each.signed_on, each.recorded_by) for each in session.exec(query)}

    sign_statements(eve, other, ["ethics"])
    sign_statements(eve, number, ["ethics"])
    later = replace(eve, now=NOW + DAY)
    sign_statements(later, number, ["ethics", "agreement"])
    expected = {"ethics": (TODAY, EVE), "agreement": (TODAY + DAY, EVE)}
    assert signed() == expected
    unknown = [Refusal("signed", "choice-unknown")]
    assert refusals(lambda: sign_statements(later, number, ["ethics", "other"])) == unknown
    session.add(
        Attestation(application_id=number, what="residence", signed_on=TODAY, recorded_by=EVE)
    )
    sign_statements(later, number, ["agreement"])
    assert signed() == {"agreement": (TODAY + DAY, EVE), "residence": (TODAY, EVE)}
    for each in session.exec(select(Attestation).where(Attestation.application_id == number)):
        each.recorded_by = None
    session.flush()
    sign_statements(later, number, [])
    assert signed() == {"agreement": (TODAY + DAY, None), "residence": (TODAY, None)}
    assert signed(other) == {"ethics": (TODAY, EVE)}
    back = {"association": "REMOVING", "category": "IFS", "purpose": "reinstatement"}
    again = apply(eve, **back)
    sign_statements(eve, again, ["ethics"])
    assert signed(again) == {"ethics": (TODAY, EVE)}
    own = {"application_id": number, "recorded_by": EVE, "what": "ethics"}
    values = {**own, "signed_on": TODAY.isoformat()}
    changes = list_changes(session, "attestation")
    assert [
        (each.before, each.after) for each in changes if values in (each.before, each.after)
    ] == [
        (None, values),
        (values, None),
    ]


def test_a_signature_stays_once_it_is_submitted(eve: ServiceContext) -> None:
    number = apply(eve)
    sign_statements(eve, number, ["ethics"])
    application = eve.session.get_one(Application, number)
    application.state, application.submitted_on = "submitted", TODAY
    eve.session.flush()
    sign_statements(eve, number, ["ethics", "agreement"])
    facts = {"association": CT, "category": "IMHS"}
    submitted = [Refusal("", "portfolio-submitted", facts)]
    assert refusals(lambda: sign_statements(eve, number, ["agreement"])) == submitted


def test_exams_are_reported_once_a_day(eve: ServiceContext) -> None:
    session, number = eve.session, apply(eve)
    other = apply(eve, association="MI-AIMH")
    report_exam(eve, other, TODAY, passed=False)
    for _ in range(2):
        report_exam(eve, number, TODAY - DAY, passed=False)
        report_exam(eve, number, TODAY, passed=True)
    stored = session.exec(select(ExamResult).where(ExamResult.application_id == number)).all()
    assert [(each.taken_on, each.passed, each.recorded_by) for each in stored] == [
        (TODAY - DAY, False, EVE),
        (TODAY, True, EVE),
    ]
    known = [Refusal("day", "exam-on-record", {"taken_on": TODAY})]
    assert refusals(lambda: report_exam(eve, number, TODAY, passed=False)) == known
    future = [Refusal("day", "exam-in-future")]
    assert refusals(lambda: report_exam(eve, number, TODAY + DAY, passed=True)) == future
    without = apply(eve, category="IFS")
    needless = [Refusal("day", "exam-not-required")]
    assert refusals(lambda: report_exam(eve, without, TODAY, passed=True)) == needless


def test_a_reported_exam_can_be_removed(eve: ServiceContext) -> None:
    session, number = eve.session, apply(eve)
    other = apply(eve, association="MI-AIMH")
    report_exam(eve, other, TODAY, passed=False)
    report_exam(eve, number, TODAY, passed=True)
    foreign, own = session.exec(select(ExamResult.id).order_by(col(ExamResult.id))).all()
    for exam_id in (foreign, 999):
        with pytest.raises(NotFound):
            remove_exam(eve, number, exam_id)
    remove_exam(eve, number, own)
    assert session.exec(select(ExamResult.id)).all() == [foreign]
    values = {"application_id": number, "passed": True, "recorded_by": EVE}
    values["taken_on"] = TODAY.isoformat()
    assert list_changes(session, "exam_result")[1:] == [
        LoggedChange(EVE, own, None, values),
        LoggedChange(EVE, own, values, None),
    ]
    application = session.get_one(Application, other)
    application.state, application.submitted_on = "submitted", TODAY
    session.flush()
    submitted = [Refusal("", "portfolio-submitted", {"association": "MI-AIMH", "category": "IMHS"})]
    assert refusals(lambda: remove_exam(eve, other, foreign)) == submitted
    session.get_one(ExamResult, foreign).recorded_by = None
    session.flush()
    with pytest.raises(NotFound):
        remove_exam(eve, other, foreign)


def test_an_application_asks_by_the_rules_of_the_day() -> None:
    rulebook = BOOKS.associations[CT]
    terms = find_terms(rulebook, "IMHS", TODAY)
    assert terms.rulebook is rulebook
    assert [*terms.services] == ["prevention", "early-intervention", "imh-services"]
    assert [*terms.statements] == [
        "with-child-and-parent",
        "imh-range",
        "attachment-issues",
        "trained-for-this",
        "rsc-about-it",
    ]
    assert terms.attestations == {"ethics": "Code of Ethics", "agreement": "Endorsement Agreement"}
    assert (terms.asks_exam, terms.takes_internships) == (True, True)
    plain = find_terms(rulebook, "IFS", TODAY)
    assert (plain.asks_exam, plain.takes_internships) == (False, False)
    removing = BOOKS.associations["REMOVING"]
    assert find_terms(removing, "IFS", TODAY, "reinstatement").attestations == {
        "ethics": "I follow the Code of Ethics"
    }
    assert find_terms(removing, "IFS", TODAY).requirements == ()


def test_a_category_may_have_its_own_rules() -> None:
    rulebook = BOOKS.associations[CT]
    required = rulebook.requirements_of("IFS", "application")
    signed = next(each for each in required if "ethics" in each.signed)
    values = tuple(each.model_copy(update={"categories": ("IFS",)}) for each in signed.values)
    only = signed.model_copy(update={"values": values})
    changed = rulebook.model_copy(update={"requirements": (only,)})
    assert [*find_terms(changed, "IFS", TODAY).attestations] == [*signed.signed]
    assert find_terms(changed, "IMHS", TODAY).attestations == {}


def test_a_portfolio_is_listed_newest_first(eve: ServiceContext, act: Act) -> None:
    session, number, alice = eve.session, apply(eve), act(ALICE)
    foreign = apply(alice)
    save(alice, foreign, MASTER)
    save(alice, foreign, VISITS)
    days = [date(2020, 1, 1), date(2021, 1, 1), date(2021, 1, 1)]
    for title, day in zip("ACB", days, strict=True):
        save(eve, number, replace(MASTER, title=title, awarded_on=day))
        save(eve, number, replace(VISITS, title=title, starts_on=day))
    for of in (foreign, number):
        context = alice if of == foreign else eve
        sign_statements(context, of, ["ethics"] if of == foreign else ["agreement"])
        report_exam(context, of, TODAY - DAY, passed=False)
    report_exam(eve, number, TODAY, passed=True)
    portfolio = load_portfolio(session, session.get_one(Application, number))
    assert [each.title for each in portfolio.degrees] == ["C", "B", "A"]
    assert [each.title for each in portfolio.positions] == ["C", "B", "A"]
    assert [each.taken_on for each in portfolio.exams] == [TODAY, TODAY - DAY]
    assert {*portfolio.signed} == {"agreement"}
    assert portfolio.attestations["agreement"].signed_on == TODAY
