from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nhiscan.detect.precise.profile import Precise
from tests.bench import (
    secret_bench,
    secret_corpus,
    secret_formats,
    secret_history,
    secret_links,
    secret_peers,
    secret_plants,
    secret_process,
    secret_scores,
    secret_steps,
)
from tests.bench.secret_figures import Bench, Figure, Paired, table
from tests.bench.secret_peers import Hit
from tests.bench.secret_plants import Plant
from tests.bench.secret_process import Used

_PLANT = Plant("a/.env", "github_token", 3, 4, ("ghp_" + "a1b2" * 9,))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, secret_plants.Planted]:
    folder = tmp_path_factory.mktemp("planted")
    return folder, secret_plants.write(folder)


def test_there_are_seven_plants_of_at_least_45_kinds(planted: tuple[Path, secret_plants.Planted]) -> None:
    score = secret_scores.score(planted[1].plants, [])
    assert len(score.by_kind) >= 45
    assert set(score.by_kind.values()) == {(0, 7)}


def test_the_planted_set_is_the_same_every_time(planted: tuple[Path, secret_plants.Planted], tmp_path: Path) -> None:
    again = secret_plants.write(tmp_path)
    assert again == planted[1]
    assert _files(tmp_path) == _files(planted[0])


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_plant_shows_its_value_between_its_lines(planted: tuple[Path, secret_plants.Planted]) -> None:
    folder, said = planted
    for plant in said.plants:
        text = (folder / plant.path).read_text(encoding="utf-8")
        shown = "\n".join(text.splitlines()[plant.first - 1 : plant.last]).replace("&amp;", "&")
        line = max(plant.values[-1].split("\n"), key=len)
        assert line in shown or json.dumps(line)[1:-1] in shown, plant.path


def test_json_and_toml_around_the_plants_are_well_formed(planted: tuple[Path, secret_plants.Planted]) -> None:
    readers = {".json": json.loads, ".ipynb": json.loads, ".tfvars": tomllib.loads}
    folder, _ = planted
    for path in folder.rglob("*"):
        if path.suffix in readers and path.is_file():
            readers[path.suffix](path.read_text(encoding="utf-8"))


def test_a_checksum_is_crc32_in_six_digits_of_base_62() -> None:
    # 0xCBF43926 is what CRC32 of these nine digits is published as
    assert secret_formats.checksum("123456789") == "3jZRME"


@pytest.mark.parametrize(
    ("hit", "is_found"),
    [
        (Hit("a/.env", 4, 4, "k"), True),
        (Hit("a/.env", 1, 3, "k"), True),
        (Hit("a/.env", 5, 5, "k"), False),
        (Hit("b/.env", 3, 3, "k"), False),
        (Hit("a/.env", 9, 9, "k", "ghp_" + "a1b2" * 9), True),  # said in another line, but it is the value
        (Hit("a/.env", 9, 9, "k", "a1b2"), False),  # too short to tell
    ],
)
def test_a_finding_counts_on_a_line_of_the_plant_or_with_its_value(hit: Hit, is_found: bool) -> None:
    score = secret_scores.score([_PLANT], [hit])
    assert score.found == is_found
    assert sum(score.stray.values()) == (not is_found)


def test_two_findings_of_one_plant_are_one_found_plant() -> None:
    score = secret_scores.score([_PLANT], [Hit("a/.env", 3, 3, "k"), Hit("a/.env", 4, 4, "k")])
    assert (score.found, score.planted, score.missed) == (1, 1, [])


@pytest.mark.parametrize("said", ["clean/a.py", "{target}/clean/a.py"])
def test_paths_are_told_from_the_folder_however_a_tool_says_them(said: str, tmp_path: Path) -> None:
    hits = [Hit(said.format(target=tmp_path), 1, 1, "k"), Hit("planted/a.py", 1, 1, "k")]
    assert [hit.path for hit in secret_scores.below(hits, tmp_path, "clean/")] == ["a.py"]


def test_a_text_that_one_example_expects_and_another_does_not_holds_a_secret(tmp_path: Path) -> None:
    lines = [{"text": "a", "expected": False}, {"text": "a", "expected": True}, {"text": "b", "expected": False}]
    file = tmp_path / "x.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert secret_scores.examples(file) == {"a": True, "b": False}


def test_examples_that_are_not_there_are_said(tmp_path: Path) -> None:
    [figure] = secret_steps.secrets_recall(Bench(tmp_path, recall=tmp_path / "none"))
    assert figure.said == "left out: no folder with them was given"


def test_a_corpus_that_cannot_be_fetched_is_said_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(secret_corpus, "listed", lambda: {"corpus": [{"registry": "npm", "names": ["none@1.0.0"]}]})
    figures = secret_bench.measured("secrets_precise", Bench(tmp_path))
    assert [(figure.what, figure.said) for figure in figures] == [("left out", "none@1.0.0 cannot be fetched")]


def test_a_package_gives_its_text_files_and_nothing_outside_of_it(tmp_path: Path) -> None:
    wheel, package = tmp_path / "a.whl", tmp_path / "a.tgz"
    content = {"p/a.py": b"text", "p/a.so": b"\0binary", "p/empty": b"", "p/../../out": b"text"}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with tarfile.open(package, "w:gz") as packed:
        for name, data in content.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    assert dict(secret_corpus.texts(wheel)) == {"p/a.py": b"text"} == dict(secret_corpus.texts(package))


def test_every_listed_release_has_its_version() -> None:
    listed = secret_corpus.listed()
    names = [name for group in listed["corpus"] for name in group["names"]]
    assert all(re.search(r"(==|.@)\d", name) for name in names)
    assert all(group["versions"] for group in listed["history"])


def test_cpu_of_children_counts(tmp_path: Path) -> None:
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    used = secret_process.run([sys.executable, "-c", parent], tmp_path / "report")
    assert used.cpu_s >= 0.3
    assert used.exit_code == 0


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    used = secret_process.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "report", at_most_s=0.5)
    assert used.exit_code < 0
    assert used.wall_s < 30


def test_memory_of_all_processes_is_added_up(tmp_path: Path) -> None:
    hold = "import time; held = bytearray(60_000_000); time.sleep(1)"
    start = f"subprocess.Popen([sys.executable, '-c', {hold!r}])"
    parent = f"import subprocess, sys; [child.wait() for child in [{start} for _ in '12']]"
    assert secret_process.watched([sys.executable, "-c", parent], tmp_path / "report").peak_mb > 110


@pytest.mark.parametrize("said", ["raise SystemExit(1)", "print('{\"findings\": []}')"], ids=["crash", "nothing"])
def test_a_run_that_found_nothing_is_not_timed(said: str, tmp_path: Path) -> None:
    tool = replace(secret_peers.OURS, command=lambda *_: [sys.executable, "-c", said])
    with pytest.raises(secret_corpus.AbsentError, match="found nothing"):
        secret_steps.pairs(Bench(tmp_path), tool, tool, tmp_path, 1)


def test_ratios_are_those_of_pairs() -> None:
    ours, theirs = ([Used(cpu, cpu, 1, 0) for cpu in side] for side in ((1.0, 9.0, 2.0), (2.0, 10.0, 10.0)))
    paired = Paired(ours, theirs)
    assert paired.cpu_ratio == 0.5
    assert paired.said() == "2.00 s beside 10.00 s: 0.50 (0.20 to 0.90, 3 pairs)"


def test_a_missed_target_is_said() -> None:
    assert table([Figure("a", "b", "9", "<= 1", is_met=False)])[-1] == "| a | b | 9 | <= 1 | **missed** |"


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> secret_history.History:
    releases = {"1": {"p/a.py": b"one\n", "p/b.py": b"b\n"}, "2": {"p/a.py": b"two\n", "q/c.py": b"c\n"}}
    group: dict[str, Any] = {"registry": "pypi", "name": "p", "versions": ["1", "2"] * 3}
    monkeypatch.setattr(secret_history, "listed", lambda: {"history": [group]})
    monkeypatch.setattr(secret_history, "fetch", lambda registry, name, folder: name.partition("==")[2])

    def texts(version: str) -> Iterator[tuple[str, bytes]]:
        yield from releases[version].items()

    monkeypatch.setattr(secret_history, "texts", texts)
    return secret_history.build(tmp_path)


def test_releases_become_commits_and_early_plants_are_taken_out_again(history: secret_history.History) -> None:
    shown = subprocess.run(
        ["git", "-C", str(history.repository), "log", "--reverse", "--format=%s"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert shown[:3] == ["Start", "Update p to 1 in p", f"Add {history.plants[0].kind}"]
    assert "Clean up" in shown
    assert len(shown) == history.commits
    assert not (history.repository / history.plants[0].path).exists()
    assert (history.repository / "vendor/p/q/c.py").read_bytes() == b"c\n"


def test_each_blob_is_written_once(history: secret_history.History, tmp_path: Path) -> None:
    count, size = secret_history.blobs(history.repository, tmp_path / "blobs")
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(files) == count == len({path.read_bytes() for path in files})
    assert sum(path.stat().st_size for path in files) == size
    assert sum(path.read_bytes() == b"one\n" for path in files) == 1


def test_no_planted_live_secret_is_linked_to_somebody_else(tmp_path: Path) -> None:
    figures = {figure.what: figure for figure in secret_links.secrets_linked(Bench(tmp_path))}
    assert figures["wrong links"].is_met, figures["wrong links"].said


def test_the_scanner_finds_most_of_the_planted_set(planted: tuple[Path, secret_plants.Planted]) -> None:
    folder, said = planted
    profile = Precise()
    hits = [
        Hit(plant.path, leak.line, leak.line, leak.kind)
        for plant in said.plants
        for leak in profile.leaks((folder / plant.path).read_bytes(), plant.path)
    ]
    score = secret_scores.score(said.plants, hits)
    assert score.share >= 0.95, sorted({plant.kind for plant in score.missed})


@pytest.mark.parametrize("tool", [secret_peers.OURS, secret_peers.OURS_STOCK])
def test_the_commands_report_is_read_back(tool: secret_peers.Tool, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "a.env").write_text("\nAWS_KEY=AKIA" + "Q3EGSDFGHJKLQWE2" + "\n", encoding="utf-8")
    _, hits = secret_steps.found(Bench(tmp_path), tool, target)
    assert [(hit.path, hit.first, hit.kind) for hit in secret_scores.below(hits, target)] == [
        ("a.env", 2, "aws_access_key_id")
    ]
