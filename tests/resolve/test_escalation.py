"""Every escalation path of AWS on small accounts, all in one scan: found where it is granted, and nowhere else."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from nhiscan.model import Coverage, Credential, Identity, Resource, Trust
from nhiscan.resolve import escalation, paths, privileges
from nhiscan.resolve.escalation import Path
from tests.resolve.aws_estate import Estate, allow, arn, deny

PATHS = {path_id: path for path_id, path in escalation.read("aws").items() if path.gains != "plain"}
ARNS = {
    "function": "arn:aws:lambda:eu-west-1:{}:function:job",
    "instance": "arn:aws:ec2:eu-west-1:{}:instance/i-1",
    "project": "arn:aws:codebuild:eu-west-1:{}:project/build",
}
USERS = ("own-user", "own-group", "group")
# What the caller chooses itself, so any resource is one: these actions know no narrower one, or a name of its own.
DOUBTED = {"lambda-002", "lambda-003", "codebuild-003", "ec2instanceconnect-003"}


def expected(path: Path) -> str:
    if path.workload and not path.is_workload_read:
        return "potential"
    return "conditional" if path.path_id in DOUBTED else "definite"


class Case:
    """One account in which `path` is there for role/caller or user/caller to take."""

    def __init__(self, estate: Estate, account: str, path: Path) -> None:
        self.estate, self.account, self.path = estate, account, path
        estate.account(account)
        for dataset in ("workloads", "credentials"):
            estate.records.append(Coverage("aws", f"aws:{account}", dataset, "complete"))
        is_user = any(place in USERS for _, place in path.requires)
        self.caller = estate.identity("user/caller" if is_user else "role/caller", account)
        self.group = estate.identity("group/team", account)
        estate.join(self.caller, self.group)
        if not is_user:
            estate.records.pop()
        self.admins = estate.identity("group/admins", account)
        estate.bind(self.admins, estate.policy(allow("*"), account=account))
        self.role = self.named("role/target")
        self.user = self.named("user/target")
        for number in range(2 if path.user == "no-free-key" else 0):
            self.key(number)
        if path.user is not None:
            self.password(has_one=path.user == "password")
        for service in path.services:
            self.trust_service(self.role, service)
        if path.actions_on("assumed-role"):
            estate.trust(self.role, arn("root", account))
        self.policy = estate.policy(allow("logs:*"), account=account)
        estate.bind(self.caller if path.actions_on("own-policy") else self.role, self.policy)
        if path.workload in ARNS:
            self.workload()
        if path.needs:
            estate.give(self.role, allow(list(path.needs)))

    def named(self, name: str) -> str:
        return self.estate.identity(name, self.account)

    def trust_service(self, role: str, service: str) -> None:
        self.estate.records.append(
            Trust(
                f"{role}:trust/{service}",
                role,
                tenant_id=f"aws:{self.account}",
                mechanism="service",
                principal_kind="service",
                principal=service,
            )
        )

    def key(self, number: int) -> None:
        self.estate.records.append(
            Credential(
                f"{self.user}:key/{number}",
                self.user,
                provider="aws",
                tenant_id=f"aws:{self.account}",
                kind="access_key",
                native_id=f"key-{number}",
                status="active",
                is_replaceable=True,
            )
        )

    def password(self, *, has_one: bool) -> None:
        for number, record in enumerate(self.estate.records):
            if isinstance(record, Identity) and record.identity_id == self.user:
                self.estate.records[number] = dataclasses.replace(record, has_console_password=has_one)

    def workload(self) -> None:
        kind = self.path.workload or ""
        self.estate.records.append(
            Resource(
                f"aws:{self.account}:{kind}/eu-west-1/job",
                "aws",
                f"aws:{self.account}",
                kind,
                "job",
                ARNS[kind].format(self.account),
                region="eu-west-1",
                runs_as_id=self.role,
            )
        )

    def place(self, on: str, *, is_wrong: bool = False) -> str:
        if is_wrong:
            return arn(
                "role/other" if "role" in on or on == "anything" else f"{on.rpartition('-')[2]}/other", self.account
            )
        policy = f"policy/{self.policy.rpartition('/')[2]}"
        own = self.caller.split(":", 2)[2]
        return {
            "passed-role": arn("role/target", self.account),
            "role": arn("role/tar*", self.account),
            "assumed-role": arn("role/target", self.account),
            "user": arn("user/target", self.account),
            "group": arn("group/admins", self.account),
            "own-group": arn("group/team", self.account),
            "own-user": arn(own, self.account),
            "own-role": arn(own, self.account),
            "own-policy": arn(policy, self.account),
            "policy-of-role": arn(policy, self.account),
            "workload": ARNS.get(self.path.workload or "", "*").format(self.account),
        }.get(on, "*")

    def grant(self, *, without: str | None = None, wrong: str | None = None) -> None:
        """Each action by a policy of its own, as tools that read one policy at a time miss it."""
        for action, on in self.path.requires:
            if action != without:
                self.give(allow(action, self.place(on, is_wrong=on == wrong)))

    def give(self, statement: dict[str, Any]) -> None:
        self.estate.bind(self.caller, self.estate.policy(statement, account=self.account))


VARIANTS = ("granted", "denied", "bounded", "wrong target")


def variants(path: Path) -> Iterator[str]:
    yield from VARIANTS[: 4 if any(on != "anything" for _, on in path.requires) and place_matters(path) else 3]
    yield from (f"without {action}" for action, _ in path.requires)


def place_matters(path: Path) -> bool:
    return path.workload is None or path.is_workload_read or bool(path.actions_on("passed-role"))


def make(case: Case, variant: str) -> None:
    path = case.path
    targeted = next((on for _, on in path.requires if on != "anything"), None)
    kind, _, action = variant.partition(" ")
    case.grant(without=action if kind == "without" else None, wrong=targeted if kind == "wrong" else None)
    if kind == "denied":
        case.give(deny(path.requires[-1][0]))
    if kind == "bounded":
        case.estate.bind(
            case.caller, case.estate.policy(allow(["s3:*", "sts:*"]), account=case.account), role="boundary"
        )


CASES = [(path_id, variant) for path_id, path in PATHS.items() for variant in variants(path)]
Found = dict[tuple[str, str], set[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def found() -> Found:
    """By path and variant: (target, kind, certainty) of the caller's edges of that path."""
    estate = Estate()
    callers = {}
    for number, (path_id, variant) in enumerate(CASES):
        case = Case(estate, str(400000000000 + number), PATHS[path_id])
        make(case, variant)
        callers[case.caller] = (path_id, variant)
    con = estate.load()
    privileges.run(con)
    paths.run(con)
    edges: Found = defaultdict(set)
    for caller, path_id, target, kind, certainty in con.execute(STEPS).fetchall():
        if caller in callers and callers[caller][0] == path_id:
            edges[callers[caller]].add((target, kind, certainty))
    return edges


# Every step, through a hub or not.
STEPS = """
with ends as (
    select e.from_key, e.path_id, e.to_key, e.kind, e.certainty
    from access_edges e where e.from_key >= 0 and e.to_key >= 0
    union all
    select e.from_key, e.path_id, h.to_key, h.kind, h.certainty
    from access_edges e join access_edges h on h.from_key = e.to_key where e.to_key < 0
)
select a.identity_id, e.path_id, b.identity_id as identity_id_1, e.kind, e.certainty
from ends e
join identities a on a.identity_key = e.from_key
join identities b on b.identity_key = e.to_key
where e.kind <> 'member-of'
"""


@pytest.mark.parametrize("path_id", PATHS)
def test_a_granted_path_is_found(found: Found, path_id: str) -> None:
    ((_, kind, certainty),) = found[path_id, "granted"]
    assert (kind, certainty) == (PATHS[path_id].kind, expected(PATHS[path_id]))


@pytest.mark.parametrize(("path_id", "variant"), [case for case in CASES if case[1] != "granted"])
def test_a_path_with_something_in_its_way_is_not_found(found: Found, path_id: str, variant: str) -> None:
    assert found[path_id, variant] == set()
