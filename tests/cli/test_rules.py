"""`tracker rules`: every error at once, and a rulebook that a person can read."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.cast import fill
from tracker.cli.main import app
from tracker.db.migrate import migrate
from tracker.rulebooks import load_rulebooks

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of config/ in which commands look."""
    shutil.copytree(CONFIG, tmp_path / "config")
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


def tracker(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def flat(text: str) -> str:
    """Return the text without its line breaks and indents."""
    return " ".join(text.split())


def test_valid_rulebooks_are_summarized(folder: Path) -> None:
    done = tracker("rules", "check")
    assert done.exit_code == 0
    assert "NCIMHA: 15 categories; renewal rules for IFS; application rules for IFS;" in done.stdout
    assert (
        "VAIMH: 7 categories; renewal rules for none; application rules for IFA, IFS, IFRS, "
        in (done.stdout)
    )
    assert str(folder) in done.stdout


def test_every_error_in_every_file_is_listed(folder: Path) -> None:
    for name in ("ncimha.toml", "mi-aimh.toml"):
        file = folder / "rulebooks" / name
        file.write_text(file.read_text().replace("hours = 12", "hours = -12"))
    done = tracker("rules", "check")
    assert done.exit_code == 1
    assert "ncimha.toml: requirements[3].values[1].hours: " in done.stderr
    assert "mi-aimh.toml: requirements[3].values[1].hours: " in done.stderr
    assert " problems in " in done.stderr


@pytest.mark.usefixtures("folder")
def test_a_file_outside_the_configuration_is_shown() -> None:
    file = CONFIG / "examples" / "three-year-attestation.toml"
    text = flat(tracker("rules", "show", str(file)).stdout)
    assert "met if “I completed the training and RSC hours" in text or "45 hours" in text
    assert "NCIMHA" not in text


@pytest.mark.usefixtures("folder")
def test_requirements_are_printed_below_their_section() -> None:
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    section = text.partition("Continuing endorsement: Education & Training IFS ")[2]
    assert section.startswith("training (renewal): Training from January 1, 2000: 15 hours ")
    assert "training.deia (renewal): DEIA training from January 1, 2024: 1 hour " in section
    assert "CT-AIMH: Connecticut" not in text


def test_sections_follow_the_source_order(folder: Path) -> None:
    text = tracker("rules", "show").stdout
    for rulebook in load_rulebooks(folder).associations.values():
        text = text.partition(f"{rulebook.id}: {rulebook.name}")[2]
        for document in rulebook.documents.values():
            shown = text.partition(f"\nDocument {document.file}  ")[2].partition("\n\n")[0]
            lines = (line.removeprefix("  ") for line in shown.splitlines())
            found = [line for line in lines if line in document.sections]
            assert tuple(found) == document.sections


@pytest.mark.usefixtures("folder")
def test_every_virginia_cell_is_printed() -> None:
    text = flat(tracker("rules", "show", "--association", "VAIMH").stdout)
    training = text.partition("In-Service Training IFA ")[2].partition("Reflective Supervision/")[0]
    assert "advice on training, typically 45 hours: Successful applications" in training
    assert "IFRS training (application): Training (interpretation: ifrs-48-hours)" in training
    assert (
        "hours about these topics do not count here: Providing reflective supervision" in training
    )
    assert "training.rsc (application): RSC training" in training
    assert (
        "Written Exam IFA, IFS, IFRS advice on exam: Not required. IMHS, IMHM-C, IMHM-P, " in text
    )


@pytest.mark.usefixtures("folder")
def test_initial_requirements_are_printed_in_words() -> None:
    virginia = flat(tracker("rules", "show", "--association", "VAIMH").stdout)
    for words in (
        "not needed if “Education” is met, or if the reviewers accept it",
        "not needed if “Work experience” is met, or if the reviewers accept it",
        "one of: a CDA credential; an associate's degree;",
        "or as a supervised and trained volunteer, if the reviewers agree",
        "at least 10 families",
        "from January 1, 2000: 3 years",
        "sessions count on days on which the applicant provided RSC to others",
        "that you provide to others; they are part of the others",
        "reference 2: Provider of reflective supervision; Colleague",
        "instead, if the reviewers agree: Colleague, then Colleague, then Student taught",
        "at least 1 endorsed as one of IFS, IFRS, IMHS,",
        "always endorsed: Endorsed professional who knows",
        "signed: Code of Ethics; Endorsement Agreement",
    ):
        assert words in virginia
    michigan = flat(tracker("rules", "show", "--association", "MI-AIMH").stdout)
    for words in (
        "sessions count only within the best span of 24 months",
        "an internship may replace at most 1 year of work, if its supervisor was endorsed as IMHS",
        "confirmed for each position: The therapies explore attachment,",
        "if the reviewers agree: another degree or education; a university certificate",
        "with an official transcript",
        "the reviewers decide",
        "only for those who provide RSC",
    ):
        assert words in michigan
    carolina = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert "or vetted by the association (through December 21, 2027)" in carolina


def test_a_section_without_any_rule_says_so(folder: Path) -> None:
    file = folder / "rulebooks" / "vaimh.toml"
    file.write_text(
        file.read_text().replace('  "Introduction",', '  "Colophon",\n  "Introduction",')
    )
    text = flat(tracker("rules", "show", "--association", "VAIMH").stdout)
    assert "Colophon the rulebook has no rule about this section Introduction" in text


def test_sections_are_shown_though_the_document_lists_none(folder: Path) -> None:
    file = folder / "rulebooks" / "ncimha.toml"
    head, _, rest = file.read_text().partition("sections = [")
    file.write_text(head + rest.partition("]\n")[2])
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert "advice on education: No degree is required." in text
    assert "Interpretation training-content (IFS)" in text
    assert "Footnote 1: vetted professionals provider rule ifs-rsc: vetted" in text


def test_a_value_from_within_a_cycle_shows_its_first_cycle(folder: Path) -> None:
    file = folder / "rulebooks" / "ncimha.toml"
    file.write_text(file.read_text().replace("from = 2024-01-01", "from = 2024-07-01"))
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert "from July 1, 2024: 1 hour starting with the cycle from January 1, 2025" in text


@pytest.mark.usefixtures("folder")
def test_a_provider_rule_shows_its_last_day() -> None:
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert "vetted by the association, through December 21, 2027" in text


@pytest.mark.usefixtures("folder")
def test_categories_are_printed_with_their_rules() -> None:
    text = flat(tracker("rules", "show").stdout)
    assert "IFS: Infant Family Specialist (rules for its renewal and application)" in text
    assert "IFA: Infant Family Associate (no rules)" in text
    assert "IFA: Infant Family Associate (rules for its application)" in text
    assert "Cycles none in this rulebook" in text


def test_interpretations_are_shown_with_their_reading(folder: Path) -> None:
    text = flat(tracker("rules", "show").stdout)
    for rulebook in load_rulebooks(folder).associations.values():
        assert f"{rulebook.id}: {rulebook.name}" in text
        for interpretation in rulebook.interpretations:
            assert flat(interpretation.says) in text
            assert flat(f": {interpretation.taken}") in text
            for reading in interpretation.readings:
                assert flat(reading) in text


@pytest.mark.usefixtures("folder")
def test_an_unknown_association_lists_known_ones() -> None:
    done = tracker("rules", "show", "--association", "NOWHERE")
    assert done.exit_code == 1
    assert "CT-AIMH, MI-AIMH, NCIMHA, VAIMH" in done.stderr


THREE_YEARS = """
[[cycles]]
from = 2025-01-01
kind = "anniversary"
years = 3
due_days_after_end = 10
grace_days = 5
first_cycle = "fraction by month"
"""


def test_a_cycle_change_shows_its_day(folder: Path) -> None:
    file = folder / "rulebooks" / "ncimha.toml"
    head, mark, rest = file.read_text().partition("[providers.ifs-rsc]")
    file.write_text(head + THREE_YEARS + mark + rest)
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert (
        "from January 1, 2025: A cycle lasts 3 years from the day of endorsement. It is due 10 "
        "days after its last day, followed by a grace period of 5 days. In the cycle in which"
    ) in text


@pytest.fixture
def filled(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a database with the cast."""
    url = f"sqlite:///{tmp_path / 'tracker.db'}"
    migrate(url)
    fill(url).engine.dispose()
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    return folder


def test_diff_names_who_would_flip(filled: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    text = (filled / "rulebooks" / "ncimha.toml").read_text("utf-8")
    new.write_text(text.replace("hours = 15", "hours = 18"), "utf-8")
    done = tracker("rules", "diff", str(new), "--as-of", "2026-11-22")
    assert done.exit_code == 0, done.output
    assert "NCIMHA as of November 22, 2026: 2 endorsements." in done.stdout
    assert "complete -> lapsed" in done.stdout
    assert "Training: 15 hours required becomes 18 hours" in done.stdout
    assert done.stdout.endswith("Nothing was changed or sent.\n")


def test_diff_of_a_reading_prints_json(filled: Path) -> None:
    words = ["--association", "NCIMHA", "--reading", "first-year=2", "--as-of", "2026-11-22"]
    done = tracker("rules", "diff", *words, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["association"], result["as_of"], result["flips"]) == ("NCIMHA", "2026-11-22", 0)
    assert result["states"]["before"] == result["states"]["after"]
    assert filled.is_dir()


@pytest.mark.usefixtures("filled")
def test_diff_lists_every_error(tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text('id = "NCIMHA"\nname = "X"\ntime_zone = "Mars"\n', "utf-8")
    done = tracker("rules", "diff", str(new))
    assert done.exit_code == 1
    error = str(done.exception)
    assert "new.toml: time_zone: 'Mars' is not a time zone" in error
    assert "new.toml: categories: is missing: add it" in error


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a changed rulebook, or a reading"),
        (("--reading", "first-year=2"), "--reading needs --association"),
        (("--association", "NCIMHA", "--reading", "nothing=2"), "These can: vetted-until=2"),
        (("--association", "NCIMHA", "--reading", "first-year=9"), "'first-year=9' can't be tried"),
    ],
)
def test_diff_says_what_it_needs(words: tuple[str, ...], message: str) -> None:
    done = tracker("rules", "diff", *words)
    assert done.exit_code == 2
    assert message in flat(done.output.replace("│", " "))


def test_reading_without_a_valid_rulebook_is_an_error(folder: Path) -> None:
    file = folder / "rulebooks" / "ncimha.toml"
    text = file.read_text("utf-8")
    wrong = '"cycles[1].first_cycle" = "all hours"'
    file.write_text(text.replace(wrong, '"cycles[1].first_cycle" = "some hours"'), "utf-8")
    done = tracker("rules", "check")
    assert done.exit_code == 1
    assert "reading 2 of 'first-year' gives no valid rulebook: cycles[1].first_cycle" in done.stderr
