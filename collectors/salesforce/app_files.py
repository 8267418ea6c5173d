"""What only the metadata of apps says: scopes of connected apps, flows, PKCE, rotation, networks, consumer keys.

From the retrieved folder (see `metadata`): ConnectedApp, ExtlClntAppGlobalOauthSettings, ExtlClntAppOauthSettings,
ExtlClntAppOauthSecuritySettings. The implicit and the password flow have no switch of an app's own, but one of the org.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from nhiscan.model import AppScope, AppSettings, Record, Sign

from .api import Refusal
from .coverage import METADATA
from .external_apps import gives
from .metadata import Node
from .org import Org

_IDLE_LIMIT_DAYS: Final = 30  # Help, "Limit the Idle Refresh Token TTL in Connected Apps"
_CONNECTED: Final = "0H4"
_SPELT: Final = {  # Metadata API, "ConnectedAppOauthAccessScope" -> the scope as OAuth and the Tooling API write it
    "Basic": "id",
    "Chatter": "chatter_rest_api",
    "CustomApplications": "vf",
    "CustomPermissions": "custom_permissions",
    "DataCloudUserClaims": "data_cloud_user_claims",
    "ForgotPassword": "forgot_password",
    "OfflineAccess": "offline_access",
    "PwdlessLogin": "pwdless_login_api",
    "RefreshToken": "refresh_token",
    "UserRegistration": "user_registration_api",
}
_NOT_DATA: Final = frozenset({"Api", "Web", "Full", "Lightning", "OpenID", "Profile", "Email", "Address", "Phone"})
_FLOWS: Final = {  # what switches a flow on, in connected apps and in external client apps
    "isClientCredentialEnabled": "client_credentials",
    "isClientCredentialsFlowEnabled": "client_credentials",
    "isDeviceFlowEnabled": "device",
    "isTokenExchangeEnabled": "token_exchange",
}
_PERIODS: Final = {"HOURS": 1 / 24, "DAYS": 1.0, "MONTHS": 30.0}


def records(org: Org) -> Iterator[Record]:
    """Scopes and consumer keys; completes `org.app_settings`. Installed apps without a file make coverage partial."""
    described: set[str] = set()
    for file in org.retrieved.of("ConnectedApp"):
        identity_id = _app_of(org, file.name, file.root.one("label"))
        if identity_id is None:
            continue
        config, policy = file.root.part("oauthConfig"), file.root.part("oauthPolicy")
        described.add(identity_id)
        yield from _scopes(identity_id, config.texts("scopes"))
        yield from _client_id(identity_id, config)
        known = settings_of(org.app_settings[identity_id], config)
        org.app_settings[identity_id] = _with_policy(known, policy)
    for file in org.retrieved.of("ExtlClntAppGlobalOauthSettings"):
        identity_id = _app_of(org, file.root.one("externalClientApplication"), None)
        if identity_id is not None:
            described.add(identity_id)
            yield from _client_id(identity_id, file.root)
            org.app_settings[identity_id] = settings_of(org.app_settings[identity_id], file.root)
    for file in org.retrieved.of("ExtlClntAppOauthSecuritySettings"):
        identity_id = _app_of(org, file.root.one("externalClientApplication"), None)
        if identity_id is not None and file.root.parts("tokenIpRanges"):
            bound = replace(org.app_settings[identity_id], is_network_bound=True)
            org.app_settings[identity_id] = bound
    _say_what_is_missing(org, described)


def _app_of(org: Org, developer_name: str | None, label: str | None) -> str | None:
    """The installed app that a file describes; None: none, or one that cannot be told from others."""
    found = org.developer_names.get(developer_name or "")
    named = org.apps.get((label or "").casefold(), [])
    found = found or (named[0] if len(named) == 1 else None)
    return found if found in org.app_settings else None


def _scopes(identity_id: str, names: tuple[str, ...]) -> Iterator[AppScope]:
    for name in sorted(set(names)):
        scope = _SPELT.get(name, name.lower())
        said = gives(scope) if name in _SPELT or name in _NOT_DATA else "data"
        yield AppScope(identity_id, scope=scope, gives="self" if scope == "id" else said)


def _client_id(identity_id: str, node: Node) -> Iterator[Sign]:
    key = node.one("consumerKey")
    if key is not None:
        yield Sign(identity_id, kind="client_id", value=key)


def settings_of(known: AppSettings, config: Node) -> AppSettings:
    """What is known of an app, completed by its OAuth configuration; what stands nowhere in it stays unknown."""
    flows = {flow for element, flow in _FLOWS.items() if config.flag(element) is True}
    flows |= {"code"} if config.one("callbackUrl") else set()
    flows |= {"jwt_bearer"} if config.one("certificate") else set()
    is_limited = config.flag("isEnforceRefreshTokenTTL") is True and known.refresh_policy == "never_expires"
    return replace(
        known,
        flows=",".join(sorted(flows)),
        is_public=config.flag("isConsumerSecretOptional"),
        is_pkce_required=config.flag("isPkceRequired"),
        is_refresh_rotated=config.flag("isRefreshTokenRotationEnabled"),
        refresh_policy="idle_days" if is_limited else known.refresh_policy,
        refresh_days=_IDLE_LIMIT_DAYS if is_limited else known.refresh_days,
    )


def _with_policy(known: AppSettings, policy: Node) -> AppSettings:
    """The policies of a connected app: `specific_lifetime:7:DAYS`, and whether networks of profiles are asked for."""
    relaxation = (policy.one("ipRelaxation") or "").upper()
    found = replace(known, is_network_bound=False) if relaxation.startswith("BYPASS") else known
    kind, _, rest = (policy.one("refreshTokenPolicy") or "").partition(":")
    period, _, unit = rest.partition(":")
    word = {"specific_lifetime": "fixed_days", "specific_inactivity": "idle_days"}.get(kind.lower())
    if word is not None and known.refresh_policy in ("fixed_days", "idle_days", None):
        days = round(int(period) * _PERIODS[unit.upper()] + 0.49) if _is_period(period, unit) else None
        found = replace(found, refresh_policy=word, refresh_days=days)
    return found


def _is_period(period: str, unit: str) -> bool:
    return period.isdecimal() and len(period) < 6 and unit.upper() in _PERIODS


def _say_what_is_missing(org: Org, described: set[str]) -> None:
    missing = sorted(org.app_settings.keys() - described)
    if not missing:
        return
    where = "collectors.salesforce.metadata_folder is not set"
    if org.metadata_folder is not None:
        where = f"the metadata folder has no file of {len(missing)} of them, like {missing[0].rpartition('/')[2]}"
    reason = f"flows, PKCE, rotation and networks of apps stand in their metadata only, and {where}"
    org.tally.refuse(Refusal("partial", "", reason, METADATA), "apps.settings")
    if any(identity_id.rpartition("/")[2].startswith(_CONNECTED) for identity_id in missing):
        reason = f"scopes of connected apps stand in their metadata only, and {where}"
        org.tally.refuse(Refusal("partial", "", reason, METADATA), "apps.scopes")
