"""What each notice has to say, and the words that several kinds of notices share."""

from typing import NamedTuple

from tracker.hours import MINUTES_IN_HOUR, count_hours, say_hours
from tracker.jobs.words import word_for
from tracker.mail.contents import Action, Row, Section
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Decision
from tracker.rules.standing import Outcome, Result, Standing


class News(NamedTuple):
    """One decision in words.

    ``subjects`` come the fullest first; each says what, and by when. ``headline``, ``intro`` and
    ``alone`` (its section without a title) are used where it leads the mail, or is all of it;
    ``section`` says everything by itself. ``action`` is for an application's own page.
    """

    subjects: list[str]
    headline: str
    intro: str
    alone: Section
    section: Section
    action: Action | None = None


def category_name(books: Rulebooks, standing: Standing) -> str:
    """The category as its association calls it."""
    book = books.associations[standing.plan.association]
    return book.categories[standing.plan.category].name


def subject_of(books: Rulebooks, decision: Decision) -> str:
    """What a notice is about: ``IFS endorsement``, or an application for one, by full name."""
    name = category_name(books, decision.standing)
    if decision.is_about_application:
        return f"application for the {name} endorsement"
    return f"{name} endorsement"


def application_page(base_url: str, decision: Decision) -> Action | None:
    """The page of the application that a notice is about; None for a renewal's."""
    if not decision.is_about_application:
        return None
    number = decision.standing.facts.subject_id
    return Action("See my application", f"{base_url}/application/{number}")


def short_results(standing: Standing) -> list[Result]:
    """The requirements that are short, in the rulebook's order."""
    return [r for r in standing.results if r.outcome is Outcome.SHORT]


def row_of(result: Result) -> Row:
    """A requirement's row: ``Reflective supervision | 8.5 of 12 hours | 3.5 short``."""
    if result.ask.counts == "membership":
        return Row(result.ask.label, "none in force", "missing")
    label = result.ask.label
    if result.ask.topic and label.startswith("of which"):
        # In a mail the row of the whole hours may be left out, since they are done.
        label = f"{name_of_kind(result)}, {label}"
    progress = f"{say_hours(result.counted)} of {count_hours(result.required)}"
    return Row(label, progress, f"{say_hours(result.short)} short")


def name_of_kind(result: Result) -> str:
    """What hours about a topic are a part of: ``Training``, ``RSC``."""
    return "RSC" if result.ask.counts == "rsc" else result.ask.counts.capitalize()


def missing(result: Result) -> str:
    """What is short, in words: ``3.5 RSC hours``, ``1 DEIA hour``, ``membership``."""
    if result.ask.counts == "membership":
        return "membership"
    plural = "" if result.short == MINUTES_IN_HOUR else "s"
    return f"{say_hours(result.short)} {word_for(result.ask)} hour{plural}"


def say_left(days: int) -> str:
    """The days left, this day not counted: ``30 days``, ``1 day``, ``Today``."""
    return f"{days} day{'' if days == 1 else 's'}" if days else "Today"
