"""What `nhiscan show` takes for the id of a case or finding."""

from __future__ import annotations

import duckdb
import pytest

from nhiscan import show, store
from nhiscan.errors import QueryError
from tests.report.estate import insert


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = store.empty()
    con.execute("insert into cases (case_id) values ('aaaaaaaaaa0000000000'), ('bbbbbbbbbb0000000000')")
    con.execute("insert into findings (finding_id) values ('aaaaaaaaaa1111111111'), ('cccccccccc0000000000')")
    return con


def test_the_beginning_of_an_id_means_the_one_thing_that_has_it(con: duckdb.DuckDBPyConnection) -> None:
    assert show.anything(con, "bbbbbbbbbb")[0].title == "case"
    assert show.anything(con, "cccccccccc")[0].title == "finding"


def test_a_beginning_of_several_ids_names_them(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError) as caught:
        show.anything(con, "aaaaaaaaaa")
    assert caught.value.hint == "take one of the ids: aaaaaaaaaa0000000000, aaaaaaaaaa1111111111"


def test_a_beginning_too_short_to_mean_one_is_not_taken(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match="no identity, credential, finding or case 'bbbbb'"):
        show.anything(con, "bbbbb")


def titles(con: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [section.title for section in show.anything(con, name)]


def test_what_is_no_identity_is_shown_by_its_id() -> None:
    con = store.empty()
    con.execute("insert into resource_facts (resource_id, native_id) values ('aws:1:function/sync', 'arn:sync')")
    con.execute("insert into policies (policy_id, native_id) values ('vault:main:acl/kontor', 'kontor')")
    con.execute("insert into integration_facts (integration_id) values ('aws:1:account/333333333331')")
    con.execute("insert into setting_facts (setting_id) values ('salesforce:00D:setting/sso.required')")
    assert titles(con, "arn:sync")[0] == "resource"
    assert titles(con, "kontor")[0] == "policy"
    assert titles(con, "aws:1:account/333333333331")[0] == "integration"
    assert titles(con, "salesforce:00D:setting/sso.required")[0] == "setting"
    con.execute("insert into acceptance_facts (acceptance_id) values ('A-2')")
    con.execute("insert into offboarding_facts (offboarding_id) values ('O-1')")
    assert titles(con, "A-2")[0] == "acceptance"
    assert titles(con, "O-1") == ["offboarding", "steps"]


def test_a_name_of_several_resources_lists_them() -> None:
    con = store.empty()
    con.execute("insert into resource_facts (resource_id, native_id) values ('a', 'same'), ('b', 'same')")
    with pytest.raises(QueryError) as caught:
        show.anything(con, "same")
    assert caught.value.hint == "take one of the ids: a, b"


AWS = "aws:111111111111"


@pytest.fixture
def estate() -> duckdb.DuckDBPyConnection:
    """One user, one role that it may assume by a policy, and one group."""
    con = store.empty()
    for key, name in ((1, "user/ci"), (2, "role/deploy"), (3, "group/builders")):
        told = {"identity_key": key, "identity_id": f"{AWS}:{name}", "tenant_id": AWS, "provider": "aws", "name": name}
        insert(con, "identities", told)
        if key < 3:
            insert(con, "identity_facts", told)
    insert(con, "policies", {"policy_key": 7, "policy_id": f"{AWS}:policy/assume", "name": "assume"})
    insert(con, "memberships", {"identity_key": 1, "group_key": 3})
    edge(con, 1, 2, policy_key=7)
    return con


def edge(con: duckdb.DuckDBPyConnection, start: int, end: int, certainty: str = "definite", **more: object) -> None:
    told = {"kind": "may-assume", "is_rewriting": False, "evidence": f"{start} to {end}", **more}
    insert(con, "access_edges", {"from_key": start, "to_key": end, "certainty": certainty, **told})


def section(con: duckdb.DuckDBPyConnection, name: str, title: str) -> show.Section:
    (found,) = [section for section in show.anything(con, f"{AWS}:{name}") if section.title == title]
    return found


def rows(con: duckdb.DuckDBPyConnection, name: str, title: str) -> list[dict[str, object]]:
    found = section(con, name, title)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_an_effective_privilege_comes_with_its_reason(estate: duckdb.DuckDBPyConnection) -> None:
    told = {"verb": "read-secret", "scope": "set", "certainty": "definite", "level": 4, "statement": "allow reading"}
    insert(estate, "privileges", {"identity_key": 1, "policy_key": 7, "via_key": 3, "considered": "no denies", **told})
    reason = {"policy": "assume", "through_group": "group/builders", "by_token_of": None, "considered": "no denies"}
    assert rows(estate, "user/ci", "effective privilege") == [{**told, **reason}]


@pytest.mark.parametrize(("certainty", "level"), [("definite", 3), ("conditional", None)])
def test_a_narrow_right_has_the_level_of_whom_it_surely_reaches(
    estate: duckdb.DuckDBPyConnection, certainty: str, level: int | None
) -> None:
    insert(estate, "privileges", {"identity_key": 1, "verb": "impersonate", "scope": "set", "certainty": certainty})
    insert(estate, "narrow_levels", {"identity_key": 1, "verb": "impersonate", "level": 3})
    assert rows(estate, "user/ci", "effective privilege")[0]["level"] == level


def test_neighbours_are_told_in_both_directions(estate: duckdb.DuckDBPyConnection) -> None:
    (out,) = rows(estate, "user/ci", "can become")
    (back,) = rows(estate, "role/deploy", "can be taken over by")
    assert (out["identity_id"], back["identity_id"]) == (f"{AWS}:role/deploy", f"{AWS}:user/ci")
    assert (out["policy"], out["evidence"], out["ways"]) == ("assume", "1 to 2", 1)
    assert rows(estate, "role/deploy", "can become") == []


def test_behind_a_hub_stand_the_first_neighbours_and_how_many_more(estate: duckdb.DuckDBPyConnection) -> None:
    insert(estate, "access_hubs", {"hub_key": -1, "name": "what the account lets in"})
    estate.execute(
        "insert into identities (identity_key, identity_id) select range, 'aws:2:role/r' || range from range(100, 150)"
    )
    estate.execute(
        "insert into access_edges (from_key, to_key, kind, certainty) "
        "select -1, range, 'may-assume', 'conditional' from range(100, 150)"
    )
    edge(estate, 1, -1)
    edge(estate, -1, 1)
    found = section(estate, "user/ci", "can become")
    assert (len(found.rows), found.more) == (20, 31)
    first, second = rows(estate, "user/ci", "can become")[:2]
    assert (first["identity_id"], first["through"]) == (f"{AWS}:role/deploy", None)
    assert (second["certainty"], second["through"]) == ("conditional", "what the account lets in")


def test_of_several_ways_to_a_neighbour_the_surest_is_told(estate: duckdb.DuckDBPyConnection) -> None:
    edge(estate, 1, 2, "potential", path_id="lambda-003")
    (out,) = rows(estate, "user/ci", "can become")
    assert (out["certainty"], out["path_id"], out["ways"]) == ("definite", None, 2)


def test_who_rewrites_its_own_rights_by_a_hub_can_become_itself(estate: duckdb.DuckDBPyConnection) -> None:
    edge(estate, 2, -1, is_rewriting=True)
    edge(estate, -1, 2, is_rewriting=True)
    assert [row["identity_id"] for row in rows(estate, "role/deploy", "can become")] == [f"{AWS}:role/deploy"]


def test_a_group_is_shown_with_its_members(estate: duckdb.DuckDBPyConnection) -> None:
    assert rows(estate, "group/builders", "members") == [{"identity_id": f"{AWS}:user/ci"}]


def test_a_profile_is_shown_with_its_grants_and_findings(estate: duckdb.DuckDBPyConnection) -> None:
    profile = f"{AWS}:group/builders"
    insert(estate, "role_facts", {"role_key": 3, "role_id": profile, "kind": "profile", "members": 1})
    insert(estate, "grants", {"identity_key": 3, "permission": "ModifyAllData", "source": "profile"})
    found = {"finding_id": "f1", "rule_id": "priv-x", "subject_kind": "role", "subject_id": profile, "outcome": "fail"}
    insert(estate, "findings", found)
    assert [row["members"] for row in rows(estate, "group/builders", "who is in it")] == [1]
    assert [row["permission"] for row in rows(estate, "group/builders", "grants")] == ["ModifyAllData"]
    assert [row["rule_id"] for row in rows(estate, "group/builders", "findings")] == ["priv-x"]


def test_a_policy_and_a_workload_tell_the_steps_that_lead_by_way_of_them(estate: duckdb.DuckDBPyConnection) -> None:
    told = {"resource_key": 4, "resource_id": f"{AWS}:function/sync"}
    insert(estate, "resources", told)
    insert(estate, "resource_facts", told)
    edge(estate, 2, 1, resource_key=4)
    for name, start in (("policy/assume", "user/ci"), ("function/sync", "role/deploy")):
        assert [row["from_id"] for row in rows(estate, name, "steps by way of it")] == [f"{AWS}:{start}"]


ORG = "salesforce:00D000000000001AAA"


@pytest.fixture
def crm() -> duckdb.DuckDBPyConnection:
    """A partner's user, an app with tokens of it and of 24 more, an object and a field that it reaches."""
    con = store.empty()
    for key, name in ((1, "user/ana"), (2, "oauth_app/sync"), *((key, f"user/u{key:02}") for key in range(10, 34))):
        told = {"identity_key": key, "identity_id": f"{ORG}:{name}", "tenant_id": ORG, "name": name.partition("/")[2]}
        insert(con, "identities", told)
        insert(con, "identity_facts", told)
    insert(con, "app_facts", {"identity_key": 2, "identity_id": f"{ORG}:oauth_app/sync", "gives": "all", "tokens": 26})
    insert(con, "app_scopes", {"identity_key": 2, "scope": "full", "gives": "all"})
    for number, (key, is_live) in enumerate([(1, True), (1, True), *((key, key != 33) for key in range(10, 34))]):
        token = {"credential_key": number, "credential_id": f"t{number}", "app_id": f"{ORG}:oauth_app/sync"}
        insert(con, "credential_facts", {**token, "identity_key": key, "is_live": is_live})
    for key, name, field in ((50, "Opportunity", None), (51, "Opportunity", "Amount")):
        kind = "crm_object" if field is None else "crm_field"
        told = {"resource_key": key, "resource_id": f"{ORG}:{kind}/{field or name}", "tenant_id": ORG, "kind": kind}
        insert(con, "resource_facts", {**told, "provider": "salesforce"})
        insert(con, "data_objects", {"resource_key": key, "object": name, "field_name": field, "records": 900})
    insert(con, "classifications", {"system": "Salesforce", "object": "opportunity", "classification": "customer"})
    insert(con, "record_access", {"identity_key": 2, "resource_key": 50, "can_read": True, "record_scope": "own"})
    insert(con, "record_access", {"identity_key": 1, "resource_key": 50, "can_read": True, "record_scope": "all"})
    insert(con, "field_access", {"identity_key": 1, "resource_key": 51, "evidence": "right from profile Partner"})
    insert(con, "sign_ins", {"event_id": "e1", "identity_key": 1, "country": "DE", "is_success": True})
    return con


def crm_section(con: duckdb.DuckDBPyConnection, name: str, title: str) -> show.Section:
    (found,) = [section for section in show.anything(con, f"{ORG}:{name}") if section.title == title]
    return found


def crm_rows(con: duckdb.DuckDBPyConnection, name: str, title: str) -> list[dict[str, object]]:
    found = crm_section(con, name, title)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_an_app_is_shown_with_its_scopes_and_as_whom_it_acts(crm: duckdb.DuckDBPyConnection) -> None:
    assert [row["gives"] for row in crm_rows(crm, "oauth_app/sync", "app")] == ["all"]
    assert crm_rows(crm, "oauth_app/sync", "scopes") == [{"scope": "full", "gives": "all"}]
    users = crm_section(crm, "oauth_app/sync", "users by its live tokens")
    assert (len(users.rows), users.more) == (20, 4)
    first = crm_rows(crm, "oauth_app/sync", "users by its live tokens")[0]
    assert (first["identity_id"], first["tokens"]) == (f"{ORG}:user/ana", 2)


def test_a_user_of_a_crm_is_shown_with_the_records_and_fields_that_it_reaches(crm: duckdb.DuckDBPyConnection) -> None:
    assert [(row["object"], row["record_scope"]) for row in crm_rows(crm, "user/ana", "records")] == [
        ("Opportunity", "all")
    ]
    assert [row["field_name"] for row in crm_rows(crm, "user/ana", "fields it may change")] == ["Amount"]
    assert [row["country"] for row in crm_rows(crm, "user/ana", "sign-ins")] == ["DE"]


def test_an_object_tells_who_sees_it_the_widest_first(crm: duckdb.DuckDBPyConnection) -> None:
    readers = crm_rows(crm, "crm_object/Opportunity", "outsiders and partners")
    assert [row["record_scope"] for row in readers] == ["all", "own"]
    assert [row["classification"] for row in crm_rows(crm, "crm_object/Opportunity", "classification")] == ["customer"]


def test_a_field_tells_who_may_change_it(crm: duckdb.DuckDBPyConnection) -> None:
    editors = crm_rows(crm, "crm_field/Amount", "who may change it")
    assert [row["evidence"] for row in editors] == ["right from profile Partner"]
    assert crm_rows(crm, "crm_field/Amount", "classification") == []


def test_what_only_a_crm_has_is_not_asked_of_others(estate: duckdb.DuckDBPyConnection) -> None:
    told = titles(estate, f"{AWS}:user/ci")
    assert {"app", "records", "sign-ins"}.isdisjoint(told)


_PLACE = "files:portal:repository/portal"


@pytest.fixture
def leaked(estate: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A token of the user in two files of a repository, one of them of the past, and in a store."""
    insert(estate, "resource_facts", {"resource_key": 9, "resource_id": _PLACE, "native_id": "portal"})
    told = {"leak_id": f"{_PLACE}/a.env/t/1", "resource_id": _PLACE, "value_number": 4, "first_place": "a.env:3"}
    insert(estate, "leak_facts", {**told, "identity_id": f"{AWS}:user/ci", "link": "credential"})
    for path, is_current in (("b.env", True), ("a.env", False)):
        id_ = f"{_PLACE}/{path}/t/1"
        insert(estate, "sightings", {"sighting_id": id_, "resource_key": 9, "path": path, "is_current": is_current})
        insert(estate, "secret_places", {"place_id": id_, "resource_id": _PLACE, "value_number": 4})
    insert(
        estate,
        "secret_places",
        {"place_id": "s", "resource_id": "vault:main:secret/x", "value_number": 4, "is_stored": True},
    )
    return estate


def told(con: duckdb.DuckDBPyConnection, name: str, title: str) -> list[dict[str, object]]:
    (found,) = [section for section in show.anything(con, name) if section.title == title]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_a_leak_is_shown_with_every_text_that_holds_it_and_its_copies(leaked: duckdb.DuckDBPyConnection) -> None:
    id_ = f"{_PLACE}/a.env/t/1"
    assert told(leaked, id_, "leak")[0]["link"] == "credential"
    assert [row["path"] for row in told(leaked, id_, "where it stands")] == ["b.env", "a.env"]
    assert [row["is_stored"] for row in told(leaked, id_, "where else the value is")] == [True]


def test_an_identity_is_shown_with_the_places_where_its_secrets_leaked(leaked: duckdb.DuckDBPyConnection) -> None:
    assert [row["first_place"] for row in told(leaked, f"{AWS}:user/ci", "leaked")] == ["a.env:3"]
    assert told(leaked, f"{AWS}:role/deploy", "leaked") == []


def test_a_place_of_many_secrets_shows_the_first_and_how_many_more(leaked: duckdb.DuckDBPyConnection) -> None:
    for n in range(40):
        insert(leaked, "sightings", {"sighting_id": f"s{n}", "resource_key": 9, "location": f"portal: {n:02}"})
    (seen,) = [section for section in show.anything(leaked, "portal") if section.title == "secrets seen"]
    assert (len(seen.rows), seen.more) == (20, 22)
