"""What runs as whom, and the secrets in its text, against a live moto."""

from __future__ import annotations

import base64
import gzip
import importlib
from typing import Any

import pytest
import requests

from fixtures.aws.holdings import Holdings, seed
from nhiscan import load, store
from tests.aws.conftest import Scan
from tests.aws.held import TENANT, held

mapping = importlib.import_module("nhiscan.collectors.aws.workloads")
fetch = importlib.import_module("nhiscan.collectors.aws.fetch")

ROLE = f"{TENANT}:role/apps/orders"


@pytest.fixture(scope="module")
def holdings(moto_url: str) -> Holdings:
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    return seed(moto_url)


@pytest.fixture(scope="module")
def found(holdings: Holdings) -> Scan:
    return held(holdings.url, reads_parameters=True)


def workloads(found: Scan) -> dict[str, Any]:
    kinds = ("function", "task", "instance", "project")
    return {held.resource_id.removeprefix(f"{TENANT}:"): held for held in found.of("resources") if held.kind in kinds}


def test_every_kind_of_workload_acts_as_its_role(found: Scan) -> None:
    kinds = {held.kind: held.runs_as_id for held in workloads(found).values()}
    assert kinds == dict.fromkeys(("function", "task", "instance", "project"), ROLE)


def test_the_newest_task_is_called_by_its_family_and_an_older_one_that_runs_by_its_revision(found: Scan) -> None:
    assert {
        name: held.native_id.rpartition("/")[2] for name, held in workloads(found).items() if held.kind == "task"
    } == {"task/us-east-1/shop": "shop:2", "task/us-east-1/shop:1": "shop:1"}


def test_tags_give_workloads_their_environment(found: Scan) -> None:
    assert {held.kind: held.environment for held in workloads(found).values()} == {
        "function": "prod",
        "task": "prod",
        "instance": None,
        "project": "prod",
    }


SIGHTED = [
    ("environment", "function", "DB_PASSWORD"),
    ("environment", "project", "REGISTRY_PASSWORD"),
    ("environment", "task", "API_PASSWORD"),
    ("parameter", "parameter", "/shop/api_password"),
    ("tag", "function", "deploy_password"),
    ("user_data", "instance", None),
]


@pytest.mark.parametrize(("where", "kind", "name"), SIGHTED)
def test_a_planted_value_is_sighted_where_it_stands(found: Scan, where: str, kind: str, name: str | None) -> None:
    here = {
        (s.where_kind, s.resource_id.split(":", 2)[2].split("/")[0]) for s in found.of("sightings") if s.name == name
    }
    assert (where, kind) in here


def test_references_and_harmless_values_are_no_sightings(found: Scan) -> None:
    assert {s.name for s in found.of("sightings")} <= {name for _, _, name in SIGHTED}


def test_no_planted_value_is_in_any_record(holdings: Holdings, found: Scan) -> None:
    said = repr(found.records)
    assert [name for name, value in holdings.values.items() if value in said] == []


def test_a_tag_that_holds_a_secret_is_kept_without_its_value(found: Scan) -> None:
    assert found.one("resource_tags", name="deploy_password").value == "***"


def test_without_being_asked_no_parameter_is_read(holdings: Holdings) -> None:
    found = held(holdings.url)
    said = found.coverage("sightings.parameters", TENANT)
    assert (said.status, said.missing_permission) == ("unsupported", "ssm:GetParameters")
    assert [s for s in found.of("sightings") if s.where_kind == "parameter"] == []


def test_parameters_that_were_read_are_covered(found: Scan) -> None:
    assert found.coverage("sightings.parameters", TENANT).status == "complete"


def test_a_workload_outlives_a_list_of_roles_that_was_refused(holdings: Holdings) -> None:
    refusal = fetch.Refusal("denied", "iam:ListRoles", "AccessDenied: no", missing_permission="iam:ListRoles")
    found = held(holdings.url, role_refusal=refusal)
    said = found.coverage("workloads", TENANT)
    assert {held.runs_as_id for held in workloads(found).values()} == {None}
    assert (said.status, said.missing_permission) == ("partial", "iam:ListRoles")
    assert "instance-profile/web is not among the roles that were read" in str(said.reason)


def test_nothing_dangles_when_the_roles_are_missing(holdings: Holdings) -> None:
    refusal = fetch.Refusal("denied", "iam:ListRoles", "AccessDenied: no")
    found = held(holdings.url, role_refusal=refusal)
    with store.empty() as con:
        load.load(con, found.records)
        (loaded,) = con.execute("select count(*) from resources").fetchone() or (0,)
        (spoiled,) = con.execute(
            "select count(*) from coverage where reason like '%name something not%'"
        ).fetchone() or (1,)
    assert (loaded, spoiled) == (len(found.of("resources")), 0)


class Account:
    """An account as far as `Roles` looks at it."""

    partition, number, tenant_id = "aws", "123456789012", TENANT
    identity_ids = frozenset({ROLE})

    class snapshot:  # noqa: N801 -- stands in for an attribute
        role_refusal = None
        details = fetch.Pages()
        roles = (
            {
                "RoleName": "orders",
                "Arn": "arn:aws:iam::123456789012:role/apps/orders",
                "InstanceProfileList": [{"Arn": "arn:aws:iam::123456789012:instance-profile/web"}],
            },
        )


NAMED = [
    ("arn:aws:iam::123456789012:role/apps/orders", ROLE),
    ("orders", ROLE),
    ("arn:aws:iam::123456789012:instance-profile/web", ROLE),
    ("arn:aws:iam::123456789012:instance-profile/other", None),
    ("arn:aws:iam::444444444444:role/apps/orders", None),
    ("arn:aws:iam::123456789012:role/deleted", None),
    ("deleted", None),
    (None, None),
]


@pytest.mark.parametrize(("named", "identity_id"), NAMED)
def test_only_a_role_that_iam_listed_is_referred_to(named: str | None, identity_id: str | None) -> None:
    assert mapping.Roles(Account()).identity_of(named) == identity_id


def test_a_foreign_or_deleted_role_is_no_gap_in_the_scan() -> None:
    assert mapping.Roles(Account()).asked([named for named, _ in NAMED]).refused == ()


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


USER_DATA = [
    (packed(b"#!/bin/sh\nexport A=1"), "#!/bin/sh\nexport A=1"),
    (packed(gzip.compress(b"#cloud-config\n")), "#cloud-config\n"),
    (packed(b"\x1f\x8bbroken"), ""),
    (packed(b"\xff\xfea"), "\ufffd\ufffda"),
    ("not base64!", "not base64!"),
]


@pytest.mark.parametrize(("encoded", "text"), USER_DATA, ids=["plain", "gzip", "broken gzip", "bytes", "no base64"])
def test_user_data_is_read_in_every_form(encoded: str, text: str) -> None:
    assert mapping.read_user_data(encoded) == text


def test_user_data_that_unpacks_without_end_is_cut() -> None:
    assert len(mapping.read_user_data(packed(gzip.compress(bytes(64 << 20))))) == 1 << 20


def test_variables_under_a_key_of_ours_are_a_gap_that_names_the_key_permission() -> None:
    pages = fetch.Pages(
        [{"Functions": [{"FunctionName": "f", "Environment": {"Error": {"ErrorCode": "AccessDenied"}}}]}]
    )
    raw = mapping.Workloads(*({} for _ in range(10)))
    asked = mapping.replace(raw, functions={"us-east-1": pages}).asked_about_environments()
    (refused,) = [refusal for part in asked for refusal in part.refused]
    assert (refused.status, refused.missing_permission) == ("denied", "kms:Decrypt")
