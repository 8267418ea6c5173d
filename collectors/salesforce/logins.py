"""Sign-ins, verifications that changed a second factor, and live sessions.

API: LoginHistory (six months), VerificationHistory (six months), AuthSession. Without the right permission the org
shows the scanner's own rows only, and says nothing. The id by which a session could be used is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from nhiscan.model import Credential, Record, Use

from .api import Json, Refusal
from .coverage import LOGINS
from .org import Org
from .words import id18, moment

_HORIZON: Final = timedelta(days=183)  # Help, "Monitor Login History": six months
_SESSIONS: Final = "Manage Users"
_NOTHING: Final = frozenset({"", "n/a", "unknown", "browser"})
# LoginSubType -> flow and whether a person stood before a browser: Object Reference, "LoginHistory".
_BY_SUBTYPE: Final[dict[str, tuple[str | None, bool]]] = {
    "OauthClientCredentials": ("client_credentials", False),
    "OauthTokenExchange": ("token_exchange", False),
    "OauthHybridTokenExchange": ("token_exchange", False),
    "OauthUserAgent": ("implicit", True),
    "OauthUserAgentIdToken": ("implicit", True),
    "OauthHybridUserAgent": ("implicit", True),
    "OauthUsernamePassword": ("password", False),
    "OauthWebServer": ("code", True),
    "OauthHybridWebServer": ("code", True),
    "OauthRefreshToken": (None, False),
    "OauthHybridRefreshToken": (None, False),
    "UsernamePasswordUiLogin": ("password", True),
    "UiPasswordReset": ("password", True),
}
# LoginType, as the API or as Setup names it, folded -> the same.
_BY_TYPE: Final[dict[str, tuple[str | None, bool | None]]] = {
    "application": ("password", True),
    "chattercommunityportalunpwd": ("password", True),
    "chattercommunitiesexternaluser": ("password", True),
    "portal": ("password", True),
    "customerserviceportal": ("password", True),
    "prmportal": ("password", True),
    "partnerportal": ("password", True),
    "selfservice": ("password", True),
    "employeelogintocommunity": (None, True),
    "lightninglogin": (None, True),
    "passwordlesslogin": (None, True),
    "passwordlesspasskeylogin": (None, True),
    "certificate": (None, True),
    "certificatebasedlogin": (None, True),
    "otherapi": (None, False),
    "otherapexapi": (None, False),
    "partner": (None, False),
    "partnerproduct": (None, False),
}
# Activities that change by what somebody proves who he is: Object Reference, "VerificationHistory".
_CHANGES: Final = frozenset(
    {"ChangeEmail", "ConnectSms", "ConnectToopher", "ConnectTotp", "ConnectU2F", "EnableLL", "TempCode"}
)


def records(org: Org) -> Iterator[Record]:
    yield from _logins(org)
    yield from _verifications(org)
    yield from _sessions(org)


def login_use(tenant_id: str, row: Json, identity_id: str | None) -> Use:
    """One attempt to sign in."""
    flow, is_interactive = flow_of(row)
    status = str(row.get("Status") or "")
    agent = [str(row[name]) for name in ("Browser", "Platform") if str(row.get(name) or "").casefold() not in _NOTHING]
    app = row.get("Application")
    return Use(
        event_id=f"{tenant_id}:login/{id18(row['Id'])}",
        provider="salesforce",
        tenant_id=tenant_id,
        occurred_at=_moment(row, "LoginTime"),
        kind="login",
        action=str(row.get("LoginSubType") or row.get("LoginType") or "login"),
        outcome="success" if status == "Success" else "failure",
        identity_id=identity_id,
        is_interactive=is_interactive,
        source_ip=row.get("SourceIp"),
        user_agent=" ".join(agent) or row.get("ClientVersion"),
        dataset="usage.logins",
        app=app if str(app or "").casefold() not in _NOTHING else None,
        flow=flow,
        country=row.get("CountryIso"),
        reason=None if status == "Success" else status or None,
    )


def flow_of(row: Json) -> tuple[str | None, bool | None]:
    """How somebody signed in, and whether a person did; None: the log does not say."""
    return _flow(str(row.get("LoginSubType") or ""), str(row.get("LoginType") or ""), str(row.get("ApiType") or ""))


@lru_cache(maxsize=1_000)
def _flow(subtype: str, login_type: str, api_type: str) -> tuple[str | None, bool | None]:
    if subtype.startswith("SoapApiLogin"):
        return "soap", False
    if subtype in _BY_SUBTYPE:
        return _BY_SUBTYPE[subtype]
    kind = "".join(char for char in login_type.casefold() if char.isalnum())
    if kind.startswith("saml") or kind.endswith("sso"):
        return "sso", True
    if kind in ("otherapi", "otherapexapi", "partner", "partnerproduct") and "soap" in api_type.casefold():
        return "soap", False
    return _BY_TYPE.get(kind, (None, None))


def session_credential(org: Org, row: Json) -> Credential | None:
    """A live session as something that whoever holds it acts with; None: it has ended."""
    seconds = int(row.get("NumSecondsValid") or 0)
    touched_at = moment(row.get("LastModifiedDate"))
    ends_at = touched_at + timedelta(seconds=seconds) if touched_at is not None and seconds else None
    if not row.get("UsersId") or (ends_at is not None and ends_at <= org.as_of):
        return None
    shown = org.ctx.fingerprint(str(row["Id"]))
    return Credential(
        credential_id=f"{org.tenant_id}:session/{shown}",
        identity_id=org.identity_id(row["UsersId"]),
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="session",
        native_id=shown,
        status="active",
        is_replaceable=False,
        service=row.get("SessionType"),
        created_at=moment(row.get("CreatedDate")),
        expires_at=ends_at,
        expiry_known=ends_at is not None,
        last_used_at=touched_at,
        last_used_known=touched_at is not None,
        last_used_source="AuthSession.LastModifiedDate",
        max_ttl_s=seconds or None,
    )


def since(org: Org, dataset: str, horizon: timedelta) -> datetime:
    """From when on events are read: what no earlier scan has, as far back as the org remembers."""
    oldest = org.as_of - horizon
    read_until = org.ctx.since(org.tenant_id, dataset)
    return oldest if read_until is None else max(oldest, read_until)


def literal(at: datetime) -> str:
    """A moment as SOQL writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _logins(org: Org) -> Iterator[Use]:
    start = since(org, "usage.logins", _HORIZON)
    org.tally.reaches_back_to("usage.logins", start)
    columns = ("Id", "UserId", "LoginTime", "LoginType", "SourceIp", "Status", "Application", "ClientVersion")
    others = 0
    for row in org.rows(
        "LoginHistory",
        (*columns, "ApiType", "Browser", "Platform"),
        "usage.logins",
        where=f"WHERE LoginTime >= {literal(start)}",
        optional={"LoginSubType": (), "CountryIso": ()},
        needs=LOGINS,
    ):
        user = id18(str(row["UserId"])) if row.get("UserId") else None
        others += user != org.scanner_id
        org.ctx.progress("salesforce: sign-ins")
        yield login_use(org.tenant_id, row, None if user is None else org.identity_id(user))
    if not others and "MonitorLoginHistory" not in org.rights:
        _own_rows_only(org, "LoginHistory", "usage.logins", LOGINS)


def _verifications(org: Org) -> Iterator[Use]:
    """Second factors and addresses that were connected; a plain verification says no more than its sign-in.

    Few orgs show them to a scanner. The audit trail tells of the same changes, so that nothing is missing without.
    """
    start = since(org, "usage.audit", _HORIZON)
    rows = org.api.query(
        "SELECT Id, UserId, VerificationTime, Activity, Status, SourceIp FROM VerificationHistory "
        f"WHERE VerificationTime >= {literal(start)}"
    )
    yield from (verification_use(org, row) for row in rows if row.get("Activity") in _CHANGES)


def verification_use(org: Org, row: Json) -> Use:
    identity_id = org.identity_id(row["UserId"])
    is_done = str(row.get("Status") or "") in ("Succeeded", "AutomatedSuccess", "Success")
    return Use(
        event_id=org.id("verification", row["Id"]),
        provider="salesforce",
        tenant_id=org.tenant_id,
        occurred_at=_moment(row, "VerificationTime"),
        kind="credential_change",
        action=str(row["Activity"]),
        outcome="success" if is_done else "failure",
        identity_id=identity_id,
        source_ip=row.get("SourceIp"),
        target=identity_id,
        dataset="usage.audit",
        reason=None if is_done else row.get("Status"),
    )


def _sessions(org: Org) -> Iterator[Credential]:
    others = 0
    columns = ("Id", "UsersId", "CreatedDate", "LastModifiedDate", "NumSecondsValid", "SessionType")
    for row in org.rows("AuthSession", columns, "sessions", needs=_SESSIONS):
        others += id18(str(row.get("UsersId") or "")) != org.scanner_id
        credential = session_credential(org, row)
        if credential is not None:
            yield credential
    if not others and "ManageUsers" not in org.rights:
        _own_rows_only(org, "AuthSession", "sessions", _SESSIONS)


def _own_rows_only(org: Org, name: str, dataset: str, needs: str) -> None:
    if org.tally.refused[dataset] or org.ctx.is_sample:
        return
    reason = "the org showed no row of anybody but the scanner, as it does without the permission to see others'"
    org.tally.refuse(Refusal("partial", f"query {name}", reason, needs), dataset)


def _moment(row: Json, name: str) -> datetime:
    found = moment(row[name])
    if found is None:
        raise ValueError(f"{name} is empty")
    return found
