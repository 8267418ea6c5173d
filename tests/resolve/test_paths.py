from __future__ import annotations

from typing import Any

import duckdb
import pytest

from nhiscan.resolve import paths, privileges
from tests.resolve.aws_estate import A, B, Estate, allow, arn, deny

ROOT = arn("root")
ASSUME = "sts:AssumeRole"
IF_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


@pytest.fixture
def estate() -> Estate:
    made = Estate()
    made.account(A)
    made.account(B)
    return made


def resolved(estate: Estate) -> duckdb.DuckDBPyConnection:
    con = estate.load()
    privileges.run(con)
    paths.run(con)
    return con


def edges(estate: Estate, kind: str = "may-assume") -> set[tuple[str, str, str]]:
    rows = resolved(estate).execute(
        "select a.identity_id, b.identity_id, e.certainty from access_edges e "
        "join identities a on a.identity_key = e.from_key join identities b on b.identity_key = e.to_key "
        "where e.kind = ?",
        [kind],
    )
    return set(rows.fetchall())


def certainty(estate: Estate) -> str:
    """Of the only may-assume edge there can be."""
    found = [row[2] for row in edges(estate)]
    assert len(found) < 2
    return found[0] if found else "none"


def pair(estate: Estate, *, caller: str = "role/caller", account: str = A) -> tuple[str, str]:
    return estate.identity(caller, account), estate.identity("role/target")


def test_the_account_in_a_trust_needs_a_permission(estate: Estate) -> None:
    _, target = pair(estate)
    estate.trust(target, ROOT)
    assert certainty(estate) == "none"


PERMISSIONS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "everywhere": ([allow(ASSUME)], "definite"),
    "by an action glob": ([allow("STS:Assume*")], "definite"),
    "on the very role": ([allow(ASSUME, arn("role/target"))], "definite"),
    "on a glob": ([allow(ASSUME, arn("role/tar*"))], "definite"),
    "on a glob over accounts": ([allow(ASSUME, "arn:aws:iam::*:role/t?rget")], "definite"),
    "on another role": ([allow(ASSUME, arn("role/targetx"))], "none"),
    "on a glob that misses": ([allow(ASSUME, arn("role/app-*"))], "none"),
    "on a name with an underscore": ([allow(ASSUME, arn("role/t_rge*"))], "none"),
    "under a condition": ([allow(ASSUME, Condition=IF_MFA)], "conditional"),
    "with a variable": ([allow(ASSUME, arn("role/${aws:PrincipalTag/team}"))], "conditional"),
    "everything but another role": (
        [{"Effect": "Allow", "Action": ASSUME, "NotResource": arn("role/other")}],
        "definite",
    ),
    "denied everywhere": ([allow(ASSUME), deny("sts:*")], "none"),
    "denied there": ([allow(ASSUME), deny("*", arn("role/target"))], "none"),
    "denied elsewhere": ([allow(ASSUME), deny("*", arn("role/other"))], "definite"),
    "denied there under a condition": ([allow(ASSUME), deny("*", arn("role/target"), Condition=IF_MFA)], "potential"),
    "everything but that role": (
        [{"Effect": "Allow", "Action": ASSUME, "NotResource": arn("role/tar*")}],
        "none",
    ),
    "with many stars": ([allow(ASSUME, arn("role/" + "*" * 300 + "t*a*r*g*e*t"))], "definite"),
    "with many stars that miss": ([allow(ASSUME, arn("role/" + "*t*a*r" * 20))], "none"),
}


@pytest.mark.parametrize("name", PERMISSIONS)
def test_permission_to_assume_a_role_that_trusts_the_account(estate: Estate, name: str) -> None:
    statements, expected = PERMISSIONS[name]
    caller, target = pair(estate)
    estate.trust(target, ROOT)
    estate.give(caller, *statements)
    assert certainty(estate) == expected


def test_a_group_can_give_the_permission(estate: Estate) -> None:
    caller, target = pair(estate, caller="user/caller")
    group = estate.identity("group/assumers")
    estate.join(caller, group)
    estate.give(group, allow(ASSUME))
    estate.trust(target, ROOT)
    assert edges(estate) == {(caller, target, "definite")}


def test_a_trust_that_names_the_very_identity_is_enough(estate: Estate) -> None:
    _, target = pair(estate)
    estate.trust(target, arn("role/caller"))
    assert certainty(estate) == "definite"


def test_a_deny_beats_a_trust_that_names_the_identity(estate: Estate) -> None:
    caller, target = pair(estate)
    estate.trust(target, arn("role/caller"))
    estate.give(caller, deny(ASSUME))
    assert certainty(estate) == "none"


def test_a_silent_boundary_stops_a_named_role(estate: Estate) -> None:
    caller, target = pair(estate)
    estate.trust(target, arn("role/caller"))
    estate.bound(caller, allow("s3:*"))
    assert certainty(estate) == "none"


def test_a_silent_boundary_does_not_stop_a_named_user(estate: Estate) -> None:
    caller, target = pair(estate, caller="user/caller")
    estate.trust(target, arn("user/caller"))
    estate.bound(caller, allow("s3:*"))
    assert certainty(estate) == "definite"


def test_a_deny_in_the_boundary_stops_a_named_user(estate: Estate) -> None:
    caller, target = pair(estate, caller="user/caller")
    estate.trust(target, arn("user/caller"))
    estate.bound(caller, allow("s3:*"), deny(ASSUME, arn("role/tar*")))
    assert certainty(estate) == "none"


BOUNDARIES: dict[str, tuple[dict[str, Any] | str, str]] = {
    "allows it": (allow("*"), "definite"),
    "allows it on that role": (allow(ASSUME, arn("role/target")), "definite"),
    "allows it under a condition": (allow("*", Condition=IF_MFA), "potential"),
    "never names it": (allow("s3:*"), "none"),
    "allows it elsewhere": (allow(ASSUME, arn("role/other")), "none"),
    "cannot be read": ("{", "potential"),
}


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_boundary_limits_the_permission(estate: Estate, name: str) -> None:
    boundary, expected = BOUNDARIES[name]
    caller, target = pair(estate)
    estate.trust(target, ROOT)
    estate.give(caller, allow(ASSUME))
    estate.bound(caller, boundary)
    assert certainty(estate) == expected


def test_across_accounts_both_sides_are_needed(estate: Estate) -> None:
    _, target = pair(estate, account=B)
    estate.trust(target, arn("role/caller", B))
    assert certainty(estate) == "none"


def test_across_accounts_both_sides_are_enough(estate: Estate) -> None:
    caller, target = pair(estate, account=B)
    estate.trust(target, arn("role/caller", B))
    estate.give(caller, allow(ASSUME, arn("role/target")))
    assert certainty(estate) == "definite"


def test_a_trust_in_one_account_does_not_let_in_another(estate: Estate) -> None:
    caller, target = pair(estate, account=B)
    estate.trust(target, ROOT)
    estate.give(caller, allow(ASSUME))
    assert certainty(estate) == "none"


def test_a_wildcard_trust_lets_in_whoever_has_the_permission(estate: Estate) -> None:
    near, far, idle = (estate.identity(f"role/{n}", a) for n, a in (("near", A), ("far", B), ("idle", B)))
    target = estate.identity("role/target")
    estate.trust(target, "*")
    estate.give(near, allow(ASSUME))
    estate.give(far, allow(ASSUME, arn("role/*")))
    assert edges(estate) == {(near, target, "definite"), (far, target, "definite")}
    assert idle


CONDITIONS: dict[str, tuple[list[tuple[str, str, str]], dict[str, Any], str]] = {
    "an external id": ([("StringEquals", "sts:ExternalId", "x1")], {"external_id_check": "pinned"}, "conditional"),
    "an organization": ([("StringEquals", "aws:PrincipalOrgID", "o-1")], {"narrowed_by": "x"}, "conditional"),
    "its own account": ([("StringEquals", "aws:PrincipalAccount", A)], {"narrowed_by": "x"}, "definite"),
    "another account": ([("StringEquals", "aws:PrincipalAccount", B)], {"narrowed_by": "x"}, "none"),
    "its own name": ([("ArnLike", "aws:PrincipalArn", arn("role/call*"))], {"narrowed_by": "x"}, "definite"),
    "one of several names": (
        [("ArnLike", "aws:PrincipalArn", arn("role/x")), ("ArnLike", "aws:PrincipalArn", arn("role/caller"))],
        {"narrowed_by": "x"},
        "definite",
    ),
    "another name": ([("ArnEquals", "aws:PrincipalArn", arn("role/other"))], {"narrowed_by": "x"}, "none"),
    "a star taken literally": ([("StringEquals", "aws:PrincipalArn", arn("role/call*"))], {"narrowed_by": "x"}, "none"),
    "its own name and MFA": (
        [("ArnLike", "aws:PrincipalArn", arn("role/caller")), ("Bool", "aws:MultiFactorAuthPresent", "true")],
        {"has_other_conditions": True},
        "conditional",
    ),
    "a deny that may apply": ([], {"has_other_conditions": True}, "potential"),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_of_a_trust(estate: Estate, name: str) -> None:
    conditions, more, expected = CONDITIONS[name]
    caller, target = pair(estate)
    estate.trust(target, ROOT, conditions=conditions, **more)
    estate.give(caller, allow(ASSUME))
    assert certainty(estate) == expected


def test_the_surest_of_several_ways_counts(estate: Estate) -> None:
    caller, target = pair(estate)
    estate.trust(target, ROOT, conditions=[("StringEquals", "sts:ExternalId", "x1")])
    estate.trust(target, ROOT)
    estate.give(caller, allow(ASSUME))
    assert certainty(estate) == "definite"


def test_a_trusted_session_is_conditional_on_its_name(estate: Estate) -> None:
    _, target = pair(estate)
    estate.trust(target, f"arn:aws:sts::{A}:assumed-role/caller/nightly")
    assert certainty(estate) == "conditional"


def test_a_role_does_not_lead_to_itself(estate: Estate) -> None:
    target = estate.identity("role/target")
    estate.trust(target, ROOT)
    estate.give(target, allow(ASSUME))
    assert certainty(estate) == "none"


def test_both_sides_are_in_the_evidence(estate: Estate) -> None:
    caller, target = pair(estate)
    estate.trust(target, ROOT)
    estate.give(caller, allow(ASSUME, arn("role/tar*")))
    ((text,),) = resolved(estate).execute("select evidence from access_edges where kind = 'may-assume'").fetchall()
    assert text == f"trust names {ROOT}; sts:AssumeRole on {arn('role/tar*')} in policy-1"


def test_memberships_are_edges(estate: Estate) -> None:
    user, group = estate.identity("user/bot"), estate.identity("group/team")
    estate.join(user, group)
    assert edges(estate, "member-of") == {(user, group, "definite")}


def reach(estate: Estate, goal: str = "admin", certainty: str = "definite") -> dict[str, tuple[int, str | None]]:
    rows = resolved(estate).execute(
        "select i.identity_id, r.hops, n.identity_id from reach r join identities i using (identity_key) "
        "left join identities n on n.identity_key = r.next_key where r.goal = ? and r.certainty = ?",
        [goal, certainty],
    )
    return {name: (hops, next_id) for name, hops, next_id in rows.fetchall()}


def chain(estate: Estate, length: int) -> list[str]:
    """role/00 is an administrator, each further role may assume the one before."""
    roles = [estate.identity(f"role/{i:02}") for i in range(length)]
    estate.give(roles[0], allow("*"))
    for i in range(1, length):
        estate.trust(roles[i - 1], arn(f"role/{i:02}"))
    return roles


def test_reach_counts_hops_and_names_the_next(estate: Estate) -> None:
    roles = chain(estate, 4)
    assert reach(estate) == {
        roles[0]: (0, None),
        roles[1]: (1, roles[0]),
        roles[2]: (2, roles[1]),
        roles[3]: (3, roles[2]),
    }


def test_reach_ends_after_the_most_hops(estate: Estate) -> None:
    chain(estate, paths.MOST_HOPS + 4)
    assert max(hops for hops, _ in reach(estate).values()) == paths.MOST_HOPS


def test_a_circle_ends(estate: Estate) -> None:
    roles = chain(estate, 3)
    estate.trust(roles[2], arn("role/00"))
    assert len(reach(estate)) == 3


def test_an_unsure_edge_reaches_nobody(estate: Estate) -> None:
    roles = chain(estate, 1)
    caller = estate.identity("role/caller")
    estate.trust(roles[0], ROOT, conditions=[("StringEquals", "sts:ExternalId", "x1")])
    estate.give(caller, allow(ASSUME))
    assert set(reach(estate)) == {roles[0]}


def test_an_unsure_administrator_is_no_target(estate: Estate) -> None:
    admin, caller = estate.identity("role/admin"), estate.identity("role/caller")
    estate.give(admin, allow("*", Condition=IF_MFA))
    estate.trust(admin, arn("role/caller"))
    assert reach(estate) == {}
    assert caller


def test_of_equally_short_ways_the_first_identity_is_named(estate: Estate) -> None:
    first, second, caller = (estate.identity(f"role/{name}") for name in ("a", "b", "caller"))
    for admin in (second, first):
        estate.give(admin, allow("*"))
        estate.trust(admin, arn("role/caller"))
    assert reach(estate)[caller] == (1, first)


def test_the_group_of_an_administrator_is_not_one(estate: Estate) -> None:
    user, other, group = estate.identity("user/a"), estate.identity("user/b"), estate.identity("group/admins")
    estate.give(group, allow("*"))
    estate.join(user, group)
    assert reach(estate) == {user: (0, None)}
    assert other
