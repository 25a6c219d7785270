"""One look: every color is a token, and every token has a tone for dark screens."""

import re
from pathlib import Path

from tracker.web.rendering import typeset

ROOT = Path(__file__).parents[3] / "templates" / "web"
TOKENS = (ROOT / "styles" / "00-tokens.css").read_text("utf-8")
NAMED = "black|white|red|green|blue|gr[ae]y|silver|orange|yellow|purple|pink|brown|navy|teal|maroon"
COLOR = re.compile(
    rf"#[0-9a-f]{{3,8}}\b(?=[\s;,)])|\b(?:rgba?|hsla?|oklch|oklab|lab|lch|hwb|color)\("
    rf"|(?<=[:\s])(?:{NAMED})(?=[\s;,])",
    re.IGNORECASE,
)


def colors_in(css: str) -> list[str]:
    return COLOR.findall(re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", css, flags=re.DOTALL))


def tokens(block: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+): ([^;]+);", block))


def test_colors_are_only_in_the_tokens() -> None:
    files = [*ROOT.glob("styles/*.css")]
    found = {
        file.name: colors
        for file in files
        if file.name != "00-tokens.css" and (colors := colors_in(file.read_text("utf-8")))
    }
    assert len(files) > 5
    assert found == {}


def test_color_search_finds_every_notation() -> None:
    for line in ("a { color: #fff; }", "b { border: 1px solid red; }", "i { fill: rgb(0 0 0); }"):
        assert colors_in(line), line
    for line in ("a { color: var(--green); }", "/* #fff */", "a { forced-color-adjust: none; }"):
        assert not colors_in(line), line


def test_every_color_has_a_dark_variant() -> None:
    light = TOKENS.partition("@media")[0]
    dark = TOKENS.partition("prefers-color-scheme: dark")[2].partition("@media")[0]
    colored = {name for name, value in tokens(light).items() if value.startswith("#")}
    assert colored == set(tokens(dark))


def test_every_used_token_exists() -> None:
    used = {
        name
        for file in ROOT.glob("styles/*.css")
        for name in re.findall(r"var\((--[\w-]+)", file.read_text("utf-8"))
    }
    assert used <= set(tokens(TOKENS))


def test_style_files_are_small() -> None:
    long = [file.name for file in ROOT.glob("styles/*.css") if len(file.read_bytes()) > 6_000]
    assert long == []


def test_every_style_file_is_well_formed() -> None:
    for file in ROOT.glob("styles/*.css"):
        css = re.sub(r"/\*.*?\*/", "", file.read_text("utf-8"), flags=re.DOTALL)
        assert css.count("{") == css.count("}"), file.name


def test_typeset_joins_units_and_curves_apostrophes() -> None:
    assert typeset("3.5 RSC hours by December 31") == "3.5\xa0RSC hours by December\xa031"
    curved = "Dana\u2019s and the providers\u2019 2\xa0sessions"
    assert typeset("Dana's and the providers' 2 sessions") == curved
    assert typeset("'quoted' 1 2") == "'quoted' 1 2"
