"""From the answers of an org to findings: whom deals, internal objects and administration are open to."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from fixtures.salesforce.simulator import running
from nhiscan import check, load, scan, store
from nhiscan.model import Alias, Classification, Coverage, Package, PackageAssignment, PackageItem, Partner, Record
from tests.salesforce.conftest import AS_OF, Acme, acme
from tests.salesforce.conftest import scan as read

RULES = (
    "priv-blast-radius",
    "priv-delegated-admin-broad",
    "priv-internal-object-exposed",
    "priv-package-drift",
    "priv-record-visibility-beyond-own",
)


def _with_deals() -> Acme:
    """The org, with deals that every outsider may read and export, accounts that none may, and margins for insiders."""
    org = acme()
    world = org.world
    (rights,) = [row["Id"] for row in world.rows("PermissionSet") if row.get("ProfileId") == org.partner_profile]
    for name, outside in (("Opportunity", "Read"), ("Account", "Private"), ("Margin__c", "Private")):
        world.add(
            "EntityDefinition", QualifiedApiName=name, InternalSharingModel="Private", ExternalSharingModel=outside
        )
        world.add("ObjectPermissions", ParentId=rights, SobjectType=name, PermissionsRead=True)
    world.change(rights, PermissionsExportReport=True)
    world.add("Opportunity", OwnerId=org.anna)
    group = world.add("DelegateGroup", Name="Partner admins", IsLoginAccessEnabled=True)
    world.add("DelegateGroupMember", DelegateGroupId=group, UserOrGroupId=org.partner_user)
    return org


def _register(org: Acme) -> Iterator[Record]:
    yield Partner("P-1", "Contoso", register_row="partners.csv:2")
    yield Alias("P-1", "salesforce_account", org.contoso, register_row="aliases.csv:2")
    yield Classification("salesforce", "Margin__c", visibility_class="internal_only")
    yield Package("K-1", "Deals", version=1)
    yield PackageItem("K-1", "salesforce", "crm/Opportunity", "read-data", record_scope="own")
    yield PackageAssignment("P-1", "K-1")
    for table in ("partners", "aliases", "classifications", "packages", "package_items", "package_assignments"):
        yield Coverage("register", "register:main", f"register.{table}", "complete")


@pytest.fixture(scope="module")
def judged() -> Iterator[tuple[Acme, duckdb.DuckDBPyConnection]]:
    org = _with_deals()
    with running(org.world) as url, store.empty() as con:
        con.execute("insert into scans (scan_id, as_of) values ('s', ?)", [AS_OF.replace(tzinfo=None)])
        con.execute(
            "insert into register_fields values "
            "('classifications', 'visibility_class', 1, 1), ('package_assignments', 'package_id', 1, 1)"
        )
        load.load(con, [*read(url).records, *_register(org)])
        for stage in scan.STAGES:
            stage(con)
        check.run(con, [rule for rule in check.load() if rule.rule_id in RULES], {})
        yield org, con


def outcomes(con: duckdb.DuckDBPyConnection, rule_id: str) -> dict[str, str]:
    told = con.execute("select subject_id, outcome from findings where rule_id = ?", [rule_id]).fetchall()
    return dict(told)


def test_deals_that_a_default_opens_to_outsiders_are_found(judged: tuple[Acme, duckdb.DuckDBPyConnection]) -> None:
    org, con = judged
    assert outcomes(con, "priv-record-visibility-beyond-own") == {
        f"{org.tenant_id}:crm_object/Opportunity": "fail",
        f"{org.tenant_id}:crm_object/Account": "unknown",  # its sharing rules stand in the metadata only
    }


def test_an_internal_object_within_a_partners_profile_is_found(
    judged: tuple[Acme, duckdb.DuckDBPyConnection],
) -> None:
    org, con = judged
    assert outcomes(con, "priv-internal-object-exposed") == {f"{org.tenant_id}:crm_object/Margin__c": "fail"}


def test_what_the_partners_user_reaches_is_held_against_its_package(
    judged: tuple[Acme, duckdb.DuckDBPyConnection],
) -> None:
    org, con = judged
    user = org.user(org.partner_user)
    assert outcomes(con, "priv-package-drift") == {user: "fail"}
    assert outcomes(con, "priv-blast-radius")[user] == "fail"


def test_who_may_sign_in_as_others_by_a_delegated_group_is_found(
    judged: tuple[Acme, duckdb.DuckDBPyConnection],
) -> None:
    org, con = judged
    assert outcomes(con, "priv-delegated-admin-broad") == {org.user(org.partner_user): "fail"}
