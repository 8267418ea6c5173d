"""Private apps, service keys, installed apps and keys, which HubSpot lists nowhere: what was done to them tells.

The events of one object are put in order and folded; neither the order in which pages come nor an event that comes
twice matters. What happened before the oldest event is unknown: an app whose creation was not seen has no date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from nhiscan.model import Credential, Identity, Record, Sign, Tag, Use

# A rotated private app token lives on for up to a week unless it is ended at once: documentation of private apps. What
# is deactivated in that time may be the old one, so that the new one is still counted as live.
_OLD_TOKEN_LIVES: Final = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Family:
    """One sort of thing and its credential; `never_expires`: that does not end by itself."""

    kind: str
    id_kind: str
    title: str
    credential_kind: str
    credential_id_kind: str
    never_expires: bool = False
    is_of_user: bool = False  # a credential of the acting user, and no identity
    is_single: bool = False  # an account has one, whatever id the event names


PRIVATE_APP: Final = Family(
    "private_app", "private_app", "Private app", "private_app_token", "private_app_token", never_expires=True
)
SERVICE_KEY: Final = Family("service_key", "service_key", "Service key", "service_key", "service_key_value")
OAUTH_APP: Final = Family("oauth_app", "app", "App", "oauth_token", "app_token")
API_KEY: Final = Family("api_key", "api_key", "API key", "api_key", "api_key_value", never_expires=True, is_single=True)
SMTP_TOKEN: Final = Family("service_account", "smtp_token", "SMTP token", "smtp_token", "smtp_token_value")
PERSONAL_KEY: Final = Family(
    "", "", "Personal access key", "personal_access_key", "personal_access_key", is_of_user=True
)
# Type of event -> the family, and what it did. Beyond these: touch, which only shows that the thing exists.
_STEPS: Final[Mapping[str, tuple[Family, str]]] = {
    "PRIVATE_APP_ACCESS_TOKEN_CREATE": (PRIVATE_APP, "create"),
    "PRIVATE_APP_ACCESS_TOKEN_ROTATE": (PRIVATE_APP, "rotate"),
    "PRIVATE_APP_ACCESS_TOKEN_VIEW": (PRIVATE_APP, "reveal"),
    "PRIVATE_APP_ACCESS_TOKEN_DEACTIVATE": (PRIVATE_APP, "end"),
    "PRIVATE_APP_CLIENT_SECRET_VIEW": (PRIVATE_APP, "touch"),
    "PRIVATE_APP_CLIENT_SECRET_WRITE": (PRIVATE_APP, "touch"),
    "PRIVATE_APP_SCOPE_GROUPS_UPDATE": (PRIVATE_APP, "change"),
    "SERVICE_KEY_CREATE": (SERVICE_KEY, "create"),
    "SERVICE_KEY_ROTATE": (SERVICE_KEY, "rotate"),
    "SERVICE_KEY_AUTO_ROTATE": (SERVICE_KEY, "rotate"),
    "SERVICE_KEY_REVEAL": (SERVICE_KEY, "reveal"),
    "SERVICE_KEY_DEACTIVATE": (SERVICE_KEY, "end"),
    "SERVICE_KEY_PERMISSIONS_UPDATE": (SERVICE_KEY, "change"),
    "SERVICE_KEY_ROTATION_SCHEDULE_SET": (SERVICE_KEY, "schedule"),
    "SERVICE_KEY_ROTATION_SCHEDULE_UPDATED": (SERVICE_KEY, "schedule"),
    "SERVICE_KEY_ROTATION_SCHEDULE_REMOVED": (SERVICE_KEY, "unschedule"),
    "INSTALL_INTEGRATION": (OAUTH_APP, "create"),
    "UNINSTALL_INTEGRATION": (OAUTH_APP, "end"),
    "PUBLIC_APP_CLIENT_SECRET_VIEW": (OAUTH_APP, "touch"),
    "PUBLIC_APP_CLIENT_SECRET_WRITE": (OAUTH_APP, "touch"),
    "HAPIKEY_CREATE": (API_KEY, "create"),
    "HAPIKEY_VIEW": (API_KEY, "reveal"),
    "HAPIKEY_DEACTIVATE": (API_KEY, "end"),
    "SMTP_TOKEN_CREATED": (SMTP_TOKEN, "create"),
    "SMTP_TOKEN_PASSWORD_RESET": (SMTP_TOKEN, "rotate"),
    "SMTP_TOKEN_RETRIEVED": (SMTP_TOKEN, "reveal"),
    "SMTP_TOKEN_DELETED": (SMTP_TOKEN, "end"),
    "PERSONAL_ACCESS_KEY_CREATE": (PERSONAL_KEY, "create"),
    "PERSONAL_ACCESS_KEY_ROTATE": (PERSONAL_KEY, "rotate"),
    "PERSONAL_ACCESS_KEY_VIEW": (PERSONAL_KEY, "reveal"),
    "PERSONAL_ACCESS_KEY_DEACTIVATE": (PERSONAL_KEY, "end"),
}
# Of what is said to have happened at one moment: beginnings before ends.
_ORDER: Final = ("create", "rotate", "reveal", "change", "schedule", "unschedule", "touch", "end")


@dataclass
class Life:
    """One thing, as its events leave it; who did something is the id of a user's identity."""

    family: Family
    native_id: str
    first_seen: datetime
    born_at: datetime | None = None  # of the thing itself: nothing was done to it before
    made_at: datetime | None = None  # of its present credential
    made_by: str | None = None
    rotated_at: datetime | None = None
    revealed_at: datetime | None = None
    revealed_by: str | None = None
    changed_at: datetime | None = None
    ended_at: datetime | None = None
    is_scheduled: bool | None = None
    is_live: bool = True
    is_begun: bool = False  # its beginning or end was seen
    holder: str | None = None  # who had it last, of a credential of a user

    def step(self, what: str, at: datetime, by: str | None) -> None:
        self.holder = by or self.holder
        if what == "create":
            self.born_at = at if at == self.first_seen else self.born_at
            self.made_at, self.made_by = at, by
            self.rotated_at = self.ended_at = None
            self.is_live = self.is_begun = True
        elif what == "rotate":
            self.made_at = self.rotated_at = at
            self.is_live = True
        elif what == "reveal":
            self.revealed_at, self.revealed_by = at, by
        elif what == "change":
            self.changed_at = at
        elif what == "end":
            self.ended_at = at
            is_perhaps_the_old_one = self.rotated_at is not None and at - self.rotated_at <= _OLD_TOKEN_LIVES
            self.is_live = is_perhaps_the_old_one and self.is_live
            self.is_begun = True
        elif what in ("schedule", "unschedule"):
            self.is_scheduled = what == "schedule"


def lives(uses: Iterable[Use]) -> list[Life]:
    """What the events of all scans come to, in the order of ids."""
    found: dict[tuple[str, str], Life] = {}
    known = [use for use in uses if use.action in _STEPS]
    for use in sorted(known, key=lambda use: (use.occurred_at, _ORDER.index(_STEPS[use.action][1]), use.event_id)):
        family, what = _STEPS[use.action]
        native_id = _native_id(family, use)
        if native_id is None:
            continue
        life = found.setdefault((family.title, native_id), Life(family, native_id, use.occurred_at))
        life.step(what, use.occurred_at, use.identity_id)
    return [found[key] for key in sorted(found)]


def nameless(uses: Iterable[Use]) -> int:
    """How many events say that something was done, but not to what."""
    return sum(1 for use in uses if use.action in _STEPS and _native_id(_STEPS[use.action][0], use) is None)


def _native_id(family: Family, use: Use) -> str | None:
    if family.is_single:
        return "account"
    if family.is_of_user and use.target is None and use.identity_id is not None:
        return use.identity_id.rpartition(":user/")[2]
    return use.target


def life_records(tenant_id: str, life: Life, mails: Mapping[str, str], horizon: str) -> Iterator[Record]:
    """The identity of one thing, its labels and its credential. `mails`: by id of the user who did something."""
    family = life.family
    identity_id = life.holder if family.is_of_user else f"{tenant_id}:{family.id_kind}/{life.native_id}"
    if identity_id is None:
        return
    if not family.is_of_user:
        is_app = family is OAUTH_APP
        yield Identity(
            identity_id=identity_id,
            provider="hubspot",
            tenant_id=tenant_id,
            kind=family.kind,
            name=family.title if family.is_single else f"{family.title} {life.native_id}",
            native_id=life.native_id,
            is_nhi=True,
            status="enabled" if life.is_live else "disabled",
            created_at=life.born_at,
            is_installed=life.is_live if is_app and life.is_begun else None,
            role_changed_at=life.changed_at,
            derived_from=horizon,
        )
        yield from _labels(identity_id, life, mails)
        if is_app:
            yield Sign(identity_id=identity_id, kind="client_id", value=life.native_id)
    # An app that was installed holds a refresh token of the account until it is uninstalled: OAuth guide.
    if life.is_begun or family is not OAUTH_APP:
        yield Credential(
            credential_id=f"{tenant_id}:{family.credential_id_kind}/{life.native_id}",
            identity_id=identity_id,
            provider="hubspot",
            tenant_id=tenant_id,
            kind=family.credential_kind,
            native_id=life.native_id,
            status="active" if life.is_live else "inactive",
            is_replaceable=family is not OAUTH_APP,
            created_at=life.made_at,
            expiry_known=family.never_expires,
            app_id=identity_id if family is OAUTH_APP else None,
        )


def _labels(identity_id: str, life: Life, mails: Mapping[str, str]) -> Iterator[Tag]:
    """HubSpot has none of its own: these say what the events told."""
    told = {
        "created_by": mails.get(life.made_by or ""),
        "rotated_at": _day(life.rotated_at),
        "revealed_at": _day(life.revealed_at),
        "revealed_by": mails.get(life.revealed_by or ""),
        "rotation_schedule": {True: "set", False: "removed", None: None}[life.is_scheduled],
    }
    for name, value in told.items():
        if value:
            yield Tag(identity_id=identity_id, name=name, value=value)


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d}"


# What events say about users, for what the list of users leaves out.
_MADE: Final = frozenset({"ADD_USER"})
_ROLE: Final = frozenset({"ADD_ADMIN_PERMISSIONS", "ADD_ADMIN_USER", "REMOVE_ADMIN_PERMISSIONS", "REMOVE_ADMIN_USER"})
_FACTOR: Final = {"ADD_TWO_FACTOR_AUTHENTICATION": "registered", "REMOVE_TWO_FACTOR_AUTHENTICATION": "none"}
_STATUS: Final = {"DEACTIVATE_USER": "disabled", "REACTIVATE_USER": "enabled"}


@dataclass
class Told:
    """What the events say about one user."""

    created_at: datetime | None = None
    role_changed_at: datetime | None = None
    mfa_state: str | None = None
    status: str = "enabled"


def told_of_users(uses: Iterable[Use]) -> dict[str, Told]:
    """By id of the user's identity; whoever was acted on, else who acted."""
    found: dict[str, Told] = {}
    for use in sorted(uses, key=lambda use: (use.occurred_at, use.event_id)):
        if use.action not in _MADE | _ROLE | _FACTOR.keys() | _STATUS.keys():
            continue
        whose = use.target or use.identity_id
        if whose is None:
            continue
        told = found.setdefault(whose, Told())
        if use.action in _MADE:
            told.created_at = use.occurred_at
        elif use.action in _ROLE:
            told.role_changed_at = use.occurred_at
        elif use.action in _FACTOR:
            told.mfa_state = _FACTOR[use.action]
        else:
            told.status = _STATUS[use.action]
    return found
