"""One run of the demo for all tests that only look at it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from nhiscan import store

MAIN = "from nhiscan.cli import main; main()"


@dataclass(frozen=True)
class Run:
    """A run of the demo and the scan that it published; `folder` is the demo's own."""

    folder: Path
    report: Path
    stdout: str
    stderr: str
    scan: duckdb.DuckDBPyConnection

    @property
    def config(self) -> Path:
        return self.folder / "nhiscan.toml"

    def subjects(self, rule: str, outcome: str) -> set[str]:
        rows = self.scan.execute(
            "select subject_id from findings where rule_id = ? and outcome = ?", [rule, outcome]
        ).fetchall()
        return {subject for (subject,) in rows}


def run_demo(folder: Path) -> Run:
    """`nhiscan demo` as a newcomer runs it in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "demo"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    kept = folder / ".nhiscan-demo"
    return Run(kept, folder / "demo-report.html", done.stdout, done.stderr, store.open_published(kept / "state"))


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and when it was last written."""
    told = ((path, path.stat()) for path in folder.rglob("*") if path.is_file())
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in told}
