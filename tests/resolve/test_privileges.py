from __future__ import annotations

import duckdb

from nhiscan.model import OrgNode
from nhiscan.resolve import privileges
from tests.resolve.aws_estate import Estate, allow, arn, deny


def resolved(estate: Estate) -> duckdb.DuckDBPyConnection:
    con = estate.load()
    privileges.run(con)
    return con


def held(con: duckdb.DuckDBPyConnection, identity_id: str) -> set[tuple[str, str, str, int | None]]:
    rows = con.execute(
        "select p.verb, p.scope, p.certainty, p.level from privileges p join identities i using (identity_key) "
        "where i.identity_id = ?",
        [identity_id],
    ).fetchall()
    return set(rows)


def considered(con: duckdb.DuckDBPyConnection, identity_id: str, verb: str) -> str:
    ((text,),) = con.execute(
        "select p.considered from privileges p join identities i using (identity_key) "
        "where i.identity_id = ? and p.verb = ?",
        [identity_id, verb],
    ).fetchall()
    return str(text)


READS = ("read-data", "all", "definite", 3)
NOTHING = ("none", "self", "definite", 0)
UNKNOWN = ("unknown", "all", "potential", None)


def test_an_identity_without_a_policy_has_level_none() -> None:
    estate = Estate()
    estate.account()
    user = estate.identity("user/bot")
    assert held(resolved(estate), user) == {NOTHING}


def test_a_group_gives_to_its_members_and_has_nothing_itself() -> None:
    estate = Estate()
    estate.account()
    user, group = estate.identity("user/bot"), estate.identity("group/readers")
    estate.join(user, group)
    estate.give(group, allow("s3:GetObject"))
    con = resolved(estate)
    assert held(con, user) == {READS}
    assert held(con, group) == set()
    (via,) = con.execute(
        "select g.identity_id from privileges p join identities g on g.identity_key = p.via_key"
    ).fetchall()
    assert via == (group,)


def test_a_deny_in_a_group_takes_away_what_the_user_holds() -> None:
    estate = Estate()
    estate.account()
    user, group = estate.identity("user/bot"), estate.identity("group/denied")
    estate.join(user, group)
    estate.give(user, allow(["s3:GetObject", "sqs:SendMessage"]))
    estate.give(group, deny("sqs:*"))
    assert held(resolved(estate), user) == {READS}


def test_a_boundary_limits_only_whom_it_is_set_on() -> None:
    estate = Estate()
    estate.account()
    bounded, free = estate.identity("role/bounded"), estate.identity("role/free")
    shared = estate.policy(allow(["s3:GetObject", "sqs:SendMessage"]))
    estate.bind(bounded, shared)
    estate.bind(free, shared)
    estate.bound(bounded, allow("s3:*"))
    con = resolved(estate)
    assert held(con, bounded) == {READS}
    assert held(con, free) == {READS, ("write-data", "all", "definite", 4)}


def test_only_the_identity_that_a_shared_policy_names_holds_it_over_itself() -> None:
    estate = Estate()
    estate.account()
    own, other = estate.identity("role/team/app"), estate.identity("role/other")
    shared = estate.policy(allow("iam:PutRolePolicy", arn("role/team/app")))
    estate.bind(own, shared)
    estate.bind(other, shared)
    con = resolved(estate)
    assert held(con, own) == {("manage-policy", "self", "definite", 5)}
    assert held(con, other) == {("manage-policy", "single", "definite", None)}


def test_what_was_weighed_is_said() -> None:
    estate = Estate()
    estate.account()
    role = estate.identity("role/app")
    estate.give(role, allow("s3:GetObject"))
    estate.give(role, deny("iam:*"))
    estate.bound(role, allow("*"))
    assert considered(resolved(estate), role, "read-data") == "denies in policy-2; boundary policy-3; SCPs not read"


def test_read_scps_are_not_called_unread_nor_weighed() -> None:
    estate = Estate()
    estate.account(scps="complete")
    role = estate.identity("role/app")
    estate.give(role, allow("*"))
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert considered(con, role, "admin") == "no denies; no boundary; SCPs read but not weighed"


def test_an_account_without_scps_needs_no_word_on_them() -> None:
    estate = Estate()
    estate.account(scps="not_applicable")
    role = estate.identity("role/app")
    estate.give(role, allow("s3:GetObject"))
    assert considered(resolved(estate), role, "read-data") == "no denies; no boundary"


def test_scps_do_not_limit_the_account_that_manages_the_organization() -> None:
    estate = Estate()
    estate.account(scps="complete")
    role = estate.identity("role/app")
    estate.give(role, allow("s3:GetObject"))
    tenant_id = role.rpartition(":")[0]
    estate.records.append(OrgNode(node_id="root", tenant_id=tenant_id, kind="root", name="Root"))
    assert considered(resolved(estate), role, "read-data") == "no denies; no boundary"


def test_unread_scps_do_not_soften_an_administrator() -> None:
    estate = Estate()
    estate.account()
    role = estate.identity("role/app")
    estate.give(role, allow("*"))
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert considered(con, role, "admin").endswith("SCPs not read")


def test_a_document_that_cannot_be_read_is_named() -> None:
    estate = Estate()
    estate.account()
    role = estate.identity("role/app")
    estate.give(role, '{"Statement": [{"Effect": "Allow"')
    con = resolved(estate)
    assert held(con, role) == {UNKNOWN}
    assert "policy policy-1 could not be read: not JSON" in considered(con, role, "unknown")


def test_uncovered_policies_add_unknown_and_keep_what_was_found() -> None:
    estate = Estate()
    estate.account(policies="denied")
    role = estate.identity("role/app")
    estate.give(role, allow("s3:GetObject"))
    con = resolved(estate)
    assert held(con, role) == {READS, UNKNOWN}
    assert considered(con, role, "unknown") == "not read completely: policies"


def test_a_dataset_that_nobody_spoke_of_is_uncovered() -> None:
    estate = Estate()
    role = estate.identity("role/app")
    assert held(resolved(estate), role) == {NOTHING, UNKNOWN}


def test_running_twice_gives_the_same_rows() -> None:
    estate = Estate()
    estate.account()
    estate.give(estate.identity("role/app"), allow("*"))
    con = resolved(estate)
    before = con.execute("select * from privileges order by all").fetchall()
    privileges.run(con)
    assert con.execute("select * from privileges order by all").fetchall() == before


def test_hostile_names_are_carried_as_they_are() -> None:
    estate = Estate()
    estate.account()
    role = estate.identity("role/'; drop table privileges; --,:\"\n<b>")
    estate.give(role, allow("s3:GetObject", "arn:aws:s3:::in'box/*"))
    assert held(resolved(estate), role) == {("read-data", "set", "definite", 2)}
