"""Colors on which text can be read, and logos that are whole pictures of a fitting size."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import logos
from tracker.branding import Branding, _luminance, read_logo
from tracker.settings import SettingsError, load_settings

KEY = "tracker.toml: associations.NCIMHA.branding"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    return tmp_path


def write(folder: Path, **keys: str) -> None:
    lines = [f"{key} = '{value}'" for key, value in keys.items()]
    lines.insert(0, "[associations.NCIMHA.branding]")
    (folder / "tracker.toml").write_text("\n".join(lines))


def refusal(folder: Path, **keys: str) -> str:
    write(folder, **keys)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    return str(refused.value)


# The gray at which white on it falls below 4.5 is known: #767676 has 4.54, #777777 has 4.48.
@pytest.mark.parametrize(
    ("color", "text"),
    [
        ("#0f6b5c", "#ffffff"),
        ("#000000", "#ffffff"),
        ("#767676", "#ffffff"),
        ("#777777", "#000000"),
        ("#F4C20D", "#000000"),
        ("#ffffff", "#000000"),
    ],
)
def test_text_on_a_color_is_white_or_black(color: str, text: str) -> None:
    assert Branding(name="NCIMHA", color=color).text_color == text


@given(st.integers(0, 0xFFFFFF))
def test_text_can_be_read_on_every_color(number: int) -> None:
    branding = Branding(color=f"#{number:06x}")
    darker, lighter = sorted([_luminance(branding.color), _luminance(branding.text_color)])
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize("color", ["", "teal", "#fff", "#0f6b5c80", "rgb(0, 0, 0)", "#0f6b5c;}"])
def test_what_is_no_color_is_refused(folder: Path, color: str) -> None:
    told = refusal(folder, name="NCIMHA", color=color)
    assert told.startswith(f"{KEY}.color: ")
    assert told.endswith("is not a color. Write it as #0f6b5c (red, green, blue)")


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (logos.PNG, ".png"),
        (logos.JPEG, ".jpg"),
        # Bytes 0xFF may stand before a segment.
        (logos.JPEG[:2] + b"\xff\xff" + logos.JPEG[2:], ".jpg"),
        (logos.LOSSY_WEBP, ".webp"),
        (logos.LOSSLESS_WEBP, ".webp"),
        (logos.EXTENDED_WEBP, ".webp"),
    ],
)
def test_a_logo_is_known_by_its_content(tmp_path: Path, body: bytes, ending: str) -> None:
    file = tmp_path / "logo.gif"
    file.write_bytes(body)
    logo = read_logo(file)
    assert (logo.body, logo.ending, logo.width, logo.height) == (body, ending, 24, 16)


@pytest.mark.parametrize("whole", [logos.PNG, logos.JPEG, logos.EXTENDED_WEBP])
def test_a_logo_that_is_cut_off_is_refused(tmp_path: Path, whole: bytes) -> None:
    file = tmp_path / "logo"
    for end in range(len(whole)):
        file.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="is not a whole PNG, JPEG, or WebP picture"):
            read_logo(file)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Export the logo as PNG"),
        (b"GIF89a" + b"\0" * 40, "Export the logo as PNG"),
        (logos.PNG + b"\0" * 30_000, "has more than 30 kB. Pages show it 32 pixels high: save it"),
        (logos.make_png(1300, 96), "is 1300 pixels wide and 96 high. Each side must have 16 to"),
        (logos.make_png(40, 8), "is 40 pixels wide and 8 high"),
    ],
)
def test_an_unfit_logo_is_refused_with_what_would_be_right(
    folder: Path, body: bytes, told: str
) -> None:
    (folder / "logo.png").write_bytes(body)
    refused = refusal(folder, name="NCIMHA", logo="logo.png")
    assert refused.startswith(f"{KEY}.logo: {folder / 'logo.png'} ")
    assert told in refused


def test_a_missing_logo_is_refused_by_its_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal(folder, name="NCIMHA", logo="gone.png").startswith(
        f"{KEY}.logo: {folder / 'gone.png'} can't be read (No such file or directory)"
    )
    (folder / "tracker.toml").unlink()
    monkeypatch.setenv(
        "TRACKER_ASSOCIATIONS", '{"NCIMHA": {"branding": {"name": "x", "logo": "/"}}}'
    )
    with pytest.raises(
        SettingsError, match=r"TRACKER_ASSOCIATIONS NCIMHA\.branding\.logo: / can't be read"
    ):
        load_settings()


def test_a_logo_without_a_name_is_refused(folder: Path) -> None:
    told = refusal(folder, logo="logo.png")
    assert told == f"{KEY}: name is missing: screen readers read it in place of the logo"


def test_every_wrong_logo_is_named_at_once(folder: Path) -> None:
    (folder / "tracker.toml").write_text(
        "".join(
            f"[associations.{name}.branding]\nname = '{name}'\nlogo = '{name}.png'\n"
            for name in ("NCIMHA", "CT-AIMH")
        )
    )
    with pytest.raises(SettingsError, match=r"(?s)NCIMHA\.png.*\n.*CT-AIMH\.png"):
        load_settings()


def test_a_logo_is_read_from_the_folder_of_the_settings(folder: Path) -> None:
    (folder / "logos").mkdir()
    (folder / "logos" / "nc.png").write_bytes(logos.PNG)
    write(folder, name="NCIMHA", logo="logos/nc.png")
    look = load_settings().read_look("NCIMHA")
    assert look is not None
    assert look.logo is not None
    assert look.logo.body == logos.PNG
    assert load_settings().read_look("CT-AIMH") is None
