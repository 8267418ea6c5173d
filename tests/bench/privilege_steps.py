"""What the roles of one account may do, beside cloudsplaining on the same file: CPU seconds from start to end."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from . import authorization_details
from .measured import Measured

ROLES_A_SIZE: Final = 100  # one role for so many identities of the estate
_FEWEST_ROLES: Final = 100
_PEER: Final = "cloudsplaining==0.9.1"
_FEWEST_FOR_PEER: Final = 1000  # it is installed into an environment of its own, which is not worth it for less


def details(folder: Path, size: int) -> tuple[Path, int]:
    """Written by whoever comes first."""
    roles = max(size // ROLES_A_SIZE, _FEWEST_ROLES)
    path = folder / "authorization-details.json"
    if not path.exists():
        authorization_details.write(path, roles)
    return path, roles


def privileges_generate(folder: Path, size: int) -> Measured:
    measured = Measured()
    with measured.timed("authorization details"):
        path, measured.counts["roles"] = details(folder, size)
    measured.counts["bytes"] = path.stat().st_size
    return measured


def privileges_ours(folder: Path, size: int) -> Measured:
    """From the file to rows of `privileges`, with every import that this takes."""
    path, roles = details(folder, size)
    measured = Measured(counts={"roles": roles})
    told = _scan(measured, [sys.executable, "-m", "tests.bench.privileges_of_file", str(path)])
    measured.counts.update(json.loads(told))
    return measured


def privileges_cloudsplaining(folder: Path, size: int) -> Measured:
    """Where the peer did not run, why is the answer."""
    path, roles = details(folder, size)
    measured = Measured(counts={"roles": roles})
    if roles < _FEWEST_FOR_PEER:
        measured.answer = "not run: too few roles"
        return measured
    environment = folder / "peer"
    venv.create(environment, with_pip=True)
    program = environment / "bin" / "cloudsplaining"
    installed = subprocess.run(
        [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", _PEER],
        stdout=sys.stderr,
        check=False,
    )
    if installed.returncode or not program.exists():
        measured.answer = f"not run: {_PEER} could not be installed"
        return measured
    results = folder / "peer-results"
    results.mkdir()
    _scan(measured, [str(program), "scan", "--input-file", str(path), "--output", str(results), "--skip-open-report"])
    shutil.rmtree(environment)
    return measured


def _scan(measured: Measured, command: list[str]) -> str:
    """What the command prints; `cpu_ms` is of it and nothing else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with measured.timed("scan"):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    measured.counts["cpu_ms"] = round(used * 1000)
    return done.stdout
