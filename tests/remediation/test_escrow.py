"""Values in escrow: for people only, there in full or not at all, and never lost to whoever else uses the name."""

from __future__ import annotations

import errno
import json
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nhiscan.collect import Context
from nhiscan.config import build
from nhiscan.errors import ConfigError
from nhiscan.remediate import contract
from nhiscan.remediate.contract import RefusedError, UnansweredError, UnsupportedError
from nhiscan.remediate.escrow import Envelopes, Escrow
from nhiscan.secret import Secret
from tests.remediation import model, trials

CTX = Context(as_of=datetime(2026, 3, 2, tzinfo=UTC))
NAME = "birch-billing"
KEY, NEXT_KEY = "plan-1/1/stage/1", "plan-2/1/stage/1"


@pytest.fixture
def identity() -> Any:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "escrow"


@pytest.fixture
def escrow(identity: Any, folder: Path) -> Envelopes:
    return Escrow((str(identity.to_public()),), folder).store(CTX)


def fields() -> dict[str, Secret]:
    return {"key_id": Secret(f"id-{secrets.token_hex(8)}"), "key_value": Secret(f"canary-{secrets.token_hex(16)}")}


def opened(path: Path, *identities: Any) -> dict[str, str]:
    told: dict[str, str] = json.loads(pyrage.decrypt(path.read_bytes(), list(identities)))
    return told


def kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def current(folder: Path) -> Path:
    return folder / NAME / f"{json.loads((folder / NAME / 'current.json').read_text())['version']}.age"


# Keeping


def test_whoever_holds_the_key_reads_what_was_kept(escrow: Envelopes, folder: Path, identity: Any) -> None:
    value = fields()
    escrow.stage(NAME, KEY, value)
    version = escrow.publish(NAME, KEY, version="")
    assert opened(folder / NAME / f"{version}.age", identity) == {name: each.reveal() for name, each in value.items()}
    assert current(folder) == folder / NAME / f"{version}.age"
    assert escrow.observe(NAME) == {"version": version, "names": "key_id, key_value"}


def test_nobody_else_reads_it(escrow: Envelopes, folder: Path) -> None:
    value = fields()
    escrow.stage(NAME, KEY, value)
    escrow.publish(NAME, KEY, version="")
    with pytest.raises(pyrage.DecryptError):
        opened(current(folder), pyrage.x25519.Identity.generate())
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert all(each.reveal().encode() not in written for each in value.values())
    assert all(each.reveal() not in str(path) for each in value.values() for path in folder.rglob("*"))


def test_what_is_kept_is_for_its_owner_only(escrow: Envelopes, folder: Path) -> None:
    escrow.stage(NAME, KEY, fields())
    escrow.publish(NAME, KEY, version="")
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (folder, folder / NAME)} == {0o700}


def test_beside_a_value_stands_of_which_operation_it_is(escrow: Envelopes, folder: Path) -> None:
    escrow.stage(NAME, KEY, fields())
    version = escrow.publish(NAME, KEY, version="")
    told = json.loads((folder / NAME / f"{version}.json").read_text())
    assert told == {"key": KEY, "names": "key_id, key_value", "version": version}


def test_each_of_several_recipients_reads_it(folder: Path) -> None:
    ages = [pyrage.x25519.Identity.generate() for _ in range(2)]
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " kim@acme.example"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    escrow = Escrow((*(str(age.to_public()) for age in ages), public), folder).store(CTX)
    value = fields()
    escrow.stage(NAME, KEY, value)
    escrow.publish(NAME, KEY, version="")
    told = {name: each.reveal() for name, each in value.items()}
    for identity in (*ages, pyrage.ssh.Identity.from_buffer(private)):
        assert opened(current(folder), identity) == told


# As every store


def test_what_is_staged_is_nobodys_current_value(escrow: Envelopes) -> None:
    escrow.stage(NAME, KEY, fields())
    assert escrow.observe(NAME) == {"version": "", "names": ""}
    assert escrow.published(NAME, KEY) is None


def test_what_is_staged_cannot_be_read_back(escrow: Envelopes) -> None:
    escrow.stage(NAME, KEY, fields())
    assert escrow.staged(NAME, KEY) is None


def test_staging_twice_leaves_the_last_value_once(escrow: Envelopes, folder: Path, identity: Any) -> None:
    escrow.stage(NAME, KEY, fields())
    before = kept(folder)
    last = fields()
    escrow.stage(NAME, KEY, last)
    assert kept(folder) == before
    escrow.publish(NAME, KEY, version="")
    assert opened(current(folder), identity)["key_value"] == last["key_value"].reveal()


def test_publishing_twice_is_publishing_once(escrow: Envelopes) -> None:
    escrow.stage(NAME, KEY, fields())
    version = escrow.publish(NAME, KEY, version="")
    assert escrow.publish(NAME, KEY, version="") == version == escrow.published(NAME, KEY)


def test_a_value_that_somebody_else_kept_meanwhile_stays(escrow: Envelopes) -> None:
    for key in (KEY, NEXT_KEY):
        escrow.stage(NAME, key, fields())
    version = escrow.publish(NAME, NEXT_KEY, version="")
    with pytest.raises(RefusedError, match=rf"holds {version} by now, not nothing"):
        escrow.publish(NAME, KEY, version="")
    assert escrow.published(NAME, NEXT_KEY) == version


def test_what_was_never_staged_is_not_published(escrow: Envelopes) -> None:
    with pytest.raises(RefusedError, match="is not there"):
        escrow.publish(NAME, KEY, version="")


def test_an_earlier_version_comes_back(escrow: Envelopes, folder: Path, identity: Any) -> None:
    first = fields()
    escrow.stage(NAME, KEY, first)
    before = escrow.publish(NAME, KEY, version="")
    escrow.stage(NAME, NEXT_KEY, fields())
    escrow.publish(NAME, NEXT_KEY, version=before)
    for _ in range(2):
        escrow.restore(NAME, NEXT_KEY, version=before)
        assert escrow.published(NAME, KEY) == before
    assert opened(current(folder), identity)["key_value"] == first["key_value"].reveal()


def test_where_nothing_was_before_nothing_is_again(escrow: Envelopes) -> None:
    escrow.stage(NAME, KEY, fields())
    escrow.publish(NAME, KEY, version="")
    for _ in range(2):
        escrow.restore(NAME, KEY, version="")
        assert escrow.observe(NAME)["version"] == ""


def test_what_somebody_else_published_is_not_taken_back(escrow: Envelopes) -> None:
    for key in (KEY, NEXT_KEY):
        escrow.stage(NAME, key, fields())
    version = escrow.publish(NAME, NEXT_KEY, version="")
    escrow.restore(NAME, KEY, version="")
    assert escrow.published(NAME, NEXT_KEY) == version


def test_what_is_discarded_is_gone_from_the_disk(escrow: Envelopes, folder: Path) -> None:
    escrow.stage(NAME, KEY, fields())
    for _ in range(2):
        escrow.discard(NAME, KEY)
        assert kept(folder) == []


def test_what_is_current_is_not_discarded(escrow: Envelopes, folder: Path) -> None:
    escrow.stage(NAME, KEY, fields())
    escrow.publish(NAME, KEY, version="")
    before = kept(folder)
    escrow.discard(NAME, KEY)
    assert kept(folder) == before


def test_discarding_what_was_never_there_is_no_failure(escrow: Envelopes, folder: Path) -> None:
    escrow.discard(NAME, KEY)
    assert not folder.exists()


# A disk that fails, and people who meddle


@pytest.mark.parametrize("at", [1, 2])
def test_a_full_disk_leaves_nothing_that_looks_staged(
    escrow: Envelopes, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    from nhiscan import atomic

    plain, settled = atomic.settle, []

    def full(draft: Path, path: Path) -> None:
        settled.append(path)
        if len(settled) == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(draft, path)

    monkeypatch.setattr(atomic, "settle", full)
    with pytest.raises(UnansweredError, match="No space left"):
        escrow.stage(NAME, KEY, fields())
    with pytest.raises(RefusedError, match="is not there"):
        escrow.publish(NAME, KEY, version="")
    assert not [name for name in kept(folder) if "/." in name]
    escrow.stage(NAME, KEY, fields())
    assert escrow.publish(NAME, KEY, version="")


def test_a_folder_that_cannot_be_written_is_said(escrow: Envelopes, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its place")
    with pytest.raises(UnansweredError, match="cannot write"):
        escrow.stage(NAME, KEY, fields())


def test_a_damaged_pointer_is_refused_and_not_replaced(escrow: Envelopes, folder: Path) -> None:
    escrow.stage(NAME, KEY, fields())
    escrow.publish(NAME, KEY, version="")
    (folder / NAME / "current.json").write_text("{")
    for ask in (escrow.observe, lambda name: escrow.publish(name, KEY, version="")):
        with pytest.raises(RefusedError, match=r"cannot use .*current\.json"):
            ask(NAME)
    assert (folder / NAME / "current.json").read_text() == "{"


def test_a_version_whose_value_was_taken_away_does_not_come_back(escrow: Envelopes, folder: Path) -> None:
    escrow.stage(NAME, KEY, fields())
    before = escrow.publish(NAME, KEY, version="")
    escrow.stage(NAME, NEXT_KEY, fields())
    escrow.publish(NAME, NEXT_KEY, version=before)
    (folder / NAME / f"{before}.age").unlink()
    with pytest.raises(RefusedError, match="is not there"):
        escrow.restore(NAME, NEXT_KEY, version=before)
    assert escrow.published(NAME, NEXT_KEY)


@pytest.mark.parametrize("name", ["", "..", "../outside", "a/b", ".hidden", "a b", "a\n", "x" * 101])
def test_a_name_leads_nowhere_else(escrow: Envelopes, folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a value"):
        escrow.stage(name, KEY, fields())
    assert not folder.exists()


# With the engine


@pytest.mark.parametrize("name", ["shown once", "shown once, contained", "made by us", "in place of the old one"])
@pytest.mark.parametrize("explore", [trials.crashes, trials.rollbacks, trials.faults])
def test_no_value_is_lost_wherever_a_rotation_breaks_off(
    tmp_path: Path, identity: Any, name: str, explore: Callable[..., trials.Count]
) -> None:
    """What was staged cannot be read back, so that a new credential whose run broke off is ended and made again."""
    can, action, mode = model.CLASSES[name]
    folder = tmp_path / "escrow"

    def make(clock: trials.Clock) -> trials.World:
        shutil.rmtree(folder, ignore_errors=True)
        escrow = Escrow((str(identity.to_public()),), folder).store(CTX)
        keys = model.Keys(clock, can, model.Documents(clock))
        plan = trials.plan(
            keys,
            keys.target,
            at=clock.now,
            action=action,
            mode=mode,
            store=escrow,
            address=f"escrow:{NAME}",
            names={"secret": "VALUE"},
        )

        def look() -> trials.Truth:
            held = [opened(path, identity)["VALUE"] for path in folder.rglob("*.age")]
            stored = frozenset(id for id, key in keys.keys.items() if key.secret in held)
            is_current = bool(escrow.observe(NAME)["version"])
            works = keys.lets_in(opened(current(folder), identity)["VALUE"]) if is_current else None
            states = {id: key.state for id, key in keys.keys.items()}
            return trials.Truth(states.pop(model.OLD, "gone"), states, stored, works)

        def known() -> tuple[str, ...]:
            return tuple(key.secret for key in keys.keys.values())

        return trials.World(
            plan, {"model": keys}, {"escrow": escrow}, look, secrets=known, is_usage_made_up=can.usage != "none"
        )

    count = explore(make, tmp_path)
    assert not count.violations
    assert count.trials >= 12


# Settings


def made(**settings: Any) -> Escrow:
    found: Escrow = build(
        contract.load("escrow"), settings, where="remediation.escrow.", base=Path("/acme"), environ={}
    )
    return found


def test_the_folder_starts_where_the_settings_stand() -> None:
    assert made(recipients=["age1x"], folder="state/escrow").folder == Path("/acme/state/escrow")


@pytest.mark.parametrize(
    ("recipients", "said"),
    [
        ([], "recipients is empty"),
        (["age1nonsense"], r"recipients\[0\] is no recipient"),
        (["kim@acme.example"], r"recipients\[0\] is no recipient"),
        (["ssh-ed25519 nonsense"], r"recipients\[0\] is no recipient"),
    ],
)
def test_a_recipient_that_is_none_is_said_before_anything_is_made(recipients: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made(recipients=recipients, folder="escrow").store(CTX)


def test_a_private_key_in_the_settings_is_not_repeated(identity: Any) -> None:
    mistaken = (str(identity.to_public()), str(identity))
    with pytest.raises(ConfigError, match=r"recipients\[1\] is a private key") as refused:
        Escrow(mistaken, Path("escrow")).store(CTX)
    said = repr((refused.value, refused.value.hint, refused.value.__cause__, refused.value.__context__))
    assert str(identity)[15:] not in said


def test_escrow_rotates_nothing_itself(folder: Path) -> None:
    with pytest.raises(UnsupportedError):
        Escrow(("age1x",), folder).session(CTX)
