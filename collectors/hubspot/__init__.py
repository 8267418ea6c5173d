"""The hubspot collector: users and their logins, and what HubSpot's security activity says of apps and keys.

API: HubSpot, date-versioned, 2026-03. Scopes stand in `coverage.PERMISSIONS` and README.md. Not read: records of the
CRM, content, tokens of apps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from nhiscan.collect import Context, Refusal
from nhiscan.errors import CollectError, ConfigError
from nhiscan.model import Record, Tenant, Use
from nhiscan.secret import Secret

from .account import changed_records, details_records, usage_records
from .activity import LOGIN_DAYS, SECURITY_DAYS, Reading, audit_use, login_use, security_use
from .coverage import PERMISSIONS, Tally
from .lifecycle import Life, life_records, lives, nameless, told_of_users
from .people import People, people_records
from .reading import TOO_MANY, Json, Reader

_EVENTS_A_PAGE: Final = 200  # the most that the documentation of the account activity API allows
_PEOPLE_A_PAGE: Final = 100
_AUDIT_DAYS: Final = 7  # read anew each time: the log of a large account grows by tens of thousands of rows a day
_VERSION: Final = re.compile(r"20\d\d-\d\d")
_FOLDED: Final = ("identities.tags", "apps", "credentials", "credentials.created")
_CHANGED: Final = ("settings.sign_in", "settings.sessions")


@dataclass(frozen=True)
class HubSpot:
    """Settings: `token` is the value of a service key or of a private app."""

    name: ClassVar[str] = "hubspot"
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = PERMISSIONS
    datasets: ClassVar[frozenset[str]] = frozenset(PERMISSIONS)

    token: Secret
    base_url: str = "https://api.hubapi.com"
    api_version: str = "2026-03"

    def collect(self, ctx: Context) -> Iterator[Record]:
        """The tenant, what happened, who there is, then coverage.

        Raises: ConfigError for settings that cannot work; CollectError when the account cannot be named, or the token
        is no good or ends.
        """
        if not _VERSION.fullmatch(self.api_version):
            raise ConfigError(
                f"collectors.hubspot.api_version: {self.api_version!r} is no version", hint='write it like "2026-03"'
            )
        # Before anything is read: what happens meanwhile is for the next scan.
        collected_at = ctx.as_of if ctx.clock is None else ctx.clock()
        session = ctx.http("hubspot", base_url=self.base_url, final={TOO_MANY})
        reader = Reader(session, self.base_url, self.token.reveal(), ctx.wait)
        details = reader.get(f"/account-info/{self.api_version}/details")
        if isinstance(details, Refusal):
            raise CollectError(
                f"hubspot: the account cannot be named: {details.call}: {details.reason}",
                hint="give the key the scope oauth, which opens the account's details, and check base_url",
            )
        tenant_id = f"hubspot:{details['portalId']}"
        yield Tenant(tenant_id=tenant_id, provider="hubspot", name=str(details["portalId"]))
        account = _Account(tenant_id, ctx, reader, self.api_version, collected_at)
        account.tally.count(details, "settings")
        yield from details_records(tenant_id, details)
        yield from account.records()
        # Last: had a record not been made, nothing may have been called complete.
        yield from account.tally.coverage(tenant_id, collected_at, since=account.oldest, days=_AUDIT_DAYS)


@dataclass
class _Account:
    """One account while it is read."""

    tenant_id: str
    ctx: Context
    reader: Reader
    version: str
    collected_at: datetime
    tally: Tally = field(default_factory=Tally)
    people: People = field(default_factory=People)
    changes: list[Use] = field(default_factory=list)  # security activity of this and earlier scans
    addresses: dict[str, str] = field(default_factory=dict)  # of who acted, by identity id
    last_logins: dict[str, datetime] = field(default_factory=dict)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest event that is known happened."""
        return min((use.occurred_at for use in self.changes), default=None)

    def records(self) -> Iterator[Record]:
        """People are read first and told last, when it is known what the events say about them."""
        self._read_people()
        yield from self._usage()
        yield from self._security()
        yield from self._logins()
        yield from self._audit()
        yield from changed_records(self.tenant_id, self.changes)
        found = lives(self.changes)
        mails = {**self.addresses, **self.people.mails(self.tenant_id)}
        horizon = self._horizon()
        told = told_of_users(self.changes)
        strangers = [(key, mails.get(key)) for key in self._strangers(found)]
        yield from people_records(self.tenant_id, self.people, told, self.last_logins, strangers, horizon)
        for life in found:
            yield from life_records(self.tenant_id, life, mails, horizon)

    def _horizon(self) -> str:
        oldest = self.oldest
        return "security activity" if oldest is None else f"security activity since {oldest:%Y-%m-%d}"

    def _strangers(self, found: Iterable[Life]) -> list[str]:
        """Holders of personal keys that neither users nor owners know."""
        known = {f"{self.tenant_id}:user/{key}" for key in (*self.people.users, *self.people.owners)}
        holders = {life.holder for life in found if life.family.is_of_user and life.holder is not None}
        return sorted(holders - known)

    # What there is

    def _read_people(self) -> None:
        users = f"/settings/users/{self.version}"
        self._read(
            users,
            {},
            self.people.add_user,
            "identities",
            "identities.last_used",
            "identities.mfa",
            "memberships",
            "grants",
        )
        self._read(f"{users}/roles", None, self.people.add_role, "memberships")
        self._read(f"{users}/teams", None, self.people.add_team, "memberships")
        for archived in (False, True):
            self._read(f"/crm/owners/{self.version}", {"archived": archived}, self.people.add_owner, "identities")

    def _read(
        self, path: str, params: Mapping[str, object] | None, add: Callable[[Json], None], *datasets: str
    ) -> None:
        """Adds each row; `params` None: the list comes whole."""
        for page in self._rows(path, params, _PEOPLE_A_PAGE, *datasets):
            for row in page:
                try:
                    add(row)
                except (KeyError, TypeError, ValueError) as error:
                    reason = f"a row lacks what it must have: {type(error).__name__} {error}"
                    self.tally.count(Refusal("failed", f"GET {path}", reason), *datasets)

    def _rows(
        self, path: str, params: Mapping[str, object] | None, limit: int, *datasets: str
    ) -> Iterator[Iterable[Json]]:
        """Page after page; a refusal is counted."""
        pages: Iterable[Iterable[Json] | Refusal]
        pages = (self.reader.rows(path),) if params is None else self.reader.pages(path, params, limit=limit)
        for page in pages:
            self.tally.count(page, *datasets)
            if not isinstance(page, Refusal):
                self.ctx.progress(f"hubspot: pages of {path.replace(f'/{self.version}', '').rpartition('/')[2]}")
                yield page

    def _usage(self) -> Iterator[Record]:
        found: list[Record] = []
        path = f"/account-info/{self.version}/api-usage/daily/private-apps"
        self._read(path, None, lambda row: found.extend(usage_records(self.tenant_id, row)), "settings")
        yield from found

    # What happened

    def _security(self) -> Iterator[Record]:
        path = f"/account-info/{self.version}/activity/security"
        datasets = ("usage.audit", "usage.exports", "settings.logging", "identities.mfa", *_FOLDED, *_CHANGED)
        since = self._since()
        params = {} if since is None else {"fromTimestamp": int(since.timestamp() * 1000)}
        reading = Reading(f"GET {path}")
        fresh: list[Use] = []
        for page in self._rows(path, params, _EVENTS_A_PAGE, *datasets):
            for event in page:
                use = security_use(self.tenant_id, event, reading)
                if use is not None:
                    if use.identity_id is not None and event.get("actingUser"):
                        self.addresses[use.identity_id] = str(event["actingUser"])
                    fresh.append(use)
                    yield use
        for refusal in reading.refusals():
            self.tally.count(refusal, "usage.audit", "usage.exports")
        known = {use.event_id for use in fresh}
        kept = [use for use in self.ctx.before(self.tenant_id, "usage.audit") if use.event_id not in known]
        self.changes = [*kept, *(use for use in fresh if use.dataset == "usage.audit")]
        if lost := nameless(self.changes):
            reason = f"{lost} events do not say to what app or key something was done"
            self.tally.count(Refusal("failed", f"GET {path}", reason), *_FOLDED)
        self._say_how_far_back(fresh, since)

    def _since(self) -> datetime | None:
        """From when on security activity has to be read; both of its datasets come from it."""
        reached = [self.ctx.since(self.tenant_id, dataset) for dataset in ("usage.audit", "usage.exports")]
        return min((each for each in reached if each is not None), default=None) if all(reached) else None

    def _say_how_far_back(self, fresh: Iterable[Use], since: datetime | None) -> None:
        """At first the oldest event that came, later all since the last reading unless that is too long ago."""
        oldest = min((use.occurred_at for use in fresh), default=None)
        reach = oldest if since is None else max(since, self.ctx.as_of - timedelta(days=SECURITY_DAYS))
        self.tally.reaches(reach, "usage.audit", "usage.exports")

    def _logins(self) -> Iterator[Record]:
        path = f"/account-info/{self.version}/activity/login"
        reading = Reading(f"GET {path}")
        for page in self._rows(path, {}, _EVENTS_A_PAGE, "usage.logins", "identities.last_used"):
            for event in page:
                use = login_use(self.tenant_id, event, reading)
                if use is None:
                    continue
                if use.identity_id is not None and use.outcome == "success":
                    last = self.last_logins.get(use.identity_id, use.occurred_at)
                    self.last_logins[use.identity_id] = max(last, use.occurred_at)
                yield use
        for refusal in reading.refusals():
            self.tally.count(refusal, "usage.logins")
        self.tally.reaches(self.ctx.as_of - timedelta(days=LOGIN_DAYS), "usage.logins")

    def _audit(self) -> Iterator[Record]:
        path = f"/account-info/{self.version}/activity/audit-logs"
        start = self.ctx.as_of - timedelta(days=_AUDIT_DAYS)
        reading = Reading(f"GET {path}")
        pages = self.reader.pages(path, {"occurredAfter": f"{start:%Y-%m-%dT%H:%M:%SZ}"}, limit=_EVENTS_A_PAGE)
        for page in pages:
            if isinstance(page, Refusal):
                self.tally.count(_licensed(page), "usage.calls")
                continue
            self.tally.count(page, "usage.calls")
            for event in page:
                use = audit_use(self.tenant_id, event, reading)
                if use is not None:
                    yield use
        for refusal in reading.refusals():
            self.tally.count(refusal, "usage.calls")
        self.tally.reaches(start, "usage.calls")


def _licensed(refusal: Refusal) -> Refusal:
    """A refusal of the audit log that names no scope is about the licence."""
    if refusal.status != "denied" or refusal.missing_permission is not None:
        return refusal
    return Refusal("not_licensed", refusal.call, f"{refusal.reason}; the audit log comes with Enterprise licences only")
