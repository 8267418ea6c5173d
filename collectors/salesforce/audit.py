"""What administrators changed: rights, credentials, apps and their consents, and who acted as somebody else.

API: SetupAuditTrail (180 days). Actions that touch none of these are left out; the text of an entry is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from nhiscan.model import Record, Use

from .api import Json
from .coverage import SETUP
from .fields import chunks
from .logins import literal, since
from .org import Org
from .words import id18, moment, user_in

_HORIZON: Final = timedelta(days=180)  # Object Reference, "SetupAuditTrail"
_DATASET: Final = "usage.audit"
# Beginnings of SetupAuditTrail.Action, folded -> kind; the first that fits counts.
_KINDS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"su(orgadmin|networkadmin|prmadmin)login$|suloginaccessused$", "login"),
        (r"permset(group)?(un)?assign|changed(profile|role)foruser|permissionsetgroupcomponent", "role_change"),
        (r"(group|queue)membership|created(partner|customersuccess)?user$|activateduser|unfrozeuser", "role_change"),
        (
            r"deactivateduser|frozeuser|(csp|prm)userdisabled|deleteconnectedapplication|deleteapplication$",
            "revocation",
        ),
        (r"uninstalledpackagingapp|blockconnectedapplication|loginasrevoked", "revocation"),
        (r"(insert|unblock)connectedapp|insertapplication$|installedpackagingapp|enableoauth", "consent"),
        (r"changeuserruntimeaccesspolicy|changeoauthdefaultscope|changeiprelaxationpolicy", "consent"),
        (r"addoauthclientcredentialuser|setupentityaccessaudit_\w+_connectedapplication", "consent"),
        (r"(changed|reset)password|changedfederationid|changedemail$|changedusername", "credential_change"),
        (r"(insert|delete)(twofactor|authenticator)|lightninglogin(enroll|cancel)|sessiongen", "credential_change"),
        (r"(insert|change|delete)?application(certificate|callbackurl)|insertcertificate", "credential_change"),
        (r"changeapplication|generateoauthstagedcredential|dynamicinitialtoken", "credential_change"),
        (r"(named|external)credential", "credential_change"),
        (r"permset|profile(perm|olp|fls|cloned|entityperm)|setupentityaccessaudit|loginasgranted", "grant_change"),
        (r"overridegrantaccess|loginiprange|sharing|owd", "grant_change"),
    )
)


def records(org: Org) -> Iterator[Record]:
    start = since(org, _DATASET, _HORIZON)
    org.tally.reaches_back_to(_DATASET, start)
    delegates: list[Json] = []
    for row in org.rows(
        "SetupAuditTrail",
        ("Id", "Action", "Section", "CreatedDate", "CreatedById", "Display", "DelegateUser"),
        _DATASET,
        where=f"WHERE CreatedDate >= {literal(start)}",
        needs=SETUP,
    ):
        org.ctx.progress("salesforce: audit trail")
        if row.get("DelegateUser"):
            delegates.append(row)
        use = audit_use(org, row)
        if use is not None:
            yield use
    yield from login_as_uses(org, delegates, _ids_of(org, {str(row["DelegateUser"]) for row in delegates}))


def kind_of(action: str) -> str | None:
    """What an action changes, in our words; None: nothing that is kept."""
    folded = action.casefold()
    return next((kind for pattern, kind in _KINDS if pattern.match(folded)), None)


def audit_use(org: Org, row: Json) -> Use | None:
    action = str(row.get("Action") or "")
    kind, at = kind_of(action), moment(row.get("CreatedDate"))
    if kind is None or at is None:
        return None
    display = str(row.get("Display") or "")
    user = user_in(display)
    target = org.identity_id(user) if user else None
    if target is None and kind in ("consent", "revocation", "credential_change"):
        target = _app(org.apps, display)
    return Use(
        event_id=org.id("audit", row["Id"]),
        provider="salesforce",
        tenant_id=org.tenant_id,
        occurred_at=at,
        kind=kind,
        action=action,
        outcome="success",
        identity_id=org.identity_id(row["CreatedById"]) if row.get("CreatedById") else None,
        is_interactive=True if kind == "login" else None,
        target=target,
        dataset=_DATASET,
    )


def login_as_uses(org: Org, rows: Iterable[Json], ids: Mapping[str, str]) -> Iterator[Use]:
    """Who changed something while logged in as somebody else; `ids`: of users by username, folded."""
    for row in rows:
        at = moment(row.get("CreatedDate"))
        if at is not None:
            yield Use(
                event_id=f"{org.id('audit', row['Id'])}/login_as",
                provider="salesforce",
                tenant_id=org.tenant_id,
                occurred_at=at,
                kind="login",
                action="login_as",
                outcome="success",
                identity_id=ids.get(str(row["DelegateUser"]).casefold()),
                is_interactive=True,
                target=org.identity_id(row["CreatedById"]) if row.get("CreatedById") else None,
                dataset=_DATASET,
            )


def _ids_of(org: Org, usernames: Iterable[str]) -> Mapping[str, str]:
    found = {}
    for names in chunks(sorted(usernames)):
        for row in org.rows("User", ("Id", "Username"), _DATASET, where=f"WHERE Username IN ({names})"):
            found[str(row["Username"]).casefold()] = org.identity_id(id18(row["Id"]))
    return found


def _app(apps: Mapping[str, list[str]], display: str) -> str | None:
    """The app that a text names, where only one is called so."""
    folded = display.casefold()
    named = max((name for name in apps if name and name in folded), key=len, default=None)
    return apps[named][0] if named is not None and len(apps[named]) == 1 else None
