from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import duckdb
import pytest

from nhiscan.model import Coverage, Identity, OrgNode, OrgPolicy, Policy, Tag
from nhiscan.resolve import aws_iam, privileges
from tests.resolve.aws_estate import A, B, Estate, allow, arn, deny

Json: TypeAlias = dict[str, Any]


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
    assert (
        considered(resolved(estate), role, "read-data")
        == "denies in policy-2; boundary policy-3; SCPs and RCPs not read"
    )


def in_organization(
    *levels: Sequence[Json], rcps: Sequence[Json] = (), granted: Any = "*", **coverage: str
) -> tuple[Estate, str]:
    """A role with actions on everything under one list of SCPs a level, from the root to the account."""
    estate = Estate()
    estate.account(**{"scps": "complete", "rcps": "complete", **coverage})
    units = [f"unit-{number}" for number in range(len(levels) - 2)]
    estate.organization(*units)
    for node, statements in zip(["root", *units, A], levels, strict=True):
        estate.control(node, *statements)
        estate.control(node, kind="rcp")
    for statement in rcps:
        estate.control("root", statement, kind="rcp")
    role = estate.identity("role/app")
    estate.give(role, allow(granted))
    return estate, role


def administrator(estate: Estate, identity_id: str) -> str:
    found = [row[2] for row in held(resolved(estate), identity_id) if row[0] == "admin"]
    assert len(found) < 2
    return found[0] if found else "no"


SENDS = ("write-data", "all", "definite", 4)
FREE: list[Json] = []
NO_IAM = [allow("*"), deny("iam:*")]


def test_scps_that_let_everything_through_leave_an_administrator_and_are_not_named() -> None:
    estate, role = in_organization(FREE, FREE)
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert considered(con, role, "admin") == "no denies; no boundary"


@pytest.mark.parametrize("level", range(3))
def test_a_deny_on_any_level_takes_away(level: int) -> None:
    levels = [FREE, FREE, FREE]
    levels[level] = NO_IAM
    assert administrator(*in_organization(*levels)) == "no"


@pytest.mark.parametrize("level", range(3))
def test_every_level_has_to_allow(level: int) -> None:
    levels = [FREE, FREE, FREE]
    levels[level] = [allow(["s3:*", "ec2:*"])]
    estate, role = in_organization(*levels)
    assert held(resolved(estate), role) & {READS, ("admin", "all", "definite", 5)} == {READS}


def test_what_one_scp_of_a_level_leaves_out_another_of_it_may_allow() -> None:
    estate, role = in_organization([allow(["s3:*", "ec2:*"])], FREE)
    estate.control("root", allow(["iam:*", "kms:*", "sts:*"]))
    assert administrator(estate, role) == "definite"


def test_weighed_scps_are_named() -> None:
    estate, role = in_organization(FREE, [allow("*"), deny("s3:*")], granted=["s3:GetObject", "sqs:SendMessage"])
    con = resolved(estate)
    assert held(con, role) == {SENDS}
    assert considered(con, role, "write-data") == "no denies; no boundary; SCPs policy-3 weighed"


def test_an_account_without_scps_needs_no_word_on_them() -> None:
    estate = Estate()
    estate.account(scps="not_applicable", rcps="not_applicable")
    role = estate.identity("role/app")
    estate.give(role, allow("s3:GetObject"))
    assert considered(resolved(estate), role, "read-data") == "no denies; no boundary"


def test_scps_do_not_limit_the_account_that_manages_the_organization() -> None:
    estate, _ = in_organization(NO_IAM, FREE)
    estate.account(B, scps="complete", rcps="complete")
    manager = estate.identity("role/manager", B)
    estate.give(manager, allow("*"))
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, manager)
    assert considered(con, manager, "admin") == "no denies; no boundary"


def test_scps_do_not_limit_service_linked_roles() -> None:
    estate, _ = in_organization([allow("*"), deny("*")], FREE)
    linked = estate.identity("role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
    estate.give(linked, allow("s3:GetObject"))
    assert held(resolved(estate), linked) == {READS}


def add_root(estate: Estate) -> str:
    root = f"aws:{A}:root"
    native_id = f"arn:aws:iam::{A}:root"
    estate.records.append(Identity(root, "aws", f"aws:{A}", "root_user", "root", native_id=native_id, is_nhi=False))
    return root


def test_scps_limit_the_root_user_of_a_member() -> None:
    estate, _ = in_organization(NO_IAM, FREE)
    root = add_root(estate)
    con = resolved(estate)
    assert READS in held(con, root)
    assert "admin" not in {row[0] for row in held(con, root)}
    assert considered(con, root, "read-data") == "the account's root user; SCPs policy-1 weighed"


def test_who_administers_a_service_for_the_organization_is_not_called_without_rights() -> None:
    estate = Estate()
    estate.account()
    admin = f"aws:{A}:delegated_admin/{B}"
    arn_ = f"arn:aws:organizations::{A}:account/o-acme123456/{B}"
    estate.records.append(Identity(admin, "aws", f"aws:{A}", "delegated_admin", "audit", native_id=arn_, is_nhi=True))
    assert held(resolved(estate), admin) == {UNKNOWN}


def test_a_free_root_user_is_an_administrator_without_a_policy() -> None:
    estate = Estate()
    estate.account(scps="not_applicable", rcps="not_applicable")
    add_root(estate)
    con = resolved(estate)
    found = con.execute("select certainty, policy_key, statement, considered from privileges where verb = 'admin'")
    assert found.fetchall() == [("definite", None, None, "the account's root user")]


@pytest.mark.parametrize("status", ["partial", "denied", "unsupported", "failed"])
def test_scps_that_were_read_in_part_only_deny(status: str) -> None:
    granted = ["s3:GetObject", "sqs:SendMessage"]
    estate, role = in_organization([allow("s3:*"), deny("s3:*")], FREE, granted=granted, scps=status)
    con = resolved(estate)
    assert held(con, role) == {SENDS}
    assert considered(con, role, "write-data").endswith("SCPs policy-1 weighed; all SCPs not read")


def test_a_carried_dataset_counts_as_what_it_was_when_it_was_read() -> None:
    estate, role = in_organization(NO_IAM, FREE, granted="s3:GetObject")
    estate.records = [r for r in estate.records if not (isinstance(r, Coverage) and r.dataset == "scps")]
    estate.records.append(Coverage("aws", f"aws:{A}", "scps", "carried", original_status="complete"))
    con = resolved(estate)
    assert considered(con, role, "read-data") == "no denies; no boundary; SCPs policy-1 weighed"


def test_a_level_without_any_policy_was_not_read() -> None:
    estate, role = in_organization(FREE, FREE)
    estate.records = [r for r in estate.records if not (isinstance(r, OrgPolicy) and r.node_id == A)]
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert considered(con, role, "admin") == "no denies; no boundary; all SCPs and all RCPs not read"


def test_a_tree_that_does_not_reach_its_root_was_not_read_whole() -> None:
    estate, role = in_organization(FREE, FREE, FREE)
    estate.records = [r for r in estate.records if not (isinstance(r, OrgNode) and r.kind == "root")]
    assert considered(resolved(estate), role, "admin").endswith("all SCPs and all RCPs not read")


def test_units_below_each_other_in_a_circle_end() -> None:
    estate, role = in_organization(FREE, FREE, FREE)
    estate.records = [r for r in estate.records if not (isinstance(r, OrgNode) and r.kind == "root")]
    estate.records.append(OrgNode("root", f"aws:{B}", "unit", "root", "unit-0"))
    assert ("admin", "all", "definite", 5) in held(resolved(estate), role)


def test_an_scp_that_cannot_be_read_softens_nothing_and_is_named() -> None:
    estate, role = in_organization(FREE, FREE)
    estate.control("root", "{")
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert "SCP policy-6 could not be read: not JSON" in considered(con, role, "admin")


SPARED = {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{A}:role/app"}}


def test_an_scp_that_spares_one_role_says_yes_or_no_of_each() -> None:
    estate, spared = in_organization(FREE, [allow("*"), deny("iam:*", Condition=SPARED)])
    other = estate.identity("role/other")
    estate.give(other, allow("*"))
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, spared)
    assert "admin" not in {row[0] for row in held(con, other)}
    assert considered(con, spared, "admin") == "no denies; no boundary; SCPs policy-3 weighed"


def test_roles_of_whom_the_same_is_decided_share_a_combination() -> None:
    estate, spared = in_organization(FREE, [allow("*"), deny("iam:*", Condition=SPARED)])
    shared = estate.policy(allow("*"))
    others = [estate.identity(f"role/other-{number}") for number in range(5)]
    for role in (spared, *others):
        estate.bind(role, shared)
    con = estate.load()
    documents = aws_iam.Documents(con)
    found = aws_iam.combinations(con, documents, wanted="select identity_key from identities")
    assert sorted(con.execute("select count(*) from aws_holders group by combination").fetchall()) == [(1,), (5,)]
    assert len(found) == 2


WHO = {
    "account": {"StringEquals": {"aws:PrincipalAccount": A}},
    "type": {"StringEquals": {"aws:PrincipalType": "User"}},
    "name": {"StringEquals": {"aws:username": "bot"}},
    "tag": {"StringEquals": {"aws:PrincipalTag/Team": "data"}},
    "missing tag": {"Null": {"aws:PrincipalTag/guard": "true"}},
    "organization": {"StringEquals": {"aws:PrincipalOrgID": "o-acme123456"}},
    "place in it": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-acme123456/root/*"}},
    "no service": {"Bool": {"aws:PrincipalIsAWSService": "false"}},
    "two of them": {
        "StringEquals": {"aws:PrincipalAccount": A, "aws:username": "bot"},
        "StringNotLike": {"aws:PrincipalArn": "*:user/person-*"},
    },
}


def bot_in_organization(condition: Json, *, effect: str = "Allow") -> tuple[duckdb.DuckDBPyConnection, str]:
    estate, _ = in_organization(FREE, FREE, FREE)
    estate.records.append(Coverage("aws", f"aws:{A}", "identities.tags", "complete"))
    native_id = f"arn:aws:organizations::{B}:policy/o-acme123456/service_control_policy/p-1"
    estate.records.append(Policy("p-1", "aws", f"aws:{B}", "scp", "p-1", native_id, "{}"))
    bot = estate.identity("user/bot")
    estate.records.append(Tag(bot, name="team", value="data"))
    statement = {"Effect": effect, "Action": "s3:GetObject", "Resource": "*", "Condition": condition}
    estate.give(bot, allow("s3:GetObject") if effect == "Deny" else allow("sqs:SendMessage"), statement)
    return resolved(estate), bot


@pytest.mark.parametrize("key", WHO)
def test_a_condition_on_who_asks_is_decided(key: str) -> None:
    con, bot = bot_in_organization(WHO[key])
    assert held(con, bot) == {READS, SENDS}
    con, bot = bot_in_organization(WHO[key], effect="Deny")
    assert held(con, bot) == {NOTHING}


UNMET = {
    "account": {"StringEquals": {"aws:PrincipalAccount": B}},
    "name": {"StringNotEquals": {"aws:username": "bot"}},
    "tag": {"StringEquals": {"aws:PrincipalTag/team": "web"}},
    "missing tag": {"StringEquals": {"aws:PrincipalTag/guard": "on"}},
    "organization": {"StringNotEquals": {"aws:PrincipalOrgID": "o-acme123456"}},
    "beside one that nobody knows": {
        "StringEquals": {"aws:PrincipalAccount": B},
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
    },
}


@pytest.mark.parametrize("key", UNMET)
def test_a_condition_on_who_asks_that_is_not_met_voids_the_statement(key: str) -> None:
    con, bot = bot_in_organization(UNMET[key])
    assert held(con, bot) == {SENDS}
    con, bot = bot_in_organization(UNMET[key], effect="Deny")
    assert held(con, bot) == {READS}


OPEN = {
    "network": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
    "session": {"StringLike": {"aws:userid": "*:bot"}},
    "via a service": {"Bool": {"aws:ViaAWSService": "true"}},
    "met beside one that nobody knows": {
        "StringEquals": {"aws:PrincipalAccount": A},
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
    },
}


@pytest.mark.parametrize("key", OPEN)
def test_what_nobody_knows_stays_open(key: str) -> None:
    con, bot = bot_in_organization(OPEN[key])
    assert held(con, bot) == {("read-data", "all", "conditional", 3), SENDS}
    con, bot = bot_in_organization(OPEN[key], effect="Deny")
    assert held(con, bot) == {("read-data", "all", "potential", 3)}


def test_tags_of_a_role_leave_open_what_its_sessions_are_tagged_with() -> None:
    estate, _ = in_organization(FREE, FREE)
    estate.records.append(Coverage("aws", f"aws:{A}", "identities.tags", "complete"))
    role = estate.identity("role/tagged")
    estate.records.append(Tag(role, name="team", value="data"))
    estate.give(role, allow("s3:GetObject", Condition=WHO["tag"]))
    assert held(resolved(estate), role) == {("read-data", "all", "conditional", 3)}


def test_the_organization_is_unknown_where_nothing_names_it() -> None:
    estate, _ = in_organization(FREE, FREE)
    role = estate.identity("role/reader")
    estate.give(role, allow("s3:GetObject", Condition=WHO["organization"]))
    assert held(resolved(estate), role) == {("read-data", "all", "conditional", 3)}


def test_an_account_in_no_organization_has_none() -> None:
    estate = Estate()
    estate.account(scps="not_applicable", organization="not_applicable")
    role = estate.identity("role/reader")
    estate.give(role, allow("s3:GetObject", Condition=WHO["organization"]))
    assert held(resolved(estate), role) == {NOTHING}


def test_an_scp_against_root_users_binds_no_role() -> None:
    only_root = {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
    estate, role = in_organization(FREE, [allow("*"), deny("*", Condition=only_root)])
    root = add_root(estate)
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert held(con, root) == {NOTHING}


def elsewhere(*regions: str) -> Json:
    return {"StringNotEquals": {"aws:RequestedRegion": list(regions)}}


def test_an_scp_against_other_regions_leaves_an_administrator() -> None:
    free = {"Effect": "Deny", "NotAction": ["iam:*", "sts:*", "support:*"], "Resource": "*"}
    estate, role = in_organization(FREE, [allow("*"), {**free, "Condition": elsewhere("eu-central-1")}])
    assert administrator(estate, role) == "definite"


def test_iam_answers_in_one_region_only() -> None:
    condition = elsewhere("eu-central-1")
    assert administrator(*in_organization(FREE, [allow("*"), deny("*", Condition=condition)])) == "potential"
    condition = elsewhere("eu-central-1", "us-east-1")
    assert administrator(*in_organization(FREE, [allow("*"), deny("*", Condition=condition)])) == "definite"


def test_a_scp_that_guards_a_few_roles_leaves_an_administrator() -> None:
    guarded = deny(
        "iam:*", "arn:aws:iam::*:role/guard-*", Condition={"ArnNotLike": {"aws:PrincipalArn": "*:role/guard-*"}}
    )
    estate, role = in_organization(FREE, [allow("*"), guarded])
    assert administrator(estate, role) == "definite"


def test_an_rcp_denies_on_resources_of_services_that_know_rcps() -> None:
    granted = ["s3:GetObject", "sns:Publish"]
    estate, role = in_organization(FREE, FREE, rcps=[deny(granted, Principal="*")], granted=granted)
    con = resolved(estate)
    assert held(con, role) == {SENDS}
    assert considered(con, role, "write-data") == "no denies; no boundary; RCPs policy-5 weighed"


def test_an_rcp_does_not_say_for_certain_what_is_denied_in_a_named_account() -> None:
    estate, _ = in_organization(FREE, FREE, rcps=[deny("sqs:SendMessage", Principal="*")])
    sender = estate.identity("role/sender")
    estate.give(sender, allow("sqs:SendMessage", f"arn:aws:sqs:eu-central-1:{B}:inbox"))
    assert held(resolved(estate), sender) == {("write-data", "single", "potential", 3)}


def test_unread_scps_do_not_soften_an_administrator() -> None:
    estate = Estate()
    estate.account()
    role = estate.identity("role/app")
    estate.give(role, allow("*"))
    con = resolved(estate)
    assert ("admin", "all", "definite", 5) in held(con, role)
    assert considered(con, role, "admin").endswith("SCPs and RCPs not read")


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
