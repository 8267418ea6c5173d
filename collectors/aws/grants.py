"""Policies of resources -> grants to whoever may be outside of the account.

A statement for the account itself is no grant to anybody; one for an AWS service is, unless its conditions tie the
service to this account: without them somebody else's use of the service gets in (the confused deputy).

Source: IAM User Guide, "IAM JSON policy elements: Principal", "The confused deputy problem"; S3 User Guide, "Blocking
public access to your Amazon S3 storage", "Access control list (ACL) overview"; KMS Developer Guide, "Grants in AWS
KMS".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nhiscan.model import Grant

from .fetch import Json
from .identities import utc
from .statements import (
    NARROWING,
    Condition,
    Principal,
    compact,
    listed,
    names_action,
    narrows,
    only_account,
    principals,
    reach,
    read_conditions,
    read_principal,
    says_nothing,
    statement_id,
)

# Condition keys of single services that name an account as well as the global ones do.
_KEYS: Final = NARROWING | {"aws:sourceowner": "aws:SourceOwner", "kms:calleraccount": "kms:CallerAccount"}
_ACCOUNT_KEYS: Final = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "kms:calleraccount",
)
# What else keeps a bucket's policy from being public: S3 User Guide, "The meaning of "public"".
_S3_KEYS: Final = (
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
)
# Keys that say how a request has to be made, never by whom.
_MANNERS: Final = ("aws:securetransport", "lambda:functionurlauthtype", "s3:tlsversion", "s3:x-amz-server-side-")
_KINDS: Final = {"oidc": "federated", "saml": "federated"}
_EVERYBODY: Final = "http://acs.amazonaws.com/groups/global/AllUsers"
_EVERY_ACCOUNT: Final = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
_CLOUDFRONT: Final = ":iam::cloudfront:user/"


def policy_grants(tenant_id: str, resource_id: str, document: Json) -> Iterator[Grant]:
    """One grant for each Allow statement of a resource's policy and principal that may be outside of the account.

    A principal whom a Deny without conditions takes all of it is left out; a Deny that may apply is one of the other
    conditions.
    """
    own = tenant_id.partition(":")[2]
    statements = [item for item in listed(document.get("Statement")) if isinstance(item, Mapping)]
    denies = [item for item in statements if item.get("Effect") == "Deny"]
    seen: set[str] = set()
    for statement in statements:
        if statement.get("Effect") != "Allow":
            continue
        conditions = read_conditions(statement.get("Condition"))
        for principal in _principals(statement):
            account = principal.account or only_account(conditions, _ACCOUNT_KEYS)
            if principal.kind == "unknown" or account == own or _issuer_account(principal) == own:
                continue
            deny = _denied(principal, statement, denies)
            grant_id = statement_id(tenant_id, "grant", resource_id, statement, principal)
            if deny == "always" or grant_id in seen:
                continue
            seen.add(grant_id)
            narrowed_by, has_others = _weigh(conditions)
            yield Grant(
                grant_id=grant_id,
                provider="aws",
                tenant_id=tenant_id,
                principal_kind=_KINDS.get(principal.kind, principal.kind),
                principal=principal.text,
                permission=_permission(statement),
                resource_id=resource_id,
                account=account,
                narrowed_by=narrowed_by,
                has_other_conditions=has_others or deny == "sometimes",
                source="policy",
                statement=compact(statement),
            )


def _principals(statement: Json) -> Iterator[Principal]:
    """CloudFront's identities look like users; a unique id stays unknown: whoever it was is deleted.

    A canonical user is S3's other name of an account, and does not tell its number.
    """
    for principal in principals(statement):
        yield Principal("service", principal.text) if _CLOUDFRONT in principal.text else principal
    named = statement.get("Principal")
    if isinstance(named, Mapping):
        yield from (Principal("account", str(value)) for value in listed(named.get("CanonicalUser")))


def _issuer_account(principal: Principal) -> str | None:
    """The account that keeps a federation's provider."""
    is_provider = principal.kind in _KINDS and principal.text.startswith("arn:")
    return principal.text.split(":")[4] if is_provider else None


def _permission(statement: Json) -> str:
    if "NotAction" in statement:
        return f"all but {','.join(map(str, listed(statement['NotAction'])))}"
    return ",".join(map(str, listed(statement.get("Action"))))


def _weigh(conditions: Iterable[Condition]) -> tuple[str | None, bool]:
    """The keys that narrow who may come, and whether there are conditions that are not weighed."""
    narrowed_by: set[str] = set()
    has_others = False
    for condition in conditions:
        name = condition.name.casefold()
        if name in _KEYS and narrows(condition):
            narrowed_by.add(_KEYS[name])
        elif not name.startswith(_MANNERS) and not (name in _KEYS and says_nothing(condition)):
            has_others = True
    return ",".join(sorted(narrowed_by)) or None, has_others


def _denied(principal: Principal, statement: Json, denies: Iterable[Json]) -> str:
    """`always`, `sometimes` or `never`: what Deny statements leave of an Allow."""
    actions = [str(action) for action in listed(statement.get("Action"))]
    verdict = "never"
    for deny in denies:
        conditions = read_conditions(deny.get("Condition"))
        reached = reach(deny, principal)
        if reached == "none" or (conditions and all(c.name.casefold().startswith(_MANNERS) for c in conditions)):
            continue
        # A glob in the Allow is matched as if it were an action: what a Deny names less broadly takes only a part.
        taken = [names_action(deny, action.casefold()) for action in actions]
        is_whole = listed(deny.get("Resource")) in (["*"], listed(statement.get("Resource")))
        if reached == "all" and not conditions and is_whole and taken and all(taken):
            return "always"
        if not taken or any(taken) or any("*" in action for action in actions):
            verdict = "sometimes"
    return verdict


def is_public(document: Json, grants: Iterable[Grant]) -> bool:
    """Whether S3 would call a policy with these grants public: it counts a few keys of its own as narrowing."""
    fixed = {
        compact(statement)
        for statement in listed(document.get("Statement"))
        if isinstance(statement, Mapping)
        and any(c.name.casefold() in _S3_KEYS and narrows(c) for c in read_conditions(statement.get("Condition")))
    }
    return any(
        grant.principal_kind == "any" and grant.narrowed_by is None and grant.statement not in fixed for grant in grants
    )


def bucket_grants(
    tenant_id: str,
    resource_id: str,
    document: Json | None,
    acl: Json | None,
    blocks: Iterable[Json],
) -> Iterator[Grant]:
    """Grants of a bucket's policy and access list that its own and the account's public access block leave.

    Behind RestrictPublicBuckets a public policy is good for the account itself and for AWS services only, whomever
    else it names.
    """
    settings = [block.get("PublicAccessBlockConfiguration", {}) for block in blocks]
    by_policy = [] if document is None else list(policy_grants(tenant_id, resource_id, document))
    is_restricted = any(setting.get("RestrictPublicBuckets") for setting in settings) and is_public(
        document or {}, by_policy
    )
    owner = (acl or {}).get("Owner", {}).get("ID")
    yield from (
        grant
        for grant in by_policy
        if grant.principal != owner and (not is_restricted or grant.principal_kind == "service")
    )
    if acl is not None:
        ignores_groups = any(setting.get("IgnorePublicAcls") for setting in settings)
        yield from _acl_grants(tenant_id, resource_id, acl, ignores_groups=ignores_groups)


def _acl_grants(tenant_id: str, resource_id: str, acl: Json, *, ignores_groups: bool) -> Iterator[Grant]:
    owner = acl.get("Owner", {}).get("ID")
    for item in acl.get("Grants", []):
        grantee = item.get("Grantee", {})
        if grantee.get("URI") in (_EVERYBODY, _EVERY_ACCOUNT):
            principal = None if ignores_groups else Principal("any", grantee["URI"])
        elif "URI" in grantee:  # S3's own log delivery
            principal = Principal("service", grantee["URI"])
        else:
            name = grantee.get("ID") or grantee.get("EmailAddress", "")
            principal = None if name == owner else Principal("account", name)
        if principal is not None:
            yield Grant(
                grant_id=statement_id(tenant_id, "grant", resource_id, item, principal),
                provider="aws",
                tenant_id=tenant_id,
                principal_kind=principal.kind,
                principal=principal.text,
                permission=item["Permission"],
                resource_id=resource_id,
                source="acl",
                statement=compact(item),
            )


def key_grants(tenant_id: str, resource_id: str, found: Iterable[Json]) -> Iterator[Grant]:
    """KMS grants to anybody but the account itself and the AWS services that work for it."""
    own = tenant_id.partition(":")[2]
    for item in found:
        principal = read_principal("AWS", str(item.get("GranteePrincipal", "")))
        if principal.account in (own, None):
            continue
        shown = {name: value for name, value in item.items() if name != "CreationDate"}
        yield Grant(
            grant_id=f"{tenant_id}:grant/{item['GrantId']}",
            provider="aws",
            tenant_id=tenant_id,
            principal_kind=principal.kind,
            principal=principal.text,
            permission=",".join(f"kms:{operation}" for operation in item.get("Operations", [])),
            resource_id=resource_id,
            account=principal.account,
            has_other_conditions=bool(item.get("Constraints")),
            granted_at=utc(item.get("CreationDate")),
            source="kms_grant",
            statement=compact(shown),
        )
