"""No secret of the scanner or of the org reaches disk, log, tape or a record."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest

from fixtures.salesforce.login import key_pair
from fixtures.salesforce.simulator import running
from fixtures.salesforce.world import App
from nhiscan import tape
from nhiscan.collect import Context
from nhiscan.secret import DUMMY, Secret
from tests.salesforce.conftest import AS_OF, KEY, Acme, Scan, acme, scan

CANARIES = ("canary-access-token", "canary-delete-token", "canary-named-password", "canary-consumer-secret")


def recorded(org: Acme, folder: Path, **settings: object) -> Scan:
    recorder = tape.Recorder(as_of=AS_OF)
    tape.claim(folder)
    with running(org.world) as url:
        found = scan(url, ctx=Context(AS_OF, fingerprint_key=KEY, tape=recorder), **settings)
    recorder.write(folder)
    return found


def on_disk(folder: Path) -> str:
    return "\n".join(gzip.decompress(file.read_bytes()).decode() for file in folder.iterdir())


def lines_of(key: str) -> list[str]:
    return [line for line in key.splitlines() if line and not line.startswith("-----")]


@pytest.mark.parametrize("way", ["jwt", "client_credentials"])
def test_no_secret_reaches_tape_log_or_records(way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client_secret = "-".join(("canary", "client", "secret", "of", "the", "scanner"))
    org = acme(session_requests=30, app=App("scanner-app", secret=client_secret))
    given = {"client_secret": Secret(client_secret)} if way == "client_credentials" else {}
    found = recorded(org, tmp_path / "tape", **given)
    assert len(org.world.tokens) > 1  # the session ended in the middle
    written = {"tape": on_disk(tmp_path / "tape"), "log": caplog.text, "records": repr(found.records)}
    secrets = [*org.world.tokens, *CANARIES, client_secret, *lines_of(key_pair()[0])]
    for place, text in written.items():
        assert [value for value in secrets if value in text] == [], place
    assert "grant_type" in written["tape"]
    assert "assertion=eyJ" not in written["tape"]


def test_a_replay_says_the_same_without_the_org_and_without_the_key(tmp_path: Path) -> None:
    org = acme(session_requests=30, page_size=4)
    first = recorded(org, tmp_path / "tape")
    player = tape.read(tmp_path / "tape")
    again = scan(
        "https://acme.my.salesforce.example",
        ctx=Context(player.as_of, fingerprint_key=KEY, tape=player),
        private_key=Secret(DUMMY),
    )
    assert again.records == first.records


def test_a_replay_stops_where_the_recording_stopped_for_the_quota(tmp_path: Path) -> None:
    org = acme(api_limit=100)
    first = recorded(org, tmp_path / "tape")
    assert [row for row in first.of("coverage") if "daily_share" in str(row.reason)]
    player = tape.read(tmp_path / "tape")
    ctx = Context(player.as_of, fingerprint_key=KEY, tape=player)
    again = scan("https://acme.my.salesforce.example", ctx=ctx, private_key=Secret(DUMMY))
    assert again.records == first.records


def test_a_refused_login_does_not_quote_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = recorded(acme(), tmp_path / "tape", username="nobody@acme.example")
    text = repr(found.records) + caplog.text + on_disk(tmp_path / "tape")
    assert [line for line in lines_of(key_pair()[0]) if line in text] == []
