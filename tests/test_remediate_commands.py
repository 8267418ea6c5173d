"""Remediation from the command line: what each command shows, writes and ends with, on a provider that is a model."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Final
from unittest.mock import patch

import pytest

from nhiscan import cli, cli_remediate, ledger, moments, store
from nhiscan.errors import CollectError
from nhiscan.remediate import bundle, contract, journal
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import Capabilities
from nhiscan.remediate.plan import Consumer, Guided
from nhiscan.secret import Secret
from tests.remediation import model, recorded
from tests.remediation.recorded import APPROVERS, REQUESTER, Persons
from tests.remediation.trials import Clock

FINDING: Final = "4f2a9c81d0aa"
RULE: Final = "life-key-age-exceeded"
HOSTILE: Final = "bill\x1b[2Jing\u202e"
HOUR: Final = timedelta(hours=1)
CAN: Final = Capabilities(
    2,
    "provider",
    True,
    True,
    usage="last_used",
    usage_lag=HOUR,
    effects={"off": "whoever still uses it is refused"},
    rollback={"off": "switches it on again"},
)


@dataclass
class Ended:
    """What a command came to, as a shell sees it."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Bench:
    """A state directory with one scan, people with keys, and a provider that [remediation.model] leads to."""

    folder: Path
    who: Persons
    clock: Clock
    keys: model.Keys
    run: Callable[..., Ended]

    @property
    def state(self) -> Path:
        return self.folder / ".nhiscan"

    @property
    def plan(self) -> plans.Plan:
        return plans.read(self.folder / "plan.json")

    def key(self, mail: str) -> tuple[str, str]:
        return "--key", str(self.who.files[mail])

    def planned(self, *words: str) -> Ended:
        stored = () if "revoke" in words else ("--store", "kv:acme/billing", "--as", "id=id", "--as", "secret=secret")
        asked = ("--finding", FINDING, "--reason", "CHG-1", *self.key(REQUESTER))
        return self.run("remediate", "plan", *asked, *stored, *words)

    def agreed(self, decision: str, *mails: str) -> None:
        for mail in mails:
            ran = self.run("remediate", "approve", "plan.json", "--step", decision, "--reason", "ok", *self.key(mail))
            assert ran.code == 0, ran.err

    def done(self) -> Ended:
        """Runs it to its end, waiting as long as it takes."""
        self.agreed(str(self.plan.operations[0].steps[0].decision), *APPROVERS)
        ended = self.run("remediate", "apply", "plan.json", "--execute")
        for _ in range(8):
            if ended.code != 10:
                return ended
            self.clock.wait(26 * 3600)
            for decision in ("off", "delete"):
                self.agreed(decision, *APPROVERS)
            ended = self.run("remediate", "resume", self.plan.plan_id, "--execute")
        raise AssertionError(ended.out)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    clock = Clock()
    keys = model.Keys(clock, CAN, model.Documents(clock, delays=(timedelta(minutes=5),)))

    @dataclass(frozen=True)
    class Model:
        token: Secret

        name: ClassVar[str] = "model"
        permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {"key": {"off": ("keys:off",)}}
        stores: ClassVar[tuple[str, ...]] = ("kv",)

        def session(self, ctx: object) -> model.Keys:
            if self.token.reveal() == "expired-token":
                raise CollectError(f"model: {self.token.reveal()} is not let in", hint="renew it")
            return keys

        def store(self, ctx: object) -> model.Documents:
            return keys.kept

    who = recorded.persons(tmp_path)
    (tmp_path / "nhiscan.toml").write_text(
        f'[company]\nname = "Acme"\n[remediation.model]\ntoken = "env:MODEL_TOKEN"\n{who.settings()}'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_TOKEN", "correct-horse-battery")
    monkeypatch.setattr(contract, "load", lambda name: Model)
    monkeypatch.setattr(cli_remediate, "now", clock.now)
    passing = SimpleNamespace(monotonic=lambda: clock.at.timestamp(), sleep=clock.wait)
    monkeypatch.setattr(cli_remediate, "time", passing)

    def run(*words: str) -> Ended:
        capfd.readouterr()
        with patch.object(sys, "argv", ["nhiscan", *words]), pytest.raises(SystemExit) as ended:
            cli.main()
        told = capfd.readouterr()
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return Ended(ended.value.code or 0, told.out, told.err)

    publish(tmp_path / ".nhiscan", clock)
    return Bench(tmp_path, who, clock, keys, run)


def publish(state: Path, clock: Clock, *, is_live: bool = True) -> str:
    """A scan of the model, without the key where that is gone."""
    scan_id = store.new_scan_id(clock.at)
    at = moments.naive(clock.at)
    with store.locked(state), store.Build(state, scan_id) as build:
        con = build.con
        con.execute(
            "insert into scans (scan_id, as_of, started_at, finished_at, is_complete) values (?, ?, ?, ?, true)",
            [scan_id, at, at, at],
        )
        con.execute(
            "insert into identities (identity_key, identity_id, provider, tenant_id, kind, name, native_id, status) "
            "values (1, 'model:acme:user/u', 'model', 'model:acme', 'service_account', ?, 'u', 'enabled')",
            [HOSTILE],
        )
        con.execute(
            "insert into coverage (tenant_id, dataset, status) values ('model:acme', 'credentials', 'complete')"
        )
        if is_live:
            con.execute(
                "insert into credentials (credential_key, credential_id, identity_key, provider, tenant_id, kind, "
                "native_id, status) values (1, ?, 1, 'model', 'model:acme', 'key', ?, 'active')",
                [model.TARGET.thing_id, model.OLD],
            )
            con.execute(
                "insert into findings (finding_id, rule_id, subject_kind, subject_id, subject_name, provider, "
                "tenant_id, outcome, status, message) "
                "values (?, ?, 'credential', ?, ?, 'model', 'model:acme', 'fail', 'open', ?)",
                [FINDING, RULE, model.TARGET.thing_id, HOSTILE, f"the key of {HOSTILE} is old"],
            )
        build.publish()
        store.log_run(state, {"scan_id": scan_id, "event": "published", "at": clock.at.isoformat()})
    return scan_id


def test_a_plan_says_all_that_whoever_agrees_has_to_know(bench: Bench) -> None:
    ran = bench.planned()
    assert ran.code == 0, ran.err
    for said in (
        "rotate key key-old",
        "the new one goes to kv:acme/billing: id as id, secret as secret",
        "create: needs 1 person to agree to 'start', not who asked for the plan",
        "quiet: waits 1 day without use",
        "outage: whoever still uses it is refused",
        "taken back: switches it on again",
        "permissions: keys:off",
        "delete: needs 2 persons to agree to 'delete'",
        "cannot be taken back",
    ):
        assert said in ran.out
    assert "nothing was changed" in ran.err
    assert bench.keys.keys.keys() == {model.OLD}


def test_a_plan_says_what_a_person_does_where_somebody_else_changes_what_it_rests_on(bench: Bench) -> None:
    bench.keys.can = replace(CAN, changed={"version": "put it back"})
    ran = bench.planned()
    assert "where somebody changes its version meanwhile: put it back" in ran.out


def test_names_of_strangers_do_nothing_to_a_terminal(bench: Bench) -> None:
    ran = bench.planned()
    assert "bill\\u001b[2Jing\\u202e" in ran.out
    assert {"\x1b", "\u202e"}.isdisjoint(ran.out + ran.err)


def test_a_plan_in_json_is_the_plan_file(bench: Bench) -> None:
    ran = bench.planned("--json")
    assert ran.out == (bench.folder / "plan.json").read_text()
    assert ran.json["schema_version"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--finding", FINDING, "--offboarding", "x"), "either --finding or --offboarding"),
        (("--finding", FINDING, "--as", "id=x"), "needs --store"),
        (("--finding", FINDING, "--finding", "4f2a9c81d1bb", "--store", "kv:a"), "goes with one --finding"),
        (("--finding", FINDING, "--store", "kv:a", "--as", "id"), "not of the form NAME=VALUE"),
        (("--finding", FINDING, "--grace", "soon"), "no time span"),
        (("--finding", "4f2a9c81d1bb"), "is not in the current scan"),
    ],
)
def test_what_cannot_be_planned_is_said(bench: Bench, words: tuple[str, ...], says: str) -> None:
    ran = bench.run("remediate", "plan", "--reason", "x", *bench.key(REQUESTER), *words)
    assert ran.code == 2
    assert says in ran.err
    assert not (bench.folder / "plan.json").exists()


def test_a_key_is_rotated_from_the_plan_to_the_evidence(bench: Bench) -> None:
    assert bench.planned().code == 0
    looked = bench.run("remediate", "apply", "plan.json")
    assert looked.code == 0
    assert "would do: create, stage, verify, publish, quiet, off, observe, delete, prove" in looked.out
    assert "would wait: one person has to agree to 'start'" in looked.out
    assert "nothing was changed" in looked.err
    assert bench.keys.keys.keys() == {model.OLD}

    waiting = bench.run("remediate", "apply", "plan.json", "--execute")
    assert waiting.code == 10
    assert "start is not agreed" in waiting.out
    assert "next: nhiscan remediate approve" in waiting.err

    closed = bench.done()
    assert closed.code == 0, closed.out
    assert "closed is what the provider answered; a fresh scan proves it" in closed.err
    assert model.OLD not in bench.keys.keys
    (new,) = bench.keys.keys.values()
    assert bench.keys.kept.versions[-1]["secret"].reveal() == new.secret

    exported = bench.run("evidence", "export", bench.plan.plan_id, "-o", "e.zip", *bench.key(APPROVERS[0]))
    assert exported.code == 0, exported.err
    verified = bench.run("evidence", "verify", "e.zip")
    assert verified.code == 0, verified.out
    assert "scan after: not checked: no scan after it yet" in verified.out
    bench.clock.wait(3600)
    publish(bench.state, bench.clock, is_live=False)
    bench.run("evidence", "export", bench.plan.plan_id, "-o", "e.zip", *bench.key(APPROVERS[0]))
    verified = bench.run("evidence", "verify", "e.zip")
    assert verified.code == 0, verified.out
    assert f"{model.TARGET.thing_id}: not listed, and credentials of model:acme was read completely" in verified.out
    written = b"".join(file.read_bytes() for file in bench.folder.rglob("*") if file.is_file())
    assert new.secret.encode() not in written
    assert b"correct-horse-battery" not in written


def test_one_person_is_not_enough_to_delete(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    ran = bench.run("remediate", "approve", "plan.json", "--step", "delete", "--reason", "ok", *bench.key(APPROVERS[0]))
    assert ran.code == 0
    assert "agrees to 'delete' of every operation" in ran.out
    assert "not enough yet: 2 persons have to agree" in ran.err


def test_who_agrees_to_off_is_shown_the_outage_and_the_use_as_it_is_now(bench: Bench) -> None:
    bench.planned()
    bench.clock.wait(2 * 3600)
    ran = bench.run("remediate", "approve", "plan.json", "--step", "off", "--reason", "ok", *bench.key(APPROVERS[0]))
    assert "outage to expect: whoever still uses it is refused" in ran.err
    assert "use now: last used 2026-03-02 10:00; it is live" in ran.err


def test_who_agrees_without_access_to_the_provider_is_told_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.planned()
    monkeypatch.setenv("MODEL_TOKEN", "expired-token")
    ran = bench.run("remediate", "approve", "plan.json", "--step", "off", "--reason", "ok", *bench.key(APPROVERS[0]))
    assert ran.code == 0
    assert "use now: not known: model: *** is not let in" in ran.err


def test_who_is_taken_out_while_a_run_lasts_does_not_count_any_more(bench: Bench) -> None:
    bench.planned("--action", "revoke", "--observe", "0s")
    bench.agreed("off", *APPROVERS)
    bench.agreed("delete", *APPROVERS)
    off = bench.keys.effect

    def and_one_leaves(*words: Any, **more: Any) -> Any:
        file = bench.folder / "nhiscan.toml"
        file.write_text(file.read_text().replace(APPROVERS[1], "somebody.else@acme.example"))
        return off(*words, **more)

    bench.keys.effect = and_one_leaves  # type: ignore[method-assign]
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 10, ran.out
    assert "delete is not agreed" in ran.out
    assert f"{APPROVERS[1]} is not listed" in ran.out
    assert bench.keys.keys[model.OLD].state == "off"


def test_who_asks_cannot_agree(bench: Bench) -> None:
    bench.planned()
    ran = bench.run("remediate", "approve", "plan.json", "--step", "start", "--reason", "ok", *bench.key(REQUESTER))
    assert ran.code == 2
    assert "cannot agree to it" in ran.err


def edit(bench: Bench) -> None:
    file = bench.folder / "plan.json"
    file.write_text(file.read_text().replace('"why": "the key', '"why": "The key'))


def expire(bench: Bench) -> None:
    bench.clock.wait(25 * 3600)


@pytest.mark.parametrize(("change", "says"), [(edit, "was edited"), (expire, "expired at")])
@pytest.mark.parametrize("words", [("apply", "plan.json"), ("apply", "plan.json", "--execute")])
def test_a_plan_that_does_not_hold_is_refused(
    bench: Bench, change: Callable[[Bench], None], says: str, words: tuple[str, ...]
) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    change(bench)
    ran = bench.run("remediate", *words)
    assert ran.code == 2
    assert says in ran.err
    assert bench.keys.keys.keys() == {model.OLD}


@pytest.mark.parametrize("words", [("apply", "plan.json"), ("apply", "plan.json", "--execute")])
def test_a_plan_that_waited_for_people_expires_as_any_that_nothing_was_done_by(
    bench: Bench, words: tuple[str, ...]
) -> None:
    bench.planned()
    assert bench.run("remediate", "apply", "plan.json", "--execute").code == 10
    expire(bench)
    ran = bench.run("remediate", *words)
    assert (ran.code, "expired at" in ran.err) == (2, True)


def asked_otherwise(bench: Bench, **changes: Any) -> None:
    """The plan as its requester could have written and signed it by hand."""
    made = bench.plan
    (operation,) = made.operations
    operation = replace(operation, **changes)
    persons = plans.persons("off", is_partner_owned=operation.is_partner_owned, is_privileged=operation.is_privileged)
    steps = tuple(replace(step, persons=persons) if step.step == "off" else step for step in operation.steps)
    made = replace(made, operations=(replace(operation, steps=steps),))
    plans.write(bench.folder / "plan.json", plans.signed(made, bench.who.signer(REQUESTER)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"is_privileged": False}, "a partner's or privileged, and the plan says it is not"),
        ({"target": replace(model.TARGET, native_id="key-of-production")}, "its target is not as the scan knows it"),
        ({"target": replace(model.TARGET, thing_id="model:acme:key/new")}, "the scan holds no such target"),
        ({"adapter": "other"}, "its target is not as the scan knows it"),
        ({"consumers": (Consumer("use", "a network of ours", None, "harmless"),)}, "who uses its target"),
        ({"reach": ("nothing",)}, "who uses its target"),
    ],
)
def test_a_requester_who_signs_what_the_scan_does_not_say_is_refused(
    bench: Bench, changes: dict[str, Any], says: str
) -> None:
    bench.planned("--action", "revoke")
    asked_otherwise(bench)
    bench.agreed("off", *APPROVERS)  # the plan that is not changed holds
    asked_otherwise(bench, **changes)
    approve = ("approve", "plan.json", "--step", "off", "--reason", "ok", *bench.key(APPROVERS[0]))
    for words in (approve, ("apply", "plan.json"), ("apply", "plan.json", "--execute")):
        ran = bench.run("remediate", *words)
        assert ran.code == 2, ran.out
        assert says in ran.err
    assert bench.keys.keys[model.OLD].state == "live"


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"usage": "none"}, "usage is last_used, it was none"), ({"usage_lag": timedelta(0)}, "usage_lag is 1:00:00")],
)
@pytest.mark.parametrize("words", [(), ("--execute",)])
def test_a_requester_who_signs_away_the_watch_on_use_is_refused(
    bench: Bench, changes: dict[str, Any], says: str, words: tuple[str, ...]
) -> None:
    bench.planned()
    asked_otherwise(bench, capabilities=replace(CAN, **changes))
    bench.agreed("start", APPROVERS[0])
    ran = bench.run("remediate", "apply", "plan.json", *words)
    assert (ran.code, says in ran.out + ran.err) == (2, True)
    assert bench.keys.keys.keys() == {model.OLD}


def test_the_outage_that_somebody_agrees_to_is_the_one_the_adapter_tells(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    asked_otherwise(bench, capabilities=replace(CAN, effects={"off": "nobody notices"}))
    ran = bench.run("remediate", "approve", "plan.json", "--step", "off", "--reason", "ok", *bench.key(APPROVERS[0]))
    assert "outage to expect: whoever still uses it is refused" in ran.err
    assert "outage to expect: nobody notices" not in ran.err


def test_without_the_scan_of_a_plan_one_agrees_at_ones_own_risk_and_nobody_carries_it_out(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    (bench.state / "scans").rename(bench.state / "elsewhere")
    approve = ("approve", "plan.json", "--step", "off", "--reason", "ok", *bench.key(APPROVERS[0]))
    agreed = bench.run("remediate", *approve)
    assert agreed.code == 0
    assert "not checked: " in agreed.err
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 2
    assert f"does not hold scan '{bench.plan.scan_id}'" in ran.err


def test_who_agrees_reads_who_asks_and_why(bench: Bench) -> None:
    bench.planned()
    ran = bench.run("remediate", "approve", "plan.json", "--step", "start", "--reason", "ok", *bench.key(APPROVERS[0]))
    assert f"routine, by {REQUESTER}" in ran.err
    assert "reason: CHG-1" in ran.err


def test_a_world_that_is_another_by_now_is_shown_and_refused(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    bench.agreed("off", *APPROVERS)
    bench.keys.set(model.OLD, "off")
    looked = bench.run("remediate", "apply", "plan.json")
    assert looked.code == 2
    assert "differs: the target" in looked.out
    assert "would do nothing" in looked.out
    assert bench.run("remediate", "apply", "plan.json", "--json").json["operations"][0]["differs"]
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 2
    assert "somebody changed" in ran.err


def test_a_credential_that_is_not_let_in_ends_with_3_and_is_not_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.planned()
    monkeypatch.setenv("MODEL_TOKEN", "expired-token")
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 3
    assert "model: *** is not let in" in ran.err


def test_one_applier_at_a_time(bench: Bench) -> None:
    bench.planned()
    with journal.held(bench.state / "remediation"):
        ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 4


def test_the_scanners_credential_is_not_taken(bench: Bench) -> None:
    bench.planned()
    file = bench.folder / "nhiscan.toml"
    file.write_text(file.read_text() + '[collectors.model]\ntoken = "env:MODEL_TOKEN"\n')
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 2
    assert "remediation.model.token is the credential of collectors.model.token" in ran.err


def test_what_needs_a_human_ends_with_11(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    (bench.state / "remediation" / "STOP").touch()
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 11
    assert "STOP is there: nothing is changed until somebody removes it" in ran.out
    assert bench.keys.keys.keys() == {model.OLD}
    (bench.state / "remediation" / "STOP").unlink()
    assert bench.run("remediate", "resume", bench.plan.plan_id, "--execute").code == 10


def test_what_was_begun_is_taken_back(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    assert bench.run("remediate", "apply", "plan.json", "--execute").code == 10
    assert len(bench.keys.keys) == 2
    looked = bench.run("remediate", "rollback", bench.plan.plan_id)
    assert looked.code == 0
    assert "operation 1: would be taken back" in looked.out
    assert bench.run("remediate", "rollback", bench.plan.plan_id, "--json").json["operations"][0]["takes_back"] == [
        "publish",
        "stage",
        "create",
    ]
    assert len(bench.keys.keys) == 2
    ended = bench.run("remediate", "rollback", bench.plan.plan_id, "--execute")
    while ended.code == 10:
        bench.clock.wait(26 * 3600)
        ended = bench.run("remediate", "rollback", bench.plan.plan_id, "--execute")
    assert ended.code == 12, ended.out
    assert bench.keys.keys.keys() == {model.OLD}


def test_a_closed_operation_of_an_offboarding_says_how_its_step_is_marked(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    (operation,) = bench.plan.operations
    made = recorded.edited(bench.plan, offboarding_id="O-1", partner_id="P-1", operations=(replace(operation, step=3),))
    plans.write(bench.folder / "plan.json", plans.signed(made, bench.who.signer(REQUESTER)))
    ran = bench.done()
    assert ran.code == 0
    shown = f"nhiscan partner offboard P-1 --done 3 --by MAIL --evidence {made.plan_id}.zip (marks the step)"
    assert shown in ran.err
    assert "nhiscan partner verify P-1" in ran.err
    assert list(ledger.records(bench.state)) == []  # nothing is marked by itself


def test_each_command_to_go_on_with_is_of_the_same_settings(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "nhiscan.toml").rename(bench.folder / "of acme's.toml")
    settings = ("-c", "of acme's.toml")
    given = shlex.join(settings)
    assert f"next: nhiscan remediate approve plan.json --step start {given} (" in bench.planned(*settings).err
    waiting = bench.run("remediate", "apply", "plan.json", "--execute", *settings)
    assert f"next: nhiscan remediate approve {bench.plan.plan_id} --step start {given} (" in waiting.err
    monkeypatch.setenv("NHISCAN_CONFIG", settings[1])  # of this shell, and of no other that a line is copied to
    bench.agreed("start", APPROVERS[0])
    begun = bench.run("remediate", "apply", "plan.json", "--execute", "--max-items", "3")
    assert f"next: nhiscan remediate resume {bench.plan.plan_id} --execute --max-items 3 {given} (" in begun.err
    (bench.state / "remediation" / "STOP").touch()
    stopped = bench.run("remediate", "resume", bench.plan.plan_id, "--execute")
    assert f"next: nhiscan remediate resume {bench.plan.plan_id} --execute {given} (" in stopped.err
    assert f"next: nhiscan remediate rollback {bench.plan.plan_id} {given} (" in stopped.err
    (bench.state / "remediation" / "STOP").unlink()
    closed = bench.done()
    assert f"next: nhiscan scan {given} (" in closed.err
    assert f"-o {bench.plan.plan_id}.zip {given} (" in closed.err


def by_hand(bench: Bench, number: int) -> None:
    """One task by hand in the plan; it is all that the plan holds where its number is 1."""
    task = Guided(number, "app", "x", "model", "why", (), "switch it off", (), "Settings")
    made = recorded.edited(bench.plan, operations=bench.plan.operations[: number - 1], guided=(task,))
    plans.write(bench.folder / "plan.json", plans.signed(made, bench.who.signer(REQUESTER)))


def test_tasks_by_hand_alone_are_never_told_as_done(bench: Bench) -> None:
    bench.planned()
    by_hand(bench, 1)
    for words, code in ((("apply", "plan.json"), 0), (("apply", "plan.json", "--execute"), 11), (("status",), 0)):
        ran = bench.run("remediate", *words)
        assert ran.code == code, words
        assert "1 task by hand, which the next scan confirms" in ran.out
        assert "closed" not in ran.out + ran.err
        assert "--execute" not in ran.err
    told = bench.run("remediate", "apply", "plan.json", "--execute", "--json").json
    assert (told["state"], told["exit_code"]) == ("human", 11)


def test_a_plan_is_not_done_as_long_as_tasks_by_hand_are_left(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    by_hand(bench, 2)
    ran = bench.done()
    assert ran.code == 11
    assert "needs a human: 1 of 2 items are left to people, by hand" in ran.out
    assert "revoke key key-old of bill\\u001b[2Jing\\u202e: closed" in ran.out
    assert "resume" not in ran.err
    bench.run("evidence", "export", bench.plan.plan_id, "-o", "e.zip", *bench.key(APPROVERS[0]))
    assert "by hand: not checked: 1 of 2 items" in bench.run("evidence", "verify", "e.zip").out


def test_status_tells_every_plan_and_what_it_waits_for(bench: Bench) -> None:
    assert "no plan was approved or begun" in bench.run("remediate", "status").err
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    bench.run("remediate", "apply", "plan.json", "--execute")
    assert "waiting at quiet" in bench.run("remediate", "status").out
    (told,) = bench.run("remediate", "status", "--json").json["plans"]
    assert told["plan_id"] == bench.plan.plan_id
    assert told["operations"][0]["state"] == "waiting"
    assert told["operations"][0]["until"]


def test_a_plan_that_cannot_be_read_does_not_hide_the_others(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    broken = bench.state / "remediation" / "20260101T000000Z-0000"
    broken.mkdir()
    (broken / "plan.json").write_text("{}")
    for words in ((), ("--json",)):
        ran = bench.run("remediate", "status", *words)
        assert ran.code == 2
        assert "20260101T000000Z-0000/plan.json: schema_version is None" in ran.err
        assert bench.plan.plan_id in ran.out


def test_what_another_version_wrote_does_nothing_to_a_terminal(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    assert bench.run("remediate", "apply", "plan.json", "--execute").code == 10
    with (
        patch.dict(journal.KINDS, {HOSTILE: frozenset()}),
        journal.opened(bench.state / "remediation" / bench.plan.plan_id, clock=bench.clock.now) as book,
    ):
        book.append(HOSTILE, 1)
    for words in (("status",), ("rollback", bench.plan.plan_id), ("apply", "plan.json", "--execute")):
        ran = bench.run("remediate", *words)
        assert "another version of nhiscan wrote record" in ran.out
        assert {"\x1b", "\u202e"}.isdisjoint(ran.out + ran.err)


def documented() -> set[str]:
    text = (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
    return set(re.findall(r"`(\w+)`", text.partition("# The JSON of remediation")[2]))


def keys(told: object) -> set[str]:
    if isinstance(told, dict):
        return set(told).union(*map(keys, told.values()))
    return set().union(*map(keys, told)) if isinstance(told, list) else set()


def test_every_key_of_the_json_is_documented(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    bench.run("evidence", "export", bench.plan.plan_id, "-o", "e.zip")
    found = set()
    for words in (
        ("remediate", "apply", "plan.json", "--json"),
        ("remediate", "apply", "plan.json", "--execute", "--json"),
        ("remediate", "rollback", bench.plan.plan_id, "--json"),
        ("remediate", "status", "--json"),
        ("evidence", "verify", "e.zip", "--json"),
    ):
        told = bench.run(*words).json
        assert told["schema_version"] == 1
        found |= keys(told)
    assert found - documented() == set()


def test_status_follows_until_the_end(bench: Bench) -> None:
    bench.planned()
    assert bench.done().code == 0
    ran = bench.run("remediate", "status", bench.plan.plan_id, "--follow")
    assert ran.code == 0
    assert "closed" in ran.out


@pytest.mark.parametrize("name", ["20260101T000000Z-0000", "../../etc", "plan.json"])
def test_a_plan_that_is_not_there_is_said(bench: Bench, name: str) -> None:
    ran = bench.run("remediate", "status", name)
    assert ran.code == 2


def test_a_plan_whose_id_leads_elsewhere_is_refused(bench: Bench) -> None:
    bench.planned()
    made = plans.signed(recorded.edited(bench.plan, plan_id="../outside"), bench.who.signer(REQUESTER))
    plans.write(bench.folder / "plan.json", made)
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 2
    assert "plan_id is none" in ran.err
    assert not (bench.state / "outside").exists()


def test_another_plan_with_the_same_id_is_not_put_over_the_first(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    made = plans.signed(recorded.edited(bench.plan, reason="another"), bench.who.signer(REQUESTER))
    plans.write(bench.folder / "plan.json", made)
    ran = bench.run("remediate", "apply", "./plan.json", "--execute")
    assert ran.code == 2
    assert "is another plan with the same id" in ran.err


def test_a_plan_that_was_put_beside_the_journal_of_another_is_told_nowhere(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    assert bench.run("remediate", "apply", "plan.json", "--execute").code == 10
    made = plans.signed(recorded.edited(bench.plan, reason="another"), bench.who.signer(REQUESTER))
    plans.write(bench.state / "remediation" / bench.plan.plan_id / "plan.json", made)
    of = bench.plan.plan_id
    for words in (("status",), ("resume", of), ("rollback", of), ("resume", of, "--execute")):
        ran = bench.run("remediate", *words)
        assert (ran.code, ran.out) == (2, "")
        assert "is of another plan with the same id" in ran.err


def test_an_interrupt_lets_what_is_under_way_end_and_says_how_to_go_on(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    create = bench.keys.effect

    def interrupted(*words: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return create(*words, **more)

    bench.keys.effect = interrupted  # type: ignore[method-assign]
    ran = bench.run("remediate", "apply", "plan.json", "--execute")
    assert ran.code == 130
    assert f"nhiscan remediate resume {bench.plan.plan_id} --execute" in ran.err
    said = [(one.kind, one.step) for one in journal.read(bench.state / "remediation" / bench.plan.plan_id)]
    assert ("done", "create") in said
    assert ("intent", "stage") not in said or ("done", "stage") in said
    bench.keys.effect = create  # type: ignore[method-assign]
    assert bench.run("remediate", "resume", bench.plan.plan_id, "--execute").code == 10


def test_a_second_interrupt_ends_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell lets what it runs in the background ignore it
    with pytest.raises(KeyboardInterrupt), cli_remediate._stoppable():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_bundle_says_whether_a_scan_shows_that_the_target_is_gone(bench: Bench) -> None:
    bench.planned("--action", "revoke")
    bench.done()
    bench.clock.wait(60)
    for is_live, says in ((True, "it proves nothing gone"), (False, "a scan shows every target off or gone")):
        publish(bench.state, bench.clock, is_live=is_live)
        file = f"{is_live}.zip"
        assert bench.run("evidence", "export", bench.plan.plan_id, "-o", file, *bench.key(APPROVERS[0])).code == 0
        ran = bench.run("evidence", "verify", file)
        assert (ran.code, ran.out.splitlines()[-1]) == (0, f"verified; {says}")
        assert bench.run("evidence", "verify", file, "--json").json["is_proven"] is not is_live
        bench.clock.wait(60)


def test_a_bundle_that_was_changed_ends_with_1(bench: Bench) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    assert "it is unsigned" in bench.run("evidence", "export", bench.plan.plan_id, "-o", "e.zip").err
    assert "the bundle as a whole is not signed" in bench.run("evidence", "verify", "e.zip").out
    file = bench.folder / "e.zip"
    file.write_bytes(file.read_bytes().replace(b"CHG-1", b"CHG-2"))
    ran = bench.run("evidence", "verify", "e.zip")
    assert ran.code == 1
    assert ran.out.endswith("NOT verified\n")
    told = bench.run("evidence", "verify", "e.zip", "--json").json
    assert (told["schema_version"], told["is_signed"], told["exit_code"]) == (1, False, 1)


def test_somebody_without_our_settings_verifies_with_the_public_key(bench: Bench, tmp_path: Path) -> None:
    bench.planned()
    bench.agreed("start", APPROVERS[0])
    bench.run("evidence", "export", bench.plan.plan_id, "-o", "e.zip", *bench.key(APPROVERS[0]))
    for number, code in ((1, 0), (2, 1)):
        (tmp_path / "key.pub").write_text(bench.who.listed[number].key)
        ran = bench.run("evidence", "verify", "e.zip", "-c", "none.toml", "--key-public", "key.pub")
        assert ran.code == code, ran.out
    assert bench.run("evidence", "verify", "e.zip", "-c", "none.toml").code == 2
    assert bench.run("evidence", "verify", "none.zip").code == 1
    assert b"CHG-1" in bundle.unpacked((bench.folder / "e.zip").read_bytes())["plan.json"]
