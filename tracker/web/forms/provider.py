"""The RSC provider on the form: whom to offer, and whom a typed name means."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz
from sqlmodel import Session

from tracker.formatting import format_date
from tracker.plain_text import plain_name, starts_words
from tracker.services.context import ServiceContext
from tracker.services.entry_rules import TEXT_LIMITS, EntryRules, load_entry_rules
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
# A known provider's id, or the name of one we do not know.
Named = tuple[int | None, str | None]


@dataclass(frozen=True, slots=True)
class ProviderMatch:
    """``sure`` is the only provider who can be meant; ``best`` are all who may be, best first."""

    sure: ProviderChoice | None
    best: Sequence[ProviderChoice] = ()


def find_provider(typed: str, choices: Sequence[ProviderChoice]) -> ProviderMatch:
    """Which of ``choices`` a typed name means; equally good ones keep their order."""
    words, fewest_letters = plain_name(typed).split(), 0
    if not words:
        return ProviderMatch(None)
    matches = [choice for choice in choices if plain_name(choice.name).split() == words]
    if not matches:
        fewest_letters = _MIN_LETTERS
        matches = [choice for choice in choices if starts_words(typed, choice.name)]
    if len(matches) == 1 and len("".join(words)) >= fewest_letters:
        return ProviderMatch(matches[0], matches)
    return ProviderMatch(None, matches or _list_similar(words, choices))


def _list_similar(words: Sequence[str], choices: Sequence[ProviderChoice]) -> list[ProviderChoice]:
    """The choices whose words are similar to the typed ones on average, the most similar first."""
    scores = {}
    for choice in choices:
        parts, total = plain_name(choice.name).split(), 0.0
        for word in words:
            total += max((fuzz.ratio(word, part) for part in parts), default=0.0)
        if total / len(words) >= _SIMILAR:
            scores[choice] = total
    return sorted(scores, key=lambda choice: -scores[choice])


@dataclass(frozen=True, slots=True)
class TypedProvider:
    """Whom a typed name can mean to a person.

    ``is_used``: they have named an unknown provider so before. ``is_own``: it is their own name,
    or a part of it that means no other provider.
    """

    choices: Sequence[ProviderChoice]
    match: ProviderMatch
    is_used: bool = False
    is_own: bool = False


def look_up_provider(context: ServiceContext, form: SubmittedForm) -> TypedProvider | None:
    """Compare the name that a form has with all providers; None without a name.

    That takes time, so it is done before anything is saved, while others can save.
    """
    session, person_id, typed = context.session, context.person_id, form["provider_name"]
    if not typed:
        return None
    if len(typed) > TEXT_LIMITS["provider_name"]:
        return TypedProvider((), ProviderMatch(None))
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    choices = provider_choices(session, person_id, rules.provider_rules)
    match = find_provider(typed, choices)
    own_name = get_person(session, person_id).name
    is_own = find_provider(typed, [ProviderChoice(person_id, own_name, None)]).sure
    return TypedProvider(
        choices,
        match,
        is_used=plain_name(typed) in map(plain_name, names_used(session, person_id)),
        # Part of the person's own name may mean another provider.
        is_own=bool(is_own) and (not match.best or plain_name(typed) == plain_name(own_name)),
    )


def resolve_provider(
    context: ServiceContext, form: SubmittedForm, found: TypedProvider | None
) -> Named:
    """The provider that the form names; both None if that is unclear, with a problem in the form.

    A training has none. A typed name has precedence over an earlier choice, which is confirmed
    again; ``found`` is whom it can mean, as of `look_up_provider`.
    """
    if form["activity"] != "rsc":
        return None, None
    chosen, typed = form["provider"], form["provider_name"]
    is_new_name = typed not in {"", form["asked"]}
    if chosen == SOMEONE_ELSE and not (is_new_name and form["asked"]):
        form["asked"] = typed
        return None, typed or None
    if chosen not in {"", SOMEONE_ELSE} and not is_new_name:
        # Nobody has the id 0, so the service refuses what is no id.
        return parse_id(chosen), None
    if found is None:
        return None, None
    return _resolve_name(context, form, "" if chosen == SOMEONE_ELSE else chosen, found)


def _resolve_name(
    context: ServiceContext, form: SubmittedForm, chosen: str, found: TypedProvider
) -> Named:
    """The provider whose name is typed, although one was ``chosen`` before (empty: no one was)."""
    match, typed = found.match, form["provider_name"]
    if len(typed) > TEXT_LIMITS["provider_name"]:
        # The form says so.
        return None, typed
    form["asked"] = typed
    if match.sure and chosen in {"", str(match.sure.id)}:
        form["provider"] = str(match.sure.id)
        return match.sure.id, None
    if not chosen:
        if found.is_used:
            form["provider"] = SOMEONE_ELSE
            return None, typed
        if found.is_own:
            # The service refuses it.
            return context.person_id, None
    names = {str(choice.id): choice.name for choice in found.choices}
    form["provider"] = chosen if chosen in names else ""
    form.add_problem("provider", _format_question(typed, match, names.get(chosen, "")))
    return None, None


def _format_question(typed: str, match: ProviderMatch, chosen: str) -> str:
    if chosen:
        return f"You chose {chosen} and typed “{typed}”. Choose who provided the session."
    if len(match.best) > _MAX_MATCHES:
        return f"Many names match “{typed}”. Choose who it was, or type more of the name."
    if match.best:
        return f"“{typed}” could be more than one person. Choose who it was."
    return f"We don't know a provider named “{typed}”. Correct the name, or choose “Someone else.”"


def offer_providers(
    session: Session, person_id: int, rules: EntryRules, form: SubmittedForm
) -> dict[str, Any]:
    """What the page offers: ``radios`` to choose from, ``names`` to complete what is typed.

    The radios are the providers that match the typed name, else the recent ones, and always the
    chosen one; ``about`` tells people of the same name apart.
    """
    choices, asked = provider_choices(session, person_id, rules.provider_rules), form["asked"]
    shown = [choice for choice in choices[:_RECENT] if choice.last_on]
    about = {choice.id: "most recent" for choice in shown[:1]}
    if asked:
        shown = list(find_provider(asked, choices).best[:_MAX_MATCHES])
    shown += [c for c in choices if str(c.id) == form["provider"] and c not in shown]
    about |= _tell_apart(session, rules, shown)
    radios = [(str(choice.id), choice.name, about.get(choice.id, "")) for choice in shown]
    if asked:
        radios.append((SOMEONE_ELSE, f"Someone else: {asked}", ""))
    return {"radios": radios, "names": _suggest_names(session, person_id, choices)}


def _suggest_names(
    session: Session, person_id: int, choices: Sequence[ProviderChoice]
) -> list[str]:
    """The names used before, and those of the other choices if they fit."""
    suggested = [choice.name for choice in choices if choice.last_on]
    suggested += names_used(session, person_id)
    others = [choice.name for choice in choices if not choice.last_on]
    # A list that ended in the middle of the alphabet would seem to be complete.
    if len(suggested) + len(others) <= _MAX_SUGGESTED:
        suggested += others
    return [*dict.fromkeys(suggested)][:_MAX_SUGGESTED]


def _tell_apart(
    session: Session, rules: EntryRules, shown: Sequence[ProviderChoice]
) -> dict[int, str]:
    """What tells providers of the same name apart, by id."""
    count = Counter(plain_name(choice.name) for choice in shown)
    same = [choice for choice in shown if count[plain_name(choice.name)] > 1]
    if not same:
        return {}
    credentials = credentials_of(session, {choice.id for choice in same}, rules.associations)
    about = {}
    for choice in same:
        parts = [credentials[choice.id]] if choice.id in credentials else []
        if choice.last_on:
            parts.append(f"your last session was on {format_date(choice.last_on)}")
        if parts:
            about[choice.id] = ", ".join(parts)
    return about
