"""IAM Access Analyzer: resources that somebody outside can reach, as AWS itself has proved.

API: Access Analyzer 2019-11-01, ListAnalyzers and ListFindings (external access, active). Findings about roles are left
out: the collector reads their trust policies itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Grant, Record, Resource

from .account import Account
from .coverage import Asked, dataset_coverage
from .fetch import Json, Pages, each_in_regions, read_all, read_regions
from .identities import utc
from .statements import NARROWING, compact, principals, statement_id

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    # ListFindingsV2 goes by the same permission: API reference, ListFindings.
    "external_access": ("access-analyzer:ListAnalyzers", "access-analyzer:ListFindings")
}
_LIST: Final = "access-analyzer:ListAnalyzers"
_FINDINGS: Final = "access-analyzer:ListFindings"
_PRINCIPAL_KINDS: Final = {
    "any": "any",
    "account": "account",
    "identity": "identity",
    "service": "service",
    "oidc": "federated",
    "saml": "federated",
}
_EXTERNAL: Final = frozenset({"ACCOUNT", "ORGANIZATION"})
_ACTIVE: Final = {"status": {"eq": ["ACTIVE"]}}
_KINDS: Final = {
    "AWS::DynamoDB::Stream": "stream",
    "AWS::DynamoDB::Table": "table",
    "AWS::EC2::Snapshot": "snapshot",
    "AWS::ECR::Repository": "repository",
    "AWS::EFS::FileSystem": "file_system",
    "AWS::KMS::Key": "key",
    "AWS::Lambda::Function": "function",
    "AWS::Lambda::LayerVersion": "layer",
    "AWS::RDS::DBClusterSnapshot": "snapshot",
    "AWS::RDS::DBSnapshot": "snapshot",
    "AWS::S3::Bucket": "bucket",
    "AWS::S3Express::DirectoryBucket": "bucket",
    "AWS::SNS::Topic": "topic",
    "AWS::SQS::Queue": "queue",
    "AWS::SecretsManager::Secret": "secret",
}
_LEFT_OUT: Final = frozenset({"AWS::IAM::Role", "AWS::IAM::User"})


def records(account: Account) -> Iterator[Record]:
    """To be asked last: resources that other parts have found keep their own rows."""
    clients = account.clients("accessanalyzer")
    analyzers = read_regions(clients, "ListAnalyzers")
    arns = {
        region: [
            str(analyzer["arn"])
            for analyzer in pages.items("analyzers")
            if analyzer["type"] in _EXTERNAL and analyzer["status"] == "ACTIVE"
        ]
        for region, pages in analyzers.items()
    }
    findings = each_in_regions(
        clients,
        [(region, arn) for region, found in arns.items() for arn in found],
        lambda client, arn: read_all(client, "ListFindings", analyzerArn=arn, filter=_ACTIVE),
        count=account.counting("analyzers' findings"),
    )
    said: set[str] = set()
    failed: dict[str, Refusal] = {}
    for (region, _), pages in findings.items():
        for finding in () if isinstance(pages, Refusal) else pages.items("findings"):
            if finding["resourceType"] in _LEFT_OUT or finding["resourceOwnerAccount"] != account.number:
                continue
            # Says that the analysis broke off, not that somebody has access: IAM User Guide, "error findings".
            if finding.get("error"):
                failed[region] = Refusal("failed", _FINDINGS, f"{finding['resource']}: {finding['error']}")
                continue
            for record in _finding_records(account, region, finding):
                own_id = record.grant_id if isinstance(record, Grant) else record.resource_id
                if own_id not in said:
                    said.add(own_id)
                    yield record
    yield _coverage(account, analyzers, arns, findings, failed)


def _finding_records(account: Account, region: str, finding: Json) -> Iterator[Grant | Resource]:
    arn = str(finding["resource"])
    resource_id = account.resource_ids.get(arn)
    if resource_id is None:
        kind = _KINDS.get(finding["resourceType"], "resource")
        resource_id = f"{account.tenant_id}:{kind}/{arn}"
        yield Resource(
            resource_id=resource_id,
            provider="aws",
            tenant_id=account.tenant_id,
            kind=kind,
            name=arn.rpartition(":")[2].rpartition("/")[2],
            native_id=arn,
            region=region,
        )
    # Conditions come without operators: AWS has weighed them and lists those that the access rests on.
    keys = sorted(finding.get("condition", {}))
    narrowing = [NARROWING[key.casefold()] for key in keys if key.casefold() in NARROWING]
    for principal in principals({"Principal": finding.get("principal") or {"AWS": "*"}}):
        yield Grant(
            grant_id=statement_id(account.tenant_id, "analyzer_grant", resource_id, _essence(finding), principal),
            provider="aws",
            tenant_id=account.tenant_id,
            principal_kind=_PRINCIPAL_KINDS.get(principal.kind, "unknown"),
            principal=principal.text,
            permission=",".join(sorted(finding.get("action", []))),
            resource_id=resource_id,
            account=principal.account,
            narrowed_by=",".join(narrowing) or None,
            has_other_conditions=len(narrowing) < len(keys),
            granted_at=utc(finding["createdAt"]),
            source="analyzer",
            statement=compact(_essence(finding)),
        )


def _essence(finding: Json) -> Json:
    """What was found, without its id and dates: two analyzers find the same."""
    return {key: finding[key] for key in ("resource", "principal", "action", "condition", "isPublic") if key in finding}


def _coverage(
    account: Account,
    analyzers: Mapping[str, Pages],
    arns: Mapping[str, Sequence[str]],
    findings: Mapping[tuple[str, str], Pages | Refusal],
    failed: Mapping[str, Refusal],
) -> Record:
    """A region without an analyzer says nothing of who can reach what is there."""
    none_there = Refusal("unsupported", _LIST, "no analyzer for external access is active")
    refused: dict[str, Refusal] = dict(failed)
    for region, pages in analyzers.items():
        if pages.refusal is not None:
            refused[region] = pages.refusal
        elif not arns[region]:
            refused[region] = none_there
    for (region, _), found in findings.items():
        refusal = found if isinstance(found, Refusal) else found.refusal
        if refusal is not None:
            refused[region] = refusal
    got = sum(1 for found in findings.values() if isinstance(found, Pages) and found.pages)
    return dataset_coverage(
        account.tenant_id,
        "external_access",
        [],
        [Asked("external access", got, list(refused.values()), list(refused))],
        collected_at=account.collected_at,
    )
