"""Labelled accounts, all in one scan: what a step needs on both of its ends, and where ways lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from nhiscan.model import Coverage, Membership, Tag, Trust
from nhiscan.resolve import paths, privileges
from tests.resolve.aws_estate import Estate, allow, arn, deny
from tests.resolve.test_escalation import STEPS

ASSUME = "sts:AssumeRole"
LAMBDA = "lambda.amazonaws.com"
RUN = ["lambda:CreateFunction", "lambda:InvokeFunction"]
IF_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
PARTNER = "999999999999"


@dataclass
class Account:
    estate: Estate
    number: str

    def arn(self, name: str) -> str:
        return arn(name, self.number)

    def identity(self, name: str, *statements: dict[str, Any], boundary: dict[str, Any] | None = None) -> str:
        identity = self.estate.identity(name, self.number)
        if statements:
            self.estate.bind(identity, self.estate.policy(*statements, account=self.number))
        if boundary is not None:
            self.estate.bind(identity, self.estate.policy(boundary, account=self.number), role="boundary")
        return identity

    def caller(self, *statements: dict[str, Any], name: str = "role/caller", **more: Any) -> str:
        return self.identity(name, *statements, **more)

    def trust(self, role: str, principal: str, *conditions: tuple[str, str, str], **more: Any) -> None:
        self.estate.trust(role, principal, conditions=conditions, **more)

    def serve(self, role: str, service: str = LAMBDA) -> None:
        self.estate.records.append(
            Trust(
                f"{role}:trust/{service}",
                role,
                tenant_id=f"aws:{self.number}",
                mechanism="service",
                principal_kind="service",
                principal=service,
            )
        )


Make = Callable[[Account], None]
# What makes the account, and how surely role/caller or user/caller gets to role/target in one step.
CASES: dict[str, tuple[Make, str | None]] = {}


def case(expected: str | None) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        CASES[make.__name__] = (make, expected)
        return make

    return add


def passing(account: Account, *more: dict[str, Any], on: str = "role/target", **conditions: Any) -> None:
    account.caller(allow("iam:PassRole", account.arn(on), **conditions), allow(RUN), *more)
    account.serve(account.identity("role/target", allow("*")))


@case("definite")
def a_role_is_passed(account: Account) -> None:
    passing(account)


@case("definite")
def a_role_is_passed_to_the_service_that_the_condition_names(account: Account) -> None:
    passing(account, Condition={"StringEquals": {"iam:PassedToService": LAMBDA}})


@case(None)
def a_role_may_only_be_passed_to_another_service(account: Account) -> None:
    passing(account, Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}})


@case("conditional")
def a_role_may_be_passed_under_a_condition(account: Account) -> None:
    passing(account, Condition=IF_MFA)


@case(None)
def another_role_may_be_passed(account: Account) -> None:
    passing(account, on="role/tar")


@case("definite")
def another_role_may_not_be_passed(account: Account) -> None:
    passing(account, deny("iam:PassRole", account.arn("role/other")))


@case(None)
def the_role_may_not_be_passed_by_another_policy(account: Account) -> None:
    passing(account, deny("iam:*", account.arn("role/t*")), on="role/*")


@case(None)
def the_role_does_not_trust_the_service(account: Account) -> None:
    account.caller(allow("iam:PassRole"), allow(RUN))
    account.serve(account.identity("role/target", allow("*")), "ec2.amazonaws.com")


@case(None)
def the_role_that_could_be_passed_is_in_another_account(account: Account) -> None:
    account.caller(allow("iam:PassRole", arn("role/target", PARTNER)), allow(RUN))
    account.serve(account.identity("role/target", allow("*")))


@case("definite")
def a_trust_in_everybody_asks_nobody_of_the_account_for_a_permission(account: Account) -> None:
    account.caller()
    account.trust(account.identity("role/target"), "*")


@case(None)
def a_trust_in_everybody_does_not_help_whom_a_deny_stops(account: Account) -> None:
    account.caller(deny(ASSUME))
    account.trust(account.identity("role/target"), "*")


@case("conditional")
def a_trust_in_everybody_with_an_external_id(account: Account) -> None:
    account.caller(allow(ASSUME))
    account.trust(account.identity("role/target"), "*", ("StringEquals", "sts:ExternalId", "x"))


@case("conditional")
def an_external_id_is_unknown_inside_as_well(account: Account) -> None:
    account.caller(allow(ASSUME))
    account.trust(
        account.identity("role/target"),
        account.arn("root"),
        ("StringEquals", "sts:ExternalId", "x"),
        external_id_check="pinned",
    )


@case(None)
def an_external_id_and_another_caller(account: Account) -> None:
    account.caller(allow(ASSUME))
    account.trust(
        account.identity("role/target"),
        account.arn("root"),
        ("StringEquals", "sts:ExternalId", "x"),
        ("ArnLike", "aws:PrincipalArn", account.arn("role/other*")),
    )


def tagged(account: Account, value: str, *, kind: str = "user") -> None:
    caller = account.caller(allow(ASSUME), name=f"{kind}/caller")
    account.estate.records.append(Tag(caller, name="team", value=value))
    account.estate.records.append(Coverage("aws", f"aws:{account.number}", "identities.tags", "complete"))
    account.trust(
        account.identity("role/target"), account.arn("root"), ("StringEquals", "aws:PrincipalTag/Team", "billing")
    )


@case("definite")
def a_tag_that_the_trust_asks_for(account: Account) -> None:
    tagged(account, "billing")


@case(None)
def a_tag_that_the_trust_does_not_ask_for(account: Account) -> None:
    tagged(account, "sales")


@case("definite")
def a_trust_policy_may_be_written(account: Account) -> None:
    account.caller(allow("iam:UpdateAssumeRolePolicy", account.arn("role/target")))
    account.identity("role/target")


@case(None)
def a_trust_policy_is_no_way_in_for_whom_a_deny_stops(account: Account) -> None:
    account.caller(allow("iam:UpdateAssumeRolePolicy"), deny(ASSUME))
    account.identity("role/target")


@case(None)
def a_role_of_the_provider_cannot_be_passed(account: Account) -> None:
    account.caller(allow("iam:PassRole"), allow(RUN))
    account.serve(account.identity("role/aws-service-role/target", allow("*")))


@case("definite")
def a_role_with_a_boundary_may_still_be_assumed_as_it_is(account: Account) -> None:
    account.caller(allow(["iam:PutRolePolicy", ASSUME], account.arn("role/target")))
    account.trust(account.identity("role/target", boundary=allow("s3:*")), account.arn("root"))


@pytest.fixture(scope="module")
def scan() -> tuple[duckdb.DuckDBPyConnection, dict[str, Account]]:
    estate = Estate()
    accounts = {}
    for number, (name, (make, _)) in enumerate([*CASES.items(), *((n, (m, None)) for n, m in ESTATES.items())]):
        accounts[name] = account = Account(estate, str(500000000000 + number))
        estate.account(account.number)
        for dataset in ("identities", "workloads", "credentials"):
            estate.records.append(Coverage("aws", f"aws:{account.number}", dataset, "complete"))
        make(account)
    con = estate.load()
    privileges.run(con)
    paths.run(con)
    con.execute(f"create temp table taken as {STEPS}")
    return con, accounts


Scan = tuple[duckdb.DuckDBPyConnection, dict[str, Account]]


def named(scan: Scan, name: str, identity: str) -> str:
    return f"aws:{scan[1][name].number}:{identity}"


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_as_sure_as_both_of_its_ends(scan: Scan, name: str) -> None:
    rows = scan[0].execute(
        "select distinct certainty from taken where identity_id in (?, ?) and identity_id_1 = ?",
        [named(scan, name, "role/caller"), named(scan, name, "user/caller"), named(scan, name, "role/target")],
    )
    assert [certainty for (certainty,) in rows.fetchall()] == ([CASES[name][1]] if CASES[name][1] else [])


# Accounts that other tests ask about.
ESTATES: dict[str, Make] = {}


def account(make: Make) -> Make:
    ESTATES[make.__name__] = make
    return make


@account
def crowd(account: Account) -> None:
    """Thirty callers with policies of their own before thirty roles that trust their account."""
    for number in range(30):
        account.identity(
            f"role/caller-{number}", allow([ASSUME, f"s3:Get{'*' * number}"], "arn:aws:iam::*:role/door-*")
        )
        account.trust(account.identity(f"role/door-{number}"), account.arn("root"))
    account.trust(account.identity("role/admin", allow("*")), account.arn("role/door-7"))


@account
def writer(account: Account) -> None:
    account.identity("role/writer", allow("iam:PutRolePolicy", account.arn("role/writer")))
    account.identity("role/bounded", allow("iam:PutRolePolicy"), boundary=allow(["iam:*", "s3:*"]))
    account.trust(account.identity("role/before", allow("s3:GetObject", "arn:aws:s3:::a/b")), account.arn("role/other"))
    account.trust(account.identity("role/writer-2", allow("iam:AttachRolePolicy")), account.arn("role/before"))


@account
def joiner(account: Account) -> None:
    group = account.identity("group/admins", allow("*"))
    account.identity("user/joiner", allow("iam:AddUserToGroup", account.arn("group/admins")))
    account.identity("user/stopped", allow("iam:AddUserToGroup"), deny("kms:Decrypt"))
    member = account.identity("user/member")
    account.estate.records.append(Membership(member, group))


@account
def narrow(account: Account) -> None:
    weak = account.identity("role/weak", allow("dynamodb:PutItem", "arn:aws:dynamodb:*:*:table/one"))
    account.trust(weak, account.arn("root"))
    account.identity("role/to-weak", allow(ASSUME, account.arn("role/weak")))
    account.identity("role/to-nobody", allow(ASSUME, account.arn("role/gone")))
    account.identity("role/to-outside", allow(ASSUME, arn("role/any", PARTNER)))
    account.identity("role/passes", allow("iam:PassRole", account.arn("role/weak")))


@account
def unsure(account: Account) -> None:
    admin = account.identity("role/admin", allow("*"))
    account.trust(admin, account.arn("root"), ("StringEquals", "sts:ExternalId", "x"))
    account.identity("role/maybe", allow(ASSUME, account.arn("role/admin")))


def reach(scan: Scan, name: str, goal: str = "admin") -> dict[str, tuple[str, int, str | None]]:
    rows = scan[0].execute(
        "select i.name, r.certainty, r.hops, n.name from reach r join identities i using (identity_key) "
        "left join identities n on n.identity_key = r.next_key where r.goal = ? and i.tenant_id = ?",
        [goal, f"aws:{scan[1][name].number}"],
    )
    return {who: (certainty, hops, following) for who, certainty, hops, following in rows.fetchall()}


def test_many_before_many_meet_at_a_hub(scan: Scan) -> None:
    start = f"{named(scan, 'crowd', 'role')}/"
    pairs = (
        scan[0]
        .execute(
            "select count(*) from taken where starts_with(identity_id, ?) and starts_with(identity_id_1, ?)",
            [f"{start}caller", f"{start}door"],
        )
        .fetchall()
    )
    rows = (
        scan[0]
        .execute(
            "select count(*) from access_edges e where exists (select 1 from identities i "
            "where i.identity_key = e.from_key and starts_with(i.identity_id, ?) "
            "or i.identity_key = e.to_key and starts_with(i.identity_id, ?))",
            [f"{start}caller", f"{start}door"],
        )
        .fetchall()
    )
    assert (pairs, rows) == ([(30 * 30,)], [(30 + 30,)])


def test_a_hub_is_no_hop(scan: Scan) -> None:
    found = reach(scan, "crowd")
    assert found["door-7"] == ("definite", 1, "admin")
    assert {found[f"caller-{number}"] for number in range(30)} == {("definite", 2, "door-7")}


def test_who_writes_its_own_rights_is_one_hop_from_an_administrator(scan: Scan) -> None:
    found = reach(scan, "writer")
    assert found["writer"] == ("definite", 1, "writer")
    assert found["before"] == ("definite", 2, "writer-2")


def test_a_boundary_keeps_who_writes_its_own_rights_from_an_administrator(scan: Scan) -> None:
    assert "bounded" not in reach(scan, "writer")


def test_joining_administrators_makes_one_within_what_is_denied(scan: Scan) -> None:
    assert reach(scan, "joiner") == {"member": ("definite", 0, None), "joiner": ("definite", 1, "joiner")}


def test_a_way_that_depends_on_something_is_potential(scan: Scan) -> None:
    assert reach(scan, "unsure") == {"admin": ("definite", 0, None), "maybe": ("potential", 1, "admin")}


def test_an_administrator_reads_secrets(scan: Scan) -> None:
    assert reach(scan, "unsure", "sensitive")["admin"] == ("definite", 0, None)


def test_whoever_gets_to_an_administrator_holds_escalate(scan: Scan) -> None:
    rows = scan[0].execute(
        "select i.name, p.certainty, p.level, p.considered from privileges p join identities i using (identity_key) "
        "where p.verb = 'escalate' and i.tenant_id in (?, ?) order by i.name",
        [f"aws:{scan[1][name].number}" for name in ("writer", "unsure")],
    )
    found = {
        name: (certainty, level, considered.split(";")[0]) for name, certainty, level, considered in rows.fetchall()
    }
    assert found["writer"] == ("definite", 5, "path iam-005: Write a policy into one's own role")
    assert found["maybe"] == ("conditional", 5, "path sts-001: Assume a role that lets one in")
    assert "bounded" not in found
    assert "admin" not in found


NARROW = {
    "to-weak": ("impersonate", 3),
    "to-nobody": ("impersonate", 0),
    "to-outside": ("impersonate", None),
    "passes": ("delegate", 0),
}


@pytest.mark.parametrize("name", NARROW)
def test_where_a_narrow_right_leads(scan: Scan, name: str) -> None:
    verb, level = NARROW[name]
    rows = scan[0].execute(
        "select n.level from narrow_levels n join identities i using (identity_key) "
        "where i.identity_id = ? and n.verb = ?",
        [named(scan, "narrow", f"role/{name}"), verb],
    )
    assert rows.fetchall() == ([] if level is None else [(level,)])
