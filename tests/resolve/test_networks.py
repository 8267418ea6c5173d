from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from nhiscan.model import Membership, OrgNode, OrgPolicy, Policy, PolicyBinding, Record
from nhiscan.resolve import contracts, facts, networks, owners, partners
from tests.resolve.register_estate import A, covered, key, role, role_id, rows, scan, tenant

_OFFICE = {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]}}
_ELSEWHERE = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(condition: dict[str, Any] | None = None) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    return allow if condition is None else {**allow, "Condition": condition}


def _deny(condition: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition, **fields}


@pytest.mark.parametrize(
    "condition",
    [
        _ELSEWHERE,
        {"NotIpAddressIfExists": {"AWS:sourceip": ["192.0.2.0/24"]}, "Bool": {"aws:ViaAWSService": "false"}},
        {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}, "BoolIfExists": {"aws:ViaAWSService": False}},
        {"NotIpAddress": {"aws:SourceIp": "192.0.2.7"}, "StringNotEquals": {"aws:SourceVpc": ["vpc-1", "vpc-2"]}},
    ],
)
def test_denying_everything_from_elsewhere_binds(condition: dict[str, Any]) -> None:
    assert networks.bond(_document(_allow(), _deny(condition))) == "denies"


@pytest.mark.parametrize(
    "deny",
    [
        _deny(_ELSEWHERE, Action="iam:*"),
        _deny(_ELSEWHERE, Resource="arn:aws:s3:::acme/*"),
        _deny({"NotIpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
        _deny({"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "office"]}}),
        _deny({"StringNotLike": {"aws:SourceVpce": "*"}}),
        _deny({**_ELSEWHERE, "StringEquals": {"aws:PrincipalTag/team": "x"}}),
        _deny({**_ELSEWHERE, "Bool": {"aws:ViaAWSService": "true"}}),
        _deny({"Bool": {"aws:ViaAWSService": "false"}}),
        _deny({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        {"Effect": "Deny", "NotAction": "iam:Get*", "Resource": "*", "Condition": _ELSEWHERE},
    ],
)
def test_a_deny_that_leaves_something_decides_nothing(deny: dict[str, Any]) -> None:
    assert networks.bond(_document(_allow(), deny)) == "mentions"


def test_allowing_from_networks_only_binds_what_it_allows() -> None:
    assert networks.bond(_document(_allow(_OFFICE), _allow({"StringEquals": {"aws:SourceVpce": "vpce-1"}}))) == "allows"
    assert networks.bond(_document(_allow(_OFFICE), _allow())) == "mentions"
    assert networks.bond(_document(_allow({"IpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"}}))) == "mentions"
    assert networks.bond(_document(_allow({"IpAddress": {"aws:SourceIp": "::/0"}}))) == "mentions"


@pytest.mark.parametrize(
    "text", ["aws:SourceIp", "[]", '{"Statement": 7}', '{"Statement": [{"Effect": "Allow", "Condition": 1}]}']
)
def test_what_is_no_policy_decides_nothing(text: str) -> None:
    assert networks.bond(text) == "mentions"


def _policy(name: str, *statements: dict[str, Any], kind: str = "customer_managed") -> Policy:
    return Policy(
        f"{tenant()}:policy/{name}",
        "aws",
        tenant(),
        kind=kind,
        name=name,
        native_id=name,
        document=_document(*statements),
    )


def _bound(name: str, *, role_of_policy: str = "identity", to: str = "sync") -> PolicyBinding:
    return PolicyBinding(f"{tenant()}:policy/{name}", role_id(to), role=role_of_policy)


def _is_bound(*records: Record, read: bool = True, **key_fields: Any) -> bool | None:
    con: duckdb.DuckDBPyConnection = scan(
        role(), key(**key_fields), *records, covered("policies", status="complete" if read else "denied")
    )
    for stage in (partners, owners, contracts, facts):
        stage.run(con)
    [(answer,)] = rows(con, "select is_network_bound from credential_facts")
    return None if answer is None else bool(answer)


def test_a_key_of_which_no_policy_speaks_of_networks_works_from_anywhere() -> None:
    assert _is_bound(_policy("open", _allow()), _bound("open")) is False
    assert _is_bound(read=False) is None


def test_a_policy_that_denies_binds_beside_open_ones_and_through_a_group() -> None:
    policies = (_policy("open", _allow()), _bound("open"), _policy("office", _deny(_ELSEWHERE)))
    assert _is_bound(*policies, _bound("office")) is True
    group = role("team", kind="group")
    assert (
        _is_bound(*policies, group, Membership(role_id("sync"), role_id("team")), _bound("office", to="team")) is True
    )


def test_policies_that_allow_from_networks_bind_only_together_or_as_boundary() -> None:
    office, opened = _policy("office", _allow(_OFFICE)), _policy("open", _allow())
    assert _is_bound(office, _bound("office")) is True
    assert _is_bound(office, _bound("office"), opened, _bound("open")) is None
    assert _is_bound(office, _bound("office", role_of_policy="boundary"), opened, _bound("open")) is True
    assert _is_bound(opened, _bound("open", role_of_policy="boundary"), office, _bound("office")) is True


def _tree(management: str) -> tuple[OrgNode, ...]:
    return (
        OrgNode("root", management, kind="root", name="root"),
        OrgNode("unit", management, kind="unit", name="unit", parent_id="root"),
        OrgNode("account", tenant(A), kind="account", name="prod", parent_id="unit"),
    )


def test_a_service_control_policy_above_the_account_binds() -> None:
    tree = _tree("aws:999999999999")
    opened = (_policy("open", _allow()), _bound("open"))
    scp = _policy("perimeter", _deny(_ELSEWHERE), kind="scp")
    assert _is_bound(*tree, *opened, scp, OrgPolicy(scp.policy_id, node_id="root")) is True
    partial = _policy("perimeter", _deny(_ELSEWHERE, Action="s3:*"), kind="scp")
    assert _is_bound(*tree, *opened, partial, OrgPolicy(partial.policy_id, node_id="unit")) is None
    assert _is_bound(*tree, *opened, scp, OrgPolicy(scp.policy_id, node_id="elsewhere")) is False


def test_a_service_control_policy_does_not_bind_the_management_account() -> None:
    scp = _policy("perimeter", _deny(_ELSEWHERE), kind="scp")
    opened = (_policy("open", _allow()), _bound("open"))
    assert _is_bound(*_tree(tenant(A)), *opened, scp, OrgPolicy(scp.policy_id, node_id="root")) is False


def test_a_resource_control_policy_binds_no_key() -> None:
    rcp = _policy("perimeter", _deny(_ELSEWHERE, Principal="*"), kind="rcp")
    opened = (_policy("open", _allow()), _bound("open"))
    assert _is_bound(*_tree("aws:999999999999"), *opened, rcp, OrgPolicy(rcp.policy_id, node_id="root")) is False


def test_what_the_source_says_of_the_credential_itself_wins() -> None:
    assert _is_bound(_policy("open", _allow()), _bound("open"), is_network_bound=True) is True
