"""Random cases, in the words of `tests.rules.case_data`."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED, REAL
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import RenewalPlan

FIRST, LAST = date(2023, 6, 1), date(2027, 12, 31)
ENDORSEMENTS = {
    REAL: [
        *("CT-AIMH IFS", "CT-AIMH ECFS", "CT-AIMH IMHS", "MI-AIMH IMHS", "NCIMHA IFS"),
        *("CT-AIMH IFA", "VAIMH IMHS"),
    ],
    IMAGINED: [
        *("TRIENNIAL IFS", "TRIENNIAL-Y IFS", "ANNIVERSARY IFS", "JUNE IFS", "CHANGING IFS"),
        *("HISTORY IFS", "HISTORY IMHM", "FIRST IFS", "ADDING IFS", "ADDING EIFS", "ADDING ERS"),
        "PROVIDING IFS",
        "RESTING IFS",
        *("EARLY IFS", "LEAP IFS", "GRACE IFS", "GRACE IMHS"),
        *("FORMATS IFS", "FORMATS IFA", "MONTHS IFS"),
        *("WHOLE IFS", "WHOLE IFS", "WHOLE IFRS", "WHOLE MIT", "WHOLE EIFS", "WHOLE-LEAP IFS"),
    ],
}
HOLDINGS = {
    REAL: [
        *("CT-AIMH IFRS", "CT-AIMH IMHM-C", "MI-AIMH IMHS", "CT-AIMH IFS", "CT-AIMH ECMHS"),
        *("NCIMHA ERS", "CT-AIMH ECFRS", "CT-AIMH IMHM-P", "vetted NCIMHA", "vetted CT-AIMH"),
    ],
    IMAGINED: [
        *("TRIENNIAL IFRS", "TRIENNIAL IMHS", "TRIENNIAL-Y IMHS", "vetted TRIENNIAL"),
        "HISTORY IMHM",
        *("PROVIDING IMHM-C", "PROVIDING IMHM-P", "TRIENNIAL IMHM-P", "vetted PROVIDING"),
        "HISTORY IMHM",
        "FORMATS IFRS",
        *("WHOLE IFRS", "WHOLE-LEAP IFS", "vetted WHOLE", "vetted FIRST"),
    ],
}
PROVIDERS = ("Bob", "Carol", "Dora")
days = st.dates(FIRST, LAST)
# Days on which something of the rules changes, and their neighbours.
MILESTONES = ("01-01", "02-01", "02-28", "04-01", "05-01", "07-01", "12-01", "12-22")
edges = st.sampled_from(
    [
        date.fromisoformat(f"{year}-{day}") + timedelta(days=off)
        for year in range(2024, 2028)
        for day in MILESTONES
        for off in (-1, 0, 1)
    ]
)
any_day = st.one_of(days, edges)
kinds = st.sampled_from(["", "", "individual ", "agency "])


@st.composite
def spans(draw: st.DrawFn, *, open_ended: bool = True) -> str:
    """`first..last`, or `first` alone for no end."""
    starts_on = draw(any_day)
    if open_ended and draw(st.booleans()):
        return str(starts_on)
    length = draw(st.sampled_from([0, 1, 30, 100, 364, 365, 800]))
    return f"{starts_on}..{starts_on + timedelta(days=length)}"


@st.composite
def entries(draw: st.DrawFn) -> str:
    """One session of up to 20 hours."""
    day = draw(any_day)
    hours = f"{draw(st.integers(1, 20))}:{draw(st.sampled_from(['00', '30', '59']))}"
    if draw(st.booleans()):
        session_format = draw(st.sampled_from(["", "individual ", "group ", "peer "]))
        provider = draw(st.sampled_from(["", *(f" with {name}" for name in NAMES)]))
        return f"rsc {hours} {session_format}{day}{provider}"
    topics = draw(st.sampled_from(TOPICS))
    return f"training {hours} {topics}{day}"


NAMES = (*PROVIDERS, "Stranger")
TOPICS = (
    *("", "DEIA 0:30 ", "DEIA 1:00 ", "DEIA 0:59 RSC 2:00 "),
    *("SELF-STUDY 1:00 ", "SELF-STUDY 0:30 DEIA 0:30 "),
)


@st.composite
def holdings(draw: st.DrawFn, rulebooks: Rulebooks) -> list[str]:
    """What a provider holds, each thing once, and perhaps a degree."""
    held = draw(st.lists(st.sampled_from(HOLDINGS[rulebooks]), max_size=3, unique=True))
    degree = draw(st.sampled_from(["none", "bachelor", "master", "doctorate"]))
    return [*(f"{name} {draw(spans())}" for name in held), f"degree {degree}"]


@st.composite
def cases(draw: st.DrawFn, rulebooks: Rulebooks) -> dict[str, Any]:
    """Alice with all that can be recorded of her, and her providers."""
    held = draw(
        st.lists(st.sampled_from(ENDORSEMENTS[rulebooks]), min_size=1, max_size=2, unique=True)
    )
    endorsed = [f"{name} {draw(spans())}" for name in held]
    organizations = st.sampled_from(sorted(rulebooks.organizations))
    members = draw(st.lists(organizations, max_size=3, unique=True))
    case: dict[str, Any] = {
        "endorsed": endorsed,
        "provides_rsc": draw(st.booleans()),
        "members": [f"{name} {draw(kinds)}{draw(spans(open_ended=False))}" for name in members],
        "entries": draw(st.lists(entries(), max_size=5)),
        "providers": {name: draw(holdings(rulebooks)) for name in PROVIDERS},
        "leave": [f"{n} {draw(spans())}" for n in held if draw(st.booleans())],
        "inactive": [f"{n} {draw(spans())}" for n in held if draw(st.integers(0, 3)) == 0],
        "emeritus": [f"{n} {draw(spans())}" for n in held if draw(st.integers(0, 3)) == 0],
        "waived": [],
        "extended": [],
        "submitted": [],
        "payments": [],
        "applied": [],
    }
    # One row for a day on which any of them begins.
    begun = {line.partition("..")[0] for line in case["leave"]}
    for kind in ("inactive", "emeritus"):
        case[kind] = [x for x in case[kind] if x.partition("..")[0] not in begun]
        begun |= {line.partition("..")[0] for line in case[kind]}
    for name, endorsement in zip(held, endorsed, strict=True):
        association, category, since = endorsement.split()
        plan = rulebooks.plan(association, category, date.fromisoformat(since[:10]), draw(any_day))
        if plan and plan.cycle and draw(st.booleans()):
            starts_on = plan.cycle.starts_on
            ids = ["training", "rsc", "membership", "rsc.yearly.2", "rsc.months"]
            waived = draw(st.sampled_from(ids))
            case["waived"].append(f"{name} {starts_on} {waived}")
            due_on = plan.cycle.due_on + timedelta(days=draw(st.sampled_from([1, 31, 59, 200])))
            case["extended"].append(f"{name} {starts_on} {due_on}")
        if plan and plan.cycle and plan.is_submitted:
            _add_submission(draw, case, name, plan)
    return case


def _add_submission(draw: st.DrawFn, case: dict[str, Any], name: str, plan: RenewalPlan) -> None:
    """Perhaps a submission with some statements, and up to two payments for each fee."""
    assert plan.cycle
    signed = draw(st.lists(st.sampled_from(["ethics", "hours"]), unique=True))
    if draw(st.booleans()):
        words = " ".join([str(draw(any_day)), *signed])
        case["submitted"].append(f"{name} {plan.cycle.starts_on} {words}")
    for fee in plan.fees:
        for amount in draw(st.lists(st.sampled_from(["10", "50", "90", "120"]), max_size=2)):
            line = f"{name} {plan.cycle.starts_on} {fee.id} {amount} {draw(any_day)}"
            if line not in case["payments"]:
                case["payments"].append(line)
