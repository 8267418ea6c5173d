"""OAuth tokens: for each the user that it acts as and the app that holds it. Never a value, nor a handle to revoke it.

API: OauthToken. It ends after 2,500 rows without a word, so what is counted beforehand says how to split it; without
the right permission it shows the scanner's own tokens only. A token names its app by its label alone: the join to an
app is by that name, and a name of no installed app is an app that was removed or never installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from nhiscan.model import Credential, Identity, Record

from .api import Json, Refusal
from .coverage import TOKENS
from .org import Org, quoted
from .probe import holds
from .words import id18, moment

_MOST_ROWS: Final = 2_500
_OF_A_SAMPLE: Final = 50
_USERS: Final = 300  # ids in one IN (...): an address may be 16 kB long
_COLUMNS: Final = ("Id", "AppName", "UserId", "LastUsedDate", "UseCount")
_CREATED: Final = "CreatedDate"  # not in all versions
_DATASETS: Final = ("credentials", "credentials.last_used")
_CALL: Final = "query OauthToken"
_NEEDS: Final = f"{TOKENS} (in older releases Manage Users)"


def records(org: Org) -> Iterator[Record]:
    """Tokens and, before them, the apps that nobody knows but by them."""
    seen: dict[str, int] = {}
    count, others = 0, 0
    for row in _rows(org):
        org.ctx.progress("salesforce: tokens")
        count += 1
        others += id18(str(row.get("UserId") or "")) != org.scanner_id
        yield from _token(org, row, seen)
    if not org.tally.answered["credentials.last_used"]:  # refused, which says enough
        return
    may = holds(org, "CustomizeApplication", "ManageUsers", "ModifyAllData")
    if may is False or (may is None and not others and not org.ctx.is_sample):
        reason = "all tokens shown are the scanner's own" if count else "no token is shown"
        if may is False:
            reason = "without the permission an org shows the scanner's own tokens only"
        org.tally.refuse(Refusal("partial", _CALL, reason, _NEEDS), *_DATASETS, "credentials.created", "apps")


def _rows(org: Org) -> Iterator[Json]:
    """Every token, in parts that are small enough not to be cut; of a sample, the first."""
    if org.ctx.is_sample:
        yield from _part(org, f"LIMIT {_OF_A_SAMPLE}", 0)
        return
    total = org.count("SELECT COUNT() FROM OauthToken", spoils=_DATASETS, needs=_NEEDS)
    if total is None:
        return
    if total <= _MOST_ROWS:
        yield from _part(org, "", total)
        return
    got = 0
    for row in _split(org, sorted(org.users)):
        got += 1
        yield row
    if got < total:
        reason = f"{total} tokens are counted and {got} belong to users that were read"
        org.tally.refuse(Refusal("partial", _CALL, reason), *_DATASETS, "credentials.created")


def _split(org: Org, users: Sequence[str]) -> Iterator[Json]:
    """The tokens of these users, in halves as long as they are too many for one answer."""
    for start in range(0, len(users), _USERS):
        several = users[start : start + _USERS]
        where = f"WHERE UserId IN ({', '.join(map(quoted, several))})"
        count = org.count(f"SELECT COUNT() FROM OauthToken {where}", spoils=_DATASETS, needs=_NEEDS)
        if count is None or count == 0:
            continue
        if count <= _MOST_ROWS or len(several) == 1:
            yield from _part(org, where, count)
        else:
            half = len(several) // 2
            yield from _split(org, several[:half])
            yield from _split(org, several[half:])


def _part(org: Org, where: str, count: int) -> Iterator[Json]:
    got = 0
    optional = {_CREATED: ("credentials.created",)}
    for row in org.rows("OauthToken", _COLUMNS, *_DATASETS, where=where, optional=optional, needs=_NEEDS):
        got += 1
        yield row
    if got < count:
        reason = f"{count} tokens are counted and {got} shown"
        org.tally.refuse(Refusal("truncated", _CALL, reason), *_DATASETS, "credentials.created")
    else:
        org.tally.answer("credentials.created")


def _token(org: Org, row: Json, seen: dict[str, int]) -> Iterator[Record]:
    user, name = id18(str(row.get("UserId") or "")), str(row.get("AppName") or "")
    app_id, is_sure = app_of(org, name)
    if app_id not in org.identities:
        org.identities.add(app_id)
        yield _removed(org, app_id, name)
    if (app_id, user) in org.connected:  # the usage of external client apps has named it already
        return
    native_id = native_id_of(row, seen)
    by_name = "its app by name" if is_sure else "its app by a name that several have"
    yield token(
        org,
        native_id,
        user=user,
        app_id=app_id,
        created=row.get(_CREATED),
        last_used=row.get("LastUsedDate"),
        source=f"OauthToken.LastUsedDate; {by_name}",
    )


def token(
    org: Org, native_id: str, *, user: str, app_id: str, created: object, last_used: object, source: str
) -> Credential:
    """A token that an app holds and that acts as the user (18 characters); times as the API writes them."""
    return Credential(
        credential_id=f"{org.tenant_id}:oauth_token/{native_id}",
        identity_id=org.identity_id(user),
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="oauth_token",
        native_id=native_id,
        status="active",
        is_replaceable=True,
        created_at=moment(created),
        last_used_at=moment(last_used),
        last_used_known=True,
        last_used_source=source,
        app_id=app_id,
    )


def app_of(org: Org, name: str) -> tuple[str, bool]:
    """The app that a token's label means, and whether no other has that name."""
    found = org.apps.get(name.casefold(), [])
    if found:
        return found[0], len(found) == 1
    return f"{org.tenant_id}:oauth_app/name:{name}", True


def _removed(org: Org, app_id: str, name: str) -> Identity:
    return Identity(
        identity_id=app_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="oauth_app",
        name=name or "(no name)",
        native_id=f"name:{name}",
        is_nhi=True,
        is_installed=None if org.tally.refused["apps"] else False,
        derived_from="tokens that name it; no list of apps holds it",
    )


def native_id_of(row: Json, seen: dict[str, int]) -> str:
    """The record's id, or where the org gives none, what tells tokens apart: user, app, creation and a number."""
    native_id = str(row.get("Id") or "")
    if native_id.strip("0") not in ("", "AAA"):
        return id18(native_id)
    told = "\n".join(str(row.get(column) or "") for column in ("UserId", "AppName", _CREATED))
    number = seen[told] = seen.get(told, 0) + 1
    return hashlib.sha256(f"{told}\n{number}".encode("utf-8", "surrogatepass")).hexdigest()[:18]
