"""The RSC provider on the form: whom to offer, and whom a typed name means."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz
from sqlmodel import Session

from tracker.formatting import format_date
from tracker.services.context import ServiceContext
from tracker.services.entry_rules import EntryRules, load_entry_rules
from tracker.services.profile import get_person
from tracker.services.rsc_providers import (
    ProviderChoice,
    credentials_of,
    names_used,
    provider_choices,
)
from tracker.web.forms.body import parse_id
from tracker.web.forms.entry import SOMEONE_ELSE, SubmittedForm

# A name typed in fewer letters is confirmed first.
_MIN_LETTERS = 3
# Of 100, by rapidfuzz: "Riuz" for "Ruiz" has 75.
_SIMILAR = 75.0
_MAX_MATCHES = 6
_RECENT = 3
# What browsers suggest while a person types; about 4 kB.
_MAX_SUGGESTED = 80
_BETWEEN_WORDS = re.compile(r"[\W_]+")
# A known provider's id, or the name of one we do not know.
Named = tuple[int | None, str | None]


@dataclass(frozen=True, slots=True)
class ProviderMatch:
    """``sure`` is the only provider who can be meant, else ``best`` are those who may be.

    ``more`` is how many others match too.
    """

    sure: ProviderChoice | None
    best: tuple[ProviderChoice, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class ProviderRadio:
    """One provider to choose; ``about`` tells people of the same name apart."""

    value: str
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class ProviderOffer:
    """What the page offers: ``radios`` to choose from, ``names`` to complete what is typed."""

    radios: tuple[ProviderRadio, ...]
    names: tuple[str, ...]


def find_provider(typed: str, choices: Sequence[ProviderChoice]) -> ProviderMatch:
    """Which of ``choices`` a typed name means, best first; equally good ones keep their order."""
    words = plain_name(typed).split()
    if not words:
        return ProviderMatch(None)
    exact = [choice for choice in choices if plain_name(choice.name).split() == words]
    matches = exact or [choice for choice in choices if _starts_words(words, choice.name)]
    if len(matches) == 1 and (exact or len("".join(words)) >= _MIN_LETTERS):
        return ProviderMatch(matches[0])
    if not matches:
        scores = {choice: _similarity(words, choice.name) for choice in choices}
        similar = [choice for choice in choices if scores[choice] >= _SIMILAR]
        matches = sorted(similar, key=lambda choice: -scores[choice])
    return ProviderMatch(None, tuple(matches[:_MAX_MATCHES]), max(0, len(matches) - _MAX_MATCHES))


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A name in lower case without accents, its words separated by one space."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _BETWEEN_WORDS.sub(" ", letters).strip()


def _starts_words(words: Sequence[str], name: str) -> bool:
    """Whether each typed word starts a different word of the name."""
    left = plain_name(name).split()
    for word in sorted(words, key=len, reverse=True):
        match = next((part for part in left if part.startswith(word)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _similarity(words: Sequence[str], name: str) -> float:
    """How similar the typed words are to their closest words of the name, on average, of 100."""
    parts = plain_name(name).split()
    closest = [max((fuzz.ratio(word, part) for part in parts), default=0.0) for word in words]
    return sum(closest) / len(closest)


def resolve_provider(context: ServiceContext, form: SubmittedForm) -> Named:
    """The provider that the form names; both None if that is unclear, with a problem in the form.

    A typed name has precedence over an earlier choice, which is confirmed again.
    """
    if form["activity"] != "rsc":
        return None, None
    chosen, typed = form["provider"], form["provider_name"]
    is_new_name = bool(typed) and typed != form["asked"]
    if chosen == SOMEONE_ELSE and not (is_new_name and form["asked"]):
        form["asked"] = typed
        return None, typed or None
    if chosen != SOMEONE_ELSE and chosen and not is_new_name:
        # Nobody has the id 0, so the service refuses what is no id.
        return parse_id(chosen), None
    if not typed:
        return None, None
    return _resolve_name(context, form, "" if chosen == SOMEONE_ELSE else chosen)


def _resolve_name(context: ServiceContext, form: SubmittedForm, chosen: str) -> Named:
    session, person_id = context.session, context.person_id
    typed = form["provider_name"]
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    choices = provider_choices(session, person_id, rules.provider_rules)
    match = find_provider(typed, choices)
    form["asked"] = typed
    if match.sure and chosen in {"", str(match.sure.id)}:
        form["provider"] = str(match.sure.id)
        return match.sure.id, None
    if not chosen:
        used = map(plain_name, names_used(session, person_id))
        if plain_name(typed) in used:
            form["provider"] = SOMEONE_ELSE
            return None, typed
        if _means_self(session, person_id, typed, match):
            # The service refuses it.
            return person_id, None
    names = {str(choice.id): choice.name for choice in choices}
    form["provider"] = chosen if chosen in names else ""
    form.add_problem("provider", _format_question(typed, match, names.get(chosen, "")))
    return None, None


def _format_question(typed: str, match: ProviderMatch, chosen: str) -> str:
    if chosen:
        return f"You chose {chosen} and typed “{typed}”. Choose who provided the session."
    if match.more:
        return f"Many names match “{typed}”. Choose who it was, or type more of the name."
    if match.best:
        return f"“{typed}” could be more than one person. Choose who it was."
    return f"We don't know a provider named “{typed}”. Correct the name, or choose “Someone else.”"


def _means_self(session: Session, person_id: int, typed: str, match: ProviderMatch) -> bool:
    """Whether a typed name is the person's own, or part of it that matches no provider."""
    name = get_person(session, person_id).name
    is_own = find_provider(typed, [ProviderChoice(person_id, name, None)]).sure is not None
    return is_own and (not match.best or plain_name(typed) == plain_name(name))


def offer_providers(
    session: Session, person_id: int, rules: EntryRules, form: SubmittedForm
) -> ProviderOffer:
    """The providers that match the typed name, else the recent ones, and always the chosen one."""
    choices = provider_choices(session, person_id, rules.provider_rules)
    recent = [choice for choice in choices if choice.last_on]
    asked = form["asked"]
    shown = recent[:_RECENT]
    if asked:
        match = find_provider(asked, choices)
        shown = [match.sure] if match.sure else list(match.best)
    shown += [c for c in choices if str(c.id) == form["provider"] and c not in shown]
    newest = recent[0].id if recent else None
    radios = _build_radios(session, rules, shown, newest)
    if asked:
        radios.append(ProviderRadio(SOMEONE_ELSE, f"Someone else: {asked}", ""))
    suggested = [choice.name for choice in recent] + names_used(session, person_id)
    others = [choice.name for choice in choices if not choice.last_on]
    # A list that ended in the middle of the alphabet would seem to be complete.
    if len(others) + len(suggested) <= _MAX_SUGGESTED:
        suggested += others
    return ProviderOffer(tuple(radios), tuple(dict.fromkeys(suggested))[:_MAX_SUGGESTED])


def _build_radios(
    session: Session, rules: EntryRules, shown: Sequence[ProviderChoice], newest: int | None
) -> list[ProviderRadio]:
    """The providers to choose from; ``newest`` is the id of the one of the latest session."""
    names = [plain_name(choice.name) for choice in shown]
    same_names = {choice.id for choice in shown if names.count(plain_name(choice.name)) > 1}
    credentials = credentials_of(session, same_names, rules.associations) if same_names else {}
    radios = []
    for choice in shown:
        about = ""
        if choice.id in same_names:
            about = _tell_apart(choice, credentials.get(choice.id))
        if not about and choice.id == newest:
            about = "most recent"
        radios.append(ProviderRadio(str(choice.id), choice.name, about))
    return radios


def _tell_apart(choice: ProviderChoice, credential: str | None) -> str:
    """What tells one of several providers of the same name apart."""
    parts = [credential] if credential else []
    if choice.last_on:
        parts.append(f"your last session was on {format_date(choice.last_on)}")
    return ", ".join(parts)
