"""What a requirement of a rulebook asks, in words: one line for each of its terms."""

from collections.abc import Iterator, Mapping

from tracker.rules.providers import say_day
from tracker.rules.schema import Requirement, Rulebook
from tracker.rules.terms import Education, Referees, Window, Work

_LEVELS = {
    "cda": "a CDA credential",
    "associate": "an associate's degree",
    "bachelor": "a bachelor's degree",
    "master": "a master's degree",
    "doctorate": "a doctorate",
    "specialization": "a postgraduate specialization",
    "certificate": "a university certificate",
    "other": "another degree or education",
}


def terms(book: Rulebook, requirement: Requirement) -> Iterator[str]:
    """All that a requirement says beside its amounts."""
    yield requirement.about
    yield from _alternatives(book, requirement)
    yield from _hours(book, requirement)
    if requirement.membership:
        yield f"membership rule {requirement.membership}"
    if requirement.each_year:
        yield "each year of the cycle"
    if requirement.asked_of != "everyone":
        yield f"asked of {requirement.asked_of}"
    if requirement.education:
        yield from _education(requirement.education)
    if requirement.work:
        yield from _work(book, requirement.work)
    if requirement.references:
        yield from _referees(book, requirement.references)
    if requirement.signed:
        yield f"signed: {_words(book.attestations, requirement.signed)}"
    if requirement.reviewed:
        yield "the reviewers judge it"


def _alternatives(book: Rulebook, requirement: Requirement) -> Iterator[str]:
    """The other requirements of which one is enough."""
    if requirement.either is None:
        return
    for other in book.requirements:
        shared = set(other.categories) & set(requirement.categories)
        if other.either == requirement.either and other is not requirement and shared:
            yield f"not needed where {other.id} is met"


def _hours(book: Rulebook, requirement: Requirement) -> Iterator[str]:
    if requirement.topic:
        whole = requirement.inside or requirement.counts
        inside = whole == requirement.inside or requirement.counts == "training"
        about = _word(book.topic_names, requirement.topic)
        yield f"topic {requirement.topic} ({about})" + (f", inside the {whole} hours" * inside)
    if requirement.besides:
        yield f"hours about these topics are left out: {', '.join(requirement.besides)}"
    if requirement.providers:
        rule = book.providers[requirement.providers]
        yield f"provider rule {requirement.providers}: {rule.says}"
    if requirement.window:
        yield from _window(requirement.window)


def _window(window: Window) -> Iterator[str]:
    if window.months:
        yield f"all counted sessions lie within one span of {window.months} months, the best one"
    if window.after:
        yield f"sessions count from the day of {_LEVELS[window.after]}, or a higher one, on"
    if window.while_giving:
        yield "sessions count on days on which the applicant gave RSC to others"


def _education(education: Education) -> Iterator[str]:
    yield f"one of: {_words(_LEVELS, education.levels)}"
    if education.reviewed:
        yield f"if the reviewers agree: {_words(_LEVELS, education.reviewed)}"
    if education.transcript != "none":
        yield f"with an {education.transcript} transcript"


def _work(book: Rulebook, work: Work) -> Iterator[str]:
    yield f"work that offers one of: {_words(book.services, work.services)}"
    if work.ages:
        yield f"for children {work.ages}"
    if work.paid:
        yield "paid"
    if work.volunteer:
        yield "or as a supervised and trained volunteer, if the reviewers agree"
    if work.supervised:
        yield "supervised"
    if work.after:
        yield f"days count from that of {_LEVELS[work.after]}, or a higher one, on"
    for words in work.statements.values():
        yield f"confirmed of each position: {words}"
    if work.internship:
        years = "1 year" if work.internship.years == 1 else f"{work.internship.years} years"
        held = " or ".join(work.internship.supervisors)
        yield (
            f"an internship may stand for {years} at the most, if its supervisor was endorsed as "
            f"{held} and the reviewers agree"
        )


def _referees(book: Rulebook, referees: Referees) -> Iterator[str]:
    for number, roles in enumerate(referees.slots, 1):
        yield f"reference {number}: {_words(book.roles, roles)}"
    for slots in referees.instead:
        others = ", then ".join(_words(book.roles, roles) for roles in slots)
        yield f"instead, if the reviewers agree: {others}"
    if referees.endorsed:
        vetted = " or vetted by the association" if referees.vetted else ""
        until = (
            f" (to the end of {say_day(referees.vetted_until)})" if referees.vetted_until else ""
        )
        held = ", ".join(referees.categories)
        yield f"at least {referees.endorsed} endorsed as one of {held}{vetted}{until}"
    if referees.endorsed_roles:
        yield f"endorsed so in any case: {_words(book.roles, referees.endorsed_roles)}"


def _words(words: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return "; ".join(_word(words, key) for key in keys)


def _word(words: Mapping[str, str], key: str) -> str:
    return words.get(key, key)
