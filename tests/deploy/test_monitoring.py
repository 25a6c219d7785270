"""Board and alerts name only figures and labels that /metrics has, and fire when they should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from tests.support.cast import fill
from tests.web.client import WebClient, settle_all
from tracker.settings import Bounces

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = FOLDER / "tracker.rules.yml"
BOARD: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
SCRAPED: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
TOKEN = "a-token-for-monitoring"
_NAMES = re.compile(r"\b(tracker_\w+|up)\b(?:\{([^}]*)\})?")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="ALERTS WERE NOT TRIED: no promtool (make promtool as root)",
)


@pytest.fixture
def figures(sqlite_url: str) -> Iterator[dict[str, set[str]]]:
    """The labels of each figure that Prometheus gets."""
    cast = fill(sqlite_url)
    web = cast.settings.web.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    bounces = Bounces(mailbox=SecretStr("maildir:///var/lib/tracker/bounces"))
    mail = cast.settings.mail.model_copy(update={"bounces": bounces})
    settings = cast.settings.model_copy(update={"web": web, "mail": mail})
    site = WebClient(cast, settings=settings)
    answer = TestClient(site.app).get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    labels: dict[str, set[str]] = {"up": {"job", "instance"}}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            # Prometheus adds the names of the target.
            labels[sample.name] = {*sample.labels, "job", "instance"}
    yield labels
    settle_all()
    cast.engine.dispose()


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return list(group["rules"])


def queries() -> list[tuple[str, set[str]]]:
    """Each query, and the labels that its text uses besides those in the query."""
    found = []
    for alert in alerts():
        words = " ".join(alert["annotations"].values())
        found.append((alert["expr"], set(re.findall(r"\$labels\.(\w+)", words))))
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            found.append((target["expr"], shown))
    for variable in BOARD["templating"]["list"]:
        if query := re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]):
            found.append((query[1], {query[2]}))
    return found


def test_every_figure_and_label_named_exists(figures: dict[str, set[str]]) -> None:
    assert len(queries()) == len(alerts()) + len(BOARD["panels"]) + 1
    for query, shown in queries():
        named = _NAMES.findall(query)
        assert named, query
        for name, braces in named:
            assert name in figures, query
            labels = set(re.findall(r"(\w+)\s*[=!]~?", braces)) | shown
            for grouped in re.findall(r"\bby \(([^)]*)\)", query):
                labels |= {label.strip() for label in grouped.split(",")}
            assert labels <= figures[name], query


def test_every_figure_is_on_the_board(figures: dict[str, set[str]]) -> None:
    shown = {name for query, _ in queries() for name, _ in _NAMES.findall(query)}
    assert figures.keys() - {"tracker_job_last_success_timestamp_seconds"} <= shown


def test_the_label_job_keeps_its_name() -> None:
    [scrape] = SCRAPED["scrape_configs"]
    assert scrape["honor_labels"] is True
    assert scrape["job_name"] == "tracker"
    assert SCRAPED["rule_files"] == [RULES.name]


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)


@needs_promtool
def test_prometheus_accepts_the_files(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    config, token = tmp_path / "prometheus.yml", tmp_path / "token"
    token.touch()
    config.write_text(config.read_text().replace("/etc/prometheus/tracker-token", str(token)))
    subprocess.run(["promtool", "check", "config", config], check=True, capture_output=True)


def fires_in(
    folder: Path, series: dict[str, str], interval: str, fires: dict[str, set[str]]
) -> str:
    """Let promtool compare the alerts that fire at each time with ``fires``; what differs.

    ``series`` are values in its notation, ``interval`` apart, from the beginning of 1970 on.
    """
    names = sorted({alert["alert"] for alert in alerts()})
    tests = [
        {"expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})', "eval_time": time}
        | {"exp_samples": [{"labels": "{}", "value": 1}] if name in firing else []}
        for time, firing in fires.items()
        for name in names
    ]
    shutil.copy(RULES, folder)
    file = folder / "tests.yml"
    content = {
        "rule_files": [RULES.name],
        "evaluation_interval": interval,
        "tests": [
            {
                "interval": interval,
                "input_series": [
                    {"series": one, "values": values} for one, values in series.items()
                ],
                "promql_expr_test": tests,
            }
        ],
    }
    file.write_text(json.dumps(content))
    done = subprocess.run(
        ["promtool", "test", "rules", file], check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr if done.returncode else ""


def restored(proven: str, backup: str, failed: str = "0x1100") -> dict[str, str]:
    """The figures of restored backups, in promtool's notation."""
    values = {"proven": proven, "proven_backup": backup, "failed": failed}
    return {
        f'tracker_restore_{name}_timestamp_seconds{{job="tracker"}}': given
        for name, given in values.items()
    }


def last_success(job: str, values: str) -> dict[str, str]:
    labels = f'job="{job}", association="NCIMHA"'
    return {f"tracker_job_last_success_timestamp_seconds{{{labels}}}": values}


JOBS_AND_MAIL = {
    'up{job="tracker", instance="a:8000"}': "0+0x1300",
    **last_success("evaluate", "0+0x1300"),
    **last_success("digest", "0+0x1300"),
    'tracker_job_failures{job="notices", association="NCIMHA"}': "2+0x1300",
    'tracker_mail_oldest_waiting_seconds{job="tracker"}': "0+600x1300",
    'tracker_mails{job="tracker", state="failed"}': "1+0x120 2+0x1300",
}
# A series, the time between its values, and the alerts that fire at some times.
DAY = 86_400
CASES = {
    "jobs and mail": (
        JOBS_AND_MAIL,
        "10m",
        {
            "50m": {"TrackerDown"},
            "2h": {"TrackerDown", "TrackerJobFails"},
            "21h": {"TrackerDown", "TrackerJobFails", "TrackerMailFailed"},
            "49h": {"TrackerDown", "TrackerJobFails", "TrackerMailWaits", "TrackerJobLate"},
            "200h": {
                *("TrackerDown", "TrackerJobFails", "TrackerMailWaits", "TrackerJobLate"),
                "TrackerDigestLate",
            },
        },
    ),
    "long work that failed": (
        {'tracker_desk_work_failed{job="tracker"}': "0x2 1x1300"},
        "10m",
        {"20m": set(), "50m": {"TrackerDeskWorkFailed"}},
    ),
    "a clock that was ahead": (
        last_success("evaluate", f"{300 * DAY}x1300"),
        "10m",
        {"5m": set(), "20m": {"TrackerJobAhead"}},
    ),
    "a mailbox that never worked": (
        {'tracker_returned_mail_last_read_timestamp_seconds{job="tracker"}': "0x1300"},
        "10m",
        {"50m": set(), "70m": {"TrackerReturnedMailNeverRead"}},
    ),
    "returned mail that is not read": (
        {'tracker_returned_mail_last_read_timestamp_seconds{job="tracker"}': "600x1300"},
        "10m",
        {"70m": set(), "90m": {"TrackerReturnedMailUnread"}},
    ),
    "a backup that was never tried": (
        restored("0x1100", "0x1100"),
        "1h",
        {"39d": set(), "41d": {"TrackerBackupNeverTried"}},
    ),
    "drills that stopped": (
        restored(f"{2 * DAY}x1100", f"{DAY}x1100"),
        "1h",
        {"41d": set(), "43d": {"TrackerDrillsStopped"}},
    ),
    "an old backup": (
        restored(f"{30 * DAY}x1100", f"{27 * DAY}x1100"),
        "1h",
        {"30d": {"TrackerBackupOld"}},
    ),
    "a backup that could not be restored": (
        restored(f"{30 * DAY}x1100", f"{29 * DAY}x1100", f"{31 * DAY}x1100"),
        "1h",
        {"31d": {"TrackerRestoreFails"}},
    ),
}


def test_each_alert_is_tried() -> None:
    fired = set[str]().union(*(names for _, _, times in CASES.values() for names in times.values()))
    assert fired == {alert["alert"] for alert in alerts()}


@needs_promtool
@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when_they_should(tmp_path: Path, case: str) -> None:
    series, interval, fires = CASES[case]
    assert fires_in(tmp_path, series, interval, fires) == ""
