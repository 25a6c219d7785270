"""`tracker rules diff`: what a changed rulebook, or another reading, would change."""

import json
import sys
from datetime import date
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple

import typer

from tracker.cli.context import AppContext, open_app
from tracker.db.engine import reading as open_reading
from tracker.exports.comparison_json import comparison_to_json
from tracker.formatting import format_count, format_date, use_locale
from tracker.notifications.comparison_text import (
    format_kind,
    format_notice,
    format_renewal,
    format_state,
    list_differences,
)
from tracker.rulebooks import (
    RulebookError,
    explain_unreadable,
    load_notice_configs,
    read_changed_rulebook,
    with_rulebook,
)
from tracker.rules.model import Rulebook
from tracker.rules.parse import RulebookProblem
from tracker.rules.readings import find_alternative, take_reading
from tracker.services.rules_comparison import (
    ComparisonInput,
    Effect,
    RulesComparison,
    compare_rules,
)

_TO_ISO = methodcaller("isoformat")


class RulesChange(NamedTuple):
    """What to compare with: a changed rulebook, or (None) another reading of an interpretation."""

    file: Path | None
    association: str | None
    reading: str | None


def run(change: RulesChange, as_of: date | None, *, as_json: bool) -> None:
    """Print who would flip and what mail would follow; exit code 1 if the rulebook has errors."""
    with open_app() as app:
        changed = _read_change(app, change)
        notices = load_notice_configs(app.settings.config_dir, app.rulebooks.associations)
        day = app.day_of_association(as_of)(changed.id)
        rulebooks = with_rulebook(app.rulebooks, changed)
        asked = ComparisonInput(app.rulebooks, rulebooks, notices, changed.id, day)
        comparison = compare_rules(lambda: open_reading(app.engine), asked)
    if as_json:
        content = json.dumps(comparison_to_json(comparison), default=_TO_ISO, indent=1)
        sys.stdout.write(f"{content}\n")
    else:
        with use_locale(changed.locale):
            _print(comparison)


def _read_change(app: AppContext, change: RulesChange) -> Rulebook:
    if (change.file is None) == (change.reading is None):
        message = "name a changed rulebook, or a reading: --association NAME --reading ID=NUMBER"
        raise typer.BadParameter(message)
    if change.file is not None:
        try:
            text = change.file.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = explain_unreadable(error)
            problem = RulebookProblem(str(change.file), "the whole file", reason)
            raise RulebookError([problem]) from error
        return _require(*read_changed_rulebook(app.rulebooks, text, change.file.name))
    return _require(*_take_reading(app, change))


def _take_reading(
    app: AppContext, change: RulesChange
) -> tuple[Rulebook | None, list[RulebookProblem]]:
    if change.association is None:
        message = "--reading needs --association: the same interpretation can be in several"
        raise typer.BadParameter(message)
    app.check_association(change.association)
    rulebook = app.rulebooks.associations[change.association]
    name, _, number = (change.reading or "").partition("=")
    found = find_alternative(rulebook, name, int(number) if number.isdecimal() else 0)
    if found is None:
        possible = [
            f"{one.id}={alternative.reading}"
            for one in rulebook.interpretations
            for alternative in one.alternatives
        ]
        message = (
            f"{change.reading!r} can't be tried. These can: {', '.join(possible) or 'none'}. For "
            "another, change a copy of the rulebook and name that file"
        )
        raise typer.BadParameter(message)
    return take_reading(rulebook, found[1], f"{change.association}, reading {change.reading}")


def _require(rulebook: Rulebook | None, problems: list[RulebookProblem]) -> Rulebook:
    if rulebook is None:
        raise RulebookError(problems)
    return rulebook


def _print(comparison: RulesComparison) -> None:
    judged = format_count(comparison.endorsements, "endorsement")
    lines = [
        f"{comparison.association} as of {format_date(comparison.as_of)}: {judged}.",
        "",
        f"{format_count(comparison.flips, 'renewal')} would have another status:",
    ]
    for before, after, count in comparison.list_transitions():
        lines.append(f"  {count:>5}  {format_state(before)} -> {format_state(after)}")
    others = len(comparison.standings) - comparison.flips
    lines.append(f"{format_count(others, 'more renewal')} would have other amounts or dates.")
    for standing in comparison.standings:
        lines += ["", f"{standing.name} <{standing.email}>, {standing.category}"]
        lines.append(f"  now:      {format_renewal(standing.before)}")
        lines.append(f"  changed:  {format_renewal(standing.after)}")
        lines += [f"  - {difference}" for difference in list_differences(standing)]
    now, then = comparison.messages
    lines += ["", f"Mail that day: {format_count(then, 'person', 'people')} instead of {now}."]
    for kind, counts in comparison.count_notices():
        parts = ", ".join(f"{counts[effect]} {effect}" for effect in Effect)
        lines.append(f"  {format_kind(kind)}: {parts}")
    for notice in comparison.notices:
        if notice.effect is not Effect.KEPT:
            what = f"{format_kind(notice.kind)}: {format_notice(notice)}"
            lines.append(f"  {notice.effect}: {notice.name} <{notice.email}>: {what}")
    lines += ["", "Nothing was changed or sent."]
    sys.stdout.write("\n".join(lines) + "\n")
