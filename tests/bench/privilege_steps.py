"""What the roles of one account may do, beside cloudsplaining on the same file: CPU seconds from start to end."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
import venv
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from collectors.aws import identities, policies
from nhiscan import load, model, store
from nhiscan.resolve import privileges

from . import authorization_details
from .measured import Measured

ROLES_A_SIZE: Final = 100  # one role for so many identities of the estate
_FEWEST_ROLES: Final = 100
_PEER: Final = "cloudsplaining==0.9.1"
_FEWEST_FOR_PEER: Final = 1000  # it is installed into an environment of its own, which is not worth it for less
_TENANT: Final = f"aws:{authorization_details.ACCOUNT}"


def _details(folder: Path, size: int) -> tuple[Path, int]:
    """Written by whoever comes first."""
    roles = max(size // ROLES_A_SIZE, _FEWEST_ROLES)
    path = folder / "authorization-details.json"
    if not path.exists():
        authorization_details.write(path, roles)
    return path, roles


def privileges_generate(folder: Path, size: int) -> Measured:
    measured = Measured()
    with measured.timed("authorization details"):
        path, measured.counts["roles"] = _details(folder, size)
    measured.counts["bytes"] = path.stat().st_size
    return measured


def privileges_ours(folder: Path, size: int) -> Measured:
    """From the file to rows of `privileges`, with every import that this takes."""
    path, roles = _details(folder, size)
    measured = Measured(counts={"roles": roles})
    with measured.timed("read and load"):
        con = store.empty()
        load.load(con, _records(json.loads(path.read_text(encoding="utf-8"))))
    with measured.timed("privileges"):
        privileges.run(con)
    ((measured.counts["rows"],),) = con.execute("select count(*) from privileges").fetchall()
    ((measured.counts["administrators"],),) = con.execute(
        "select count(*) from privileges where verb = 'admin' and certainty = 'definite'"
    ).fetchall()
    return measured


def _records(details: dict[str, Any]) -> list[model.Record]:
    roles = details["RoleDetailList"]
    for role in roles:
        role["CreateDate"] = datetime.fromisoformat(role["CreateDate"])
    coverage = (
        model.Coverage("aws", _TENANT, dataset, "complete") for dataset in ("identities", "policies", "memberships")
    )
    return [
        model.Tenant(_TENANT, "aws"),
        *coverage,
        *(record for role in roles for record in identities.role_records(_TENANT, role, last_use_was_read=False)),
        *policies.policy_records(_TENANT, roles, details["Policies"]),
    ]


def privileges_cloudsplaining(folder: Path, size: int) -> Measured:
    """`cpu_ms` is of the scan alone; without it, why the peer did not run is the answer."""
    path, roles = _details(folder, size)
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
    before = _children_cpu()
    start = time.perf_counter()
    subprocess.run(
        [str(program), "scan", "--input-file", str(path), "--output", str(results), "--skip-open-report"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    measured.seconds["scan"] = round(time.perf_counter() - start, 3)
    measured.counts["cpu_ms"] = round((_children_cpu() - before) * 1000)
    shutil.rmtree(environment)
    return measured


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
