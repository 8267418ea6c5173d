"""The organization: its tree, SCPs and RCPs with what they are attached to, and who administers services for it.

API: Organizations 2016-11-28. Only the management account and delegated administrators may read it, so it is read once
a scan, after all accounts: what one of them is told holds for every account in its tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nhiscan.collect import Refusal
from nhiscan.model import Coverage, Grant, Identity, OrgNode, OrgPolicy, Policy, Record

from .account import Account
from .coverage import Asked, dataset_coverage, each_asked
from .fetch import Json, Pages, ask_each, read_all, read_one
from .identities import utc

_TREE: Final = (
    "organizations:DescribeOrganization",
    "organizations:ListRoots",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListAccountsForParent",
)
_POLICIES: Final = (
    "organizations:ListPolicies",
    "organizations:DescribePolicy",
    "organizations:ListTargetsForPolicy",
)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "organization": _TREE,
    "scps": (*_TREE, *_POLICIES),
    "rcps": (*_TREE, *_POLICIES),
    "delegated_admins": (
        "organizations:DescribeOrganization",
        "organizations:ListDelegatedAdministrators",
        "organizations:ListDelegatedServicesForAccount",
    ),
}
_POLICY_TYPES: Final = {"scps": "SERVICE_CONTROL_POLICY", "rcps": "RESOURCE_CONTROL_POLICY"}
_KINDS: Final = {"scps": "scp", "rcps": "rcp"}
_NOT_IN_USE: Final = "AWSOrganizationsNotInUseException:"


@dataclass(frozen=True, slots=True)
class Node:
    native_id: str
    kind: str
    name: str
    parent: str | None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Policies:
    """Those of one type; nothing was asked where the organization does not use the type."""

    is_enabled: bool
    listed: Pages = field(default_factory=Pages)
    details: Mapping[str, Json | Refusal] = field(default_factory=dict)  # by policy id
    targets: Mapping[str, Pages] = field(default_factory=dict)  # by policy id


@dataclass(frozen=True, slots=True)
class Organization:
    """All that one account was told about its organization."""

    number: str  # of the management account
    nodes: Sequence[Node]
    tree: Asked
    policies: Mapping[str, Policies]  # by dataset
    administrators: Pages
    services: Mapping[str, Pages]  # by account number

    @property
    def members(self) -> frozenset[str]:
        return frozenset(node.native_id for node in self.nodes if node.kind == "account")

    @property
    def was_read(self) -> bool:
        return bool(self.nodes) or bool(self.administrators.pages)


def records(accounts: Sequence[Account]) -> Iterator[Record]:
    """Each organization's records once, then the coverage of every account, whatever the order of `accounts`."""
    answers = {account.number: _describe(account) for account in accounts}
    read: dict[str, Organization] = {}
    for account in sorted(accounts, key=lambda account: not _is_management(answers[account.number], account)):
        described = answers[account.number]
        if described is None or isinstance(described, Refusal):
            continue
        number = str(described["MasterAccountId"])
        if number not in read or not read[number].was_read:
            found = _read(account, described)
            if number not in read or found.was_read:
                read[number] = found
    for organization in read.values():
        yield from _records(organization)
    for account in accounts:
        yield from _coverage(account, answers[account.number], read)


def _is_management(described: Json | Refusal | None, account: Account) -> bool:
    return isinstance(described, Mapping) and described["MasterAccountId"] == account.number


def _describe(account: Account) -> Json | Refusal | None:
    """None: the account is in no organization."""
    client = account.client("organizations")
    answer = read_one(client, "DescribeOrganization")
    if isinstance(answer, Refusal):
        return None if answer.reason.startswith(_NOT_IN_USE) else answer
    described: Json = answer["Organization"]
    return described


def _read(account: Account, described: Json) -> Organization:
    client = account.client("organizations")
    roots = read_all(client, "ListRoots")
    nodes = [Node(root["Id"], "root", root["Name"], None) for root in roots.items("Roots")]
    lists = [roots]
    above = nodes
    while above:  # level by level, because children are asked for by their parent
        below: list[Node] = []
        for operation, key in (
            ("ListOrganizationalUnitsForParent", "OrganizationalUnits"),
            ("ListAccountsForParent", "Accounts"),
        ):
            parents = [node.native_id for node in above]
            for parent, pages in _each_pages(client, account, operation, "ParentId", parents).items():
                lists.append(pages)
                below += (_node(key, item, parent) for item in pages.items(key))
        nodes += below
        above = [node for node in below if node.kind == "unit"]
    administrators = read_all(client, "ListDelegatedAdministrators")
    return Organization(
        number=str(described["MasterAccountId"]),
        nodes=nodes,
        tree=_lists("lists of units and accounts", lists),
        policies={dataset: _policies(client, account, described, roots, dataset) for dataset in _POLICY_TYPES},
        administrators=administrators,
        services=_each_pages(
            client,
            account,
            "ListDelegatedServicesForAccount",
            "AccountId",
            [item["Id"] for item in administrators.items("DelegatedAdministrators")],
        ),
    )


def _node(key: str, item: Json, parent: str) -> Node:
    if key == "OrganizationalUnits":
        return Node(item["Id"], "unit", item["Name"], parent)
    # State replaced Status in September 2026: API reference, type Account.
    status = str(item.get("State") or item.get("Status") or "").lower() or None
    return Node(item["Id"], "account", item.get("Name") or item["Id"], parent, status)


def _policies(client: Any, account: Account, described: Json, roots: Pages, dataset: str) -> Policies:
    wanted = _POLICY_TYPES[dataset]
    enabled = {
        item["Type"]
        for root in roots.items("Roots")
        for item in root.get("PolicyTypes", [])
        if item.get("Status") == "ENABLED"
    }
    if roots.refusal is None and (described.get("FeatureSet") != "ALL" or wanted not in enabled):
        return Policies(is_enabled=False)
    listed = read_all(client, "ListPolicies", Filter=wanted)
    ids = [item["Id"] for item in listed.items("Policies")]
    details = ask_each(
        ids,
        lambda policy_id: read_one(client, "DescribePolicy", PolicyId=policy_id),
        count=account.counting(f"{_KINDS[dataset].upper()}s"),
    )
    targets = _each_pages(client, account, "ListTargetsForPolicy", "PolicyId", ids)
    return Policies(is_enabled=True, listed=listed, details=details, targets=targets)


def _each_pages(
    client: Any, account: Account, operation: str, parameter: str, values: Sequence[str]
) -> dict[str, Pages]:
    asked = ask_each(
        values,
        lambda value: read_all(client, operation, **{parameter: value}),
        count=account.counting(f"organization, {operation}"),
    )
    return {value: pages for value, pages in asked.items() if isinstance(pages, Pages)}


def _lists(noun: str, lists: Sequence[Pages]) -> Asked:
    refused = [pages.refusal for pages in lists if pages.refusal is not None]
    return Asked(noun, sum(1 for pages in lists if pages.pages), refused)


def _records(organization: Organization) -> Iterator[Record]:
    tenant_id = f"aws:{organization.number}"
    for node in organization.nodes:
        yield OrgNode(
            node_id=_node_id(tenant_id, node.native_id),
            tenant_id=f"aws:{node.native_id}" if node.kind == "account" else tenant_id,
            kind=node.kind,
            name=node.name,
            parent_id=None if node.parent is None else _node_id(tenant_id, node.parent),
            status=node.status,
        )
    for dataset, policies in organization.policies.items():
        yield from _policy_records(tenant_id, _KINDS[dataset], policies)
    for administrator in organization.administrators.items("DelegatedAdministrators"):
        services = organization.services.get(administrator["Id"], Pages())
        yield from _administrator_records(tenant_id, administrator, services.items("DelegatedServices"))


def _node_id(tenant_id: str, native_id: str) -> str:
    return f"{tenant_id}:org_node/{native_id}"


def _policy_records(tenant_id: str, kind: str, policies: Policies) -> Iterator[Record]:
    for native_id, answer in policies.details.items():
        if isinstance(answer, Refusal):
            continue
        summary = answer["Policy"]["PolicySummary"]
        policy_id = f"{tenant_id}:{kind}/{native_id}"
        yield Policy(
            policy_id=policy_id,
            provider="aws",
            tenant_id=tenant_id,
            kind=kind,
            name=summary["Name"],
            native_id=summary["Arn"],
            document=answer["Policy"]["Content"],
        )
        for target in policies.targets[native_id].items("Targets"):
            yield OrgPolicy(policy_id=policy_id, node_id=_node_id(tenant_id, target["TargetId"]))


def _administrator_records(tenant_id: str, administrator: Json, services: Sequence[Json]) -> Iterator[Record]:
    """The account as one that acts for the organization, and a grant for each service that it administers."""
    number = administrator["Id"]
    own_id = f"{tenant_id}:delegated_admin/{number}"
    yield Identity(
        identity_id=own_id,
        provider="aws",
        tenant_id=tenant_id,
        kind="delegated_admin",
        name=administrator.get("Name") or number,
        native_id=administrator["Arn"],
        is_nhi=True,
        status="enabled" if (administrator.get("State") or administrator.get("Status")) == "ACTIVE" else "disabled",
        mail=administrator.get("Email"),
        created_at=utc(administrator.get("DelegationEnabledDate")),
        has_console_password=False,
    )
    for service in services:
        yield Grant(
            grant_id=f"{own_id}/{service['ServicePrincipal']}",
            provider="aws",
            tenant_id=tenant_id,
            principal_kind="account",
            principal=number,
            permission=service["ServicePrincipal"],
            identity_id=own_id,
            account=number,
            granted_at=utc(service.get("DelegationEnabledDate")),
            source="delegation",
        )


def _coverage(
    account: Account, described: Json | Refusal | None, read: Mapping[str, Organization]
) -> Iterator[Coverage]:
    for dataset in PERMISSIONS:
        if described is None:
            yield _not_applicable(account, dataset, "the account is in no organization")
        elif isinstance(described, Refusal):
            yield _from_elsewhere(account, dataset, read, described)
        else:
            yield _from_organization(account, dataset, read[str(described["MasterAccountId"])])


def _from_elsewhere(account: Account, dataset: str, read: Mapping[str, Organization], refused: Refusal) -> Coverage:
    """The account may not even ask which organization it is in, but one that was read has it as a member."""
    for organization in read.values():
        if account.number in organization.members:
            return _from_organization(account, dataset, organization)
    return _covered(account, dataset, [], [Asked("organization", 0, [refused])])


def _from_organization(account: Account, dataset: str, organization: Organization) -> Coverage:
    outside = organization.tree.got and account.number not in organization.members and not organization.tree.refused
    if outside:
        gone = Refusal("failed", _TREE[-1], f"the tree of {organization.number} lacks the account")
        return _covered(account, dataset, [], [Asked("lists of units and accounts", 0, [gone])])
    if dataset == "organization":
        return _covered(account, dataset, [], [organization.tree])
    if dataset == "delegated_admins":
        listed = _lists("delegated administrators", [organization.administrators])
        services = _lists("services of delegated administrators", list(organization.services.values()))
        return _covered(account, dataset, [listed], [services])
    policies = organization.policies[dataset]
    if not policies.is_enabled:
        return _not_applicable(account, dataset, f"the organization does not use {_KINDS[dataset].upper()}s")
    listed = _lists("list of policies", [policies.listed])
    contents = (
        each_asked("policies' documents", policies.details),
        _lists("policies' targets", list(policies.targets.values())),
    )
    return _covered(account, dataset, [organization.tree, listed], contents)


def _covered(account: Account, dataset: str, base: Sequence[Asked], answers: Sequence[Asked]) -> Coverage:
    return dataset_coverage(account.tenant_id, dataset, base, answers, collected_at=account.collected_at)


def _not_applicable(account: Account, dataset: str, reason: str) -> Coverage:
    return Coverage(
        provider="aws",
        tenant_id=account.tenant_id,
        dataset=dataset,
        status="not_applicable",
        reason=reason,
        collected_at=account.collected_at,
    )
