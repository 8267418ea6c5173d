from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from nhiscan.model import (
    Identity,
    IdentityMapping,
    Package,
    PackageAssignment,
    PackageItem,
    Policy,
    PolicyBinding,
    Record,
)
from nhiscan.resolve import contracts, facts, owners, packages, partners
from tests.resolve.crm_estate import Crm
from tests.resolve.register_estate import NORDWIND, SUEDLICHT, covered, role, role_id, rows, scan, tenant

_BUCKET = "arn:aws:s3:::exchange"
_GIVEN = (
    NORDWIND,
    IdentityMapping(role_id("sync"), partner_id="P-1", decided_by="dana@acme.example"),
    Package("K-1", "Exchange"),
    PackageAssignment("P-1", "K-1"),
    role(),
    covered("policies", "memberships", "credentials"),
)


def _item(verb: str = "read-data", resource: str = f"{_BUCKET}/*", **fields: Any) -> PackageItem:
    return PackageItem("K-1", "aws", resource, verb, **fields)


def _policy(*statements: dict[str, Any], role_of_policy: str = "identity") -> list[Record]:
    policy_id = f"{tenant()}:policy/{role_of_policy}"
    written = [{"Effect": "Allow", **statement} for statement in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": written})
    return [
        Policy(policy_id, "aws", tenant(), kind="inline", name="p", native_id="p", document=document),
        PolicyBinding(policy_id, role_id("sync"), role=role_of_policy),
    ]


def _reads(resource: str | list[str], action: str = "s3:GetObject", **fields: Any) -> dict[str, Any]:
    return {"Action": action, "Resource": resource, **fields}


def _excess(*records: Record | Iterable[Record], columns: str = "verb, resource, certainty", **more: Any) -> list[Any]:
    con = scan(*_GIVEN, *records, **more)
    for stage in (partners, owners, contracts, facts, packages):
        stage.run(con)
    return rows(con, f"select {columns} from package_excess")


def test_what_an_item_covers_is_no_excess() -> None:
    assert _excess(_item(), _policy(_reads(f"{_BUCKET}/outbox/*"))) == []


def test_another_resource_is_one_beside_a_covered_one() -> None:
    held = _policy(_reads(f"{_BUCKET}/*"), _reads("arn:aws:s3:::reports/*"))
    assert _excess(_item(), held) == [("read-data", "arn:aws:s3:::reports/*", "definite")]


def test_a_wider_resource_is_one() -> None:
    assert _excess(_item(), _policy(_reads("*"))) == [("read-data", "*", "definite")]


def test_another_verb_is_one() -> None:
    held = _policy(_reads(f"{_BUCKET}/in/*", "s3:PutObject"))
    assert _excess(_item(), held) == [("write-data", f"{_BUCKET}/in/*", "definite")]
    assert _excess(_item(), _item("write-data"), held) == []


@pytest.mark.parametrize(("verb", "resource"), [("*", "*"), ("READ-*", f"{_BUCKET}*"), ("read-data", "")])
def test_items_may_be_patterns(verb: str, resource: str) -> None:
    assert _excess(_item(verb, resource), _policy(_reads(f"{_BUCKET}/outbox/*"))) == []


def test_reading_settings_is_none() -> None:
    assert _excess(_item(), _policy(_reads("*", "s3:ListAllMyBuckets"))) == []


def test_a_condition_leaves_it_open() -> None:
    office = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    assert _excess(_item(), _policy(_reads("*", Condition=office))) == [("read-data", "*", "conditional")]


def test_a_boundary_narrows_what_is_compared() -> None:
    wide = _policy({"Action": "*", "Resource": "*"})
    within = _policy(_reads(f"{_BUCKET}/in/*"), role_of_policy="boundary")
    assert _excess(_item(), wide, within) == []
    beyond = _policy(_reads([f"{_BUCKET}/*", "arn:aws:s3:::reports/*"]), role_of_policy="boundary")
    assert _excess(_item(), wide, beyond) == [("read-data", "arn:aws:s3:::reports/*", "definite")]


def test_a_boundary_that_cuts_across_leaves_it_open() -> None:
    held = _policy(_reads("arn:aws:s3:::*/outbox/*"))
    across = _policy(_reads(f"{_BUCKET}/*"), role_of_policy="boundary")
    assert _excess(_item(resource="arn:aws:s3:::other/*"), held, across) == [
        ("read-data", "arn:aws:s3:::*/outbox/*", "potential")
    ]


def test_an_item_for_another_environment_covers_nothing() -> None:
    held = _policy(_reads(f"{_BUCKET}/*"))
    assert _excess(_item(environment="prod"), held) == []
    assert _excess(_item(environment="dev"), held) == [("read-data", f"{_BUCKET}/*", "definite")]


@pytest.mark.parametrize("days", [{"expires_at": date(2026, 1, 30)}, {"assigned_at": date(2026, 2, 1)}])
def test_a_package_counts_from_its_first_to_its_last_day(days: dict[str, Any]) -> None:
    assignment = PackageAssignment("P-2", "K-2", **days)
    other = PackageItem("K-2", "aws", "*", "*")
    mapped = IdentityMapping(role_id("sync"), partner_id="P-2", role="vendor", decided_by="dana@acme.example")
    held = _policy(_reads("*"))
    assert _excess(_item(), held, SUEDLICHT, mapped, other, assignment) == [("read-data", "*", "definite")]
    today = PackageAssignment("P-2", "K-2", assigned_at=date(2026, 1, 31), expires_at=date(2026, 1, 31))
    assert _excess(_item(), held, SUEDLICHT, mapped, other, today) == []


def test_without_a_package_there_is_nothing_to_compare() -> None:
    con = scan(NORDWIND, *_GIVEN[4:], _policy(_reads("*")))
    for stage in (partners, owners, contracts, facts, packages):
        stage.run(con)
    assert rows(con, "select * from package_excess") == []


def test_where_the_resource_is_not_named_only_another_verb_is_sure() -> None:
    held = Identity(
        "vault:main:role/r", "vault", "vault:main", kind="workload_role", name="r", native_id="r", is_nhi=True
    )
    mapped = IdentityMapping("vault:main:role/r", partner_id="P-1", decided_by="dana@acme.example")
    con = scan(*_GIVEN, held, mapped, PackageItem("K-1", "vault", "kv/partners/*", "read-secret"))
    con.execute(
        "insert into privileges by name select identity_key, v.verb, 'set' as scope, 'definite' as certainty, "
        "4 as level from identities, (values ('read-secret'), ('write-data')) v (verb) where provider = 'vault'"
    )
    for stage in (partners, owners, contracts, facts, packages):
        stage.run(con)
    assert rows(con, "select verb, certainty from package_excess") == [
        ("read-secret", "potential"),
        ("write-data", "definite"),
    ]


# of a CRM, how many records of an object


def _crm_item(resource: str, verb: str = "read-data", **fields: Any) -> PackageItem:
    return PackageItem("K-1", "salesforce", resource, verb, **fields)


def _crm_excess(crm: Crm, *items: PackageItem) -> set[tuple[Any, ...]]:
    crm.add(Package("K-1", "Exchange"), PackageAssignment("P-1", "K-1"), *items)
    con = crm.resolve()
    packages.run(con)
    return set(rows(con, "select verb, resource, scope, certainty from package_excess"))


def _reader(permission: str = "object:read", external: str | None = "private") -> Crm:
    """A partner's user with a profile that holds the permission on deals."""
    crm = Crm()
    crm.give(
        crm.group("profile", "Partner", crm.partner_user("ana")),
        permission,
        crm.object("Opportunity", external=external),
    )
    return crm


@pytest.mark.parametrize("resource", ["crm/Opportunity", "crm/opp*", "Opportunity", "crm/*", "*", ""])
def test_an_object_of_a_crm_is_covered_by_its_name_or_a_pattern(resource: str) -> None:
    assert _crm_excess(_reader(), _crm_item(resource)) == set()


def test_an_item_that_names_another_object_covers_nothing_of_it() -> None:
    excess = _crm_excess(_reader(), _crm_item("crm/Lead"))
    assert excess == {("read-data", "crm/Opportunity", "self", "definite")}


def test_more_records_than_the_item_allows_are_excess() -> None:
    wide = {("read-data", "crm/Opportunity", "all", "definite")}
    assert _crm_excess(_reader(external="read"), _crm_item("crm/Opportunity")) == wide
    assert _crm_excess(_reader(external="read"), _crm_item("crm/Opportunity", record_scope="team")) == wide
    assert _crm_excess(_reader(external="read"), _crm_item("crm/Opportunity", record_scope="All")) == set()


def test_records_that_cannot_be_ruled_out_are_perhaps_excess() -> None:
    excess = _crm_excess(_reader(external="parent"), _crm_item("crm/Opportunity"))
    assert excess == {("read-data", "crm/Opportunity", "all", "potential")}


def test_changing_an_object_needs_an_item_of_its_own() -> None:
    changes = _reader("object:read,object:edit")
    assert _crm_excess(changes, _crm_item("crm/Opportunity")) == {("write-data", "crm/Opportunity", "self", "definite")}
    assert _crm_excess(_reader("object:read,object:edit"), _crm_item("crm/Opportunity", "*-data")) == set()


def test_a_right_to_all_data_is_beyond_an_item_for_one_object() -> None:
    crm = _reader()
    crm.give(crm.group("permission_set", "Auditor", f"{crm.org}:user/ana"), "ViewAllData")
    excess = _crm_excess(crm, _crm_item("crm/Opportunity", record_scope="all"))
    assert excess == {("read-data", "crm/*", "all", "definite")}
