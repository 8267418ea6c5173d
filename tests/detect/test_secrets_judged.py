"""From a text to findings: two estates that differ in nothing but the values of their secrets are judged alike."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nhiscan import check
from nhiscan.collect import Context
from nhiscan.model import Credential, Identity, Record, Resource, ResourceTag, StoredSecret, Where
from nhiscan.rule import Rule
from tests.systems import START, System, covered, register, rows, run, tenant

AWS = "aws:111111111111"
VAULT = "vault:main"
KEY_ID = "AKIA" + "QPARTNERSYNC2345"
PLACE = "environment of function orders"
DATASETS = frozenset(
    {
        *("identities", "identities.tags", "credentials", "resources", "workloads", "usage.calls"),
        *("sightings.environment", "sightings.user_data", "sightings.parameters", "stored_secrets.fingerprints"),
    }
)
RULES = frozenset(
    {
        "leak-secret-in-pipeline-or-config",
        "dep-static-cred-in-pipeline",
        "reuse-secret-value-duplicated",
        "reuse-credential-multi-workload",
        "env-credential-in-both",
    }
)


@cache
def rules() -> list[Rule]:
    return [rule for rule in check.load() if rule.rule_id in RULES]


@dataclass(frozen=True)
class Values:
    """The secrets of one estate."""

    key: str
    password: str
    token: str


def values(seed: int) -> Values:
    source = random.Random(seed)

    def made(length: int) -> str:
        return "1" + "".join(source.choices(string.ascii_letters + string.digits, k=length - 1))

    return Values(key=made(40), password=made(12), token="sk_live_" + made(24))


@dataclass(frozen=True)
class Estate:
    """Two functions and a build project that share what they should not; one function that shares nothing."""

    secret: Values

    def collect(self, ctx: Context) -> Iterator[Record]:
        secret = self.secret
        yield tenant(AWS)
        yield tenant(VAULT)
        yield Identity(
            f"{AWS}:user/sync", "aws", AWS, kind="service_account", name="sync", native_id="sync", is_nhi=True
        )
        yield Credential(
            f"{AWS}:access_key/{KEY_ID}",
            f"{AWS}:user/sync",
            provider="aws",
            tenant_id=AWS,
            kind="access_key",
            native_id=KEY_ID,
            status="active",
            is_replaceable=True,
        )
        variables = {
            "orders": {
                "AWS_ACCESS_KEY_ID": KEY_ID,
                "AWS_SECRET_ACCESS_KEY": secret.key,
                "DB_PASSWORD": secret.password,
                "LOG_LEVEL": "info",
            },
            "orders-dev": {
                "AWS_ACCESS_KEY_ID": KEY_ID,
                "AWS_SECRET_ACCESS_KEY": secret.key,
                "CONFIG": f'{{"user": "app", "password": "{secret.password}"}}',
            },
            "build": {"GH_TOKEN": secret.token},
            "clean": {"DB_PASSWORD": "arn:aws:secretsmanager:eu-central-1:111111111111:secret:db"},
        }
        for name, environment in variables.items():
            held = Resource(f"{AWS}:function/{name}", "aws", AWS, kind="function", name=name, native_id=name)
            yield held
            yield ResourceTag(held.resource_id, name="env", value="dev" if name == "orders-dev" else "prod")
            where = Where("aws", AWS, "environment", f"environment of function {name}", resource_id=held.resource_id)
            for variable, value in environment.items():
                yield from ctx.detect(value, replace(where, name=variable))
        stored = Resource(f"{VAULT}:secret/kv/db", "vault", VAULT, kind="secret", name="kv/db", native_id="kv/db")
        yield stored
        yield StoredSecret(stored.resource_id, kind="kv2", fingerprint=ctx.fingerprint(secret.password))
        for tenant_id in (AWS, VAULT):
            yield from covered(tenant_id, datasets=DATASETS, at=ctx.as_of)


def scanned(state: Path, secret: Values, *, weeks: int = 0) -> None:
    state.mkdir(exist_ok=True)
    system = System("aws", Estate(secret).collect, DATASETS)
    run(state, [system, register()], rules=rules(), at=START + timedelta(weeks=weeks))


def judged(state: Path) -> list[tuple[Any, ...]]:
    return rows(state, "select rule_id, subject_id, outcome from findings where status <> 'fixed' order by all")


def test_each_rule_names_what_has_to_be_mended(tmp_path: Path) -> None:
    scanned(tmp_path, values(1))
    function, key = f"{AWS}:function", f"{AWS}:access_key/{KEY_ID}"
    assert judged(tmp_path) == [
        ("dep-static-cred-in-pipeline", f"{function}/orders", "fail"),
        ("dep-static-cred-in-pipeline", f"{function}/orders-dev", "fail"),
        ("env-credential-in-both", f"{function}/orders", "fail"),
        ("leak-secret-in-pipeline-or-config", f"{function}/build", "fail"),
        ("leak-secret-in-pipeline-or-config", f"{function}/orders", "fail"),
        ("leak-secret-in-pipeline-or-config", f"{function}/orders-dev", "fail"),
        ("reuse-credential-multi-workload", key, "fail"),
        ("reuse-secret-value-duplicated", f"{function}/orders", "fail"),
        ("reuse-secret-value-duplicated", f"{VAULT}:secret/kv/db", "fail"),
    ]


def test_other_values_and_another_key_give_the_same_findings(tmp_path: Path) -> None:
    for seed in (1, 2):
        scanned(tmp_path / str(seed), values(seed))
    assert judged(tmp_path / "1") == judged(tmp_path / "2") != []


def test_a_rotated_secret_is_still_the_same_finding(tmp_path: Path) -> None:
    scanned(tmp_path, values(1))
    before = rows(tmp_path, "select finding_id from findings order by all")
    scanned(tmp_path, values(2), weeks=1)
    assert rows(tmp_path, "select finding_id from findings order by all") == before
    assert rows(tmp_path, "select distinct status from findings where outcome = 'fail'") == [("open",)]


def test_one_state_directory_has_the_same_fingerprints_in_every_scan(tmp_path: Path) -> None:
    marks = []
    for weeks in (0, 1):
        scanned(tmp_path, values(1), weeks=weeks)
        marks.append(rows(tmp_path, "select sighting_id, fingerprint from sightings order by all"))
    assert marks[0] == marks[1] != []


def test_no_byte_of_the_state_directory_holds_a_value(tmp_path: Path) -> None:
    secret = values(1)
    scanned(tmp_path, secret)
    written = [path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert any(KEY_ID.encode() in text for text in written)
    for value in (secret.key, secret.password, secret.token):
        assert not any(value.encode() in text for text in written)


@pytest.mark.parametrize(
    ("subject", "label", "value"),
    [
        ("function/orders", "DB_PASSWORD", f"named_secret, {PLACE}"),
        (
            "function/orders",
            "AWS_SECRET_ACCESS_KEY",
            f"aws_secret_access_key, {PLACE}, lets in as {AWS}:user/sync (it stands beside the key id {KEY_ID})",
        ),
        ("function/build", "GH_TOKEN", "stripe_secret_key, environment of function build"),
    ],
)
def test_the_evidence_of_a_leak_names_every_variable(tmp_path: Path, subject: str, label: str, value: str) -> None:
    scanned(tmp_path, values(1))
    evidence = rows(
        tmp_path,
        "select e.label, e.value from finding_evidence e join findings f using (finding_id) "
        f"where f.rule_id = 'leak-secret-in-pipeline-or-config' and f.subject_id = '{AWS}:{subject}'",
    )
    assert (label, value) in evidence
