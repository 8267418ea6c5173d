"""Every call the collector makes to one account, dumb and loud.

What AWS refuses, answers with an error or cannot do comes back as a `Refusal` beside what was read, so that the
mapping says "partial" instead of handing on a shorter list. Only a credential that is no good at all raises.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

from botocore import xform_name
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from nhiscan.collect import Context, Refusal
from nhiscan.errors import CollectError

T = TypeVar("T")
K = TypeVar("K")
Json: TypeAlias = Mapping[str, Any]

DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccessDeniedForDependencyException",
        "AuthorizationError",
        "UnauthorizedOperation",
    }
)
_UNSUPPORTED: Final = frozenset(
    {
        "InvalidAction",
        "NotImplemented",
        "UnknownOperationException",
        "UnsupportedOperation",
        "UnsupportedOperationException",
    }
)
BAD_CREDENTIAL: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
NO_CREDENTIAL: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
)
# Of permissions, where botocore has another name.
_PREFIXES: Final = {"accessanalyzer": "access-analyzer", "resourcegroupstaggingapi": "tag"}
# Where the permission is not called like the call: Service Authorization Reference, by service.
_PERMISSIONS: Final = {
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
}
_PAGE_ITEMS: Final = 1000  # the most that IAM allows
_MOST_PAGES: Final = 10_000
_WORKERS: Final = 8  # below botocore's pool of ten connections
_BATCH: Final = 32
_REPORT_PAUSES_S: Final = (0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8)
_LONGEST_REASON: Final = 300
_EMPTY_ANSWER: Final = 2  # bytes of {}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages that were read, and why there are no more of them."""

    pages: Sequence[Json] = field(default=(), repr=False)  # variables and tags may be secrets
    refusal: Refusal | None = None

    def items(self, key: str) -> list[Json]:
        # AWS leaves empty lists out of some answers.
        return [item for page in self.pages for item in page.get(key, [])]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Raw answers of one account. Users are named by UserName, roles and groups likewise."""

    details: Pages  # GetAccountAuthorizationDetails
    users: Sequence[Json]
    groups: Sequence[Json]
    roles: Sequence[Json]
    # Why one of the three lists above may be short: one refusal of details or of the lists that replaced them.
    user_refusal: Refusal | None
    group_refusal: Refusal | None
    role_refusal: Refusal | None
    users_listed: bool  # some page of users, roles or groups was read
    groups_listed: bool
    roles_listed: bool
    access_keys: Mapping[str, Sequence[Json] | Refusal]  # by user name
    key_uses: Mapping[str, Json | Refusal]  # by access key id
    login_profiles: Mapping[str, Json | Refusal | None]  # by user name; None: no password
    mfa_devices: Mapping[str, Sequence[Json] | Refusal]  # by user name
    report: Mapping[str, Mapping[str, str]] | Refusal  # credential report, by ARN
    password_uses: Mapping[str, datetime | None] | Refusal | None  # from ListUsers; None: the report was read
    service_specific: Pages
    oidc_providers: Pages
    oidc_details: Mapping[str, Json | Refusal]  # by ARN
    saml_providers: Pages


def ask(call: str, question: Callable[[], T]) -> T | Refusal:
    """The answer, or why there is none.

    Raises: CollectError when the credential itself is no good.
    """
    try:
        return question()
    except ClientError as error:
        return _refusal(call, error)
    except NO_CREDENTIAL as error:
        raise CollectError(
            f"aws: no usable credentials: {error}",
            hint="set collectors.aws.profile, or AWS_PROFILE, to a profile that exists and can sign in",
        ) from error
    except ResponseParserError as error:
        # The error quotes the body, which may hold anything.
        return Refusal("failed", call, f"the answer is not in AWS's format ({type(error).__name__})")
    except BotoCoreError as error:
        return Refusal("failed", call, short(str(error)))


def _refusal(call: str, error: ClientError) -> Refusal:
    said = error.response.get("Error", {})
    code = str(said.get("Code") or "unknown error")
    http_status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    reason = short(f"{code}: {said.get('Message') or 'no message'} (HTTP {http_status})")
    if code in BAD_CREDENTIAL:
        raise CollectError(
            f"aws: {call} was refused for the credential itself: {reason}",
            hint="sign in again or renew the key of collectors.aws.profile; for a signature error check the clock",
        ) from error
    if code in DENIED:
        return Refusal("denied", call, reason, missing_permission=_PERMISSIONS.get(call, call))
    if code in _UNSUPPORTED or http_status == 501:  # Not Implemented
        return Refusal("unsupported", call, reason)
    return Refusal("failed", call, reason)


def short(text: str) -> str:
    """On one line, and no longer than a reason may be."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"


def call_name(client: Any, operation: str) -> str:
    """`iam:ListUsers`: at once the call and the permission it needs."""
    service = client.meta.service_model.service_name
    return f"{_PREFIXES.get(service, service)}:{operation}"


def read_pages(client: Any, operation: str, **request: Any) -> Pages:
    """Every page of a list that pages by Marker, or those before the first refusal."""
    call = call_name(client, operation)
    method = getattr(client, xform_name(operation))
    pages: list[Json] = []
    markers: set[str] = set()
    paging: dict[str, Any] = {"MaxItems": _PAGE_ITEMS}
    while True:
        page = ask(call, lambda: method(**request, **paging))
        if isinstance(page, Refusal):
            return Pages(pages, page)
        pages.append(page)
        if not page.get("IsTruncated"):
            return Pages(pages)
        marker = page.get("Marker")
        if not marker or marker in markers:
            return Pages(pages, Refusal("failed", call, "said that there is more but gave no new marker"))
        if len(pages) >= _MOST_PAGES:
            return Pages(pages, Refusal("truncated", call, f"stopped after {_MOST_PAGES} pages"))
        markers.add(marker)
        paging["Marker"] = marker


def read_one(client: Any, operation: str, **request: Any) -> Json | Refusal:
    """The answer of a call that does not page."""
    call = call_name(client, operation)
    return _whole_answer(call, ask(call, lambda: getattr(client, xform_name(operation))(**request)))


def _whole_answer(call: str, answer: Json | Refusal) -> Json | Refusal:
    """A refusal instead of an answer whose body is not JSON, which botocore reads as one without members."""
    if isinstance(answer, Refusal) or set(answer) != {"ResponseMetadata"}:
        return answer
    length = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("content-length", "0")
    return Refusal("failed", call, "the answer is not in AWS's format") if int(length) > _EMPTY_ANSWER else answer


def read_all(client: Any, operation: str, **request: Any) -> Pages:
    """Every page of a list, by the paging that botocore declares for it, or those before the first refusal."""
    call = call_name(client, operation)
    method = xform_name(operation)
    if not client.can_paginate(method):
        answer = read_one(client, operation, **request)
        return Pages((), answer) if isinstance(answer, Refusal) else Pages([answer])
    pages: list[Json] = []
    answers = iter(client.get_paginator(method).paginate(**request))
    while True:
        page = ask(call, lambda: next(answers, None))
        if page is None:
            return Pages(pages)
        page = _whole_answer(call, page)
        if isinstance(page, Refusal):
            return Pages(pages, page)
        pages.append(page)
        if len(pages) >= _MOST_PAGES:
            return Pages(pages, Refusal("truncated", call, f"stopped after {_MOST_PAGES} pages"))


def read_regions(clients: Mapping[str, Any], operation: str, **request: Any) -> dict[str, Pages]:
    """A list that every region keeps of its own, by region; `clients` likewise.

    A region that does not know the credential is one that the account has not enabled: only the first one's word
    counts for all.
    """

    def in_region(region: str) -> Pages:
        try:
            return read_all(clients[region], operation, **request)
        except CollectError as error:
            if region == first:
                raise
            return Pages((), Refusal("failed", call_name(clients[region], operation), error.message))

    first = next(iter(clients))
    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(clients, pool.map(in_region, clients), strict=True))


def each_in_regions(
    clients: Mapping[str, Any],
    things: Iterable[tuple[str, K]],
    question: Callable[[Any, K], T | Refusal],
    *,
    count: Callable[[int], None],
) -> dict[tuple[str, K], T | Refusal]:
    """As `ask_each`, for pairs of region and thing: what one region refuses ends the questions only there."""
    by_region: dict[str, list[K]] = {}
    for region, thing in things:
        by_region.setdefault(region, []).append(thing)
    answers: dict[tuple[str, K], T | Refusal] = {}
    for region, here in by_region.items():
        client = clients[region]
        got = ask_each(here, lambda thing, client=client: question(client, thing), count=count)  # type: ignore[misc]
        answers.update({(region, thing): answer for thing, answer in got.items()})
    return answers


def ask_each(
    things: Sequence[K], question: Callable[[K], T | Refusal], *, count: Callable[[int], None]
) -> dict[K, T | Refusal]:
    """One answer for each thing, in the order of `things`; `count` hears how many more are done.

    Asks in batches and stops when a whole batch was refused; the rest then carries the same refusal. What is refused
    for everybody would otherwise cost thousands of calls, and minutes of retries where the provider is down.
    """
    answers: dict[K, T | Refusal] = {}
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(things), _BATCH):
            batch = things[start : start + _BATCH]
            got = list(pool.map(question, batch))
            answers.update(zip(batch, got, strict=True))
            count(len(batch))
            if len(got) == _BATCH and all(isinstance(answer, Refusal) for answer in got):
                last = got[-1]
                answers.update((thing, last) for thing in things[start + _BATCH :])
                break
    return answers


def read_account(ctx: Context, iam: Any, label: str) -> Snapshot:
    """All that the collector asks of one account; `label` names it on the progress bar."""

    def counting(what: str) -> Callable[[int], None]:
        return lambda n: ctx.progress(f"{label}: {what}", n)

    details = read_pages(iam, "GetAccountAuthorizationDetails")
    counting("pages of authorization details")(len(details.pages))
    if details.pages:
        listed_users = listed_groups = listed_roles = details
        users, groups, roles = (details.items(f"{kind}DetailList") for kind in ("User", "Group", "Role"))
    else:
        listed_users, listed_groups, listed_roles = (
            read_pages(iam, operation) for operation in ("ListUsers", "ListGroups", "ListRoles")
        )
        users, groups, roles = (
            pages.items(key)
            for pages, key in ((listed_users, "Users"), (listed_groups, "Groups"), (listed_roles, "Roles"))
        )
    names = [str(user["UserName"]) for user in users]
    access_keys = ask_each(
        names,
        lambda name: _user_list(iam, "ListAccessKeys", "AccessKeyMetadata", name),
        count=counting("users' access keys"),
    )
    key_ids = [
        str(key["AccessKeyId"]) for keys in access_keys.values() if not isinstance(keys, Refusal) for key in keys
    ]
    key_uses = ask_each(key_ids, lambda key_id: _key_use(iam, key_id), count=counting("last uses of access keys"))
    login_profiles = ask_each(names, lambda name: _login_profile(iam, name), count=counting("users' passwords"))
    mfa_devices = ask_each(
        names, lambda name: _user_list(iam, "ListMFADevices", "MFADevices", name), count=counting("users' MFA devices")
    )
    report = read_credential_report(iam, ctx.wait)
    oidc_providers = _whole(iam, "ListOpenIDConnectProviders")
    return Snapshot(
        details=details,
        users=users,
        groups=groups,
        roles=roles,
        user_refusal=listed_users.refusal,
        group_refusal=listed_groups.refusal,
        role_refusal=listed_roles.refusal,
        users_listed=bool(listed_users.pages),
        groups_listed=bool(listed_groups.pages),
        roles_listed=bool(listed_roles.pages),
        access_keys=access_keys,
        key_uses=key_uses,
        login_profiles=login_profiles,
        mfa_devices=mfa_devices,
        report=report,
        password_uses=_password_uses(iam) if isinstance(report, Refusal) else None,
        service_specific=read_pages(iam, "ListServiceSpecificCredentials", AllUsers=True),
        oidc_providers=oidc_providers,
        oidc_details=ask_each(
            [str(item["Arn"]) for item in oidc_providers.items("OpenIDConnectProviderList")],
            lambda arn: ask(
                "iam:GetOpenIDConnectProvider", lambda: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
            ),
            count=counting("OIDC providers"),
        ),
        saml_providers=_whole(iam, "ListSAMLProviders"),
    )


def _whole(iam: Any, operation: str) -> Pages:
    """The answer of a list that does not page."""
    answer = ask(call_name(iam, operation), getattr(iam, xform_name(operation)))
    return Pages((), answer) if isinstance(answer, Refusal) else Pages([answer])


def _user_list(iam: Any, operation: str, key: str, user_name: str) -> list[Json] | Refusal:
    found = read_pages(iam, operation, UserName=user_name)
    if found.refusal is None:
        return found.items(key)
    return [] if _is_absent(found.refusal) else found.refusal


def _login_profile(iam: Any, user_name: str) -> Json | Refusal | None:
    answer = ask("iam:GetLoginProfile", lambda: iam.get_login_profile(UserName=user_name))
    if isinstance(answer, Refusal):
        return None if _is_absent(answer) else answer
    profile: Json = answer["LoginProfile"]
    return profile


def _key_use(iam: Any, key_id: str) -> Json | Refusal:
    answer = ask("iam:GetAccessKeyLastUsed", lambda: iam.get_access_key_last_used(AccessKeyId=key_id))
    if isinstance(answer, Refusal):
        return answer
    # Absent for a key that was never used, in some answers; otherwise present without LastUsedDate.
    use: Json = answer.get("AccessKeyLastUsed", {})
    return use


def _is_absent(refusal: Refusal) -> bool:
    """There is no such thing, or the user was deleted since it was listed."""
    return has_code(refusal, "NoSuchEntity")


def has_code(refusal: Refusal, *codes: str) -> bool:
    """AWS answered with one of these errors."""
    return refusal.reason.startswith(tuple(f"{code}:" for code in codes))


def _password_uses(iam: Any) -> dict[str, datetime | None] | Refusal:
    """Last sign-ins by ListUsers, which stands in for the credential report."""
    found = read_pages(iam, "ListUsers")
    if found.refusal is not None:
        return found.refusal
    return {user["UserName"]: user.get("PasswordLastUsed") for user in found.items("Users")}


def read_credential_report(iam: Any, wait: Callable[[float], None]) -> dict[str, dict[str, str]] | Refusal:
    """The credential report by ARN, at most four hours old; waits at most a minute for AWS to make it.

    Source: IAM User Guide, "Getting credential reports for your AWS account".
    """
    state = _ask_for_report(iam)
    for pause_s in _REPORT_PAUSES_S:
        if isinstance(state, Refusal) or state == "COMPLETE":
            break
        wait(pause_s)
        state = _ask_for_report(iam)
    if isinstance(state, Refusal):
        return state
    if state != "COMPLETE":
        waited_s = sum(_REPORT_PAUSES_S)
        return Refusal("failed", "iam:GenerateCredentialReport", f"still {state} after {waited_s:.0f} seconds")
    answer = ask("iam:GetCredentialReport", iam.get_credential_report)
    if isinstance(answer, Refusal):
        return answer
    rows = csv.DictReader(io.StringIO(answer["Content"].decode("utf-8")))
    if rows.fieldnames is None or "arn" not in rows.fieldnames:
        return Refusal("failed", "iam:GetCredentialReport", "the report has no column arn")
    return {row["arn"]: row for row in rows}


def _ask_for_report(iam: Any) -> str | Refusal:
    answer = ask("iam:GenerateCredentialReport", iam.generate_credential_report)
    return answer if isinstance(answer, Refusal) else str(answer["State"])


def refusals(answers: Iterable[object]) -> list[Refusal]:
    return [answer for answer in answers if isinstance(answer, Refusal)]
