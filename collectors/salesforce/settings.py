"""Values of the org's policies: sessions, passwords, sign-in, apps, logging; for all, or for a profile.

API: SecurityHealthCheckRisks, SessionSettings, PasswordPolicies, SingleSignOnSettings, ConnectedAppSettings,
OauthOidcSettings, SharingSettings, EventSettings (Tooling), PermissionSet; the files of the same names, and policies of
profiles, from the metadata folder. A Health Check value that no name is known for keeps its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nhiscan.model import Record, Setting

from .api import Json, Refusal
from .coverage import SETUP
from .metadata import Node
from .org import Org
from .sharing import profile_ids
from .words import id18

_SESSIONS: Final = "settings.sessions"
_PASSWORDS: Final = "settings.passwords"
_SIGN_IN: Final = "settings.sign_in"
_APPS: Final = "settings.apps"
_LOGGING: Final = "settings.logging"
# Values as SecuritySettings and Health Check write them: Metadata API, "SecuritySettings".
_MINUTES: Final = {
    "FifteenMinutes": 15,
    "ThirtyMinutes": 30,
    "SixtyMinutes": 60,
    "NinetyMinutes": 90,
    "TwoHours": 120,
    "FourHours": 240,
    "EightHours": 480,
    "TwelveHours": 720,
    "TwentyFourHours": 1440,
}
_ATTEMPTS: Final = {"ThreeAttempts": 3, "FiveAttempts": 5, "TenAttempts": 10, "NoLimit": 0}
_DAYS: Final = {"ThirtyDays": 30, "SixtyDays": 60, "NinetyDays": 90, "SixMonths": 180, "OneYear": 365, "Never": 0}
_COMPLEXITY: Final = {  # ProfilePasswordPolicy.passwordComplexity -> the word that SecuritySettings has for it
    "0": "NoRestriction",
    "1": "AlphaNumeric",
    "2": "SpecialCharacters",
    "3": "UpperLowerCaseNumeric",
    "4": "UpperLowerCaseNumericSpecialCharacters",
    "5": "Any3UpperLowerCaseNumericSpecialCharacters",
}
_UNLIMITED: Final = frozenset({"no limit", "never", "never expires", "nolimit"})
_HOURS: Final = re.compile(r"(\d+)\s*hours?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d{1,6}")
_WORDS: Final = {"true": "yes", "false": "no", "enabled": "yes", "disabled": "no", "1": "yes", "0": "no"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value under our name for it; `number` of what is a number."""

    name: str
    value: str | None = None
    number: int | None = None


Read = Callable[[str, str], Value | None]  # (our name, text) -> value; None: the text says nothing that is known


def boolean(name: str, text: str) -> Value | None:
    word = _WORDS.get(text.strip().casefold())
    return None if word is None else Value(name, value=word)


def opposite(name: str, text: str) -> Value | None:
    """Of a setting that switches off what our name asks for."""
    word = _WORDS.get(text.strip().casefold())
    return None if word is None else Value(name, value="no" if word == "yes" else "yes")


def word(name: str, text: str) -> Value | None:
    return Value(name, value=_COMPLEXITY.get(text, text)) if text else None


def number_of(words: Mapping[str, int]) -> Read:
    """A number as Salesforce's word for it, as digits, or in a sentence; 0 for no limit."""

    def read(name: str, text: str) -> Value | None:
        if text in words:
            return Value(name, number=words[text])
        if text.strip().casefold() in _UNLIMITED:
            return Value(name, number=0)
        hours = _HOURS.search(text) if words is _MINUTES else None
        if hours is not None:
            return Value(name, number=60 * int(hours[1]))
        found = _NUMBER.search(text)
        return Value(name, number=int(found[0])) if found else None

    return read


minutes = number_of(_MINUTES)
attempts = number_of(_ATTEMPTS)
days = number_of(_DAYS)
plain = number_of({})
_SSO: Final = "sso.required"
# Health Check's own name of a setting -> ours. Names: Salesforce Help, "Custom Baseline File Requirements".
_HEALTH_CHECK: Final[Mapping[str, tuple[str, Read]]] = {
    "SessionSettings.timeout": ("session.idle_minutes", minutes),
    "SessionSettings.lockSessionsToIp": ("session.locked_to_network", boolean),
    "PasswordPolicies.minPasswordLength": ("password.min_length", plain),
    "PasswordPolicies.maxLoginAttempts": ("password.lockout_attempts", attempts),
    "PasswordPolicies.expiration": ("password.expires_days", days),
    "PasswordPolicies.complexity": ("password.complexity", word),
    "Identity.mfaEnabled": ("mfa.required", boolean),
}


@dataclass(frozen=True, slots=True)
class Source:
    """An object of the Tooling API with one row; `columns`: its fields, our names, and what is in `element`."""

    name: str
    dataset: str
    columns: tuple[tuple[str, str, Read, str], ...]  # field, our name, how to read it, element of the metadata file
    file: str  # type of the metadata file that says the same
    part: str | None = None  # element of that file under which the others stand


_SOURCES: Final = (
    Source(
        "SessionSettings",
        _SESSIONS,
        (
            ("SessionTimeout", "session.idle_minutes", minutes, "sessionTimeout"),
            ("LockSessionsToIp", "session.locked_to_network", boolean, "lockSessionsToIp"),
            ("IsMfaDirectUiLoginOptInEnabled", "mfa.required", boolean, "enableMFADirectUILoginOptIn"),
        ),
        "SecuritySettings",
        "sessionSettings",
    ),
    Source(
        "PasswordPolicies",
        _PASSWORDS,
        (
            ("MinimumPasswordLength", "password.min_length", plain, "minimumPasswordLength"),
            ("MaxLoginAttempts", "password.lockout_attempts", attempts, "maxLoginAttempts"),
            ("Expiration", "password.expires_days", days, "expiration"),
            ("Complexity", "password.complexity", word, "complexity"),
        ),
        "SecuritySettings",
        "passwordPolicies",
    ),
    Source(
        "SingleSignOnSettings",
        _SIGN_IN,
        (
            (
                "IsLoginWithSalesforceCredentialsDisabled",
                _SSO,
                boolean,
                "isLoginWithSalesforceCredentialsDisabled",
            ),
            (
                "IsLoginWithSalesforceCredentialsDisabled",
                "sso.local_login_allowed",
                opposite,
                "isLoginWithSalesforceCredentialsDisabled",
            ),
        ),
        "SecuritySettings",
        "singleSignOnSettings",
    ),
    Source(
        "ConnectedAppSettings",
        _APPS,
        (
            ("IsAdminApprovedAppsOnlyEnabled", "apps.approved_only", boolean, "enableAdminApprovedAppsOnly"),
            (
                "IsAdminApprovedAppsOnlyForExternalUserEnabled",
                "apps.approved_only_for_outsiders",
                boolean,
                "enableAdminApprovedAppsOnlyForExternalUser",
            ),
        ),
        "ConnectedAppSettings",
    ),
    Source(
        "OauthOidcSettings",
        _APPS,
        (
            ("BlockOauthUnPwFlow", "oauth.password_flow_blocked", boolean, "blockOAuthUnPwFlow"),
            ("BlockOauthUsrAgtFlow", "oauth.user_agent_flow_blocked", boolean, "blockOAuthUsrAgtFlow"),
        ),
        "OauthOidcSettings",
    ),
    Source(
        "SharingSettings",
        "settings",
        (("IsPartnerSuperUserAccessEnabled", "partner.super_user", boolean, "enablePartnerSuperUserAccess"),),
        "SharingSettings",
    ),
    Source(
        "EventSettings",
        _LOGGING,
        (("IsEventLogGenerationEnabled", "logging.enabled", boolean, "enableEventLogGeneration"),),
        "EventSettings",
    ),
)
_SIGNED_IN_ELSEWHERE: Final = frozenset({"PermissionsIsSsoEnabled", "PermissionsMustUseSso"})
_PROFILE_POLICIES: Final[tuple[tuple[str, str, Read], ...]] = (
    ("minimumPasswordLength", "password.min_length", plain),
    ("maxLoginAttempts", "password.lockout_attempts", attempts),
    ("passwordExpiration", "password.expires_days", days),
    ("passwordComplexity", "password.complexity", word),
)
_PROFILE_SESSIONS: Final[tuple[tuple[str, str, Read], ...]] = (("sessionTimeout", "session.idle_minutes", plain),)


def records(org: Org) -> Iterator[Record]:
    """Each value once: the administrator's folder before the org's own answer, that before the Health Check."""
    said: dict[str, Value] = {}
    for source in _SOURCES:
        for value in (*_from_folder(org, source), *_from_org(org, source)):
            said.setdefault(value.name, value)
    for value in _health_check(org):
        said.setdefault(value.name, value)
    for value in said.values():
        yield setting(org, value)
    _say_what_is_missing(org, said)
    yield from _of_profiles(org)
    yield from _delegated_sign_on(org)


def setting(org: Org, value: Value, applies_to: str | None = None) -> Setting:
    return Setting(
        provider="salesforce",
        tenant_id=org.tenant_id,
        name=value.name,
        value=value.value,
        number=value.number,
        applies_to=applies_to,
    )


def risk_value(row: Json) -> Value:
    """One Health Check setting, under our name where there is one for it and its value can be read."""
    own_name = str(row.get("DurableId") or f"{row.get('SettingGroup')}.{row.get('Setting')}")
    texts = [str(row[column]) for column in ("OrgValueRaw", "OrgValue") if row.get(column) is not None]
    if own_name in _HEALTH_CHECK:
        name, read = _HEALTH_CHECK[own_name]
        for text in texts:
            value = read(name, text)
            if value is not None:
                return value
    return Value(own_name, value=texts[0] if texts else None)


def _from_folder(org: Org, source: Source) -> Iterator[Value]:
    node = org.retrieved.first(source.file)
    if node is None:
        return
    within = node.part(source.part) if source.part else node
    for _, name, read, element in source.columns:
        text = within.one(element)
        value = None if text is None else read(name, text)
        if value is not None:
            org.tally.answer(source.dataset)
            yield value


def _from_org(org: Org, source: Source) -> Iterator[Value]:
    """What the Tooling API says; it refuses this object in some orgs, and the Health Check says much of the same."""
    fields = dict.fromkeys(field for field, *_ in source.columns)
    rows = org.api.query(f"SELECT Id, {', '.join(fields)} FROM {source.name}", tooling=True)
    for row in rows:
        for field, name, read, _ in source.columns:
            value = None if row.get(field) is None else read(name, str(row[field]))
            if value is not None:
                yield value
    if rows.refusal is None:
        org.tally.answer(source.dataset, "settings")


def _health_check(org: Org) -> Iterator[Value]:
    for row in org.rows(
        "SecurityHealthCheckRisks",
        ("DurableId", "SettingGroup", "Setting", "OrgValue", "OrgValueRaw"),
        "settings",
        _SESSIONS,
        _PASSWORDS,
        tooling=True,
        needs=SETUP,
    ):
        yield risk_value(row)


_EXPECTED: Final = {  # dataset -> names without which it is short
    _SESSIONS: ("session.idle_minutes",),
    _PASSWORDS: ("password.min_length", "password.lockout_attempts"),
    _SIGN_IN: (_SSO,),
    _APPS: ("apps.approved_only", "oauth.password_flow_blocked", "oauth.user_agent_flow_blocked"),
    _LOGGING: ("logging.enabled",),
    "settings": ("partner.super_user",),
}


def _say_what_is_missing(org: Org, said: Mapping[str, Value]) -> None:
    for dataset, names in _EXPECTED.items():
        missing = [name for name in names if name not in said]
        if len(missing) < len(names):
            org.tally.answer(dataset)
        if missing:
            reason = (
                f"the org did not say {', '.join(missing)}; put the settings of a metadata retrieve into "
                "collectors.salesforce.metadata_folder"
            )
            org.tally.refuse(Refusal("unsupported", "", reason), dataset)


def _of_profiles(org: Org) -> Iterator[Setting]:
    """What holds for the people of one profile instead of the org's own value."""
    kinds = (
        ("ProfilePasswordPolicy", _PASSWORDS, _PROFILE_POLICIES),
        ("ProfileSessionSetting", _SESSIONS, _PROFILE_SESSIONS),
    )
    profiles: Mapping[str, str] | None = None
    for kind, dataset, columns in kinds:
        files = list(org.retrieved.of(kind))
        for file in files:
            profiles = profile_ids(org) if profiles is None else profiles
            profile = profiles.get((file.root.one("profile") or "").casefold())
            if profile is None:
                reason = "names a profile that the org does not have"
                org.tally.refuse(Refusal("partial", f"{kind} {file.name}", reason), dataset)
                continue
            for value in profile_values(file.root, columns):
                yield setting(org, value, profile)
        if not files:
            reason = (
                f"whether profiles have values of their own stands only in the {kind} files of a metadata retrieve; "
                "put them into collectors.salesforce.metadata_folder"
            )
            org.tally.refuse(Refusal("partial", "", reason), dataset)


def profile_values(root: Node, columns: tuple[tuple[str, str, Read], ...]) -> Iterator[Value]:
    for element, name, read in columns:
        text = root.one(element)
        value = None if text is None else read(name, text)
        if value is not None:
            yield value


def _delegated_sign_on(org: Org) -> Iterator[Setting]:
    """Profiles and sets whose people the company's own service signs in, so that no password of Salesforce works."""
    described = org.api.describe("PermissionSet")
    if isinstance(described, Refusal):
        org.tally.refuse(described, _SIGN_IN, needs=SETUP)
        return
    holders: dict[str, None] = {}
    for permission in _SIGNED_IN_ELSEWHERE & described:
        for row in org.rows("PermissionSet", ("Id",), _SIGN_IN, where=f"WHERE {permission} = true", needs=SETUP):
            holder = org.holders.get(id18(row["Id"]))
            if holder is not None:
                holders[holder] = None
    yield from (setting(org, Value(_SSO, value="yes"), holder) for holder in holders)
