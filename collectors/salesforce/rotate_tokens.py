"""Revoking of OAuth tokens, of connected apps by their delete token and of external client apps by their id.

API: OauthToken, which can be queried and not deleted: its `DeleteToken` goes to the endpoint `oauth2/revoke` (Object
Reference, OauthToken, "Usage"). Connect REST `apps/oauth/usage` (Help, "External Client App OAuth Usage").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Observation,
    RefusedError,
    Target,
    UnsupportedError,
)
from nhiscan.secret import Secret

from .api import Json
from .coverage import API, ECA, TOKENS
from .rotate_calls import Calls
from .tokens import native_id_of
from .words import id18, moment

KIND: Final = "oauth_token"
_NEEDS: Final = (API, f"{TOKENS} (connected apps)", f"{ECA} (external client apps)")
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(("observe", "delete", "prove"), _NEEDS)
_DERIVED: Final = re.compile(r"[0-9a-f]{18}")  # as `tokens.native_id_of` makes ids; no record id has no capital
_RECORD: Final = re.compile(r"[A-Za-z0-9]{18}")
_MOST_ROWS: Final = 2_500  # after which OauthToken ends without a word
_CREATED: Final = "CreatedDate"  # not in all versions
_SHOWS_ALL: Final = "PermissionsCustomizeApplication"
_MOST_ALIKE: Final = 20  # tokens of one user, app and second that a scan may have numbered
_MOST_PAGES: Final = 100
_PAGE: Final = 100
_USAGE: Final = "apps/oauth/usage"
_BY_HAND: Final = "revoke it in Setup > Users > the user > OAuth Connected Apps"
_LAG: Final = timedelta(days=1)  # how late uses are told is not published; a day is no promise of Salesforce's
_SETTLES_IN: Final = timedelta(seconds=10)  # a margin: a query reads what was committed
_EFFECTS: Final = {
    "delete": "the refresh token and the access tokens that came of it end at once; the app has to be authorized again "
    "by the user, and an app that an administrator approved, or that signs in by JWT, gets a new token by itself"
}


@dataclass(frozen=True)
class Tokens:
    """Tokens of users, as the inventory names them."""

    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        """Raises: UnsupportedError for a token of which only the place in a list is known."""
        self._check(target)
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=False,
            can_delete=True,
            usage="last_used",
            usage_lag=_LAG,
            settles_in=_SETTLES_IN,
            effects=_EFFECTS,
        )

    def observe(self, target: Target) -> Observation:
        """The user's other tokens are left out: signing in makes some, which says nothing about this one."""
        self._check(target)
        row = self._row(target)
        if row is not None:
            return Observation(
                "live",
                facts=_facts(app=row.get("AppName"), created_at=row.get(_CREATED)),
                last_used_at=moment(row.get("LastUsedDate")),
                usage_known=True,
            )
        used = None if _DERIVED.fullmatch(target.native_id) else self._used(target)
        if used is None:
            self._prove_sight()
            return Observation("gone")
        return Observation(
            "live",
            facts=_facts(app=used.get("appDeveloperName"), created_at=used.get("initialConnectionAt")),
            last_used_at=moment(used.get("lastUsedAt")),
            usage_known=True,
        )

    def delete(self, target: Target) -> Effect:
        self._check(target)
        row = self._row(target)
        if row is not None:
            self._revoke(target, row)
        elif not _DERIVED.fullmatch(target.native_id) and self._used(target) is not None:
            self.calls.delete(f"{_USAGE}/tokens/{target.native_id}", needs=ECA)
        return Effect()

    def off(self, target: Target) -> Effect:
        raise RefusedError(f"salesforce: token {target.native_id} has no switch; it can only be revoked")

    def on(self, target: Target, before: Observation | None) -> Effect:
        del before
        raise RefusedError(f"salesforce: token {target.native_id} cannot be brought back; the app is authorized anew")

    def _check(self, target: Target) -> None:
        is_record = _RECORD.fullmatch(target.native_id) and id18(target.native_id[:15]) == target.native_id
        if not is_record and not _DERIVED.fullmatch(target.native_id):
            raise UnsupportedError(
                f"salesforce: the org gives token {target.native_id} no id of its own", hint=_BY_HAND
            )

    def _revoke(self, target: Target, row: Json) -> None:
        where = {"UserId": target.holder_native_id, "AppName": row.get("AppName")}
        found = _among(self._rows(where, "DeleteToken"), target)
        if found is None:
            return
        token = found["DeleteToken"]
        if not isinstance(token, str) or (not self.calls.revoke(Secret(token)) and self._row(target) is not None):
            raise RefusedError(f"salesforce: the org takes no delete token for {target.native_id}", hint=_BY_HAND)

    def _row(self, target: Target) -> Json | None:
        """The OauthToken; None: the org shows none."""
        rows = self._rows({"UserId": target.holder_native_id})
        found = _among(rows, target)
        if found is None and len(rows) >= _MOST_ROWS:
            raise RefusedError(f"salesforce: the user has more tokens than the org shows, {_MOST_ROWS}", hint=_BY_HAND)
        return found

    def _rows(self, where: Mapping[str, str | None], *columns: str) -> list[Json]:
        asked = ("Id", "UserId", "AppName", "LastUsedDate", *columns)
        return self.calls.rows("OauthToken", asked, where, optional=(_CREATED,), needs=TOKENS)

    def _prove_sight(self) -> None:
        """Raises: RefusedError unless the org shows everybody's tokens: without the permission it says nothing."""
        rows = self.calls.rows("UserPermissionAccess", ("Id",), {}, optional=(_SHOWS_ALL,), needs=API)
        if not any(row.get(_SHOWS_ALL) is True for row in rows):
            raise RefusedError(
                "salesforce: the org shows tokens of others to nobody without the permission, so none is known to be "
                "gone",
                hint=f"give the user of [remediation.salesforce] {TOKENS}",
                permission=TOKENS,
            )

    def _used(self, target: Target) -> Json | None:
        """The token of an external client app, by its id; None: no app lists it."""
        for app in self._listed(_USAGE, "apps"):
            path = f"{_USAGE}/{_part(app.get('identifier'))}/{_part(target.holder_native_id)}/tokens"
            for token in self._items(path, "tokens"):
                if id18(str(token.get("revocationUrl") or "").rpartition("/")[2]) == target.native_id:
                    return token
        return None

    def _listed(self, path: str, name: str) -> Iterator[Json]:
        for page in range(_MOST_PAGES):
            items = self._items(f"{path}?page={page}&pageSize={_PAGE}", name)
            if not items:
                return
            yield from items
        raise RefusedError(f"salesforce: GET {path} does not end", hint=_BY_HAND)

    def _items(self, path: str, name: str) -> list[Json]:
        items = self.calls.get(path, needs=ECA).get(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise RefusedError(f"salesforce: GET {path} answers without {name}", hint=_BY_HAND)
        return items


def _among(rows: list[Json], target: Target) -> Json | None:
    """The row that the inventory gave this id. Raises: UnsupportedError where several could be it.

    An id that is made of user, app and creation has a number for tokens that these do not tell apart; the scan may have
    been shown no creation.
    """
    for is_dated in (True, False):
        alike: dict[tuple[object, ...], list[Json]] = {}
        for row in rows:
            told = row if is_dated else {name: value for name, value in row.items() if name != _CREATED}
            alike.setdefault(tuple(told.get(name) for name in ("Id", "UserId", "AppName", _CREATED)), []).append(told)
        for group in alike.values():
            seen: dict[str, int] = {}
            ids = [native_id_of(group[0], seen) for _ in range(len(group) + _MOST_ALIKE)]
            if target.native_id not in ids:
                continue
            if len(group) > 1 or ids[0] != target.native_id:
                raise UnsupportedError(
                    f"salesforce: the user has, or had, several tokens of {group[0].get('AppName')!r} that cannot be "
                    "told apart",
                    hint=_BY_HAND,
                )
            return group[0]
    return None


def _part(value: object) -> str:
    return quote(str(value), safe="")


def _facts(*, app: object, created_at: object) -> dict[str, str]:
    return {name: str(value) for name, value in (("app", app), ("created_at", created_at)) if value is not None}
