"""What only looks like excessive privilege stays silent, and what differs from it in one point does not.

Every case is a subject with one ability, complete or broken in one way: denied by another policy, cut by a boundary,
blocked by an SCP, over something unrelated, or over a target that does not let the subject in. All stand in one estate,
which goes the way of a scan: records, load, resolve, rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import pytest

from nhiscan import check
from nhiscan.check import trial
from nhiscan.model import Coverage, IdentityMapping, OrgNode, Partner, ServiceUse, Trust
from nhiscan.scan import STAGES
from tests.resolve.aws_estate import Estate, allow, arn, deny

AS_OF: Final = datetime(2026, 1, 31, tzinfo=UTC)
OPEN = "111111111111"
FAR = "222222222222"
# Each stands below an SCP of its own.
NO_ASSUMING = "333333333333"
NO_PASSING = "444444444444"
ONLY_READING = "555555555555"
NO_IAM = "666666666666"
MANAGEMENT = "999999999999"
SCPS: Final = {
    OPEN: [allow("*")],
    FAR: [allow("*")],
    NO_ASSUMING: [allow("*"), deny("sts:AssumeRole")],
    NO_PASSING: [allow("*"), deny(["iam:PassRole", "iam:CreatePolicyVersion"])],
    ONLY_READING: [allow("s3:GetObject")],
    NO_IAM: [allow("*"), deny("iam:*")],
}
DATASETS: Final = ("identities", "credentials", "workloads", "usage.calls", "usage.services")

ADMIN_RULES = ("priv-admin-equivalent", "priv-escalation-path", "dep-pipeline-overprivileged")
STEP_RULES = ("env-nonprod-reaches-prod", "env-identity-spans", "human-impersonation-allowed")
UNUSED_RULE = "priv-unused-privileges"
STEPS = ("assume", "pass")
WAYS = ("whole", "denied", "bounded", "blocked", "unrelated", "untrusted")


@dataclass(frozen=True)
class Case:
    """One subject of a rule: a finding if its ability is `whole` or leads `across` accounts, open if `conditional`."""

    rule: str
    ability: str
    way: str

    def __str__(self) -> str:
        return f"{self.rule}-{self.ability}-{self.way}"

    @property
    def expected(self) -> str:
        return {"whole": "fail", "across": "fail", "conditional": "unknown"}.get(self.way, "pass")


CASES: Final = (
    *(Case(rule, step, way) for rule in ADMIN_RULES + STEP_RULES for step in STEPS for way in WAYS),
    *(Case(rule, "assume", way) for rule in ADMIN_RULES + STEP_RULES for way in ("across", "conditional")),
    *(Case(rule, "rewrite", way) for rule in ADMIN_RULES for way in WAYS if way != "untrusted"),
    *(
        Case(rule, "everything", way)
        for rule in ("priv-admin-equivalent", "dep-pipeline-overprivileged")
        for way in ("whole", "denied", "bounded", "blocked")
    ),
    *(Case(rule, "everything", "without IAM") for rule in ("priv-admin-equivalent", "priv-escalation-path")),
    *(Case(UNUSED_RULE, "use", way) for way in WAYS),
)


# Environments of the subject and of whom it aims at.
ENVIRONMENTS: Final = {"env-nonprod-reaches-prod": ("dev", "prod"), "env-identity-spans": ("prod", "dev")}
DENIES: Final = {
    "assume": deny("sts:AssumeRole"),
    "pass": deny("iam:PassRole"),
    "rewrite": deny("iam:CreatePolicyVersion"),
    "everything": {"Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "*"},
}


def _account(case: Case) -> str:
    """Where the subject stands."""
    if case.way == "across":
        return FAR
    if case.way == "without IAM":
        return NO_IAM
    if case.way == "blocked":
        return {"assume": NO_ASSUMING, "everything": ONLY_READING}.get(case.ability, NO_PASSING)
    return OPEN


def _beside(case: Case, account: str) -> str:
    """Where the target stands: an SCP over the subject must not take the target's rights."""
    return OPEN if case.ability == "assume" else account


def _arn(record_id: str) -> str:
    _, account, name = record_id.split(":", 2)
    return arn(name, account)


class World(Estate):
    """An organization whose accounts have what the cases need."""

    def __init__(self) -> None:
        super().__init__()
        self.records += [
            OrgNode("root", f"aws:{MANAGEMENT}", "root", "root"),
            Partner("P-1", "Nordwind GmbH"),
            IdentityMapping("nordwind-*", partner_id="P-1", decided_by="dana@acme.example"),
        ]
        self.control("root", management=MANAGEMENT)
        for account, statements in SCPS.items():
            self.account(account, scps="complete", rcps="not_applicable")
            self.records += [Coverage("aws", f"aws:{account}", dataset, "complete") for dataset in DATASETS[:-1]]
            reaches_to = datetime(2025, 1, 1, tzinfo=UTC)
            self.records.append(
                Coverage("aws", f"aws:{account}", "usage.services", "complete", history_from=reaches_to)
            )
            self.records.append(OrgNode(account, f"aws:{account}", "account", account, "root"))
            self.control(account, *statements, management=MANAGEMENT)

    def someone(self, name: str, account: str, environment: str | None = None) -> str:
        """A person where the name begins with `user/person`, else a machine."""
        identity_id = self.identity(name, account)
        is_person = name.startswith("user/person")
        changes: dict[str, Any] = {"environment": environment, "created_at": datetime(2024, 1, 1, tzinfo=UTC)}
        if is_person:
            changes |= {"is_nhi": False, "kind": "human_user"}
        self.records[-1] = dataclasses.replace(self.records[-1], **changes)
        return identity_id

    def service_trust(self, role_id: str, service: str) -> None:
        self.records.append(
            Trust(
                f"{role_id}:trust/{service}",
                role_id,
                tenant_id=role_id.rsplit(":", 1)[0],
                mechanism="service",
                principal_kind="service",
                principal=service,
            )
        )

    def pipeline_trust(self, role_id: str) -> None:
        self.records.append(
            Trust(
                f"{role_id}:trust/oidc",
                role_id,
                tenant_id=role_id.rsplit(":", 1)[0],
                mechanism="oidc",
                principal_kind="oidc",
                principal="arn:aws:iam::111111111111:oidc-provider/gitlab.com",
                issuer="gitlab.com",
                subject_check="pinned",
                audience_check="pinned",
            )
        )

    def add(self, case: Case) -> str:
        """The id of the identity of which the case's rule speaks."""
        if case.rule == UNUSED_RULE:
            return self._using(case)
        account = _account(case)
        own, others = ENVIRONMENTS.get(case.rule, ("prod", "prod"))
        is_by_person = case.rule == "human-impersonation-allowed"
        subject = self.someone(f"user/person-{case}" if is_by_person else f"role/nordwind-{case}", account, own)
        if case.rule == "dep-pipeline-overprivileged":
            self.pipeline_trust(subject)
        judged = subject
        match case.ability:
            case "everything":
                self.give(subject, allow("*"))
            case "rewrite":
                self.give(subject, allow("iam:CreatePolicyVersion", self._policy_of(case, subject, account)))
            case _:
                target = self._target(case, account, others)
                aim = self._weak(case, account, own) if case.way == "unrelated" else target
                self._aim(case, subject, aim, account)
                judged = target if is_by_person else subject
        if case.way == "denied":
            self.give(subject, DENIES[case.ability])
        if case.way == "bounded":
            self.bound(subject, allow("s3:GetObject"))
        return judged

    def _target(self, case: Case, account: str, environment: str) -> str:
        """An administrator where the rule asks for one, else somebody with a right that counts."""
        target = self.someone(f"role/nordwind-target-{case}", _beside(case, account), environment)
        self.give(target, allow("*") if case.rule in ADMIN_RULES else allow("secretsmanager:GetSecretValue"))
        if case.ability == "assume":
            self.trust(target, arn("role/somebody-else" if case.way == "untrusted" else "root", account))
        else:
            self.service_trust(target, "ec2.amazonaws.com" if case.way == "untrusted" else "lambda.amazonaws.com")
        return target

    def _weak(self, case: Case, account: str, environment: str) -> str:
        """Lets in whom the target lets in, and may do nothing."""
        weak = self.someone(f"role/weak-{case}", _beside(case, account), environment)
        self.trust(weak, arn("root", account))
        self.service_trust(weak, "lambda.amazonaws.com")
        return weak

    def _aim(self, case: Case, subject: str, aim: str, account: str) -> None:
        role = _arn(aim)
        if case.ability == "assume":
            with_a_second_factor = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
            more = with_a_second_factor if case.way == "conditional" else {}
            self.give(subject, allow("sts:AssumeRole", role, **more))
        else:
            function = f"arn:aws:lambda:eu-central-1:{account}:function:{case}"
            self.give(subject, allow("iam:PassRole", role))
            self.give(subject, allow(["lambda:CreateFunction", "lambda:InvokeFunction"], function))

    def _policy_of(self, case: Case, subject: str, account: str) -> str:
        """A policy that the subject has, or one that only somebody has who may do nothing else."""
        policy_id = self.policy(allow("s3:ListAllMyBuckets"), account=account)
        holder = self.someone(f"role/weak-{case}", account) if case.way == "unrelated" else subject
        self.bind(holder, policy_id)
        return _arn(policy_id)

    def _using(self, case: Case) -> str:
        """Reads buckets every day; whatever else it may do it never did."""
        account = ONLY_READING if case.way == "blocked" else OPEN
        subject = self.someone(f"role/user-{case}", account)
        self.give(subject, allow("s3:GetObject"))
        more = ["secretsmanager:GetSecretValue", "rds:StartExportTask"]
        match case.way:
            case "unrelated":
                change = ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"]
                self.give(subject, allow(change, self._policy_of(case, subject, account)))
            case "untrusted":
                target = self.someone(f"role/target-{case}", account)
                self.give(target, allow("*"))
                self.trust(target, arn("role/somebody-else", account))
                self.give(subject, allow(["sts:AssumeRole", "iam:PassRole"], _arn(target)))
            case _:
                self.give(subject, allow(more))
        if case.way == "denied":
            self.give(subject, deny(more))
        if case.way == "bounded":
            self.bound(subject, allow("s3:GetObject"))
        self.records.append(ServiceUse(subject, service="s3", last_used_at=datetime(2026, 1, 30, tzinfo=UTC)))
        for service in ("secretsmanager", "rds", "iam", "sts"):
            self.records.append(ServiceUse(subject, service=service, last_used_at=None))
        return subject


@dataclass(frozen=True)
class Judged:
    """The subject of each case, and what each rule says of each subject."""

    subjects: dict[Case, str]
    outcomes: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def judged() -> Iterator[Judged]:
    world = World()
    subjects = {case: world.add(case) for case in CASES}
    with world.load() as con:
        yield Judged(subjects, _outcomes(con))


def _outcomes(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    moment = AS_OF.replace(tzinfo=None)
    con.execute("insert into scans by name select 'x' as scan_id, ? as as_of, ? as started_at", [moment, moment])
    for stage in STAGES:
        stage(con)
    wanted = {case.rule for case in CASES}
    return {rule.rule_id: trial.outcomes(con, rule, {}) for rule in check.load() if rule.rule_id in wanted}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_tells_a_decoy_from_what_it_looks_like(judged: Judged, case: Case) -> None:
    assert judged.outcomes[case.rule].get(judged.subjects[case]) == case.expected
