"""AWS on tape: the simulator is recorded once, and replayed without it, its credentials and the network."""

from __future__ import annotations

import dataclasses
import gzip
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError
from botocore.parsers import ResponseParserError

from fixtures.aws.simulator import Fault, Simulator, denied
from nhiscan import tape
from nhiscan.collect import Context
from nhiscan.model import Record
from nhiscan.secret import DUMMY, Secret
from tests.aws.conftest import AS_OF, OUR_SCAN, Scan, scan
from tests.web import Asked, Said, Script, in_turn, serving

ROLE = "arn:aws:iam::111111111111:role/nhiscan"
REPLAY: dict[str, Any] = {**OUR_SCAN, "external_id": Secret(DUMMY)}


def recording() -> Context:
    return Context(as_of=AS_OF, tape=tape.Recorder(as_of=AS_OF))


def written(ctx: Context, folder: Path) -> Path:
    assert isinstance(ctx.tape, tape.Recorder)
    tape.claim(folder)
    ctx.tape.write(folder)
    return folder


def replaying(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A context of the tape in a world without network, credentials, profiles and time."""

    def no(*_: Any, **__: Any) -> None:
        raise AssertionError("a replay went to the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, no)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example/path")
    return Context(as_of=AS_OF, tape=tape.read(folder))


def plain(records: list[Record]) -> list[Record]:
    """Records without what speaks of our own external id, for which a dummy stands on a tape."""
    return [
        record
        for record in records
        if not any("our-own-scan" in str(v) or DUMMY in str(v) for v in dataclasses.astuple(record))
    ]


@pytest.mark.usefixtures("no_waiting")
def test_a_replay_of_all_accounts_says_the_same_records(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = recording()
    first = scan(simulator.url, ctx=ctx, **OUR_SCAN)
    again = scan("http://127.0.0.1:9", ctx=replaying(written(ctx, tmp_path / "tape"), monkeypatch), **REPLAY)
    assert plain(again.records) == plain(first.records)
    assert len(again.records) == len(first.records) > len(plain(first.records)) > 100
    text = gzip.decompress((tmp_path / "tape" / tape.FILE).read_bytes()).decode()
    assert "our-own-scan" not in text
    assert "not-checked" not in text  # secret key and session token that AssumeRole gave


@pytest.mark.usefixtures("no_waiting")
def test_what_was_refused_is_refused_again(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.faults += [
        denied("iam:ListAccessKeys"),
        Fault("iam:GetAccountAuthorizationDetails", 500, "InternalFailure"),
        Fault("iam:ListMFADevices", 400, "Throttling", on_calls=(1, 2)),
        denied("sts:AssumeRole", RoleArn="arn:aws:iam::222222222222:role/nhiscan"),
    ]
    ctx = recording()
    first = scan(simulator.url, ctx=ctx, **OUR_SCAN)
    again = scan("http://127.0.0.1:9", ctx=replaying(written(ctx, tmp_path / "tape"), monkeypatch), **REPLAY)
    assert {"denied", "complete"} <= set(first.statuses().values())
    assert set(first.statuses("aws:222222222222").values()) == {"denied"}
    assert plain(again.records) == plain(first.records)


def test_a_call_that_is_not_on_the_tape_is_a_failure_that_names_it(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = recording()
    ctx.boto3_client("sts", region="us-east-1", endpoint_url=simulator.url).get_caller_identity()
    again: Scan = scan("http://127.0.0.1:9", ctx=replaying(written(ctx, tmp_path / "tape"), monkeypatch))
    coverage = again.coverage("identities")
    assert coverage.status == "failed"
    assert "POST aws:iam:us-east-1:caller /" in (coverage.reason or "")
    assert "is not on the tape" in (coverage.reason or "")


def test_two_accounts_behind_one_endpoint_do_not_mix(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def account(ctx: Context, url: str, role_arn: str | None, external_id: str) -> str:
        client = ctx.boto3_client(
            "sts", region="us-east-1", role_arn=role_arn, external_id=external_id, endpoint_url=url
        )
        return str(client.get_caller_identity()["Account"])

    ctx = recording()
    roles = ("arn:aws:iam::222222222222:role/nhiscan", None, ROLE)
    assert [account(ctx, simulator.url, role, "our-own-scan") for role in roles] == [
        "222222222222",
        "111111111111",
        "111111111111",
    ]
    again = replaying(written(ctx, tmp_path / "tape"), monkeypatch)
    assert [account(again, "http://127.0.0.1:9", role, DUMMY) for role in (ROLE, roles[0], None)] == [
        "111111111111",
        "222222222222",
        "111111111111",
    ]


@pytest.mark.usefixtures("no_waiting")
def test_a_provider_that_is_not_there_is_not_there_on_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = recording()
    with serving(in_turn(Said())) as web:
        pass
    client = ctx.boto3_client("sts", region="us-east-1", endpoint_url=web.url)
    with pytest.raises(EndpointConnectionError):
        client.get_caller_identity()
    again = replaying(written(ctx, tmp_path / "tape"), monkeypatch)
    with pytest.raises(EndpointConnectionError):
        again.boto3_client("sts", region="us-east-1", endpoint_url=web.url).get_caller_identity()


def test_a_timeout_on_the_tape_is_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tape.call("POST", "aws:sts:us-east-1:caller", "/", "", "Action=GetCallerIdentity&Version=2011-06-15")
    recorder = tape.Recorder(as_of=AS_OF)
    recorder.keep(asked, tape.Failure("connect timeout", "too slow"))
    tape.claim(tmp_path / "tape")
    recorder.write(tmp_path / "tape")
    again = replaying(tmp_path / "tape", monkeypatch)
    with pytest.raises(ConnectTimeoutError):
        again.boto3_client("sts", region="us-east-1").get_caller_identity()


def test_an_answer_that_botocore_cannot_read_is_on_the_tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = recording()
    with serving(in_turn(Said(b"<html>not ours", headers={"Content-Type": "text/html"}))) as web:
        client = ctx.boto3_client("sts", region="us-east-1", endpoint_url=web.url)
        with pytest.raises(ResponseParserError):
            client.get_caller_identity()
    again = replaying(written(ctx, tmp_path / "tape"), monkeypatch)
    with pytest.raises(ResponseParserError):
        again.boto3_client("sts", region="us-east-1").get_caller_identity()


# Roles whose credentials end before the scan does

STS = "https://sts.amazonaws.com/doc/2011-06-15/"


def sts_script(*lifetimes: timedelta) -> Script:
    """An STS that gives keys ASIA0, ASIA1, ... of these lifetimes, and answers with the key that signed a question."""
    left = list(enumerate(lifetimes))

    def script(asked: Asked) -> Said:
        if b"AssumeRole" in asked.body:
            n, lifetime = left.pop(0)
            keys = (
                f"<AccessKeyId>ASIA{n}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken>"
            )
            until = f"<Expiration>{datetime.now(UTC) + lifetime:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            said = f"<AssumeRoleResult><Credentials>{keys}{until}</Credentials></AssumeRoleResult>"
            kind = "AssumeRole"
        else:
            signer = asked.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
            said, kind = f"<GetCallerIdentityResult><Arn>{signer}</Arn></GetCallerIdentityResult>", "GetCallerIdentity"
        return Said(
            f'<{kind}Response xmlns="{STS}">{said}</{kind}Response>'.encode(), headers={"Content-Type": "text/xml"}
        )

    return script


def signer(ctx: Context, url: str) -> str:
    client = ctx.boto3_client("sts", region="us-east-1", role_arn=ROLE, endpoint_url=url)
    return str(client.get_caller_identity()["Arn"])


def test_a_role_is_assumed_again_when_its_credentials_are_about_to_expire() -> None:
    ctx = Context(as_of=AS_OF)
    with serving(sts_script(timedelta(minutes=2), timedelta(hours=1))) as web:
        assert [signer(ctx, web.url), signer(ctx, web.url)] == ["ASIA1", "ASIA1"]


def test_a_role_with_an_hour_left_is_assumed_once() -> None:
    ctx = Context(as_of=AS_OF)
    with serving(sts_script(timedelta(hours=1))) as web:
        assert [signer(ctx, web.url), signer(ctx, web.url)] == ["ASIA0", "ASIA0"]


def test_a_replay_assumes_no_role_again_although_the_credentials_expired_long_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = recording()
    with serving(sts_script(timedelta(hours=1))) as web:
        signer(ctx, web.url)
    folder = written(ctx, tmp_path / "tape")
    file = folder / tape.FILE
    aged = re.sub(rb"<(\w+:)?Expiration>\d{4}", rb"<\1Expiration>2001", gzip.decompress(file.read_bytes()))
    file.write_bytes(gzip.compress(aged))
    assert b"Expiration>2001" in aged
    assert signer(replaying(folder, monkeypatch), web.url) == "ASIA0"


def test_a_refused_role_is_refused_when_the_client_is_made(simulator: Simulator) -> None:
    simulator.faults.append(denied("sts:AssumeRole"))
    with pytest.raises(ClientError, match="AccessDenied"):
        Context(as_of=AS_OF).boto3_client("sts", region="us-east-1", role_arn=ROLE, endpoint_url=simulator.url)
