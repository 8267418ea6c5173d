"""Connected apps: what is installed, who made it, how long its refresh tokens live.

API: ConnectedApplication (Tooling, else the data API with fewer fields), AppMenuItem. Not to be had there: scopes,
flows, consumer key, networks; `app_files` adds them from a metadata folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nhiscan.model import AppSettings, Identity, Record, Sign, Tag

from .api import Json
from .coverage import SETUP
from .org import Org
from .words import domain, id18, moment

_COLUMNS: Final = (
    "Id",
    "Name",
    "CreatedById",
    "CreatedDate",
    "OptionsAllowAdminApprovedUsersOnly",
    "OptionsRefreshTokenValidityMetric",
    "RefreshTokenValidityPeriod",
)
_MORE: Final = ("DeveloperName", "ContactEmail")  # in the Tooling API


def records(org: Org) -> Iterator[Record]:
    """Connected apps; leaves `org.apps`, `org.developer_names` and `org.app_settings` behind."""
    packages = _packages(org)
    rows = org.api.query(f"SELECT {', '.join((*_COLUMNS, *_MORE))} FROM ConnectedApplication", tooling=True)
    found = list(rows)
    if rows.refusal is None:
        org.tally.answer("apps")
    else:
        org.tally.refuse(rows.refusal, "apps.settings", "identities.tags", needs=SETUP)  # who publishes them
        found = list(org.rows("ConnectedApplication", _COLUMNS, "apps", spoils=("apps.settings",), needs=SETUP))
    for row in found:
        yield from _app(org, row, packages.get(id18(str(row["Id"]))))


def _packages(org: Org) -> dict[str, str]:
    """The namespace of the package that an app came with, by the app's id."""
    where = "WHERE Type = 'ConnectedApplication'"
    return {
        id18(str(row["ApplicationId"])): str(row["NamespacePrefix"])
        for row in org.rows(
            "AppMenuItem", ("Id", "ApplicationId", "NamespacePrefix"), spoils=("identities.tags",), where=where
        )
        if row.get("ApplicationId") and row.get("NamespacePrefix")
    }


def _app(org: Org, row: Json, namespace: str | None) -> Iterator[Record]:
    native_id = id18(str(row["Id"]))
    identity_id = org.id("oauth_app", native_id)
    yield Identity(
        identity_id=identity_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="oauth_app",
        name=str(row["Name"]),
        native_id=native_id,
        is_nhi=True,
        created_at=moment(row.get("CreatedDate")),
        is_installed=True,
    )
    named(org, identity_id, str(row["Name"]), row.get("DeveloperName"))
    yield from app_hints(org, identity_id, row, namespace)
    policy, days = refresh_of(row)
    org.app_settings[identity_id] = AppSettings(
        identity_id,
        refresh_policy=policy,
        refresh_days=days,
        is_approved_users_only=row.get("OptionsAllowAdminApprovedUsersOnly"),
    )


def named(org: Org, identity_id: str, name: str, developer_name: object) -> None:
    """Remembers an app by the names under which tokens and metadata know it."""
    org.apps.setdefault(name.casefold(), []).append(identity_id)
    if developer_name:
        org.developer_names[str(developer_name)] = identity_id


def app_hints(org: Org, identity_id: str, row: Json, namespace: str | None) -> Iterator[Record]:
    """Who stands behind an app, as far as the app itself says so: anybody may write any address there."""
    published = domain(row.get("ContactEmail"))
    for value in dict.fromkeys(filter(None, (published, namespace))):
        yield Sign(identity_id, kind="publisher", value=value)
    if row.get("ContactEmail"):
        yield Tag(identity_id, name="ContactEmail", value=str(row["ContactEmail"]))
    mail = org.mails.get(id18(str(row.get("CreatedById") or "")))
    if mail is not None:
        yield Tag(identity_id, name="CreatedBy", value=mail)


def refresh_of(row: Json) -> tuple[str | None, int | None]:
    """refresh_policy and refresh_days. The period has no unit of its own, so days are said of the plain cases only.

    Object Reference, "ConnectedApplication": the metric says whether it counts from the last use or from the start.
    """
    if "RefreshTokenValidityPeriod" not in row:
        return None, None
    period = row["RefreshTokenValidityPeriod"]
    if period is None:
        return "never_expires", None
    if period == 0:
        return "immediate", None
    return ("idle_days" if row.get("OptionsRefreshTokenValidityMetric") is True else "fixed_days"), None
