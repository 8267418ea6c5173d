"""Account settings: is anything logged, what passwords have to be, how the root user is kept.

API: CloudTrail 2013-11-01 and IAM 2010-05-08. The names of the settings stand in README.md; yes and no are words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Record, Setting

from .account import Account
from .coverage import dataset_coverage, each_asked, regions_asked
from .fetch import Json, ask, ask_each, read_one, read_regions

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "settings": ("iam:GetAccountPasswordPolicy", "iam:GetAccountSummary"),
    "settings.logging": ("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"),
}
_NO_POLICY: Final = "NoSuchEntity:"


@dataclass(frozen=True, slots=True)
class Trail:
    """What DescribeTrails, GetTrailStatus and GetEventSelectors say of one trail; None: could not be read."""

    described: Json
    is_logging: bool | None  # and delivers what it logs
    management_events: str | None  # all, read, write or none

    @property
    def records_changes(self) -> bool | None:
        if self.is_logging is False or self.management_events in ("read", "none"):
            return False
        return None if self.is_logging is None or self.management_events is None else True


def records(account: Account) -> Iterator[Record]:
    yield from _account_settings(account)
    yield from _logging_settings(account)


def _account_settings(account: Account) -> Iterator[Record]:
    iam = account.client("iam")
    policy = ask("iam:GetAccountPasswordPolicy", iam.get_account_password_policy)
    no_policy = isinstance(policy, Refusal) and policy.reason.startswith(_NO_POLICY)
    if no_policy:
        yield _flag(account, "password_policy.exists", False)
    elif not isinstance(policy, Refusal):
        found = policy["PasswordPolicy"]
        yield _flag(account, "password_policy.exists", True)
        yield _number(account, "password_policy.min_length", found.get("MinimumPasswordLength", 0))
        yield _number(account, "password_policy.max_age_days", found.get("MaxPasswordAge", 0))
        yield _number(account, "password_policy.reuse_prevention", found.get("PasswordReusePrevention", 0))
    summary = ask("iam:GetAccountSummary", iam.get_account_summary)
    if not isinstance(summary, Refusal):
        numbers = summary["SummaryMap"]
        if "AccountMFAEnabled" in numbers:
            yield _flag(account, "root.mfa", numbers["AccountMFAEnabled"] > 0)
        if "AccountAccessKeysPresent" in numbers:
            yield _number(account, "root.access_keys", numbers["AccountAccessKeysPresent"])
    answers = {"policy": None if no_policy else policy, "summary": summary}
    yield dataset_coverage(
        account.tenant_id,
        "settings",
        [],
        [each_asked("password policy and account summary", answers)],
        collected_at=account.collected_at,
    )


def _logging_settings(account: Account) -> Iterator[Record]:
    clients = account.clients("cloudtrail")
    # Trails of other regions that record here are listed as well.
    lists = read_regions(clients, "DescribeTrails")
    described = {trail["TrailARN"]: trail for pages in lists.values() for trail in pages.items("trailList")}
    for home in {trail["HomeRegion"] for trail in described.values()} - set(clients):
        clients[home] = account.client("cloudtrail", home)
    at_home = {arn: clients[trail["HomeRegion"]] for arn, trail in described.items()}
    states = ask_each(
        list(described),
        lambda arn: read_one(at_home[arn], "GetTrailStatus", Name=arn),
        count=account.counting("trails' states"),
    )
    selectors = ask_each(
        list(described),
        lambda arn: read_one(at_home[arn], "GetEventSelectors", TrailName=arn),
        count=account.counting("trails' selectors"),
    )
    trails = [_trail(trail, states[arn], selectors[arn]) for arn, trail in described.items()]
    for trail in trails:
        yield from _trail_settings(account, trail)
    listed = regions_asked("lists of trails", lists)
    yield from _is_logged(account, trails, is_short=bool(listed.refused))
    yield dataset_coverage(
        account.tenant_id,
        "settings.logging",
        [listed],
        [each_asked("trails' states", states), each_asked("trails' selectors", selectors)],
        collected_at=account.collected_at,
    )


def _trail(described: Json, state: Json | Refusal, selectors: Json | Refusal) -> Trail:
    if isinstance(state, Refusal):
        is_logging = None
    else:
        is_logging = bool(state.get("IsLogging")) and not state.get("LatestDeliveryError")
    return Trail(described, is_logging, None if isinstance(selectors, Refusal) else _management_events(selectors))


def _management_events(selectors: Json) -> str:
    """Source: CloudTrail API reference, EventSelector, AdvancedFieldSelector, and PutEventSelectors for the default."""
    if not selectors.get("EventSelectors") and not selectors.get("AdvancedEventSelectors"):
        return "all"
    kinds: set[str] = set()
    for basic in selectors.get("EventSelectors", []):
        if basic.get("IncludeManagementEvents", True):
            kinds |= {"ReadOnly": {"read"}, "WriteOnly": {"write"}}.get(basic.get("ReadWriteType"), {"read", "write"})
    for advanced in selectors.get("AdvancedEventSelectors", []):
        fields = {item["Field"]: item.get("Equals", []) for item in advanced["FieldSelectors"]}
        if "Management" in fields.get("eventCategory", []):
            kinds |= {"true": {"read"}, "false": {"write"}}.get("".join(fields.get("readOnly", [])), {"read", "write"})
    return "all" if len(kinds) == 2 else "".join(kinds) or "none"


def _trail_settings(account: Account, trail: Trail) -> Iterator[Record]:
    where = trail.described["TrailARN"]
    if trail.is_logging is not None:
        yield _flag(account, "trail.is_logging", trail.is_logging, where)
    if trail.management_events is not None:
        yield _word(account, "trail.management_events", trail.management_events, where)
    for name, member in (
        ("trail.is_multi_region", "IsMultiRegionTrail"),
        ("trail.is_organization", "IsOrganizationTrail"),
        ("trail.validates_files", "LogFileValidationEnabled"),
    ):
        if member in trail.described:
            yield _flag(account, name, trail.described[member], where)
    yield _flag(account, "trail.is_encrypted_by_us", "KmsKeyId" in trail.described, where)
    if "S3BucketName" in trail.described:
        yield _word(account, "trail.bucket", trail.described["S3BucketName"], where)


def _is_logged(account: Account, trails: Sequence[Trail], *, is_short: bool) -> Iterator[Record]:
    """Yes as soon as one trail is known to, no only when none can; else nothing is said."""
    for name, fitting in (
        ("logging.enabled", trails),
        ("logging.all_regions", [trail for trail in trails if trail.described.get("IsMultiRegionTrail")]),
    ):
        verdicts = [trail.records_changes for trail in fitting]
        if True in verdicts:
            yield _flag(account, name, True)
        elif None not in verdicts and not is_short:
            yield _flag(account, name, False)


def _flag(account: Account, name: str, is_so: bool, applies_to: str | None = None) -> Setting:
    return _word(account, name, "yes" if is_so else "no", applies_to)


def _word(account: Account, name: str, value: str, applies_to: str | None = None) -> Setting:
    return Setting(provider="aws", tenant_id=account.tenant_id, name=name, value=value, applies_to=applies_to)


def _number(account: Account, name: str, number: int) -> Setting:
    return Setting(provider="aws", tenant_id=account.tenant_id, name=name, number=number, value=str(number))
