"""What a browser is called, by its User-Agent header."""

import re

# In this order, because nearly all browsers call themselves Chrome or Safari, too.
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


def format_browser(user_agent: str) -> str | None:
    """``Firefox on Android``, from a fixed list of names; None if none of them is in it."""
    text = user_agent[:_LONGEST_READ]
    browser, system = _find_name(_BROWSERS, text), _find_name(_SYSTEMS, text)
    if browser and system:
        return f"{browser} on {system}"
    if system:
        return f"A browser on {system}"
    return browser


def _find_name(patterns: dict[str, str], text: str) -> str | None:
    for name, pattern in patterns.items():
        if re.search(pattern, text):
            return name
    return None
