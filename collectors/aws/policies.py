"""Managed and inline policies at the version in force, and what each is bound to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from nhiscan.collect import Refusal
from nhiscan.model import Policy, PolicyBinding, Record

from .identities import identity_id, resource

Json: TypeAlias = Mapping[str, Any]

_INLINE_LISTS: Final = ("UserPolicyList", "GroupPolicyList", "RolePolicyList")


def read_document(value: object) -> Json | None:
    """A policy document as AWS hands it over: decoded by botocore, or still URL-encoded; None when it is not JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(unquote(value))
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def document_in(answer: Json | Refusal | None, name: str, call: str) -> Json | Refusal | None:
    """The policy that stands as text in a member of an answer; None: there is none."""
    if answer is None or isinstance(answer, Refusal) or not answer.get(name):
        return answer if isinstance(answer, Refusal) else None
    document = read_document(answer[name])
    return Refusal("failed", call, "the policy is not JSON") if document is None else document


def policy_records(tenant_id: str, principals: Sequence[Json], managed: Sequence[Json]) -> Iterator[Record]:
    """Policies first, then bindings of users, groups and roles to them.

    AWS's own policies are left out where nothing uses them. The same one has an id of its own in each account,
    because accounts are read, refused and carried over one by one.
    """
    bindings = [binding for principal in principals for binding in _bindings(tenant_id, principal)]
    used = {arn for arn, _ in bindings}
    documents = {policy["Arn"]: _default_version(policy) for policy in managed}
    for policy in managed:
        document = documents[policy["Arn"]]
        if document is not None and (policy["Arn"] in used or not is_aws_managed(policy["Arn"])):
            yield Policy(
                policy_id=managed_id(tenant_id, policy["Arn"]),
                provider="aws",
                tenant_id=tenant_id,
                kind="aws_managed" if is_aws_managed(policy["Arn"]) else "customer_managed",
                name=str(policy["Arn"]).rpartition("/")[2],
                native_id=policy["Arn"],
                document=_text(document),
            )
    for arn, binding in bindings:
        if documents.get(arn) is not None:
            yield binding
    for principal in principals:
        yield from _inline_records(tenant_id, principal)


def missing_documents(principals: Sequence[Json], managed: Sequence[Json]) -> list[str]:
    """ARNs of policies that something uses and whose document was not handed over."""
    known = {policy["Arn"] for policy in managed if _default_version(policy) is not None}
    used = {arn for principal in principals for arn, _ in _attached(principal)}
    return sorted(used - known)


def is_aws_managed(arn: str) -> bool:
    return arn.split(":", 5)[4] == "aws"


def managed_id(tenant_id: str, arn: str) -> str:
    """`…:policy/path/name`; AWS's own are `…:policy/aws:path/name`, as an account may use the same name."""
    kind, _, name = resource(arn).partition("/")
    return f"{tenant_id}:{kind}/{'aws:' if is_aws_managed(arn) else ''}{name}"


def _attached(principal: Json) -> Iterator[tuple[str, str]]:
    """(ARN, role) of each managed policy on a principal."""
    for attached in principal.get("AttachedManagedPolicies", []):
        yield attached["PolicyArn"], "identity"
    boundary = principal.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if boundary is not None:
        yield boundary, "boundary"


def _bindings(tenant_id: str, principal: Json) -> Iterator[tuple[str, PolicyBinding]]:
    for arn, role in _attached(principal):
        yield (
            arn,
            PolicyBinding(
                policy_id=managed_id(tenant_id, arn), identity_id=identity_id(tenant_id, principal["Arn"]), role=role
            ),
        )


def _default_version(policy: Json) -> object | None:
    for version in policy.get("PolicyVersionList", []):
        if version.get("IsDefaultVersion"):
            document: object = version["Document"]
            return document
    return None


def _inline_records(tenant_id: str, principal: Json) -> Iterator[Record]:
    own_id = identity_id(tenant_id, principal["Arn"])
    for inline in (item for key in _INLINE_LISTS for item in principal.get(key, [])):
        policy_id = f"{tenant_id}:inline_policy/{resource(principal['Arn'])}/{inline['PolicyName']}"
        yield Policy(
            policy_id=policy_id,
            provider="aws",
            tenant_id=tenant_id,
            kind="inline",
            name=inline["PolicyName"],
            native_id=f"{principal['Arn']}/{inline['PolicyName']}",
            document=_text(inline["PolicyDocument"]),
        )
        yield PolicyBinding(policy_id=policy_id, identity_id=own_id, role="identity")


def _text(document: object) -> str:
    """Canonical JSON; a document that is not JSON stays as it is, for the resolver to call unknown."""
    read = read_document(document)
    if read is None:
        return str(document)
    return json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
