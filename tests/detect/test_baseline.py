"""Baselines go to stock detect-secrets and come back, with what an audit said; a damaged one is named."""

from __future__ import annotations

import json
import random
import string
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import Leak, Leaked
from nhiscan.detect.precise import plugins
from nhiscan.detect.precise.profile import Precise
from nhiscan.detect.results import baseline
from nhiscan.detect.results.baseline import Baseline, Entry
from nhiscan.detect.stock.profile import Stock
from nhiscan.detect.stock.settings import put_in_force
from nhiscan.errors import ConfigError
from nhiscan.secret import Secret

AT = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
SOURCE = random.Random(6)


def made(length: int, characters: str = string.ascii_letters + string.digits) -> str:
    return "".join(SOURCE.choices(characters, k=length))


KEY = "AKIA" + made(16, string.ascii_uppercase)
PASSWORD = made(20)
TOKEN = "ghp_" + made(36)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "a.py").write_text(f'# settings\nkey = "{KEY}"\npassword = "{PASSWORD}"\n')
    (tmp_path / "conf" / "b.txt").write_text(f"{TOKEN}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stock_scan(*options: str) -> str:
    """What `detect-secrets scan` prints."""
    command = [sys.executable, "-m", "detect_secrets", "-c", "1", "scan", "--all-files", "--no-verify", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def entries(profile: Stock, files: Iterable[str], old: Baseline | None = None) -> list[Entry]:
    types = baseline.secret_types(Stock.name, old)
    return [
        baseline.entry(Leaked(file, leak), types)
        for file in files
        for leak in profile.leaks(Path(file).read_bytes(), file)
    ]


def labelled(file: Path, *, is_secret: bool) -> dict[str, Any]:
    """A baseline as an audit leaves it."""
    data: dict[str, Any] = json.loads(file.read_text())
    for items in data["results"].values():
        for item in items:
            item["is_secret"] = is_secret
    file.write_text(json.dumps(data, indent=2))
    return data


def test_what_is_written_is_what_stock_writes(tree: Path) -> None:
    ours = baseline.written(entries(Stock(), ["conf/b.txt", "a.py"]), profile=Stock.name, at=AT)
    theirs = json.loads(stock_scan("."))
    assert json.loads(ours)["generated_at"] == "2026-01-31T02:00:00Z"
    theirs["generated_at"] = "2026-01-31T02:00:00Z"
    assert ours == json.dumps(theirs, indent=2) + "\n"


def test_no_value_is_written(tree: Path) -> None:
    text = baseline.written(entries(Stock(), ["conf/b.txt", "a.py"]), profile=Stock.name, at=AT)
    assert not [value for value in (KEY, PASSWORD, TOKEN) if value[:8] in text]


def test_stock_goes_on_with_ours_and_keeps_its_labels(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    file.write_text(baseline.written(entries(Stock(), ["a.py"]), profile=Stock.name, at=AT))
    before = labelled(file, is_secret=False)
    stock_scan("--baseline", file.name, ".")
    after = json.loads(file.read_text())
    assert after["results"]["a.py"] == before["results"]["a.py"]
    assert set(after["results"]) == {"a.py", "conf/b.txt"}


def test_an_audit_of_stock_reads_ours(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    file.write_text(baseline.written(entries(Stock(), ["a.py", "conf/b.txt"]), profile=Stock.name, at=AT))
    labelled(file, is_secret=True)
    command = [sys.executable, "-m", "detect_secrets", "audit", "--report", str(file)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = {item["secrets"]: item["filename"] for item in report["results"]}
    assert found == {KEY: "a.py", PASSWORD: "a.py", TOKEN[:3]: "conf/b.txt"}  # stock takes the prefix for the value


def test_a_finding_of_stock_s_baseline_is_known(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    file.write_text(stock_scan("."))
    known = baseline.read(file)
    found = entries(Stock(known.settings, baseline=file.name), ["a.py", "conf/b.txt"], known)
    assert found
    assert all(known.knows(entry) for entry in found)


@pytest.mark.parametrize("is_secret", [True, False])
def test_labels_of_an_audit_stay(tree: Path, is_secret: bool) -> None:
    file = tree / ".secrets.baseline"
    file.write_text(stock_scan("."))
    labels = labelled(file, is_secret=is_secret)["results"]
    known = baseline.read(file)
    found = entries(Stock(known.settings), ["a.py", "conf/b.txt"], known)
    again = json.loads(baseline.written(found, profile=Stock.name, at=AT, old=known))
    assert again["results"] == labels
    assert all(known.knows(entry) for entry in found)


def test_a_new_value_in_a_known_file_is_news(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    file.write_text(stock_scan("."))
    known = baseline.read(file)
    (tree / "a.py").write_text(f'password = "{made(20)}"\n')
    (found,) = entries(Stock(known.settings), ["a.py"], known)
    assert not known.knows(found)


def test_the_same_value_on_another_line_is_known(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    file.write_text(stock_scan("."))
    known = baseline.read(file)
    (tree / "a.py").write_text(f'\n\n\n\npassword = "{PASSWORD}"\n')
    (found,) = entries(Stock(known.settings), ["a.py"], known)
    assert found.line == 5
    assert known.knows(found)


def test_settings_of_a_baseline_count_and_stay(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    disabled = ("--disable-plugin", "KeywordDetector", "--exclude-files", r"^conf/")
    file.write_text(stock_scan(*disabled, "."))
    known = baseline.read(file)
    found = entries(Stock(known.settings), ["a.py", "conf/b.txt"], known)
    assert [(entry.path, entry.secret_type) for entry in found] == [("a.py", "AWS Access Key")]
    assert json.loads(baseline.written(found, profile=Stock.name, at=AT, old=known)) == {
        **json.loads(file.read_text()),
        "generated_at": "2026-01-31T02:00:00Z",
    }


def test_verification_that_a_baseline_asks_for_stays_in_the_file_but_is_not_done(tree: Path) -> None:
    file = tree / ".secrets.baseline"
    data = json.loads(stock_scan("."))
    policy = {"path": "detect_secrets.filters.common.is_ignored_due_to_verification_policies", "min_level": 2}
    data["filters_used"] = sorted([*data["filters_used"], policy], key=lambda used: str(used["path"]))
    file.write_text(json.dumps(data))
    known = baseline.read(file)
    found = entries(Stock(known.settings), ["a.py"], known)
    assert len(found) == 2
    assert policy in json.loads(baseline.written(found, profile=Stock.name, at=AT, old=known))["filters_used"]


def test_a_baseline_of_an_early_version_is_read(tmp_path: Path) -> None:
    file = tmp_path / "old.baseline"
    item = {"type": "Hex High Entropy String", "hashed_secret": "0" * 40, "line_number": 3, "is_secret": False}
    plugins = [{"name": "HexHighEntropyString", "hex_limit": 3}]
    old = {"version": "0.12.0", "plugins_used": plugins, "results": {"a.py": [item]}, "exclude": {"files": None}}
    file.write_text(json.dumps(old))
    assert baseline.read(file).knows(Entry("a.py", "Hex High Entropy String", "0" * 40, 9))


def test_two_halves_of_a_pair_are_one_type(tree: Path) -> None:
    types = baseline.secret_types(Stock.name)
    leaks = [Leak(kind, Secret("x"), 1, 0, 1) for kind in ("aws_access_key_id", "aws_secret_access_key")]
    assert {baseline.entry(Leaked("a", leak), types).secret_type for leak in leaks} == {"AWS Access Key"}


def precise_entries(files: Iterable[str]) -> list[Entry]:
    types, profile = baseline.secret_types(Precise.name), Precise()
    return [
        baseline.entry(Leaked(file, leak), types)
        for file in files
        for leak in profile.leaks(Path(file).read_bytes(), file)
    ]


def test_each_detector_is_a_plugin_of_its_own() -> None:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class, get_plugins_from_module

    put_in_force({}, is_search=True)
    stock: dict[str, type[Any]] = get_mapping_from_secret_type_to_class()
    ours: list[type[Any]] = list(get_plugins_from_module(plugins))
    types = {plugin.secret_type for plugin in ours}
    assert len(ours) == len(types) == len(plugins.PLUGINS) > 200
    assert not {plugin.__name__ for plugin in ours} & {plugin.__name__ for plugin in stock.values()}


def test_stock_goes_on_with_a_baseline_of_our_detectors(tree: Path) -> None:
    token = filled("pat-na1-<<[0-9a-f]{8}>>-<<[0-9a-f]{4}>>-<<[0-9a-f]{4}>>-<<[0-9a-f]{4}>>-<<[0-9a-f]{12}>>", seed=6)
    (tree / "conf" / "hub.py").write_text(f"# HubSpot\nTOKEN = '{token}'\n")
    found = precise_entries(["conf/hub.py"])
    assert [entry.line for entry in found] == [2]
    file = tree / ".secrets.baseline"
    file.write_text(baseline.written(found, profile=Precise.name, at=AT))
    before = labelled(file, is_secret=False)["results"]
    stock_scan("--baseline", file.name, "conf")
    known = baseline.read(file)
    assert json.loads(file.read_text())["results"]["conf/hub.py"] == before["conf/hub.py"]
    assert all(known.knows(entry) for entry in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "version"),
        ('{"version": 1, "results": {}}', "version"),
        ('{"version": "new", "results": {}}', "version"),
        ('{"version": "1.5.0"}', "results"),
        ('{"version": "1.5.0", "results": []}', "results"),
        ('{"version": "0.12.0", "results": {}}', "exclude|plugins_used"),
        ('{"version": "1.5.0", "results": {"a.py": {}}}', r"results\.a\.py"),
        ('{"version": "1.5.0", "results": {"a.py": [1]}}', r"results\.a\.py\[0\]"),
        ('{"version": "1.5.0", "results": {"a.py": [{"type": "T"}]}}', r"results\.a\.py\[0\]\.hashed_secret"),
        (
            '{"version": "1.5.0", "results": {"a.py": [{"type": "T", "hashed_secret": "0", "line_number": "1"}]}}',
            r"results\.a\.py\[0\]\.line_number",
        ),
        ('{"version": "1.5.0", "results": {}, "plugins_used": {}}', "plugins_used is no list"),
        ('{"version": "1.5.0", "results": {}, "filters_used": [{"min": 1}]}', r"filters_used\[0\]\.path"),
    ],
)
def test_a_damaged_baseline_is_named_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        baseline.read(file)
    assert str(file) in caught.value.message
    assert caught.value.hint


def test_a_baseline_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        baseline.read(tmp_path / "absent")


@pytest.mark.parametrize(
    "settings",
    [
        {"plugins_used": [{"name": "NoSuchDetector"}]},
        {"plugins_used": [{"name": "Own", "path": "file:///no/such/file.py"}]},
        {"plugins_used": [{"name": "AWSKeyDetector", "limit": 3}]},
        {"plugins_used": [{"name": "HexHighEntropyString", "limit": 9}]},
    ],
)
def test_settings_that_stock_refuses_are_an_error(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="refuses its settings"):
        Stock(settings)
