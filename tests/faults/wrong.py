"""Answers that go wrong: which operation a call on a tape is of, and what comes instead of what was recorded."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel

from fixtures.aws.json_protocols import find_rest_operation
from nhiscan.tape import Answer, Call, Failure
from tests.faults.tapes import Answers

STATUSES: Final = {"500": 500, "403": 403, "throttled": 429}
KINDS: Final = (*STATUSES, "timeout", "cut", "no next page")
# The first that fits counts; a mount may have slashes.
VAULT: Final = (
    "POST auth/*/login",
    "POST auth/*/secret-id-accessor/lookup",
    "LIST auth/*/secret-id",
    "POST auth/token/lookup-accessor",
    "LIST auth/token/accessors",
    "GET auth/token/lookup-self",
    "GET auth/*/config",
    *(f"LIST auth/*/{folder}" for folder in ("role", "roles", "users", "groups", "certs")),
    *(f"GET auth/*/{folder}/*" for folder in ("role", "roles", "users", "groups", "certs")),
    "GET sys/policies/acl/*",
    "LIST sys/leases/lookup/*",
    "GET sys/quotas/rate-limit/*",
    "GET identity/entity/id/*",
    "GET identity/group/id/*",
    "LIST */metadata",
    "LIST */metadata/*",
    "GET */metadata/*",
    *(f"LIST */{folder}" for folder in ("static-roles", "roles", "keys")),
    *(f"GET */{folder}/*" for folder in ("static-roles", "roles", "keys")),
)
_TOKEN: Final = "no-such-page"
_AWS_CODES: Final = {"500": "InternalFailure", "403": "AccessDenied", "throttled": "Throttling"}
_JSON: Final = {"content-type": "application/json"}
_VAULT_WORDS: Final = {"500": "internal error", "403": "permission denied", "throttled": "rate limit quota exceeded"}


def operation(asked: Call) -> str:
    """`iam:ListUsers`, or what a request to a vault is like in VAULT; itself where it is like nothing there."""
    if asked.host.startswith("aws:"):
        return f"{asked.host.split(':')[1]}:{_model(asked).name}"
    text = f"{asked.method} {unquote(asked.path).removeprefix('/v1/')}"
    return next((pattern for pattern in VAULT if fnmatchcase(text, pattern)), text)


@cache
def _service(name: str) -> tuple[ServiceModel, Mapping[str, Any]]:
    session = botocore.session.get_session()
    paging = session.get_component("data_loader").load_service_model(name, "paginators-1")["pagination"]
    return session.get_service_model(name), paging


@cache
def _model(asked: Call) -> OperationModel:
    service, _ = _service(asked.host.split(":")[1])
    action = re.search(r"(?:^|&)Action=(\w+)", asked.body)
    if action is not None:
        return service.operation_model(action[1])
    if _is_target(asked):
        return service.operation_model(asked.path.rpartition(".")[2])
    found = find_rest_operation(service, asked.method, f"{asked.path}?{asked.query}" if asked.query else asked.path)
    assert found is not None, asked
    return found


def _is_target(asked: Call) -> bool:
    """The path is a header that names the operation: /secretsmanager.ListSecrets."""
    service, _ = _service(asked.host.split(":")[1])
    return asked.method == "POST" and asked.path.rpartition(".")[2] in service.operation_names


@dataclass(frozen=True)
class Fault:
    """`calls` go wrong, in one of KINDS."""

    kind: str
    calls: frozenset[Call]


@dataclass
class Answering(Mapping[Call, deque[Answer | Failure]]):
    """Answers as a live server would, however often it is asked, and with one fault at a time.

    `went_wrong` counts the answers that the fault spoilt, `unrecorded` are calls that only a fault can lead to.
    """

    recorded: Answers
    fault: Fault | None = None
    went_wrong: int = 0
    unrecorded: list[Call] = field(default_factory=list)
    asked: Counter[Call] = field(default_factory=Counter)

    def begin(self, fault: Fault | None) -> None:
        self.fault, self.went_wrong = fault, 0
        self.unrecorded.clear()
        self.asked.clear()

    def __getitem__(self, asked: Call) -> deque[Answer | Failure]:
        return deque([self._answer(asked)])

    def __iter__(self) -> Iterator[Call]:
        return iter(self.recorded)

    def __len__(self) -> int:
        return len(self.recorded)

    def _answer(self, asked: Call) -> Answer | Failure:
        if _TOKEN in asked.query or _TOKEN in asked.body:
            self.went_wrong += 1
            return _refused(asked, "500")
        answers = self.recorded.get(asked)
        if answers is None:
            if self.fault is None:
                raise KeyError(asked)
            self.unrecorded.append(asked)
            return _refused(asked, "403")
        answer = answers[min(self.asked[asked], len(answers) - 1)]
        self.asked[asked] += 1
        if self.fault is None or asked not in self.fault.calls:
            return answer
        self.went_wrong += self.fault.kind != "no next page"
        return spoilt(asked, answer, self.fault.kind)


def spoilt(asked: Call, answer: Answer | Failure, kind: str) -> Answer | Failure:
    """What comes instead of an answer."""
    if kind == "timeout":
        return Failure("read timeout", "injected")
    if kind in STATUSES:
        return _refused(asked, kind)
    if isinstance(answer, Failure) or answer.status != 200:
        return answer
    body = answer.body[: len(answer.body) // 2] if kind == "cut" else _with_token(asked, answer.body)
    return Answer(answer.status, answer.headers, body)


def pages(asked: Call, answer: Answer | Failure) -> bool:
    """This is the last page of a list that could have said that there is another."""
    if isinstance(answer, Failure) or answer.status != 200 or not asked.host.startswith("aws:"):
        return False
    return _output_token(asked) is not None


def _output_token(asked: Call) -> tuple[str, str | None] | None:
    """The names, on the wire, of the token of the next page and of what says that there is one."""
    model = _model(asked)
    _, paging = _service(asked.host.split(":")[1])
    declared = paging.get(model.name)
    if declared is None or model.output_shape is None or not isinstance(declared["output_token"], str):
        return None
    members = model.output_shape.members
    token = declared["output_token"].partition(" ")[0]
    more = declared.get("more_results")
    if token not in members:
        return None
    return (
        members[token].serialization.get("name", token),
        None if more is None else members[more].serialization.get("name", more),
    )


def _with_token(asked: Call, body: bytes) -> bytes:
    """The answer's body, where it is the last page, with the promise of another."""
    names = _output_token(asked)
    assert names is not None
    token, more = names
    if body.lstrip().startswith(b"{"):
        said = json.loads(body)
        if said.get(token):
            return body
        return json.dumps({**said, token: _TOKEN, **({more: True} if more else {})}).encode()
    text = body.decode()
    if re.search(f"<{token}>[^<]", text):
        return body
    text = re.sub(f"<({token}|{more})(/>|>.*?</\\1>)", "", text)
    promise = f"<{token}>{_TOKEN}</{token}>" + (f"<{more}>true</{more}>" if more else "")
    end = f"</{_model(asked).name}Result>"
    end = end if end in text else text[text.rstrip().rindex("</") :]
    return text.replace(end, promise + end).encode()


def _refused(asked: Call, kind: str) -> Answer:
    status = STATUSES[kind]
    if not asked.host.startswith("aws:"):
        return Answer(status, _JSON, json.dumps({"errors": [_VAULT_WORDS[kind]]}).encode())
    code = _AWS_CODES[kind]
    protocol = _service(asked.host.split(":")[1])[0].protocol
    if "json" in protocol or _is_target(asked):
        said = {"__type": code, "message": "injected"}
        return Answer(status, {**_JSON, "x-amzn-errortype": code}, json.dumps(said).encode())
    error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
    whole = {
        "ec2": f"<Response><Errors>{error}</Errors></Response>",
        "query": f"<ErrorResponse>{error}</ErrorResponse>",
    }.get(protocol, error)
    return Answer(status, {"content-type": "text/xml"}, whole.encode())
