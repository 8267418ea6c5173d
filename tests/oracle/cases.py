"""Random requests with their policies, valid for AWS, in the form that tests/oracle/answer.js reads.

Every choice leans towards what the request meets, or next to nothing would be allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any, Final, TypeVar

from nhiscan.resolve.aws_actions import Catalogue
from nhiscan.resolve.aws_conditions import Context
from nhiscan.resolve.aws_policy import Document, parse
from nhiscan.resolve.aws_request import Kind, Layers, Principal, Request, implied

OURS: Final = "111111111111"
THEIRS: Final = "222222222222"

T = TypeVar("T")
Values = dict[str, tuple[str, ...]]
Policy = dict[str, Any]

# Action, the resource that it acts on, and which condition keys of its own a request may carry.
_ACTIONS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("s3:GetObject", "arn:aws:s3:::acme-data/reports/q1.csv", ()),
    ("s3:PutObject", "arn:aws:s3:::acme-data/reports/q2.csv", ()),
    ("s3:ListBucket", "arn:aws:s3:::acme-data", ("s3:prefix", "s3:max-keys")),
    ("s3:ListAllMyBuckets", "*", ()),
    ("iam:PassRole", "arn:aws:iam::{account}:role/deploy", ("iam:PassedToService",)),
    ("iam:PassRole", "arn:aws:iam::{account}:role/team/deploy", ("iam:PassedToService",)),
    ("iam:PutRolePolicy", "arn:aws:iam::{account}:role/deploy", ("iam:PermissionsBoundary",)),
    ("iam:CreateAccessKey", "arn:aws:iam::{account}:user/ann", ()),
    ("sts:AssumeRole", "arn:aws:iam::{account}:role/deploy", ("sts:ExternalId", "sts:RoleSessionName")),
    ("sts:AssumeRole", "arn:aws:iam::{account}:role/deploy", ("sts:ExternalId", "sts:RoleSessionName")),
    ("kms:Decrypt", "arn:aws:kms:eu-west-1:{account}:key/11111111-2222-3333-4444-555555555555", ("kms:ViaService",)),
    ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:{account}:orders", ()),
    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:{account}:secret:crm-AbCdEf", ()),
    ("sns:Publish", "arn:aws:sns:eu-west-1:{account}:news", ()),
    ("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:{account}:function:sync", ()),
    ("dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:{account}:table/customers", ()),
    ("ec2:StartInstances", "arn:aws:ec2:eu-west-1:{account}:instance/i-0123456789abcdef0", ()),
    ("ec2:DescribeInstances", "*", ()),
)
_WITH_RESOURCE_POLICY: Final = ("s3", "sts", "kms", "sqs", "secretsmanager", "sns", "lambda", "dynamodb")
_WITH_RCP: Final = ("s3", "sts", "kms", "sqs", "secretsmanager")

_WORDS: Final = ("red", "Red", "blue", "dev-eu", "dev-us", "ann")
_ARNS: Final = (
    "arn:aws:s3:::acme-data",
    "arn:aws:sns:eu-west-1:111111111111:news",
    "arn:aws:sns:us-east-1:222222222222:news",
    "arn:aws:lambda:eu-west-1:111111111111:function:sync",
)
_DATES: Final = ("2024-06-01T00:00:00Z", "2025-01-15T12:30:00Z", "2025-01-15T12:30:01Z", "2026-03-01T08:00:00+02:00")
_NUMBERS: Final = ("0", "30", "30.5", "600", "3600", "7200")
_ADDRESSES: Final = ("203.0.113.7", "203.0.113.200", "198.51.100.9")
_NETWORKS: Final = ("203.0.113.0/24", "203.0.113.128/25", "198.51.100.9")
_ADDRESSES_6: Final = ("2001:db8::1", "2001:db8:1::9", "2001:DB8:2::1")
_NETWORKS_6: Final = ("2001:db8::/32", "2001:db8:1::/48", "2001:db8::1")
_BASE64: Final = ("cmVk", "Ymx1ZQ==", "Z3JlZW4=")
_PATHS: Final = ("o-acme/r-1/ou-1/", "o-acme/r-1/ou-2/", "o-other/r-9/")


@dataclass(frozen=True)
class _Key:
    """A condition key: values that a request has, values that policies compare with, the operators that fit."""

    name: str
    values: Sequence[str]
    operators: tuple[str, ...]
    compared: Sequence[str] = ()
    is_list: bool = False


_STRING: Final = (
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
)
_NUMERIC: Final = tuple(
    f"Numeric{order}"
    for order in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
)
_DATE: Final = tuple(operator.replace("Numeric", "Date") for operator in _NUMERIC)
_ARN: Final = ("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike")
_IP: Final = ("IpAddress", "NotIpAddress")

_GLOBAL: Final = (
    _Key("aws:PrincipalTag/team", _WORDS, _STRING),
    _Key("aws:SourceVpce", _WORDS, _STRING),
    _Key("aws:UserAgent", _WORDS, _STRING),
    _Key("aws:RequestedRegion", ("eu-west-1", "us-east-1"), _STRING),
    _Key("aws:SourceArn", _ARNS, _ARN),
    _Key("aws:MultiFactorAuthAge", _NUMBERS, _NUMERIC),
    _Key("aws:CurrentTime", _DATES, _DATE),
    _Key("aws:TokenIssueTime", _DATES, _DATE),
    _Key("aws:SecureTransport", ("true", "false"), ("Bool",)),
    _Key("aws:MultiFactorAuthPresent", ("true", "false"), ("Bool",)),
    _Key("aws:SourceIp", _ADDRESSES, _IP, _NETWORKS),
    _Key("aws:VpcSourceIp", _ADDRESSES_6, _IP, _NETWORKS_6),
    _Key("aws:SourceIdentity", _BASE64, ("BinaryEquals",)),
    _Key("aws:TagKeys", ("team", "cost", "stage"), _STRING, is_list=True),
    _Key("aws:CalledVia", ("athena.amazonaws.com", "cloudformation.amazonaws.com"), _STRING, is_list=True),
    _Key("aws:PrincipalOrgPaths", _PATHS, _STRING, is_list=True),
)
_OWN: Final = {
    key.name: key
    for key in (
        _Key("s3:prefix", ("home/ann", "reports/", "x"), _STRING),
        _Key("s3:max-keys", ("1", "100", "1000"), _NUMERIC),
        _Key("iam:PassedToService", ("lambda.amazonaws.com", "ec2.amazonaws.com"), _STRING),
        _Key("iam:PermissionsBoundary", (f"arn:aws:iam::{OURS}:policy/limit",), _ARN),
        _Key("sts:ExternalId", ("partner-1", "partner-2"), _STRING),
        _Key("sts:RoleSessionName", ("ann", "nightly"), _STRING),
        _Key("kms:ViaService", ("s3.eu-west-1.amazonaws.com", "sqs.eu-west-1.amazonaws.com"), _STRING),
    )
}
_ASKER: Final = (
    _Key("aws:PrincipalArn", (f"arn:aws:iam::{OURS}:user/ann", f"arn:aws:iam::{OURS}:role/deploy"), _ARN),
    _Key("aws:PrincipalAccount", (OURS, THEIRS), _STRING),
    _Key("aws:ResourceAccount", (OURS, THEIRS), _STRING),
    _Key("aws:PrincipalType", ("User", "AssumedRole"), _STRING),
    _Key("aws:PrincipalIsAWSService", ("true", "false"), ("Bool",)),
    _Key("aws:username", ("ann", "bob"), _STRING),
)
LISTS: Final = tuple(key.name for key in _GLOBAL if key.is_list)
_NEVER: Final = "aws:PrincipalTag/none"  # no request has it, so a variable of it takes its default
_VARIABLES: Final = ("aws:PrincipalTag/team", "aws:username", "aws:PrincipalAccount", "aws:SourceVpce")


@dataclass(frozen=True)
class Case:
    kind: Kind
    principal: str
    role: str | None
    principal_account: str | None
    action: str
    resource: str
    account: str
    context: Values
    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: Policy | None = None
    resource_policy: Policy | None = None
    scps: tuple[tuple[Policy, ...], ...] = ()
    rcps: tuple[tuple[Policy, ...], ...] = ()
    endpoint: Policy | None = None
    lists: tuple[str, ...] = field(default=LISTS)

    def line(self, *, is_validated: bool) -> str:
        """`is_validated`: the oracle first makes sure that AWS would accept the policies and the request."""
        return json.dumps(asdict(self) | {"is_validated": is_validated}, separators=(",", ":"))

    def policies(self) -> tuple[object, ...]:
        own = (self.identity, self.boundary, self.session)
        return (*own, self.resource_policy, self.scps, self.rcps, self.endpoint)

    def request(self, hidden: frozenset[str] = frozenset()) -> Request:
        """As we are asked it; of hidden keys nobody knows whether they are there."""
        shown = {key: values for key, values in self.context.items() if key not in hidden}
        absent = {_NEVER, *(key.name for key in every_key(self.action))} - self.context.keys() - hidden
        context = Context(shown, frozenset(absent), is_complete=not hidden)
        return Request(self.action, self.resource, self.asker(), self.account, context)

    def asker(self) -> Principal:
        arn = None if self.kind == "anonymous" else self.principal
        return Principal(self.kind, arn, self.principal_account, self.role)

    def layers(self, actions: Catalogue) -> Layers:
        def read(policy: Policy) -> Document:
            return parse(json.dumps(policy), actions)

        def read_if(policy: Policy | None) -> Document | None:
            return read(policy) if policy else None

        return Layers(
            tuple(map(read, self.identity)),
            read_if(self.boundary),
            read_if(self.session),
            read_if(self.resource_policy),
            tuple(tuple(map(read, level)) for level in self.scps),
            tuple(tuple(map(read, level)) for level in self.rcps),
            (read(self.endpoint),) if self.endpoint else None,
        )


def every_key(action: str) -> tuple[_Key, ...]:
    return (*_GLOBAL, *_ASKER, *(_OWN[name] for name in _own_keys(action)))


def _own_keys(action: str) -> tuple[str, ...]:
    return next(keys for name, _, keys in _ACTIONS if name == action)


class Maker:
    """Makes the same cases again from the same seed."""

    def __init__(self, seed: int) -> None:
        self._random: Final = Random(seed)

    def case(self) -> Case:
        action, resource, _ = self._pick(_ACTIONS)
        kind: Kind = self._random.choices(
            ("user", "session", "role", "federated-user", "root", "service", "anonymous"), (30, 35, 10, 5, 4, 8, 8)
        )[0]
        asks = self._pick((OURS, OURS, THEIRS))
        owns = OURS if resource == "*" else self._pick((asks, asks, OURS if asks == THEIRS else THEIRS))
        if resource == "*":
            owns = asks
        case = self._asker(kind, asks)
        case = replace(case, action=action, resource=resource.format(account=owns), account=owns)
        case = replace(case, context=self._context(case))
        return self._with_policies(case)

    def other_context(self, case: Case) -> tuple[Case, frozenset[str]]:
        """The same request with other values of some keys, and which those are."""
        written = json.dumps(case.policies()).lower()
        keys = [key for key in every_key(case.action) if key not in _ASKER]
        keys = [key for key in keys if self._chance(0.6 if f'"{key.name.lower()}"' in written else 0.1)]
        hidden = frozenset(key.name for key in keys)
        context = {key: values for key, values in case.context.items() if key not in hidden}
        context |= {key.name: self._values(key) for key in keys if self._chance(0.6)}
        return replace(case, context=context), hidden

    def _asker(self, kind: Kind, account: str) -> Case:
        name = self._pick(("ann", "bob"))
        role = f"arn:aws:iam::{account}:role/{self._pick(('deploy', 'reader'))}"
        arn, behind = {
            "user": (f"arn:aws:iam::{account}:user/{name}", None),
            "session": (f"arn:aws:sts::{account}:assumed-role/{role.rpartition('/')[2]}/{name}", role),
            "role": (role, None),
            "federated-user": (f"arn:aws:sts::{account}:federated-user/{name}", f"arn:aws:iam::{account}:user/{name}"),
            "root": (f"arn:aws:iam::{account}:root", None),
            "service": (self._pick(("lambda.amazonaws.com", "sns.amazonaws.com")), None),
            "anonymous": ("", None),
        }[kind]
        is_outside = kind in ("service", "anonymous")
        return Case(kind, arn, behind, None if is_outside else account, "", "", "", {})

    def _context(self, case: Case) -> Values:
        context: Values = {}
        keys = {key.name.lower(): key.name for key in _ASKER}
        for name, values in implied(case.asker()).items():
            if values and name in keys:
                context[keys[name]] = values
        context["aws:ResourceAccount"] = (case.account,)
        for key in (*_GLOBAL, *(_OWN[name] for name in _own_keys(case.action))):
            if self._chance(0.7):
                context[key.name] = self._values(key)
        return context

    def _values(self, key: _Key) -> tuple[str, ...]:
        if not key.is_list:
            return (self._pick(key.values),)
        return tuple(self._random.sample(key.values, k=self._random.randint(1, len(key.values))))

    def _with_policies(self, case: Case) -> Case:
        service = case.action.partition(":")[0]
        layers: dict[str, Any] = {}
        if case.kind == "root":
            layers["identity"] = (_policy(_EVERYTHING),)  # root holds no policy, and may do everything
        elif case.kind not in ("service", "anonymous"):
            layers["identity"] = tuple(
                self._policy(case) for _ in range(self._random.choices((0, 1, 2), (8, 70, 22))[0])
            )
        if case.kind in ("user", "role", "session") and self._chance(0.3):
            layers["boundary"] = self._policy(case)
        if (case.kind == "session" and self._chance(0.45)) or case.kind == "federated-user":
            layers["session"] = self._policy(case)
            case = replace(case, session=layers["session"])
        if (
            service in _WITH_RESOURCE_POLICY
            and case.resource != "*"
            and (service in ("sts", "kms") or self._chance(0.6))
        ):
            layers["resource_policy"] = self._resource_policy(case)
        if case.kind not in ("service", "anonymous") and self._chance(0.35):
            layers["scps"] = tuple(self._scp_level(case) for _ in range(self._random.randint(1, 3)))
        if service in _WITH_RCP and self._chance(0.4):
            layers["rcps"] = tuple(self._rcp_level(case) for _ in range(self._random.randint(1, 3)))
        if self._chance(0.1):
            layers["endpoint"] = _policy(*(s | {"Principal": "*"} for s in self._statements(case)))
        return replace(case, **layers)

    def _policy(self, case: Case) -> Policy:
        return _policy(*self._statements(case))

    def _statements(self, case: Case) -> list[Policy]:
        found = [self._statement(case, "Allow") for _ in range(self._random.choices((1, 2, 3), (50, 35, 15))[0])]
        if self._chance(0.25):
            found.append(self._statement(case, "Deny"))
        self._random.shuffle(found)
        return found

    def _statement(self, case: Case, effect: str) -> Policy:
        lean = 0.93 if effect == "Allow" else 0.6
        statement: Policy = {"Effect": effect, **self._actions(case, lean), **self._resources(case, lean)}
        return statement | self._condition(case, 0.35 if effect == "Allow" else 0.7)

    def _resource_policy(self, case: Case) -> Policy:
        statements = []
        for effect in ["Allow"] * self._random.randint(1, 2) + (["Deny"] if self._chance(0.2) else []):
            statement = self._statement(case, effect) | self._principal(case, effect)
            if case.action == "sts:AssumeRole":
                statement.pop("Resource", None)
                statement.pop("NotResource", None)
                statement.pop("NotAction", None)
                statement["Action"] = self._pick(("sts:AssumeRole", "sts:*", "sts:Assume*", ["sts:AssumeRole"]))
            statements.append(statement)
        return _policy(*statements)

    def _scp_level(self, case: Case) -> tuple[Policy, ...]:
        shape = self._random.random()
        if shape < 0.2:
            return (self._policy(case),)
        level = [_policy(_EVERYTHING)]
        if shape < 0.75:
            level.append(_policy(self._statement(case, "Deny")))
        return tuple(level)

    def _rcp_level(self, case: Case) -> tuple[Policy, ...]:
        if self._chance(0.2):
            return ()
        service = case.action.partition(":")[0]
        statement = self._statement(case, "Deny")
        statement.pop("NotAction", None)
        statement["Action"] = self._pick((f"{service}:*", case.action, [case.action], "s3:*", ["sqs:*", "kms:*"]))
        if str(statement.get("Resource", "")).startswith("arn:") and statement["Resource"].count(":") < 5:
            statement["Resource"] = "*"  # an RCP takes no shortened ARN
        return (_policy(statement | {"Principal": "*"}),)

    def _actions(self, case: Case, lean: float) -> Policy:
        service, _, name = case.action.partition(":")
        others = [other for other, _, _ in _ACTIONS if other != case.action]
        other = self._pick(others)
        is_met = self._chance(lean)
        if self._chance(0.2):
            return {"NotAction": [other, "support:*"] if is_met else self._pick((f"{service}:*", [other, case.action]))}
        if not is_met:
            return {"Action": self._pick((other, [other, "support:*"], f"{service}:{name}NoSuch*"))}
        return {
            "Action": self._pick(
                (
                    "*",
                    case.action,
                    f"{service}:*",
                    [other, case.action],
                    f"{service}:{name[:3]}*",
                    f"{service}:?{name[1:]}",
                    case.action.lower(),
                    [f"{service}:*{name[-4:].upper()}", other],
                )
            )
        }

    def _resources(self, case: Case, lean: float) -> Policy:
        is_met = self._chance(lean)
        arn = "arn:aws:s3:::acme-data/reports/q1.csv" if case.resource == "*" else case.resource
        void = f"{arn.rpartition(':')[0]}:{_type(arn)}void-${{aws:username}}" if _takes_variables(arn) else f"{arn}-y"
        miss = self._pick(("arn:aws:s3:::other/*", "arn:aws:sqs:eu-west-1:333333333333:*", f"{arn}-x"))
        if self._chance(0.15):
            if is_met and case.resource == "*":
                return {"NotResource": miss}
            if is_met:
                return {"NotResource": self._pick((miss, [miss, void]))}
            return {"NotResource": self._pick((arn, [miss, self._wild(arn)])) if case.resource != "*" else "*"}
        if not is_met:
            return {"Resource": self._pick((miss, [miss, void]))}
        return {
            "Resource": self._pick(
                ("*", arn, self._wild(arn), [miss, "*"], [miss, arn], self._with_variable(case, arn))
            )
        }

    def _wild(self, arn: str) -> str:
        head, _, tail = arn.rpartition(":")
        start = len(_type(arn))
        cut = self._random.randint(start, len(tail))
        return self._pick(
            (
                f"{head}:{tail[:cut]}*",
                f"{head}:{tail[:start]}*{tail[-1]}",
                f"{head}:{tail[:-1]}?",
                f"{head}:*",
                "arn:aws:*",
                f"arn:aws:{arn.split(':')[2]}:*",
            )
        )

    def _with_variable(self, case: Case, arn: str) -> str:
        """The ARN with its account or some part behind a variable, which may have no value."""
        head, _, tail = arn.rpartition(":")
        if not _takes_variables(arn):
            return arn
        key = self._pick(_VARIABLES)
        value = case.context.get(key, ("",))[0]
        if value and value in tail:
            return f"{head}:{tail.replace(value, '${' + key + '}')}"
        if case.account in head and self._chance(0.1):
            return arn.replace(case.account, "${aws:PrincipalAccount}")
        start = self._random.randint(len(_type(arn)), len(tail) - 1)
        end = self._random.randint(start + 1, len(tail))
        return f"{head}:{tail[:start]}${{{_NEVER}, '{tail[start:end]}'}}{tail[end:]}"

    def _principal(self, case: Case, effect: str) -> Policy:
        account = case.principal_account or OURS
        itself: Any = {"Service": case.principal} if case.kind == "service" else {"AWS": case.principal}
        if case.kind == "anonymous":
            itself = "*"
        goes_by = [arn for arn in (case.principal, case.role, f"arn:aws:iam::{account}:root") if arn]
        if case.kind == "role":
            goes_by.append(f"arn:aws:sts::{account}:assumed-role/{case.principal.rpartition('/')[2]}/ann")
        if effect == "Deny" and case.action != "sts:AssumeRole" and self._chance(0.3):
            stranger = f"arn:aws:iam::{account}:user/nobody"
            return {"NotPrincipal": itself if case.kind == "service" else {"AWS": self._pick((goes_by, stranger))}}
        if effect == "Allow" and case.session and case.principal_account == case.account:
            # What is given to the session itself no session policy limits; the oracle says otherwise.
            return {"Principal": self._pick(({"AWS": account}, {"AWS": case.role}))}
        return {
            "Principal": self._pick(
                (
                    itself,
                    itself,
                    "*",
                    {"AWS": "*"},
                    {"AWS": account},
                    {"AWS": [f"arn:aws:iam::{account}:root", f"arn:aws:iam::{THEIRS}:user/nobody"]},
                    {"AWS": case.role or f"arn:aws:iam::{account}:root"},
                    {"AWS": f"arn:aws:iam::{account}:user/nobody"},
                    {"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]},
                )
            )
        }

    def _condition(self, case: Case, often: float) -> Policy:
        if not self._chance(often):
            return {}
        block: dict[str, dict[str, Any]] = {}
        for _ in range(self._random.choices((1, 2, 3), (70, 22, 8))[0]):
            key = self._pick(every_key(case.action))
            operator, values = self._compared(case, key)
            block.setdefault(operator, {})[self._pick((key.name, key.name.lower()))] = values
        return {"Condition": block}

    def _compared(self, case: Case, key: _Key) -> tuple[str, Any]:
        if self._chance(0.07):
            return "Null", self._pick(("true", "false"))
        operator = self._pick(key.operators)
        pool = list(key.compared or key.values)
        present = case.context.get(key.name)
        if present and not key.compared and self._chance(0.5):
            pool = [*present, *pool[:1]]
        values = self._random.sample(pool, k=min(len(pool), self._random.choices((1, 2, 3), (60, 30, 10))[0]))
        if "Like" in operator and self._chance(0.5):
            values = [self._glob(value, operator) for value in values]
        if operator.startswith(("String", "Arn")) and self._chance(0.12):
            values[0] = self._variable(operator)
        written: Any = values[0] if len(values) == 1 and self._chance(0.5) else values
        if key.is_list:
            operator = self._pick(("ForAllValues:", "ForAnyValue:")) + operator
        if self._chance(0.2):
            operator += "IfExists"
        return operator, written

    def _glob(self, value: str, operator: str) -> str:
        if operator.startswith("Arn"):
            head, _, tail = value.rpartition(":")
            return f"{head}:{tail[:2]}*"
        cut = self._random.randint(0, len(value))
        return self._pick((f"{value[:cut]}*", f"*{value[cut:]}", f"{value[:-1]}?", "*"))

    def _variable(self, operator: str) -> str:
        key = self._pick(_VARIABLES)
        if operator.startswith("Arn"):
            return f"arn:aws:sns:eu-west-1:{OURS}:${{{_NEVER}, 'news'}}"
        return self._pick((f"${{{key}}}", f"${{{key}, 'red'}}", f"dev-${{{key}}}", "${*}", "${$}{x}"))

    def _pick(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


_EVERYTHING: Final[Policy] = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _takes_variables(arn: str) -> bool:
    """Names that stand alone do not: the oracle takes what is before the variable's own colon for a type."""
    return arn.split(":")[2] not in ("sqs", "sns")


def _type(arn: str) -> str:
    """The word before an ARN's resource, which AWS wants without a wildcard; kept out of patterns."""
    last = arn.rpartition(":")[2]
    return last[: last.index("/") + 1] if "/" in last and ":s3:" not in arn else ""


def _policy(*statements: Mapping[str, Any]) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


LAYERS: Final[Mapping[str, Callable[[Case], bool]]] = {
    "identity": lambda case: bool(case.identity),
    "resource": lambda case: case.resource_policy is not None,
    "boundary": lambda case: case.boundary is not None,
    "session": lambda case: case.session is not None,
    "scp": lambda case: bool(case.scps),
    "rcp": lambda case: bool(case.rcps),
    "endpoint": lambda case: case.endpoint is not None,
}
