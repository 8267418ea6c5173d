"""SOQL as the stand-in understands it: what it selects, and what it refuses as Salesforce does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.salesforce.answers import answer
from fixtures.salesforce.contract import check_query
from fixtures.salesforce.soql import SoqlRefused
from fixtures.salesforce.world import World

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    world = World(clock=lambda: NOW)
    anna = world.add("User", Name="Anna", Username="anna@acme.example")
    for number, (name, kind, website) in enumerate(
        [("Contoso", "Partner", None), ("100% O'Hara", "Customer", "https://x.example"), ("Fabrikam", None, None)]
    ):
        world.add(
            "Account",
            Name=name,
            Type=kind,
            Website=website,
            IsPartner=number == 0,
            NumberOfEmployees=number * 10,
            OwnerId=anna if number else world.user_id,
            LastActivityDate=None if number == 1 else NOW - timedelta(days=number),
        )
    return world


def names(world: World, rest: str) -> list[str]:
    query = check_query(f"SELECT Name FROM Account {rest}")
    found = answer(world, query, user_id=world.user_id, data_path="/services/data/v62.0")
    return [found.written(row)["Name"][0] for row in found.rows]


@pytest.mark.parametrize(
    ("rest", "wanted"),
    [
        ("WHERE Name = 'contoso'", "C"),
        ("WHERE Name != 'Contoso'", "1F"),
        ("WHERE Type != 'Partner'", "1F"),
        ("WHERE Type = null", "F"),
        ("WHERE Type <> null", "1C"),
        ("WHERE Type IN ('Partner', 'Customer')", "1C"),
        ("WHERE Type IN ('Partner', null)", "CF"),
        ("WHERE Type NOT IN ('Partner')", "1F"),
        ("WHERE IsPartner = TRUE", "C"),
        ("WHERE NumberOfEmployees >= 10 AND NumberOfEmployees < 20", "1"),
        ("WHERE Name LIKE '%o%'", "1C"),
        (r"WHERE Name LIKE '100\% O\'%'", "1"),
        ("WHERE Name LIKE '_abrikam'", "F"),
        (r"WHERE Name = '100% O\'Hara'", "1"),
        ("WHERE LastActivityDate >= 2026-01-30T12:00:00Z", "C"),
        ("WHERE LastActivityDate >= 2026-01-29T14:00:00+02:00", "CF"),
        ("WHERE LastActivityDate = 2026-01-29", "F"),
        ("WHERE LastActivityDate = null", "1"),
        ("WHERE NOT (IsPartner = true)", "1F"),
        ("WHERE (IsPartner = true OR Type = 'Customer') AND Name LIKE '%a%'", "1"),
        ("WHERE Owner.Name = 'Anna'", "1F"),
        ("WHERE OwnerId IN (SELECT Id FROM User WHERE Name = 'Anna')", "1F"),
        ("WHERE OwnerId NOT IN (SELECT Id FROM User WHERE Name = 'Anna')", "C"),
        ("ORDER BY Name", "1CF"),
        ("ORDER BY Name DESC", "FC1"),
        ("ORDER BY Type", "F1C"),
        ("ORDER BY Type NULLS LAST", "1CF"),
        ("ORDER BY Type DESC NULLS LAST", "C1F"),
        ("ORDER BY IsPartner DESC, Name", "C1F"),
        ("ORDER BY Name LIMIT 2", "1C"),
    ],
)
def test_conditions_and_order(world: World, rest: str, wanted: str) -> None:
    found = names(world, rest)
    assert "".join(found if "ORDER BY" in rest else sorted(found)) == "".join(wanted)


def test_an_id_is_the_same_with_15_and_with_18_characters(world: World) -> None:
    assert names(world, f"WHERE OwnerId = '{world.user_id[:15]}'") == ["C"]


def test_an_index_forgets_what_has_changed(world: World) -> None:
    fresh = World()
    account = fresh.add("Account", Name="Contoso", Type="Partner")
    assert names(fresh, "WHERE Type = 'Partner'") == ["C"]
    fresh.change(account, Type="Customer")
    fresh.add("Account", Name="Northwind", Type="Partner")
    assert names(fresh, "WHERE Type = 'Partner'") == ["N"]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Bogus FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Bogus = 1", "INVALID_FIELD"),
        ("SELECT Owner.Bogus FROM Account", "INVALID_FIELD"),
        ("SELECT Bogus.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Bogus", "INVALID_TYPE"),
        ("SELECT Id FROM Name", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE IsPartner = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM LoginHistory WHERE Application = 'Loader'", "INVALID_FIELD"),
        ("SELECT Id FROM SetupAuditTrail WHERE Section = 'Users'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE BillingAddress = null", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE IsPartner > false", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Id LIKE '001%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Type = 'a' AND Type = 'b' OR Type = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Type = 'a' AND NOT Type = 'b'", "MALFORMED_QUERY"),
        ("SELECT Id, Name, Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id, COUNT(Name) FROM Account", "MALFORMED_QUERY"),
        ("SELECT COUNT(), Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Type, COUNT(Id) FROM Account GROUP BY Type HAVING COUNT(Id) > 1", "MALFORMED_QUERY"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 1", "MALFORMED_QUERY"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 5", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE CreatedDate = TODAY", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account a", "MALFORMED_QUERY"),
        (r"SELECT Id FROM Account WHERE Name = 'a\x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a'; DROP", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT FROM Account", "MALFORMED_QUERY"),
        ("SELECT", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
        ("UPDATE Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name IN (" + "'a'," * 30_000 + "'a')", "QUERY_TOO_COMPLICATED"),
    ],
)
def test_all_else_is_refused_with_salesforce_s_code(soql: str, code: str) -> None:
    with pytest.raises(SoqlRefused) as refused:
        check_query(soql)
    assert refused.value.code == code


def test_a_refusal_names_the_column_that_is_not_there() -> None:
    with pytest.raises(SoqlRefused, match="No such column 'AccessLevel' on entity 'OauthToken'"):
        check_query("SELECT Id, AccessLevel FROM OauthToken")


def test_a_query_is_checked_against_the_api_that_it_is_for() -> None:
    check_query("SELECT OrgValueRaw FROM SecurityHealthCheckRisks WHERE RiskType = 'HIGH_RISK'", "tooling")
    with pytest.raises(SoqlRefused, match="'SecurityHealthCheckRisks' is not supported"):
        check_query("SELECT OrgValueRaw FROM SecurityHealthCheckRisks")
