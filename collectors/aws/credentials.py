"""Access keys, passwords and service-specific credentials, and what they say about the user that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from nhiscan.collect import Refusal
from nhiscan.model import Credential, Identity, Record

from .fetch import Snapshot
from .identities import ROOT, UserFacts, identity_id, resource, utc

Json: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, str]

_KEY_SOURCE: Final = "GetAccessKeyLastUsed: time of the newest use"
_REPORT_SOURCE: Final = "credential report: at most 4 hours old, one use per 15 minutes"
_LIST_SOURCE: Final = "ListUsers: time of the newest sign-in"
_SLOTS: Final = ("access_key_1", "access_key_2")


class UserCredentials:
    """All that a snapshot says about the credentials of one user; None: could not be read."""

    def __init__(self, tenant_id: str, user: Json, snapshot: Snapshot, *, has_live_service_specific: bool) -> None:
        self._tenant_id = tenant_id
        self._user = user
        self._snapshot = snapshot
        self._has_live_service_specific = has_live_service_specific
        name = user["UserName"]
        self._identity_id = identity_id(tenant_id, user["Arn"])
        self._row = None if isinstance(snapshot.report, Refusal) else snapshot.report.get(user["Arn"])
        keys = snapshot.access_keys[name]
        self._keys: Sequence[Json] | None = None if isinstance(keys, Refusal) else keys
        profile = snapshot.login_profiles[name]
        self._profile: Json | None = None if isinstance(profile, Refusal) else profile
        self._profile_was_read = not isinstance(profile, Refusal)
        devices = snapshot.mfa_devices[name]
        self._devices: Sequence[Json] | None = None if isinstance(devices, Refusal) else devices

    @property
    def has_password(self) -> bool | None:
        if self._profile_was_read:
            return self._profile is not None
        return _flag(self._row, "password_enabled")

    @property
    def has_mfa(self) -> bool | None:
        if self._devices is not None:
            return bool(self._devices)
        return _flag(self._row, "mfa_active")

    def facts(self) -> UserFacts:
        """The user's last use is the newest of its keys' and its password's, and known only if all of them are."""
        uses = [self._password_use()]
        # AWS dates no use of signing certificates and service-specific credentials.
        has_undated = (
            self._has_live_service_specific or _flag(self._row, "cert_1_active") or _flag(self._row, "cert_2_active")
        )
        if self._keys is not None:
            uses += [self._key_use(key) for key in self._keys]
        known = self._keys is not None and all(use[1] for use in uses) and not has_undated
        newest = max((use for use in uses if use[0] is not None), key=lambda use: use[0] or _LONG_AGO, default=None)
        return UserFacts(
            has_password=self.has_password,
            has_access_keys=None if self._keys is None else bool(self._keys),
            has_mfa=self.has_mfa,
            last_used_at=None if newest is None else newest[0],
            last_used_known=known,
            last_used_source=newest[2] if newest is not None else "no use of any key or password" if known else None,
        )

    def records(self) -> Iterator[Record]:
        for key in self._keys or ():
            last_used_at, known, source = self._key_use(key)
            yield Credential(
                credential_id=f"{self._tenant_id}:access_key/{key['AccessKeyId']}",
                identity_id=self._identity_id,
                provider="aws",
                tenant_id=self._tenant_id,
                kind="access_key",
                native_id=key["AccessKeyId"],
                status=str(key["Status"]).lower(),
                is_replaceable=True,
                created_at=utc(key["CreateDate"]),
                expiry_known=True,  # access keys do not expire
                last_used_at=last_used_at,
                last_used_known=known,
                last_used_source=source,
            )
        if self.has_password:
            last_used_at, known, source = self._password_use()
            changed_at = _moment(self._row, "password_last_changed")
            yield Credential(
                credential_id=f"{self._tenant_id}:password/{self._user['UserName']}",
                identity_id=self._identity_id,
                provider="aws",
                tenant_id=self._tenant_id,
                kind="password",
                native_id=self._user["UserName"],
                status="active",
                is_replaceable=True,
                created_at=changed_at or utc(None if self._profile is None else self._profile["CreateDate"]),
                last_used_at=last_used_at,
                last_used_known=known,
                last_used_source=source,
            )

    def _key_use(self, key: Json) -> tuple[datetime | None, bool, str | None]:
        use = self._snapshot.key_uses[key["AccessKeyId"]]
        if not isinstance(use, Refusal):
            service, region = use.get("ServiceName", "N/A"), use.get("Region", "N/A")
            where = "" if service == "N/A" else f" ({service}, {region})"
            return utc(use.get("LastUsedDate")), True, f"{_KEY_SOURCE}{where}"
        # The report names no key ids: a slot is this key's only if both say the same second of creation.
        slots = [slot for slot in _SLOTS if _moment(self._row, f"{slot}_last_rotated") == utc(key["CreateDate"])]
        if len(slots) != 1 or self._row is None:
            return None, False, None
        text = self._row.get(f"{slots[0]}_last_used_date")
        return _moment(self._row, f"{slots[0]}_last_used_date"), _is_said(text), _REPORT_SOURCE

    def _password_use(self) -> tuple[datetime | None, bool, str | None]:
        if self.has_password is False:
            return None, True, None
        if self._row is not None:
            text = self._row.get("password_last_used")
            return _moment(self._row, "password_last_used"), _is_said(text), _REPORT_SOURCE
        if isinstance(self._snapshot.password_uses, Mapping) and self._user["UserName"] in self._snapshot.password_uses:
            return utc(self._snapshot.password_uses[self._user["UserName"]]), True, _LIST_SOURCE
        return None, False, None


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def service_specific_records(
    tenant_id: str, items: Sequence[Json], identity_ids: Mapping[str, str]
) -> Iterator[Record]:
    """Passwords for single services (CodeCommit, Keyspaces) and API keys (Bedrock); `identity_ids` by user name."""
    for item in items:
        if item["UserName"] not in identity_ids:
            continue
        yield Credential(
            credential_id=f"{tenant_id}:service_specific/{item['ServiceSpecificCredentialId']}",
            identity_id=identity_ids[item["UserName"]],
            provider="aws",
            tenant_id=tenant_id,
            # An API key has an alias where a password has a user name.
            kind="api_key" if item.get("ServiceCredentialAlias") else "app_password",
            native_id=item["ServiceSpecificCredentialId"],
            status=str(item["Status"]).lower(),
            is_replaceable=True,
            service=item.get("ServiceName"),
            created_at=utc(item["CreateDate"]),
            expires_at=utc(item.get("ExpirationDate")),
            expiry_known=True,
        )


def root_records(tenant_id: str, row: Row) -> Iterator[Record]:
    """The account's root user, whom only the credential report shows. Its keys have no ids there."""
    root_id = identity_id(tenant_id, row["arn"])
    has_mfa = _flag(row, "mfa_active")
    keys = [slot for slot in _SLOTS if _flag(row, f"{slot}_active")]
    uses = [_moment(row, "password_last_used"), *(_moment(row, f"{slot}_last_used_date") for slot in keys)]
    yield Identity(
        identity_id=root_id,
        provider="aws",
        tenant_id=tenant_id,
        kind="human_user",
        name=ROOT,
        native_id=row["arn"],
        is_nhi=False,
        created_at=_moment(row, "user_creation_time"),
        last_used_at=max((use for use in uses if use is not None), default=None),
        last_used_known=_is_said(row.get("password_last_used")),
        last_used_source=_REPORT_SOURCE,
        has_console_password=_flag(row, "password_enabled"),
        mfa_state=None if has_mfa is None else "registered" if has_mfa else "none",
    )
    for slot in keys:
        yield Credential(
            credential_id=f"{tenant_id}:access_key/{resource(row['arn'])}/{slot}",
            identity_id=root_id,
            provider="aws",
            tenant_id=tenant_id,
            kind="access_key",
            native_id=f"{ROOT}/{slot}",
            status="active",
            is_replaceable=True,
            created_at=_moment(row, f"{slot}_last_rotated"),
            expiry_known=True,
            last_used_at=_moment(row, f"{slot}_last_used_date"),
            last_used_known=_is_said(row.get(f"{slot}_last_used_date")),
            last_used_source=_REPORT_SOURCE,
        )


def _moment(row: Row | None, column: str) -> datetime | None:
    text = None if row is None else row.get(column)
    try:
        return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:  # N/A, no_information, not_supported
        return None


def _flag(row: Row | None, column: str) -> bool | None:
    """None for a column that is absent or `not_supported`."""
    text = None if row is None else row.get(column)
    return {"true": True, "false": False}.get((text or "").lower())


def _is_said(text: str | None) -> bool:
    """The report knows of a use, or that there was none: `N/A` and `no_information` mean never."""
    return text is not None and text != "not_supported"
