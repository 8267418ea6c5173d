"""Estates on tape: the demo's, and two that hold one of everything, recorded from live stand-ins."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.acme import aws as acme
from fixtures.aws import faults, holdings, stand_in
from fixtures.aws.world import World
from fixtures.vault import estate, server
from nhiscan import config, scan, tape
from nhiscan.collect import Collector, Context, load, run
from nhiscan.secret import Secret

DEMO: Final = Path(__file__).parents[2] / "fixtures" / "demo" / "estate"
HOLDER: Final = "123456789012"  # moto's own account, into which the holdings are put
PAGE: Final = 3  # names on one page of a vault's list
# What others are asked for only where these are refused.
_GREAT_LISTS: Final = ("iam:GetAccountAuthorizationDetails", "iam:GenerateCredentialReport")

Answers = Mapping[tape.Call, list[tape.Answer | tape.Failure]]


@dataclass(frozen=True)
class Taped:
    """A collector with its settings, and everything that it asks."""

    collector: Collector
    answers: Answers
    as_of: datetime


def demo() -> Taped:
    """The demo company's AWS accounts, from the tape that is committed; three identities are asked for services."""
    settings = config.read(DEMO / "nhiscan.toml")
    collector: Any
    (collector,) = scan.collectors(settings, environ=None, strict=False, only=["aws"])
    answers, as_of = _read(DEMO / "tape")
    of_aws = {asked: said for asked, said in answers.items() if asked.host.startswith("aws:")}
    return Taped(dataclasses.replace(collector, last_accessed_limit=3), of_aws, as_of)


def holdings_account(folder: Path) -> Taped:
    """An account with secrets, stores and workloads in one of two regions, with what is asked where IAM refuses."""
    arns = {kind: [{"Arn": f"arn:aws:iam::{HOLDER}:{of}/{name}"} for name in names] for kind, of, names in _ADVISED}
    world = World(accounts={HOLDER: {**{name: [] for name in _SIMULATED}, **arns}}, callers={}, roles={})
    settings: dict[str, Any] = {
        "accounts": (HOLDER,),
        "role_name": "nhiscan",
        "regions": (holdings.REGION, "eu-central-1"),
        "read_parameters": True,
    }
    with stand_in.running(world) as url, pytest.MonkeyPatch.context() as patch:
        for name, value in acme.SIGNING.items():
            patch.setenv(name.upper(), value)
        holdings.seed(url)
        _seed_identities(holdings.Holdings(url).client("iam"))
        with faults.Relay(url, wrong=dict.fromkeys(_GREAT_LISTS, faults.DENIED)) as refusing:
            instead, _ = _record(load("aws")(endpoint_url=refusing.url, **settings), folder / "instead")
        whole, as_of = _record(load("aws")(endpoint_url=url, **settings), folder / "whole")
    return Taped(load("aws")(endpoint_url=url, **settings), {**instead, **whole}, as_of)


_SIMULATED: Final = ("service_specific_credentials", "trails", "events", "analyzers")
# Whom access advisor may be asked about.
_ADVISED: Final = (("users", "user", ("loader", "ana")), ("roles", "role", ("apps/orders",)))


def _seed_identities(iam: Any) -> None:
    """One user of each kind that IAM keeps apart, a group and an issuer."""
    everything = holdings.policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    arn = iam.create_policy(PolicyName="everything", PolicyDocument=everything)["Policy"]["Arn"]
    iam.create_group(GroupName="operators")
    iam.attach_group_policy(GroupName="operators", PolicyArn=arn)
    for name in ("loader", "ana"):
        iam.create_user(UserName=name, Tags=[{"Key": "owner", "Value": "ana@example.com"}])
        iam.add_user_to_group(UserName=name, GroupName="operators")
    iam.create_access_key(UserName="loader")
    iam.create_login_profile(UserName="ana", Password="not-a-secret")
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="ana")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="ana", SerialNumber=serial, AuthenticationCode1="000000", AuthenticationCode2="000001"
    )
    iam.create_open_id_connect_provider(
        Url="https://token.ci.example.com", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )


def whole_vault(folder: Path) -> Taped:
    """A vault with every kind of mount and namespaces; where lists come in pages, they are short ones."""
    with server.running() as live, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading(), "_PAGE", PAGE)
        estate.seed(live.url, live.root_token)
        answers, as_of = _record(load("vault")(url=live.url, token=Secret(live.root_token)), folder)
    return Taped(load("vault")(url="http://127.0.0.1:9", token=Secret("not-checked")), answers, as_of)


def reading() -> Any:
    """The module of the vault collector that asks."""
    return importlib.import_module(f"{load('vault').__module__}.reading")


def fetch() -> Any:
    """The module of the AWS collector that asks."""
    return importlib.import_module(f"{load('aws').__module__}.fetch")


def _record(collector: Any, folder: Path) -> tuple[Answers, datetime]:
    recorder = tape.Recorder(as_of=datetime(2026, 1, 31, 12, tzinfo=UTC))
    for _ in run(collector, Context(as_of=recorder.as_of, tape=recorder)):
        pass
    tape.claim(folder)
    recorder.write(folder)
    return _read(folder)


def _read(folder: Path) -> tuple[Answers, datetime]:
    player = tape.read(folder)
    return {asked: list(answers) for asked, answers in player._answers.items()}, player.as_of
