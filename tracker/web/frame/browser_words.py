"""What a browser is, in words, from what it calls itself: so that its person knows it again."""

import re

# The first that is named counts: nearly all call themselves Chrome or Safari as well.
_BROWSERS = {
    "Edge": r"Edg(?:e|A|iOS)?/",
    "Opera": r"OPR/|OPiOS/|Opera[ /]",
    "Samsung Internet": r"SamsungBrowser/",
    "DuckDuckGo": r"DuckDuckGo/|Ddg/",
    "Vivaldi": r"Vivaldi/",
    "Firefox": r"Firefox/|FxiOS/",
    "Chrome": r"CriOS/|Chrome/|Chromium/",
    "Safari": r"Version/[\d.]+ .*Safari/",
}
_SYSTEMS = {
    "Android": r"Android",
    "iPhone": r"iPhone",
    "iPad": r"iPad",
    "Windows": r"Windows",
    "ChromeOS": r"CrOS",
    "Mac": r"Macintosh|Mac OS X",
    "Linux": r"Linux|X11",
}
_LONGEST_READ = 500


def say_browser(user_agent: str) -> str | None:
    """``Firefox on Android``; None where it says nothing that we know. Only our own words."""
    text = user_agent[:_LONGEST_READ]
    browser, system = _first(_BROWSERS, text), _first(_SYSTEMS, text)
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system else None)


def _first(patterns: dict[str, str], text: str) -> str | None:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), None)
