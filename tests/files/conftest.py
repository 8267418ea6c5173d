from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fixtures.filled import filled
from nhiscan import collect, config
from nhiscan.collect import Context
from nhiscan.imports import Imported
from nhiscan.model import Coverage, Record, Sighting

R = TypeVar("R", bound=Record)
AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = b"k" * 32


def token(seed: int = 0) -> str:
    """A made-up token of HubSpot."""
    return filled("pat-na1-<<uuid>>", seed=seed)


def write(path: Path, text: str | None) -> None:
    """None deletes the file."""
    if text is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Said:
    """Everything the collector said."""

    records: list[Record]

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    def sightings(self, path: str | None = None) -> list[Sighting]:
        return [each for each in self.of(Sighting) if path in (None, each.path)]

    def sighting(self, path: str | None = None) -> Sighting:
        (found,) = self.sightings(path)
        return found

    def coverage(self, dataset: str, tenant_id: str = "files:portal") -> Coverage:
        (found,) = (each for each in self.of(Coverage) if (each.dataset, each.tenant_id) == (dataset, tenant_id))
        return found


class Repository:
    """A real one; each commit is a day later than the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._day = 0
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [
                "git",
                "-c",
                "user.name=Dev",
                "-c",
                "user.email=dev@acme.example",
                "-c",
                "commit.gpgsign=false",
                *arguments,
            ],
            cwd=self.path,
            env={"PATH": os.environ["PATH"], "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1", **environment},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Writes files, or deletes those that are None; the commit's id."""
        for name, text in files.items():
            write(self.path / name, text)
        self._day += 1
        when = f"2025-04-{self._day:02}T10:00:00Z"
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=change", GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
        return self.git("rev-parse", "HEAD")


Read = Callable[..., Said]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "portal")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Runs the collector on places; `portal` at ./portal is the one that is meant without any."""

    def run(*places: Mapping[str, Any], imports: list[Imported] | None = None, **context: Any) -> Said:
        settings = {"places": [{"name": "portal", "path": "portal", **place} for place in places]}
        files = config.build(collect.load("files"), settings, where="collectors.files.", base=tmp_path, environ={})
        ctx = Context(as_of=AS_OF, fingerprint_key=KEY, imports=lambda: iter(imports or []), **context)
        return Said(list(collect.run(files, ctx)))

    return run
