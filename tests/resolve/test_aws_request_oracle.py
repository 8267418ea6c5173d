"""Our decisions beside those of an independent evaluator, the npm package @cloud-copilot/iam-simulate.

It runs in a process of its own and is no part of what we ship. `npm ci --prefix tests/oracle` installs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import pytest

from nhiscan.resolve.aws_actions import Catalogue, catalogue
from nhiscan.resolve.aws_request import Decision, decide
from tests.oracle.cases import LAYERS, OURS, Case, Maker, Policy

ORACLE: Final = Path(__file__).parents[1] / "oracle"
OUTCOMES: Final = {"Allowed": "allow", "ExplicitlyDenied": "deny", "ImplicitlyDenied": "deny"}
SEED: Final = 20260131
PAIRS: Final = 10_500
VALIDATED: Final = 40  # every how-manieth case the oracle checks for what AWS would not accept


@pytest.fixture(scope="module")
def actions() -> Catalogue:
    return catalogue()


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found and (ORACLE / "node_modules").is_dir():
        return found
    missing = "needs node, and `npm ci --prefix tests/oracle`"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def lines(cases: Iterable[Case]) -> Iterator[str]:
    for number, case in enumerate(cases):
        yield case.line(is_validated=number % VALIDATED == 0) + "\n"


def start(node: str, cases: Iterable[Case], answers: IO[str]) -> subprocess.Popen[str]:
    with tempfile.TemporaryFile("w+") as asked:
        asked.writelines(lines(cases))
        asked.seek(0)
        return subprocess.Popen([node, str(ORACLE / "answer.js")], stdin=asked, stdout=answers, text=True)


def read(process: subprocess.Popen[str], answers: IO[str]) -> list[str]:
    assert process.wait() == 0
    answers.seek(0)
    found: list[dict[str, str]] = [json.loads(line) for line in answers]
    assert not [answer["error"] for answer in found if "error" in answer]
    return [answer["outcome"] for answer in found]


@dataclass(frozen=True)
class Pair:
    """A request, the same with other values of some keys, and what both evaluators say."""

    cases: tuple[Case, Case]
    hidden: frozenset[str]
    ours: tuple[Decision, Decision]
    theirs: tuple[str, str]
    half_blind: Decision  # ours of the request when nobody knows the hidden keys


@pytest.fixture(scope="module")
def pairs(node: str, actions: Catalogue) -> list[Pair]:
    maker = Maker(SEED)
    made: list[tuple[Case, Case, frozenset[str]]] = []
    for _ in range(PAIRS):
        case = maker.case()
        made.append((case, *maker.other_context(case)))
    with tempfile.TemporaryFile("w+") as answers:
        process = start(node, (case for one, other, _ in made for case in (one, other)), answers)
        ours = []
        for one, other, hidden in made:
            layers = one.layers(actions)
            ours.append(
                (
                    decide(one.request(), layers, actions),
                    decide(other.request(), layers, actions),
                    decide(one.request(hidden), layers, actions),
                )
            )
        theirs = read(process, answers)
    return [
        Pair((one, other), hidden, (first, second), (theirs[2 * number], theirs[2 * number + 1]), half_blind)
        for number, ((one, other, hidden), (first, second, half_blind)) in enumerate(zip(made, ours, strict=True))
    ]


@pytest.fixture(scope="module")
def single(pairs: Sequence[Pair]) -> list[tuple[Case, Decision, str]]:
    return [found for pair in pairs for found in zip(pair.cases, pair.ours, pair.theirs, strict=True)]


def test_there_is_enough_to_compare_in_every_layer(single: Sequence[tuple[Case, Decision, str]]) -> None:
    assert len(single) >= 20_000
    found = {layer: sum(map(has, (case for case, _, _ in single))) for layer, has in LAYERS.items()}
    assert {layer: count for layer, count in found.items() if count < 2_000} == {}


def test_enough_of_it_is_allowed(single: Sequence[tuple[Case, Decision, str]]) -> None:
    assert sum(theirs == "Allowed" for _, _, theirs in single) >= 0.3 * len(single)


def test_with_a_full_context_next_to_nothing_stays_open(single: Sequence[tuple[Case, Decision, str]]) -> None:
    assert sum(ours.outcome == "conditional" for _, ours, _ in single) <= 0.01 * len(single)


def test_both_evaluators_agree(single: Sequence[tuple[Case, Decision, str]]) -> None:
    decided = [(case, ours, theirs) for case, ours, theirs in single if ours.outcome != "conditional"]
    differing = [case.line(is_validated=False) for case, ours, theirs in decided if ours.outcome != OUTCOMES[theirs]]
    assert not differing, f"{len(differing)} of {len(decided)}, the first: {differing[0]}"


def test_both_evaluators_tell_an_explicit_deny_from_a_missing_allow(
    single: Sequence[tuple[Case, Decision, str]],
) -> None:
    denied = [(case, ours, theirs) for case, ours, theirs in single if ours.outcome == "deny"]
    differing = [
        case.line(is_validated=False)
        for case, ours, theirs in denied
        if ours.is_explicit is not (theirs == "ExplicitlyDenied")
    ]
    assert not differing, f"{len(differing)} of {len(denied)}, the first: {differing[0]}"


def test_what_is_unknown_is_never_decided_otherwise_than_some_completion(pairs: Sequence[Pair]) -> None:
    wrong = [
        pair.cases[0].line(is_validated=False)
        for pair in pairs
        if pair.half_blind.outcome != "conditional" and {OUTCOMES[t] for t in pair.theirs} != {pair.half_blind.outcome}
    ]
    assert not wrong, f"{len(wrong)} of {len(pairs)}, the first: {wrong[0]}"


def test_what_is_unknown_is_decided_where_it_does_not_matter(pairs: Sequence[Pair]) -> None:
    hidden = [pair for pair in pairs if pair.hidden]
    outcomes = Counter(pair.half_blind.outcome for pair in hidden)
    assert min(outcomes.values()) >= 0.05 * len(hidden), outcomes


def test_an_open_answer_names_keys_that_are_unknown(pairs: Sequence[Pair]) -> None:
    named = {
        key
        for pair in pairs
        if pair.half_blind.outcome == "conditional" and pair.ours[0].outcome != "conditional"
        for key in pair.half_blind.keys - {key.lower() for key in pair.hidden}
    }
    assert named <= {"aws:tagkeys", "aws:calledvia", "aws:principalorgpaths", "sts:rolesessionname"}


# Where the two differ: who is right, and why


def policy(**statement: Any) -> Policy:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"} | statement]}


ALLOW: Final = policy()
FILE: Final = "arn:aws:s3:::acme-data/reports/q1.csv"
USER: Final = Case(
    kind="user",
    principal=f"arn:aws:iam::{OURS}:user/ann",
    role=None,
    principal_account=OURS,
    action="s3:GetObject",
    resource=FILE,
    account=OURS,
    context={},
    identity=(ALLOW,),
)
SESSION: Final = replace(
    USER,
    kind="session",
    principal=f"arn:aws:sts::{OURS}:assumed-role/reader/ann",
    role=f"arn:aws:iam::{OURS}:role/reader",
)
FEDERATED: Final = replace(
    USER,
    kind="federated-user",
    principal=f"arn:aws:sts::{OURS}:federated-user/ann",
    role=f"arn:aws:iam::{OURS}:user/ann",
)
SERVICE_LINKED: Final = f"arn:aws:iam::{OURS}:role/aws-service-role/sync.amazonaws.com/AWSServiceRoleForSync"
QUEUE: Final = f"arn:aws:sqs:eu-west-1:{OURS}:ann"
NO_S3: Final = policy(Action="ec2:*")


def on_condition(operator: str, key: str, value: Any, **context: tuple[str, ...]) -> Case:
    found = {name.replace("_", ":"): values for name, values in context.items()}
    return replace(USER, identity=(policy(Condition={operator: {key: value}}),), context=found)


@dataclass(frozen=True)
class Difference:
    why: str
    case: Case
    ours: str
    theirs: str


DIFFERENCES: Final = (
    Difference(
        "GetFederationToken: a policy that names the session gives its permissions in addition to the session policy",
        replace(FEDERATED, session=NO_S3, resource_policy=policy(Principal={"AWS": FEDERATED.principal})),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "session policies: what a resource policy gives to the session's own ARN is not limited by them",
        replace(SESSION, session=NO_S3, resource_policy=policy(Principal={"AWS": SESSION.principal})),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "evaluation logic: boundaries and session policies do not limit what * is given",
        replace(SESSION, session=NO_S3, resource_policy=policy(Principal="*")),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "GetFederationToken: without a session policy the session has no permissions",
        FEDERATED,
        "deny",
        "Allowed",
    ),
    Difference(
        "condition operators: NotIpAddress is every address but those named, so also one of the other family",
        on_condition("NotIpAddress", "aws:SourceIp", "203.0.113.7", aws_SourceIp=("2001:db8::1",)),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "global condition keys: aws:EpochTime counts seconds, not milliseconds",
        on_condition("DateGreaterThan", "aws:EpochTime", "2025-01-15T00:00:00Z", aws_EpochTime=("1772345600",)),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "condition operators: a policy may write a date as seconds since 1970",
        on_condition("DateLessThan", "aws:CurrentTime", "1772345600", aws_CurrentTime=("2025-01-15T00:00:00Z",)),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "variables: ARN operators take them, and only of the Resource element is the account's field excluded",
        on_condition(
            "ArnEquals",
            "aws:SourceArn",
            "arn:aws:sns:eu-west-1:${aws:PrincipalAccount}:news",
            aws_SourceArn=(f"arn:aws:sns:eu-west-1:{OURS}:news",),
            aws_PrincipalAccount=(OURS,),
        ),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "variables: they may stand anywhere after the fifth colon, also where a name has no type before it",
        replace(
            USER,
            action="sqs:SendMessage",
            resource=QUEUE,
            identity=(policy(Resource=f"arn:aws:sqs:eu-west-1:{OURS}:${{aws:username}}"),),
            context={"aws:username": ("ann",)},
        ),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "variables: without a value the statement is invalid, whichever service the pattern is of",
        replace(
            USER,
            action="sqs:SendMessage",
            resource=QUEUE,
            identity=(
                {**ALLOW, "Statement": [{"Effect": "Allow", "Action": "*", "NotResource": f"{FILE}${{aws:x}}"}]},
            ),
        ),
        "deny",
        "Allowed",
    ),
    Difference(
        "identifiers: a wildcard in the type is called not allowed, not what it does; the pattern is taken at its word",
        replace(
            USER,
            action="iam:CreateAccessKey",
            resource=f"arn:aws:iam::{OURS}:user/ann",
            identity=(policy(Resource=f"arn:aws:iam::{OURS}:us*/ann"),),
        ),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "service-linked roles: only the linked service changes their permissions",
        replace(USER, action="iam:PutRolePolicy", resource=SERVICE_LINKED),
        "deny",
        "Allowed",
    ),
    Difference(
        "SCPs: no SCP binds a service-linked role",
        replace(
            SESSION,
            principal=f"arn:aws:sts::{OURS}:assumed-role/AWSServiceRoleForSync/ann",
            role=SERVICE_LINKED,
            scps=((policy(Action="ec2:*"),),),
        ),
        "allow",
        "ImplicitlyDenied",
    ),
    Difference(
        "set operators: ForAnyValue is false for a key that is not there, IfExists true; nothing says which wins",
        on_condition("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "team"),
        "conditional",
        "ImplicitlyDenied",
    ),
    Difference(
        "set operators: several values need one; nothing says what is done without",
        on_condition("StringEquals", "aws:TagKeys", "team", aws_TagKeys=("team", "cost")),
        "conditional",
        "ImplicitlyDenied",
    ),
)


@pytest.fixture(scope="module")
def answers(node: str) -> dict[str, str]:
    with tempfile.TemporaryFile("w+") as written:
        process = start(node, [difference.case for difference in DIFFERENCES], written)
        found = read(process, written)
    return {difference.why: outcome for difference, outcome in zip(DIFFERENCES, found, strict=True)}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.why.partition(":")[0])
def test_each_known_difference_is_one_and_has_its_reason(
    difference: Difference, answers: dict[str, str], actions: Catalogue
) -> None:
    ours = decide(difference.case.request(), difference.case.layers(actions), actions).outcome
    assert (ours, answers[difference.why]) == (difference.ours, difference.theirs)
