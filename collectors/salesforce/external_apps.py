"""External client apps: what each may ask for, its policies, and who has connected it.

API: ExternalClientApplication, ExtlClntApp... (Tooling); Connect REST apps/oauth/usage, which lists their tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from nhiscan.model import AppScope, AppSettings, Credential, Identity, Record

from .api import Json, Refusal
from .apps import app_hints, named
from .coverage import ECA
from .org import Org
from .tokens import token
from .words import id18, moment

_SCOPE: Final = "OauthScopes"
_FIRST_PARTY: Final = "ExtlClntAppOauthOptionsFirstPartyAppEnabled"  # one of Salesforce's own
# OAuth scope -> what it gives of the user's rights. Help, "OAuth Tokens and Scopes"; a scope that is not here is data.
_GIVES: Final = {
    "FULL": "all",
    "WEB": "all",
    "API": "all",
    "VF": "all",
    "LIGHTNING": "all",
    "SSO": "all",
    "HUB_API": "all",
    "ADDRESS": "self",
    "EMAIL": "self",
    "PHONE": "self",
    "PROFILE": "self",
    "OPENID": "self",
    "CUSTOM_PERMISSIONS": "self",
    "DATA_CLOUD_USER_CLAIMS": "self",
    "OFFLINE_ACCESS": "none",
    "REFRESH_TOKEN": "none",
    "FORGOT_PASSWORD": "none",
    "USER_REGISTRATION_API": "none",
    "PWDLESS_LOGIN_API": "none",
}
_DATA: Final = frozenset(
    {
        "CDP_API", "CDP_CALCULATED_INSIGHT_API", "CDP_IDENTITYRESOLUTION_API", "CDP_INGEST_API", "CDP_PROFILE_API",
        "CDP_QUERY_API", "CDP_SEGMENT_API", "CHATBOT_API", "CHATTER_REST_API", "CONTENT", "ECLAIR_REST_API",
        "EINSTEIN_GPT_API", "INTERACTION_API", "MCP_API", "PARDOT_API", "SCRT_API", "SEMANTIC_LAYER_API", "SFAP_API",
        "WAVE_REST_API", "A2A_API",
    }
)  # fmt: skip
_USERS: Final = {"adminapprovedpreauthorized": True, "allselfauthorized": False}
_POLICIES: Final = {  # Metadata API, "RefreshTokenPolicyType"
    "infinite": "never_expires",
    "zero": "immediate",
    "specificinactivity": "idle_days",
    "specificlifetime": "fixed_days",
}
_DAYS: Final = {"days": 1, "months": 30}
_OF_TOKENS: Final = ("credentials", "credentials.created", "credentials.last_used")
_SPOILED: Final = ("apps.scopes", "apps.settings", *_OF_TOKENS)  # whose app is not known, its tokens are not either
_PAGE: Final = 100
_MOST_PAGES: Final = 1_000
_NOT_REFRESH: Final = "enforce_relaxrefresh"


@dataclass(frozen=True)
class _App:
    row: Json
    settings: Json | None  # ExtlClntAppOauthSettings; None: not read or not there
    policy: Json | None  # ExtlClntAppOauthPlcyCnfg
    switch: Json | None  # ExtlClntAppPlcyCnfg


def records(org: Org) -> Iterator[Record]:
    """External client apps with scopes and policies; then who uses them."""
    columns = ("Id", "DeveloperName", "MasterLabel", "ContactEmail", "NamespacePrefix", "CreatedById", "CreatedDate")
    rows = list(org.rows("ExternalClientApplication", columns, "apps", spoils=_SPOILED, tooling=True, needs=ECA))
    settings = {id18(str(row["ExternalClientApplicationId"])): row for row in _settings(org)} if rows else {}
    policies = {id18(str(row["ExternalClientApplicationId"])): row for row in _policies(org)} if rows else {}
    switches = {id18(str(row["ExternalClientApplicationId"])): row for row in _switches(org)} if rows else {}
    if not rows:
        org.tally.answer("apps.scopes", "apps.settings")
    for row in rows:
        native_id = id18(str(row["Id"]))
        yield from _records(org, _App(row, settings.get(native_id), policies.get(native_id), switches.get(native_id)))
    yield from _usage(org)


def _settings(org: Org) -> Iterator[Json]:
    described = org.api.describe("ExtlClntAppOauthSettings", tooling=True)
    if isinstance(described, Refusal):
        org.tally.refuse(described, "apps.scopes", needs=ECA)
    known = frozenset[str]() if isinstance(described, Refusal) else described
    chosen = sorted(name for name in known if name.startswith(_SCOPE) or name == _FIRST_PARTY)
    columns = ("Id", "ExternalClientApplicationId", *chosen)
    return org.rows("ExtlClntAppOauthSettings", columns, "apps.scopes", tooling=True, needs=ECA)


def _policies(org: Org) -> Iterator[Json]:
    columns = (
        "Id",
        "ExternalClientApplicationId",
        "PermittedUsersPolicyType",
        "RefreshTokenPolicyType",
        "RefreshTokenValidityPeriod",
        "RefreshTokenValidityUnit",
        "IpRelaxationPolicyType",
        "IsClientCredentialsFlowEnabled",
        "IsTokenExchangeFlowEnabled",
    )
    return org.rows("ExtlClntAppOauthPlcyCnfg", columns, "apps.settings", tooling=True, needs=ECA)


def _switches(org: Org) -> Iterator[Json]:
    columns = ("Id", "ExternalClientApplicationId", "IsEnabled", "OauthPluginStatus")
    return org.rows("ExtlClntAppPlcyCnfg", columns, "apps.settings", spoils=("apps",), tooling=True, needs=ECA)


def _records(org: Org, app: _App) -> Iterator[Record]:
    row = app.row
    native_id = id18(str(row["Id"]))
    identity_id = org.id("oauth_app", native_id)
    name = str(row.get("MasterLabel") or row["DeveloperName"])
    yield Identity(
        identity_id=identity_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="oauth_app",
        name=name,
        native_id=native_id,
        is_nhi=True,
        status="disabled" if app.switch is not None and app.switch.get("IsEnabled") is False else "enabled",
        is_provider_owned=(app.settings or {}).get(_FIRST_PARTY) is True,
        created_at=moment(row.get("CreatedDate")),
        is_installed=True,
    )
    named(org, identity_id, name, row.get("DeveloperName"))
    yield from app_hints(org, identity_id, row, row.get("NamespacePrefix") or None)
    yield from scopes_of(identity_id, app.settings or {})
    org.app_settings[identity_id] = settings_of(identity_id, app.policy)


def scopes_of(identity_id: str, settings: Json) -> Iterator[AppScope]:
    """One row a scope that is switched on, in OAuth's spelling."""
    for column in sorted(settings):
        if column.startswith(_SCOPE) and settings[column] is True:
            name = column.removeprefix(_SCOPE)
            yield AppScope(identity_id, scope=name.lower(), gives=gives(name))


def gives(scope: str) -> str | None:
    """What a scope gives of the user's rights; None: one of later days."""
    name = scope.upper()
    return _GIVES.get(name, "data" if name in _DATA else None)


def settings_of(identity_id: str, policy: Json | None) -> AppSettings:
    """What the policies say; PKCE, rotation, flows and networks of tokens stand in the metadata only."""
    said = policy or {}
    kind, days = _refresh(said)
    relaxation = str(said.get("IpRelaxationPolicyType") or "").casefold()
    users = str(said.get("PermittedUsersPolicyType") or "").casefold()
    # Where networks are enforced, they are those of the users' profiles, of which nothing is known here.
    is_bound = False if relaxation.startswith("bypass") else None
    return AppSettings(
        identity_id,
        refresh_policy=kind,
        refresh_days=days,
        is_approved_users_only=_USERS.get(users),
        is_network_bound=is_bound,
        is_refresh_network_bound=False if relaxation == _NOT_REFRESH else is_bound,
    )


def _refresh(said: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """refresh_policy and refresh_days; hours are rounded up to days."""
    word = str(said.get("RefreshTokenPolicyType") or "").casefold()
    period, unit = said.get("RefreshTokenValidityPeriod"), str(said.get("RefreshTokenValidityUnit") or "").casefold()
    days = None
    if isinstance(period, int | float):
        days = -(-int(period) // 24) if unit == "hours" else int(period) * _DAYS[unit] if unit in _DAYS else None
    policy = _POLICIES.get(word)
    return policy, days if policy in ("idle_days", "fixed_days") else None


def _usage(org: Org) -> Iterator[Record]:
    """Every token of every app that has any: one call for each app and user."""
    for app in _listed(org, "apps/oauth/usage", "apps"):
        identifier = str(app.get("identifier") or "")
        identity_id = org.developer_names.get(str(app.get("developerName") or ""), org.id("oauth_app", identifier))
        if not identifier or identity_id not in org.identities:
            continue
        at = f"apps/oauth/usage/{quote(identifier, safe='')}"
        for user in _listed(org, f"{at}/users", "users"):
            path = f"{at}/{quote(str(user.get('userIdentifier')), safe='')}/tokens"
            for n, said in enumerate(_items(org, path, "tokens") or ()):
                org.ctx.progress("salesforce: tokens")
                yield _token(org, identity_id, said, n)


def _token(org: Org, identity_id: str, said: Json, n: int) -> Credential:
    user = id18(str(said.get("userIdentifier") or ""))
    org.connected.add((identity_id, user))
    # The only id of a token stands at the end of the address that revokes it for whoever may.
    listed = str(said.get("revocationUrl") or "").rpartition("/")[2]
    native_id = id18(listed) if listed else f"{identity_id.rpartition('/')[2]}/{user}/{n}"
    return token(
        org,
        native_id,
        user=user,
        app_id=identity_id,
        created=said.get("initialConnectionAt"),
        last_used=said.get("lastUsedAt"),
        source="usage of the external client app",
    )


def _listed(org: Org, path: str, name: str) -> Iterator[Json]:
    """Every item of a Connect REST list, by page number; an empty page is the end, as every page has a link."""
    for page in range(_MOST_PAGES):
        items = _items(org, path, name, {"page": str(page), "pageSize": str(_PAGE)})
        if not items:
            return
        yield from items[: 1 if org.ctx.is_sample else None]
        if org.ctx.is_sample:
            return
    reason = f"stopped after {_MOST_PAGES} pages"
    org.tally.refuse(Refusal("truncated", f"GET {path}", reason), *_OF_TOKENS)


def _items(org: Org, path: str, name: str, params: Mapping[str, str] | None = None) -> list[Json] | None:
    """The list in an answer; None: refused, or the answer holds none."""
    answer = org.get(path, *_OF_TOKENS, params=params, needs=ECA)
    if answer is None:
        return None
    items = answer.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        org.tally.refuse(Refusal("failed", f"GET {path}", f"the answer holds no {name}"), *_OF_TOKENS)
        return None
    return items
