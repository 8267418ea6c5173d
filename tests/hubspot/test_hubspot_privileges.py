"""HubSpot's scopes and its one told right in the common verbs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.hubspot.account import ANNA
from fixtures.hubspot.contract import description
from fixtures.hubspot.simulator import Simulator
from nhiscan import load, store
from nhiscan.model import Grant
from nhiscan.resolve import table_privileges
from tests.hubspot.conftest import TENANT, scan


def meanings(scope: str) -> set[str]:
    table = table_privileges.table("hubspot")
    assert table is not None
    return {meaning.verb for meaning in table.meanings(scope)}


@pytest.mark.parametrize("scope", description()["scopes"])
def test_every_scope_that_hubspot_describes_means_something(scope: str) -> None:
    assert "unknown" not in meanings(scope)


@pytest.mark.parametrize(
    ("scope", "verbs"),
    [
        ("super_admin", {"admin"}),
        ("settings.users.write", {"manage-identity"}),
        ("crm.objects.users.write", {"manage-identity"}),
        ("crm.objects.contacts.read", {"read-data"}),
        ("crm.objects.contacts.write", {"write-data"}),
        ("crm.objects.contacts.sensitive.read", {"read-data"}),
        ("crm.schemas.deals.read", {"read-config"}),
        ("crm.schemas.deals.write", {"write-data"}),
        ("crm.export", {"export-data"}),
        ("automation", {"run-code", "write-data"}),
        ("account-info.security.read", {"read-config"}),
        ("crm.objects.owners.read", {"read-data"}),
        ("something.of.next.year", {"unknown"}),
    ],
)
def test_a_scope_is_read_as_its_verbs(scope: str, verbs: set[str]) -> None:
    assert meanings(scope) == verbs


def test_the_scanner_can_only_read(simulator: Simulator) -> None:
    scopes = next(iter(simulator.tokens.values()))
    assert set().union(*map(meanings, scopes)) <= {"read-config", "read-data"}


def test_a_super_administrator_administers_and_others_are_not_cleared(simulator: Simulator) -> None:
    said = scan(simulator)
    with store.empty() as con:
        load.load(con, said.records)
        table_privileges.run(con, "hubspot")
        found = con.execute(
            "select i.identity_id, p.verb, p.level from privileges p join identities i using (identity_key) "
            "where p.verb = 'admin'"
        ).fetchall()
    assert found == [(f"{TENANT}:user/{ANNA}", "admin", 5)]
    assert said.coverage("grants").status == "unsupported"


def test_scopes_of_an_app_that_are_known_count(simulator: Simulator) -> None:
    said = scan(simulator)
    (grant,) = said.of("grants")
    known: Grant = replace(
        grant, grant_id="g", identity_id=f"{TENANT}:service_key/8101", permission="crm.objects.contacts.write, oauth"
    )
    with store.empty() as con:
        load.load(con, [*said.records, known])
        table_privileges.run(con, "hubspot")
        found = con.execute(
            "select p.verb from privileges p join identities i using (identity_key) "
            "where i.native_id = '8101' and p.certainty = 'definite' order by 1"
        ).fetchall()
    assert found == [("read-config",), ("write-data",)]
