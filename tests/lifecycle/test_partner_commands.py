"""The commands that cut a partner off and verify it, over scans of a company whose systems a test changes."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import io
import json
import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click.testing
import duckdb
import pytest

from nhiscan import cli_partner, ledger, narrow, rule, store
from nhiscan.errors import ConfigError, NhiscanError, QueryError
from nhiscan.lifecycle import offboard, verify
from nhiscan.lifecycle.decisions import RefusedError
from nhiscan.model import Offboarding, OffboardingStep, Tenant
from tests.commands import run
from tests.lifecycle.json_page import documented, printed
from tests.lifecycle.year_estate import DANA, ERIKA, ROLE, SECRET, USER, VAULT, World

Run = Callable[..., click.testing.Result]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nordwind's contract ended three days ago."""
    made = World(tmp_path, today=date(2025, 7, 3))
    monkeypatch.setattr(cli_partner, "now", lambda: made.now)
    monkeypatch.setattr(rule, "load", list)  # what they find is not asked here, and takes long
    return made


@pytest.fixture
def told(world: World) -> Run:
    """A command about Nordwind, after a scan."""
    world.scan()
    return lambda word, *words: run("partner", word, "P-1", *words, "-c", str(world.folder / "nhiscan.toml"))


def refused(result: click.testing.Result, kind: type[NhiscanError] = ConfigError) -> NhiscanError:
    assert isinstance(result.exception, kind), result.output
    return result.exception


def plan(result: click.testing.Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def lists(result: click.testing.Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == found["exit_code"]
    return found


def offboarded(world: World) -> None:
    """All was taken back a day later, and two days later a scan looks."""
    world.keys, world.has_role, world.has_approle, world.is_dana_enabled = {}, False, False, False
    world.secret_changed = world.today + timedelta(days=1)
    world.today += timedelta(days=2)
    world.scan()


def taken_back(world: World) -> None:
    """On the next day somebody writes down that the partner cannot get in any more."""
    world.today += timedelta(days=1)
    done = [
        dataclasses.replace(step, done_at=world.now, done_by=ERIKA, evidence="CHG-1", register_row=None)
        for step in written(world, OffboardingStep)
        if step.action in offboard.ACCESS
    ]
    ledger.append(world.folder / ".nhiscan", done, at=world.now, by=ERIKA)


def written(world: World, kind: type) -> list[Any]:
    return [record for record in ledger.records(world.folder / ".nhiscan") if isinstance(record, kind)]


@pytest.mark.parametrize("word", ["offboard", "verify"])
def test_what_a_command_prints_can_go_into_a_file(told: Run, tmp_path: Path, word: str) -> None:
    file = tmp_path / "told.txt"

    result = told(word, "-o", str(file))

    assert (result.stdout, result.stderr) == ("", f"wrote {file}\n")
    assert file.read_text(encoding="utf-8") == told(word).stdout


def test_a_plan_shuts_the_doors_first_and_names_command_owner_and_deadline(told: Run) -> None:
    tasks = plan(told("offboard", "--json"))["tasks"]

    order = ["revoke_access", "remove_delegation", "rotate_shared_secret", "close_integration", "return_data", "notify"]
    actions = [task["action"] for task in tasks]
    assert actions == sorted(actions, key=order.index)
    assert {task["target_id"] for task in tasks} >= {USER, ROLE, DANA, SECRET}
    user = next(task for task in tasks if task["target_id"] == USER)
    assert any("aws iam put-user-policy --user-name nordwind-etl" in line for line in user["commands"])
    assert user["owner"] == ERIKA
    assert user["due_at"] == "2025-07-03T00:00:00+00:00"  # the contract's 48 hours after its last day
    secret = next(task for task in tasks if task["target_id"] == SECRET)
    assert secret["due_at"] == "2025-07-06T06:00:00+00:00"


def test_a_plan_alone_writes_nothing_down_and_opening_twice_opens_once(world: World, told: Run) -> None:
    told("offboard")
    assert written(world, Offboarding) == []

    first = plan(told("offboard", "--open", "--by", ERIKA, "--json"))
    again = plan(told("offboard", "--open", "--by", ERIKA, "--json"))

    assert len(written(world, Offboarding)) == 1
    assert len(written(world, OffboardingStep)) == len(first["tasks"]) == len(again["tasks"])


def test_a_step_that_is_marked_as_done_and_still_lives_says_so(told: Run) -> None:
    told("offboard", "--open", "--by", ERIKA)

    result = told("offboard", "--done", "1", "--by", ERIKA, "--evidence", "CHG-1")

    assert result.exit_code == 0
    assert f"done 2025-07-03 06:00 by {ERIKA}; it still lives" in result.stdout


def test_an_offboarding_is_closed_only_when_each_step_is_done(world: World, told: Run) -> None:
    steps = plan(told("offboard", "--open", "--by", ERIKA, "--json"))["tasks"]
    assert "nobody has marked as done" in str(refused(told("offboard", "--close", "--by", ERIKA)))

    for step in steps:
        told("offboard", "--done", str(step["step"]), "--by", ERIKA, "--evidence", "CHG-1")

    end = told("offboard", "--close", "--by", ERIKA)
    assert end.exit_code == 0
    assert " is closed: contract C-1" in end.stdout
    assert written(world, Offboarding)[0].closed_at == world.now


def test_closing_what_no_contracts_end_opened_is_no_error(world: World) -> None:
    world.row("contracts", "C-1").update(status="active", end=None, auto_renew="yes")
    world.scan()
    words = ("partner", "offboard", "P-1", "--by", ERIKA, "-c", str(world.folder / "nhiscan.toml"))
    steps = plan(run(*words, "--due", "2025-08-01", "--open", "--json"))["tasks"]
    for step in steps:
        run(*words, "--done", str(step["step"]), "--evidence", "CHG-1")

    assert plan(run(*words, "--close", "--json"))["offboarding"]["closed_at"]


@pytest.mark.parametrize(("words", "says"), [
    (("--open",), "--by"),
    (("--done", "1", "--by", ERIKA), "--evidence"),
    (("--open", "--close", "--by", ERIKA), "exclude"),
    (("--json", "--csv"), "exclude"),
])  # fmt: skip
def test_options_that_lack_something_are_usage_errors(told: Run, words: tuple[str, ...], says: str) -> None:
    result = told("offboard", *words)

    assert result.exit_code == 2
    assert says in result.output + result.stderr


def test_a_contract_that_ended_without_a_day_stops_the_plan_until_somebody_says_by_when(world: World) -> None:
    world.row("contracts", "C-1").update(status="terminated", end=None)
    world.scan()
    config = ("-c", str(world.folder / "nhiscan.toml"))

    error = refused(run("partner", "offboard", "P-1", *config))
    assert "C-1 was terminated" in error.message
    assert "no day that could be read" in error.message
    assert "terminated_on" in error.hint

    assert run("partner", "offboard", "P-1", "--due", "2025-08-01", *config).exit_code == 0


def test_an_offboarding_of_the_register_is_taken_and_marked_there(world: World) -> None:
    world.add("offboardings", offboarding_id="O-1", partner_id="P-1", contract_id="C-1", opened_at=datetime(2025, 7, 2))
    world.add("offboarding_steps", offboarding_id="O-1", step=1, action="revoke_access", target_id=USER)
    world.scan()
    config = ("-c", str(world.folder / "nhiscan.toml"))

    found = plan(run("partner", "offboard", "P-1", "--json", *config))

    assert found["offboarding"]["offboarding_id"] == "O-1"
    assert [task["step"] for task in found["tasks"] if task["target_id"] == USER] == [1]
    done = run("partner", "offboard", "P-1", "--done", "1", "--by", ERIKA, "--evidence", "X", *config)
    assert "stands in the register" in refused(done).message


def test_an_offboarding_that_is_to_be_closed_some_day_is_open(world: World) -> None:
    day, some_day = datetime(2025, 7, 2), datetime(2031, 1, 1)
    world.add("offboardings", offboarding_id="O-1", partner_id="P-1", opened_at=day, closed_at=some_day)
    world.add("offboarding_steps", offboarding_id="O-1", step=1, action="notify", done_at=some_day)
    world.scan()
    words = ("partner", "offboard", "P-1", "-c", str(world.folder / "nhiscan.toml"))

    assert plan(run(*words, "--json"))["offboarding"]["offboarding_id"] == "O-1"
    assert "done 2031" not in run(*words).stdout


def test_an_offboarding_without_an_opening_day_is_a_stated_gap(world: World) -> None:
    world.add("offboardings", offboarding_id="O-1", partner_id="P-1", contract_id=None, opened_at=None)
    world.scan()

    found = plan(run("partner", "offboard", "P-1", "--json", "-c", str(world.folder / "nhiscan.toml")))

    assert any("no opening day" in gap for gap in found["gaps"])
    assert {task["due_at"] for task in found["tasks"]} == {None}


def test_cells_of_a_plan_cannot_be_formulas(told: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(told("offboard", "--csv").stdout)))

    assert rows
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_verification_goes_from_alive_to_gone_and_is_recorded_only_then(world: World, told: Run) -> None:
    told("offboard", "--open", "--by", ERIKA)
    before = told("verify", "--record", "--by", ERIKA, "--json")
    assert before.exit_code == 1
    assert {living["thing_id"] for living in lists(before)["lives"]} >= {USER, ROLE, DANA, SECRET}
    assert written(world, Offboarding)[0].verified_at is None

    taken_back(world)
    offboarded(world)
    after = told("verify", "--record", "--by", ERIKA, "--json")

    assert lists(after)["lives"] == lists(after)["unchecked"] == []
    assert {gone["thing_id"] for gone in lists(after)["gone"]} >= {USER, ROLE, DANA, SECRET}
    (stamped,) = written(world, Offboarding)
    assert (stamped.verified_at, stamped.verified_by) == (world.now, ERIKA)


def test_only_one_of_ours_who_has_not_left_says_what_was_done(world: World, told: Run) -> None:
    for words in (("offboard", "--open"), ("verify", "--record")):
        assert "not a mail address" in str(refused(told(*words, "--by", "Erika"), RefusedError))
        assert "of a partner" in str(refused(told(*words, "--by", "dana@nordwind.example"), RefusedError))
    assert written(world, Offboarding) == []


def test_nobody_can_write_into_the_ledger_between_the_judgement_and_its_record(
    world: World, told: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = verify.verify

    def judging(*given: Any, **more: Any) -> verify.Verdict:
        folder = os.open(world.folder / ".nhiscan" / "ledger", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(folder)
        return judge(*given, **more)

    monkeypatch.setattr(verify, "verify", judging)
    assert told("verify", "--record", "--by", ERIKA).exit_code == 1


def test_an_id_that_only_looks_like_a_partners_is_named() -> None:
    with store.empty() as con:
        con.execute("insert into partners (partner_id, name) values ('P-2', 'Kestrel'), ('P-1', 'Heron')")
        with pytest.raises(QueryError) as caught:
            narrow.find_partner(con, "P-l")

    assert caught.value.hint == "'P-1' only looks the same"


def test_every_key_of_the_json_is_documented(world: World, told: Run) -> None:
    world.add("aliases", partner_id="P-1", kind="github_org", value="nordwind")  # which no collector reads
    world.scan()
    tasks = plan(told("offboard", "--open", "--by", ERIKA, "--json"))
    assert printed(tasks) == documented("partner offboard")
    alive = lists(told("verify", "--json"))
    offboarded(world)
    dead = lists(told("verify", "--json"))
    assert printed({**dead, "lives": alive["lives"]}) == documented("partner verify")


def test_a_scan_that_is_too_old_verifies_nothing(world: World, told: Run) -> None:
    world.today += timedelta(days=2)

    error = refused(told("verify"), NhiscanError)

    assert error.exit_code == 3
    assert "nhiscan scan" in error.hint
    assert told("verify", "--max-age", "72").exit_code == 1


def test_a_scan_of_before_the_offboarding_does_not_prove_what_came_after(
    world: World, told: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_partner, "now", lambda: world.now + timedelta(hours=2))
    told("offboard", "--open", "--by", ERIKA)

    says = [gap["says"] for gap in lists(told("verify", "--json"))["unchecked"]]
    assert any("2025-07-03 08:00: what came between is not in it" in text for text in says)

    world.today += timedelta(days=1)
    world.scan()
    says = [gap["says"] for gap in lists(told("verify", "--json"))["unchecked"]]
    assert not any("what came between" in text for text in says)


@pytest.mark.parametrize(
    ("evidence", "days", "state"),
    [("CHG-1", 0, "gone"), (None, 0, "unchecked"), ("CHG-1", 9, "unchecked")],
    ids=["shown", "without evidence", "to be done some day"],
)
def test_a_secret_that_is_not_there_any_more_was_replaced_only_where_something_shows_it(
    world: World, told: Run, monkeypatch: pytest.MonkeyPatch, evidence: str | None, days: int, state: str
) -> None:
    tasks = plan(told("offboard", "--open", "--by", ERIKA, "--json"))["tasks"]
    (number,) = (task["step"] for task in tasks if task["target_id"] == SECRET)
    monkeypatch.setattr(World, "_vault", lambda self: iter([Tenant(VAULT, "vault"), *self._covered("vault", VAULT)]))
    offboarded(world)
    (step,) = (each for each in written(world, OffboardingStep) if each.step == number)
    done = dataclasses.replace(
        step, done_at=world.now + timedelta(days=days), done_by=ERIKA, evidence=evidence, register_row=None
    )
    ledger.append(world.folder / ".nhiscan", [done], at=world.now, by=ERIKA)

    found = lists(told("verify", "--json"))

    assert "exchange" in str(found[state])
    assert ("exchange" in str(found["unchecked"])) is (state == "unchecked")


def test_entries_that_were_cut_off_the_ledger_are_missed_whatever_was_scanned_since(world: World, told: Run) -> None:
    told("offboard", "--open", "--by", ERIKA)
    offboarded(world)
    file = world.folder / ".nhiscan" / "ledger" / "offboarding_steps.jsonl"
    file.write_text("".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:1]), encoding="utf-8")
    world.today += timedelta(days=1)
    for _ in range(2):
        world.scan()

    found = lists(told("verify", "--json"))

    assert any("offboarding_steps.jsonl held" in gap["says"] for gap in found["unchecked"])


def test_a_tenant_that_was_dropped_from_the_settings_since_the_access_ended_was_not_checked(
    world: World, told: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partner was never seen there, and may have got in since."""
    whole = World._vault
    other = Tenant("vault:other", "vault")
    with monkeypatch.context() as patched:
        patched.setattr(
            World, "_vault", lambda self: iter([*whole(self), other, *self._covered("vault", other.tenant_id)])
        )
        world.scan()
    offboarded(world)

    found = lists(told("verify", "--json"))

    assert [gap["tenant_id"] for gap in found["unchecked"] if "nothing of it by this scan" in gap["says"]] == [
        "vault:other"
    ]


def test_a_secret_that_was_not_replaced_lives_although_its_reader_is_gone(world: World, told: Run) -> None:
    old = world.secret_changed
    told("offboard", "--open", "--by", ERIKA)
    offboarded(world)
    world.secret_changed = old
    world.scan()

    assert [living["thing_id"] for living in lists(told("verify", "--json"))["lives"]] == [SECRET]


def test_what_only_its_name_still_ties_to_the_partner_is_not_gone(world: World, told: Run) -> None:
    offboarded(world)
    world.has_approle = True
    world.register["identity_map"][0].update(pattern="something-else")
    world.scan()

    found = lists(told("verify", "--json"))

    assert found["exit_code"] == 3
    assert any(gap["topic"] == "undecided" and "nordwind-sync" in gap["says"] for gap in found["unchecked"])


def test_a_tenant_in_which_the_partner_was_and_that_is_read_no_more_could_not_be_checked(
    world: World, told: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Tenant("vault:other", "vault")
    monkeypatch.setattr(World, "_vault", lambda self: iter([other, *self._covered("vault", other.tenant_id)]))
    offboarded(world)

    found = lists(told("verify", "--json"))

    assert found["exit_code"] == 3
    assert any(
        "the partner was seen in vault:main" in gap["says"] and gap["topic"] == "not read" for gap in found["unchecked"]
    )


def test_what_was_the_partners_and_is_nobodys_by_now_is_not_gone(world: World, told: Run) -> None:
    offboarded(world)
    world.keys = {"AKIAEXAMPLEYEAR00001": date(2025, 1, 27)}
    world.has_role = True
    world.scan()
    (current,) = [path for path in (world.folder / ".nhiscan" / "CURRENT").read_text().splitlines() if path]
    with duckdb.connect(str(world.folder / ".nhiscan" / "scans" / f"{current}.duckdb")) as con:
        con.execute("delete from partner_holdings where thing_id in (?, ?)", [USER, f"{ROLE}<-333333333333"])

    found = lists(told("verify", "--json"))

    said = [gap["says"] for gap in found["unchecked"] if gap["topic"] == "disowned"]
    assert any("identity nordwind-etl was the partner's on 2025-07-03, still opens something" in text for text in said)
    assert any("trust nordwind-deploy trusts" in text for text in said)


def test_an_unknown_partner_is_said_with_a_hint(told: Run, world: World) -> None:
    result = run("partner", "verify", "Nordwnd GmbH", "-c", str(world.folder / "nhiscan.toml"))

    assert "Nordwind GmbH" in refused(result, NhiscanError).hint
