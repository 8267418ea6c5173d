"""No secret stands in any byte that a run writes or says outside the store it goes to, however the run ends."""

from __future__ import annotations

import base64
import io
import json
import logging
import resource
import secrets
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from nhiscan import cli, rule, store
from nhiscan.terminal import redacting
from tests import systems
from tests.remediation import model, planted
from tests.remediation.planted import Ends, World
from tests.remediation.trials import Clock

START: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
TENANT: Final = "model:acme"
RULE: Final = "life-key-age-exceeded"
REQUESTER, FIRST, SECOND = "kim", "lee", "max"
TOKEN: Final = f"canary-{secrets.token_hex(16)}"
PASSPHRASE: Final = f"canary-{secrets.token_hex(16)}"


@dataclass
class Company:
    """One state directory with all that a person runs there. `said`: what the commands printed and logged."""

    folder: Path
    clock: Clock
    capture: pytest.CaptureFixture[str]
    plan_id: str = ""
    said: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def run(self, *words: str) -> int:
        """One command as a process would run it, with all that it can say."""
        sys.argv = ["nhiscan", "-v", *words]
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = self.capture.readouterr()
        self.said += [out, err]
        self.codes.append(int(ended.value.code or 0))
        return self.codes[-1]

    def key(self, person: str) -> tuple[str, str]:
        return "--key", str(self.folder / "keys" / person)

    def plan(self, finding: str, mode: str = "routine", address: str = "kv:acme/billing") -> int:
        words = ("--finding", finding, "--mode", mode, "--store", address, "--as", "secret=secret", "--as", "id=id")
        waits = ("--grace", "1h", "--observe", "1h", "--reason", "CHG-1", "-o", "plan.json")
        code = self.run("remediate", "plan", *words, *waits, *self.key(REQUESTER))
        if code == 0:
            self.plan_id = json.loads((self.folder / "plan.json").read_text())["plan_id"]
        return code

    def approve(self, *persons: str) -> None:
        for decision in ("start", "off", "delete"):
            for person in persons:
                words = ("--step", decision, "--reason", "CHG-1", "--for", "7d", *self.key(person))
                self.run("remediate", "approve", "plan.json", *words)

    def carry_on(self, command: str = "resume", runs: int = 8) -> int:
        """Runs through the waits until the plan has ended or a person has to look."""
        code = self.run("remediate", command, self.plan_id, "--execute")
        for _ in range(runs):
            if code not in (10, 11, 3, 5):
                break
            self.clock.wait(5400)
            code = self.run("remediate", command, self.plan_id, "--execute")
        return code

    def look(self) -> None:
        """What only reads, and the bundle."""
        self.run("remediate", "apply", self.plan_id)
        self.run("remediate", "rollback", self.plan_id)
        self.run("remediate", "status", self.plan_id, "--json")
        self.run("evidence", "export", self.plan_id, "-o", "bundle.zip", *self.key(REQUESTER))
        self.run("evidence", "verify", "bundle.zip")

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Every byte that was written or said, by where: all files but the keys of the people, and inside archives."""
        yield "what was said", "\n".join(self.said).encode()
        for path in self.folder.rglob("*"):
            yield "the name of a file", str(path.relative_to(self.folder)).encode()
            if not path.is_file() or path.is_relative_to(self.folder / "keys"):
                continue
            yield str(path), path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((f"{path}!{name}", archive.read(name)) for name in archive.namelist())

    def found(self, values: Iterable[bytes]) -> list[str]:
        """Where a value stands, as it is or in one of the ways in which programs write bytes down."""
        wanted = {
            form for value in values for form in (value, value.hex().encode(), base64.b64encode(value).rstrip(b"="))
        }
        return sorted({where for where, text in self.texts() if any(form in text for form in wanted)})


@pytest.fixture(scope="module")
def finding_id(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A state directory with a scan that flags the key of the model, and people with protected keys."""
    folder = tmp_path_factory.mktemp("company")
    old = systems.key(TENANT, "billing", model.OLD, created_at=START - timedelta(days=500))
    found = systems.System(
        "model",
        systems.said(
            systems.tenant(TENANT), systems.identity(TENANT, "billing"), old, *systems.covered(TENANT, at=START)
        ),
    )
    systems.run(folder / "state", [found], at=START, rules=[each for each in rule.load() if each.rule_id == RULE])
    with store.open_published(folder / "state") as con:
        sql = "select finding_id from findings where subject_id = ?"
        ((finding,),) = con.execute(sql, [old.credential_id]).fetchall()
    (folder / "keys").mkdir()
    people = []
    for person in (REQUESTER, FIRST, SECOND):
        key = Ed25519PrivateKey.generate()
        file = folder / "keys" / person
        protected = BestAvailableEncryption(PASSPHRASE.encode())
        file.touch(0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, protected))
        (folder / "keys" / f"{person}.seed").write_bytes(
            key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        )
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        people.append(f'[[people]]\nmail = "{person}@acme.example"\nkey = "{public}"\n')
    identity = pyrage.x25519.Identity.generate()
    (folder / "keys" / "age").write_text(str(identity))
    (folder / "nhiscan.toml").write_text(
        '[company]\nname = "Acme"\n[state]\npath = "state"\n'
        + "".join(people)
        + '[remediation.model]\ntoken = "env:MODEL_TOKEN"\n'
        + f'[remediation.escrow]\nrecipients = ["{identity.to_public()}"]\nfolder = "escrow"\n'
    )
    yield folder, finding


@pytest.fixture
def company(
    finding_id: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Company]:
    folder = tmp_path / "company"
    shutil.copytree(finding_id[0], folder)
    (folder / "temporary").mkdir()
    clock = Clock(START + timedelta(hours=1))
    planted.install(tmp_path / "installed")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODEL_TOKEN", TOKEN)
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(sys, "argv", ["nhiscan"])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda prompt: PASSPHRASE)
    monkeypatch.setattr("nhiscan.cli_remediate.now", clock.now)
    ticking = SimpleNamespace(monotonic=lambda: clock.at.timestamp(), sleep=clock.wait)
    monkeypatch.setattr("nhiscan.cli_remediate.time", ticking)
    monkeypatch.setattr(redacting, "_values", set())
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield Company(folder, clock, capfd)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    root.handlers[:], root.level = before


def world(company: Company, name: str) -> World:
    """The provider and its store, newly made, as the installed adapter meets them."""
    can = model.CLASSES[name][0]
    made = World(model.Keys(company.clock, can, model.Documents(company.clock, delays=(timedelta(minutes=5),))))
    planted.Planted.world = made
    return made


def hidden(company: Company, *worlds: World) -> list[bytes]:
    """What must not be found: of the adapter, of the people and of every credential that there was."""
    seeds = [path.read_bytes() for path in (company.folder / "keys").glob("*.seed")]
    lines = [
        line.encode()
        for person in (REQUESTER, FIRST, SECOND)
        for line in (company.folder / "keys" / person).read_text().splitlines()[2:-1]
    ]
    identity = (company.folder / "keys" / "age").read_bytes()
    texts = {TOKEN, PASSPHRASE, *(value for each in worlds for value in each.secrets)}
    values = [value.encode() for value in texts if not value.startswith("key-")]
    return [*seeds, *lines, identity, *values]


# Undisturbed


@pytest.mark.parametrize("name", ["shown once", "shown once, contained", "made by us"])
def test_a_whole_run_writes_and_says_no_secret(finding_id: tuple[Path, str], company: Company, name: str) -> None:
    here = world(company, name)
    assert company.plan(finding_id[1], model.CLASSES[name][2]) == 0
    company.approve(FIRST, SECOND)
    assert company.carry_on("apply") == 0, company.said
    company.look()
    assert company.codes[-1] == 0, company.said
    assert len(hidden(company, here)) >= 14
    assert company.found(hidden(company, here)) == []
    assert here.core_limits == {0}  # of a process that holds secrets nothing is spilled when it dies


def test_a_run_that_is_taken_back_writes_and_says_no_secret(finding_id: tuple[Path, str], company: Company) -> None:
    here = world(company, "shown once")
    company.plan(finding_id[1])
    company.approve(FIRST)
    assert company.run("remediate", "apply", company.plan_id, "--execute") == 10
    assert company.carry_on("rollback") == 12, company.said
    company.look()
    assert company.found(hidden(company, here)) == []


def test_a_run_into_escrow_writes_no_secret_that_can_be_read(finding_id: tuple[Path, str], company: Company) -> None:
    here = world(company, "made by us")
    assert company.plan(finding_id[1], address="escrow:billing") == 0, company.said
    company.approve(FIRST, SECOND)
    company.carry_on("apply")
    (file,) = company.folder.glob("escrow/billing/*.age")
    identity = pyrage.x25519.Identity.from_str((company.folder / "keys" / "age").read_text())
    kept = json.loads(pyrage.decrypt(file.read_bytes(), [identity]))
    assert kept["secret"] in here.secrets
    company.look()
    assert company.found(hidden(company, here)) == []


def test_a_secret_is_found_wherever_it_stands(company: Company) -> None:
    """The search itself: in a file, in a name, in an archive, in what was said, and as programs write bytes down."""
    value = secrets.token_hex(16)
    assert company.found([value.encode()]) == []
    plants: dict[str, Callable[[], object]] = {
        "said": lambda: company.said.append(f"x{value}y"),
        "file": lambda: (company.folder / "state" / "a").write_text(f"x{value}y"),
        "hex": lambda: (company.folder / "state" / "b").write_text(value.encode().hex()),
        "base64": lambda: (company.folder / "temporary" / "c").write_bytes(base64.b64encode(value.encode())),
        "name": lambda: (company.folder / value).touch(),
    }
    for number, plant in enumerate(plants.values(), 1):
        plant()
        assert len(company.found([value.encode()])) == number
    with zipfile.ZipFile(company.folder / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("journal.jsonl", value * 3)
    assert len(company.found([value.encode()])) == len(plants) + 1


# With every call of the adapter failing in turn


@pytest.mark.parametrize("ends", ["refused", "crash"])
def test_a_plan_that_cannot_be_made_says_no_secret(finding_id: tuple[Path, str], company: Company, ends: Ends) -> None:
    for number in range(1, 7):
        here = world(company, "shown once")
        here.fails_at, here.ends = number, ends
        code = company.plan(finding_id[1])
        assert (code != 0) == (len(here.calls) >= number)
        assert company.found(hidden(company, here)) == []
    assert 0 in company.codes
    assert {0} < set(company.codes)


@pytest.mark.parametrize(
    ("name", "ends"),
    [("shown once", "refused"), ("made by us", "silent"), ("shown once", "crash after it was done")],
)
def test_whatever_call_fails_no_secret_is_written_or_said(
    finding_id: tuple[Path, str], company: Company, tmp_path: Path, name: str, ends: Ends
) -> None:
    world(company, name)
    assert company.plan(finding_id[1]) == 0
    company.approve(FIRST, SECOND)
    begun = company.folder / "state" / "remediation"
    start, agreed = company.clock.at, tmp_path / "agreed"
    shutil.copytree(begun, agreed)
    number, ended = 0, set()
    while True:
        number += 1
        shutil.rmtree(begun)
        shutil.copytree(agreed, begun)
        company.clock.at = start
        company.said.clear()
        company.codes.clear()
        here = world(company, name)
        here.fails_at, here.ends = number, ends
        company.run("remediate", "apply", company.plan_id, "--execute")
        ended.add(company.carry_on("rollback" if number % 3 == 0 else "resume", runs=4))
        if number % 8 == 0:  # it holds what the folder holds
            company.run("evidence", "export", company.plan_id, "-o", "bundle.zip")
        assert company.found(hidden(company, here)) == []
        if len(here.calls) < number:
            break
    assert number > 30
    assert 0 in ended
