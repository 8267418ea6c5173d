"""Access advisor: when each user and role last used each service that its policies allow.

API: IAM 2010-05-08, GenerateServiceLastAccessedDetails and GetServiceLastAccessedDetails. AWS answers by one job for
each principal. It tracks 400 days, shows a use up to 4 hours late and counts denied attempts as uses.
Source: IAM User Guide, "Refine permissions using last accessed information".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from nhiscan.collect import Context, Refusal
from nhiscan.model import Record, ServiceUse

from .account import Account
from .coverage import Asked, dataset_coverage, each_asked
from .fetch import Json, ask, ask_each
from .identities import identity_id, utc

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "usage.services": (
        "iam:GetAccountAuthorizationDetails",
        "iam:GenerateServiceLastAccessedDetails",
        "iam:GetServiceLastAccessedDetails",
    )
}
_TRACKED_DAYS: Final = 400
_PAUSES_S: Final = (0.2, 0.5, 1, 2, 4, 8, 8)
_MOST_PAGES: Final = 100  # of up to 1000 services; there are a few hundred
_GET: Final = "iam:GetServiceLastAccessedDetails"


def records(account: Account) -> Iterator[Record]:
    """Users and roles up to the limit, without the roles that AWS itself uses."""
    snapshot = account.snapshot
    roles = [role for role in snapshot.roles if not str(role["Path"]).startswith("/aws-service-role/")]
    arns = [str(principal["Arn"]) for principal in (*snapshot.users, *roles)]
    wanted = arns[: account.last_accessed_limit]
    iam = account.client("iam")
    answers = ask_each(
        wanted, lambda arn: _services(account.ctx, iam, arn), count=account.counting("access advisor jobs")
    )
    for arn, services in answers.items():
        if isinstance(services, Refusal):
            continue
        for service in services:
            yield ServiceUse(
                identity_id=identity_id(account.tenant_id, arn),
                service=service["ServiceNamespace"],
                last_used_at=utc(service.get("LastAuthenticated")),
            )
    listed = [refusal for refusal in (snapshot.user_refusal, snapshot.role_refusal) if refusal is not None]
    said = dataset_coverage(
        account.tenant_id,
        "usage.services",
        [Asked("users and roles", len(arns), list(dict.fromkeys(listed)))],
        [each_asked("access advisor jobs", answers)],
        collected_at=account.collected_at,
        history_from=account.ctx.as_of - timedelta(days=_TRACKED_DAYS),
    )
    if len(wanted) < len(arns) and said.status in ("complete", "partial"):
        reason = f"asked for {len(wanted)} of {len(arns)} users and roles (last_accessed_limit)"
        said = replace(
            said,
            status="truncated",
            reason=reason if said.reason is None else f"{reason}; {said.reason}",
            call=said.call or PERMISSIONS["usage.services"][1],
        )
    yield said


def _services(ctx: Context, iam: Any, arn: str) -> Sequence[Json] | Refusal:
    job = ask(
        "iam:GenerateServiceLastAccessedDetails",
        lambda: iam.generate_service_last_accessed_details(Arn=arn, Granularity="SERVICE_LEVEL"),
    )
    if isinstance(job, Refusal):
        return job
    request = {"JobId": job["JobId"], "MaxItems": 1000}
    page = _finished(ctx, iam, request)
    found: list[Json] = []
    for _ in range(_MOST_PAGES):
        if isinstance(page, Refusal):
            return page
        found += page["ServicesLastAccessed"]
        if not page.get("IsTruncated"):
            return found
        marker = page.get("Marker")
        if not marker or marker == request.get("Marker"):
            return Refusal("failed", _GET, "said that there is more but gave no new marker")
        request["Marker"] = marker
        page = ask(_GET, lambda: iam.get_service_last_accessed_details(**request))
    return Refusal("truncated", _GET, f"stopped after {_MOST_PAGES} pages")


def _finished(ctx: Context, iam: Any, request: Mapping[str, Any]) -> Json | Refusal:
    """The first page of a job's answer, once the job is done; waits at most half a minute."""
    for pause_s in (0.0, *_PAUSES_S):
        if pause_s:
            ctx.wait(pause_s)
        page: Json | Refusal = ask(_GET, lambda: iam.get_service_last_accessed_details(**request))
        if isinstance(page, Refusal) or page["JobStatus"] == "COMPLETED":
            return page
        if page["JobStatus"] == "FAILED":
            error = page.get("Error", {})
            return Refusal("failed", _GET, f"the job failed: {error.get('Code')}: {error.get('Message')}")
    return Refusal("failed", _GET, f"the job was not done after {sum(_PAUSES_S):.0f} seconds")
