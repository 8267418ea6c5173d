"""One call to AWS for remediation: asked once, and its failure told by whether anything may have happened.

What AWS answers may hold a new secret, and what botocore raises may quote an answer or a parameter: errors here keep
AWS's code and message and nothing else, and are raised outside of the handler so that they hang on to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from nhiscan.errors import CollectError
from nhiscan.remediate.contract import BusyError, RefusedError, UnansweredError

from .fetch import BAD_CREDENTIAL, DENIED, NO_CREDENTIAL, Json, call_name, short

# AWS names no bound: IAM User Guide, "Changes that I make are not always immediately visible". Our assumption.
SETTLES_IN: Final = timedelta(minutes=1)
# Of keys and passwords AWS names none either; of roles it is up to 4 hours: IAM User Guide, "Refine permissions in AWS
# using last accessed information".
USAGE_LAG: Final = timedelta(hours=4)
GONE: Final = ("NoSuchEntity",)
NOT_FOUND: Final = ("ResourceNotFoundException",)
# AWS General Reference and botocore's standard retries: nothing was done. IAM's LimitExceeded is a quota, not a rate.
_BUSY: Final = frozenset(
    {
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_BEING_CHANGED: Final = frozenset({"ConcurrentModification", "EntityTemporarilyUnmodifiable"})
_FULL: Final = frozenset({"LimitExceeded", "LimitExceededException"})
# Raised before anything was sent.
_NOT_SENT: Final = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError, ParamValidationError)
_SIGN_IN: Final = "sign in again, or renew what remediation.aws.profile names; for a signature error check the clock"
_LOOK: Final = "look whether it happened before anything is done again; `nhiscan remediate resume` does"


@dataclass(frozen=True, slots=True)
class Calls:
    """The clients of one account; `reading` ones ask again where AWS is busy, others never do."""

    account: str
    home: str
    open_client: Callable[[str, str, bool], Any]

    def reading(self, service: str, region: str = "") -> Any:
        return opened(lambda: self.open_client(service, region or self.home, False))

    def changing(self, service: str, region: str = "") -> Any:
        return opened(lambda: self.open_client(service, region or self.home, True))


def opened(open_client: Callable[[], Any]) -> Any:
    """A client; opening one may assume a role. Raises: RefusedError where that is refused."""
    refusal: Exception
    try:
        return open_client()
    except ClientError as error:
        refusal = _error("sts:AssumeRole", error)
    except BotoCoreError as error:
        refusal = RefusedError(f"aws: sts:AssumeRole: {short(str(error))}", hint=_SIGN_IN)
    except CollectError as error:
        refusal = RefusedError(error.message, hint=_SIGN_IN)
    raise refusal


def ask(client: Any, operation: str, **request: Any) -> Json:
    """The answer. Raises: RefusedError, BusyError, UnansweredError."""
    answer = find(client, operation, (), **request)
    if answer is None:
        raise UnansweredError(f"aws: {call_name(client, operation)} gave an empty answer", hint=_LOOK)
    return answer


def find(client: Any, operation: str, absent: Collection[str], **request: Any) -> Json | None:
    """The answer, or None where AWS says with one of the codes `absent` that there is no such thing."""
    call = call_name(client, operation)
    failure: Exception
    try:
        answer: Json = getattr(client, xform_name(operation))(**request)
        return answer
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in absent:
            return None
        failure = _error(call, error)
    except _NOT_SENT as error:
        failure = RefusedError(f"aws: {call} was not sent: {type(error).__name__}", hint="check the network and names")
    except NO_CREDENTIAL as error:
        failure = RefusedError(f"aws: {call} was not sent: {type(error).__name__}", hint=_SIGN_IN)
    except (BotoCoreError, ResponseParserError) as error:
        failure = UnansweredError(f"aws: {call} had no answer: {type(error).__name__}", hint=_LOOK)
    except CollectError as error:  # the clock is looked at when the answer is here
        failure = UnansweredError(f"aws: {call}: {error.message}", hint=error.hint)
    raise failure


def request_id(answer: Json) -> str | None:
    found: str | None = answer.get("ResponseMetadata", {}).get("RequestId")
    return found


def _error(call: str, error: ClientError) -> Exception:
    said = error.response.get("Error", {})
    code = str(said.get("Code") or "unknown error")
    http_status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 500
    reason = short(f"{code}: {said.get('Message') or 'no message'} (HTTP {http_status})")
    message = f"aws: {call}: {reason}"
    if code in _BUSY or http_status == 429:
        return BusyError(message, hint="wait; nothing was done")
    if code in _BEING_CHANGED:
        return BusyError(message, hint="somebody else is changing it; nothing was done", after=timedelta(seconds=30))
    if http_status >= 500:
        return UnansweredError(message, hint=_LOOK)
    if code in BAD_CREDENTIAL:
        return RefusedError(message, hint=_SIGN_IN)
    if code in DENIED:
        return RefusedError(message, hint=f"grant {call} to the remediation credential", permission=call)
    if code in _FULL:
        return RefusedError(message, hint="free a place by a plan of its own; nothing is deleted to make room")
    return RefusedError(message, hint="nothing was done; look at the target and make a new plan")
