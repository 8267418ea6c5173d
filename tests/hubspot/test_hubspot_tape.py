"""The scanner's token stays in memory, and a tape says the same as the account did."""

from __future__ import annotations

import gzip
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from fixtures.hubspot.simulator import READING, Simulator
from nhiscan import tape
from nhiscan.collect import Context
from nhiscan.secret import DUMMY, Secret
from tests.hubspot.conftest import Scan, collector, scan, token
from tests.systems import run


def record(simulator: Simulator, folder: Path) -> Scan:
    ctx = Context(as_of=simulator.account.now, tape=tape.Recorder(as_of=simulator.account.now))
    said = scan(simulator, ctx=ctx)
    assert isinstance(ctx.tape, tape.Recorder)
    tape.claim(folder)
    ctx.tape.write(folder)
    return said


def replay(simulator: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scan:
    def no(*_: Any, **__: Any) -> None:
        raise AssertionError("a replay went to the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, no)
    player = tape.read(folder)
    return scan(
        simulator, ctx=Context(as_of=player.as_of, tape=player), token=Secret(DUMMY), base_url="http://127.0.0.1:9"
    )


def test_a_replay_says_the_same_records(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator.page = 4
    first = record(simulator, tmp_path / "tape")
    assert replay(simulator, tmp_path / "tape", monkeypatch).records == first.records
    assert len(first.records) > 80


def test_what_was_refused_and_waited_for_is_so_again(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    simulator.tokens[token(simulator)] = READING - {"settings.users.teams.read"}
    simulator.account.is_enterprise = False
    simulator.nasty.busy = 2
    first = record(simulator, tmp_path / "tape")
    assert len(pauses) == 2
    again = replay(simulator, tmp_path / "tape", monkeypatch)
    assert again.records == first.records
    assert {"partial", "not_licensed", "complete"} <= set(first.statuses().values())
    assert len(pauses) == 2


def test_the_token_is_on_no_tape(simulator: Simulator, tmp_path: Path) -> None:
    echo = simulator.account.add_user("echo@acme.example", names=("token", token(simulator)))
    said = record(simulator, tmp_path / "tape")
    assert said.identity(f"user/{echo}").name.endswith(token(simulator))
    text = gzip.decompress((tmp_path / "tape" / tape.FILE).read_bytes()).decode()
    assert "echo@acme.example" in text
    assert token(simulator) not in text


def test_the_token_is_in_no_file_and_no_line_of_the_log(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    simulator.nasty.statuses["/settings/users/2026-03"] = 500
    system = collector(simulator)
    run(tmp_path, [system], at=simulator.account.now)
    simulator.nasty.token_ends_after = 0
    run(tmp_path, [system], at=simulator.account.now)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    canary = token(simulator)
    assert [path.name for path in files if canary.encode() in path.read_bytes()] == []
    assert canary not in caplog.text
    assert canary not in repr(system)
    assert "the token is no good" in caplog.text
