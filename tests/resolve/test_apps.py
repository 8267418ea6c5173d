"""Apps of a CRM: as whom they act by the tokens that they hold, what they can do that way, and what that is worth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import duckdb
import pytest

from nhiscan import path
from nhiscan.model import AppSettings, Credential, Identity, Membership, Sign
from nhiscan.resolve import crm_facts, facts, partners, privileges
from tests.resolve.crm_estate import ACCOUNTS, AS_OF, Crm, rows

DAY = timedelta(days=1)


def rights(con: duckdb.DuckDBPyConnection, name: str) -> set[tuple[Any, ...]]:
    return set(
        rows(
            con,
            "select verb, scope, certainty from privileges join identities i using (identity_key) where i.name = ?",
            [name],
        )
    )


def fact(con: duckdb.DuckDBPyConnection, name: str, columns: str, table: str = "identity_facts") -> tuple[Any, ...]:
    ((*found,),) = rows(con, f"select {columns} from {table} where name = ?", [name])
    return tuple(found)


def with_user(*scopes: tuple[str, str | None], **fields: Any) -> tuple[Crm, str, str]:
    """An app with a live token of a user who manages policies, exports and reads everything."""
    crm = Crm()
    app, user = crm.app("sync", *scopes, **fields), crm.identity("robot")
    crm.give(user, "AssignPermissionSets, ViewAllData, DataExport")
    crm.token(app, user)
    return crm, app, user


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (
            [("full", "all"), ("refresh_token", "none")],
            {
                ("manage-policy", "all", "definite"),
                ("read-data", "all", "definite"),
                ("export-data", "all", "definite"),
            },
        ),
        (
            [("chatter_api", "data"), ("id", "self")],
            {("read-data", "all", "definite"), ("export-data", "all", "definite")},
        ),
        ([("openid", "self"), ("refresh_token", "none")], {("none", "self", "definite")}),
        (
            [("api_of_tomorrow", None)],
            {
                ("manage-policy", "all", "potential"),
                ("read-data", "all", "potential"),
                ("export-data", "all", "potential"),
            },
        ),
        (
            [("chatter_api", "data"), ("api_of_tomorrow", None)],
            {
                ("manage-policy", "all", "potential"),
                ("read-data", "all", "definite"),
                ("export-data", "all", "definite"),
            },
        ),
    ],
    ids=["all", "data", "self", "unknown", "data and unknown"],
)
def test_an_app_can_do_what_its_user_can_as_far_as_its_scopes_let_it(
    scopes: list[tuple[str, str | None]], expected: set[tuple[str, str, str]]
) -> None:
    crm, _, _ = with_user(*scopes)
    assert rights(crm.resolve(privileges.run), "sync") == expected


def test_an_app_without_scopes_in_the_inventory_can_perhaps_do_everything_of_its_user() -> None:
    crm, _, _ = with_user()
    assert {certainty for _, _, certainty in rights(crm.resolve(privileges.run), "sync")} == {"potential"}


def test_scopes_that_were_not_read_completely_may_hide_wider_ones() -> None:
    crm, _, _ = with_user(("openid", "self"))
    whole = crm.resolve(privileges.run)
    crm, _, _ = with_user(("openid", "self"))
    lost = Crm(without=frozenset({"apps.scopes"}))
    lost.records.extend(record for record in crm.records if record not in lost.records and record.table != "coverage")
    assert ("manage-policy", "all", "potential") in rights(lost.resolve(privileges.run), "sync")
    assert rights(whole, "sync") == {("none", "self", "definite")}


@pytest.mark.parametrize(
    ("token", "app"),
    [
        ({"status": "revoked"}, {}),
        ({"expires_at": AS_OF - DAY}, {}),
        ({}, {"status": "disabled"}),
    ],
    ids=["revoked", "expired", "app blocked"],
)
def test_a_dead_token_gives_nothing(token: dict[str, Any], app: dict[str, Any]) -> None:
    crm = Crm()
    app_id, user = crm.app("sync", ("full", "all"), **app), crm.identity("robot")
    crm.give(user, "ViewAllData")
    crm.token(app_id, user, **token)
    con = crm.resolve()
    assert rights(con, "sync") == {("none", "self", "definite")}
    assert fact(con, "sync", "has_access") == (False,)
    assert fact(con, "sync", "tokens, token_users", "app_facts") == (0, 0)


def test_a_token_of_a_user_who_is_locked_out_gives_nothing() -> None:
    crm = Crm()
    app, user = crm.app("sync", ("full", "all")), crm.identity("robot", status="disabled")
    crm.give(user, "ViewAllData")
    crm.token(app, user)
    assert rights(crm.resolve(privileges.run), "sync") == {("none", "self", "definite")}


def test_a_right_to_use_an_app_is_no_access_of_the_app() -> None:
    crm = Crm()
    app = crm.app("sync", ("full", "all"))
    profile = crm.group("profile", "Admins", crm.identity("boss"))
    crm.give(profile, "ModifyAllData, ManageUsers")
    crm.give(profile, "app:use", statement=app)
    con = crm.resolve()
    assert fact(con, "sync", "has_access, is_admin, level, admin_hops") == (False, False, 0, None)


@pytest.mark.parametrize("status", ["enabled", "deleted"])
def test_a_removed_app_acts_on_by_its_token(status: str) -> None:
    crm, _, _ = with_user(("full", "all"), is_installed=False, status=status)
    con = crm.resolve()
    assert fact(con, "sync", "has_access, level, is_installed") == (True, 5, False)
    assert fact(con, "sync", "is_installed, tokens, level", "app_facts") == (False, 1, 5)


def test_tokens_that_were_not_read_leave_open_what_an_app_can_do() -> None:
    crm = Crm(without=frozenset({"credentials"}))
    crm.app("sync", ("full", "all"))
    con = crm.resolve()
    assert fact(con, "sync", "has_access, is_admin, level_high") == (None, None, None)


def test_an_app_with_an_administrators_token_is_one_and_the_way_there_is_told() -> None:
    crm = Crm()
    app, boss = crm.app("sync", ("full", "all")), crm.identity("boss")
    crm.give(boss, "ModifyAllData, ManageUsers")
    crm.token(app, boss)
    con = crm.resolve()
    assert fact(con, "sync", "is_admin, level, admin_hops") == (True, 5, 0)
    answer = path.ask(con, app, to=boss)
    assert answer.way is not None
    ((step,),) = (answer.way.steps,)
    assert (step.kind, step.certainty, step.end.id) == ("acts-as", "definite", boss)
    assert step.evidence == ("it holds a live token of the user, whose scopes keep nothing back",)
    assert [(right.group, right.user) for right in path.ask(con, app, to=None).rights] == [(None, "boss")]


def test_scopes_for_data_make_no_administrator() -> None:
    crm = Crm()
    app, boss = crm.app("sync", ("chatter_api", "data")), crm.identity("boss")
    crm.give(boss, "ModifyAllData, ManageUsers")
    crm.token(app, boss)
    con = crm.resolve()
    assert fact(con, "sync", "is_admin, level, admin_hops") == (False, 4, None)
    assert rows(con, "select * from access_edges where kind = 'acts-as'") == []


def test_unknown_scopes_may_make_an_administrator() -> None:
    crm = Crm()
    app, boss = crm.app("sync", ("api_of_tomorrow", None)), crm.identity("boss")
    crm.give(boss, "ModifyAllData, ManageUsers")
    crm.token(app, boss)
    con = crm.resolve()
    assert fact(con, "sync", "is_admin, admin_hops") == (None, None)
    assert rows(con, "select certainty from access_edges where kind = 'acts-as'") == [("potential",)]


def test_rights_by_many_tokens_are_said_once() -> None:
    crm = Crm()
    app = crm.app("sync", ("full", "all"))
    users = [crm.identity(f"u{number}") for number in range(3)]
    crm.give(crm.group("profile", "Sales", *users), "ViewAllData")
    for user in users:
        crm.token(app, user)
    con = crm.resolve(privileges.run)
    assert rows(
        con,
        "select p.verb, u.name, p.statement, p.considered from privileges p "
        "join identities i using (identity_key) join identities u on u.identity_key = p.via_key where i.name = 'sync'",
    ) == [("read-data", "u0", "ViewAllData", "by its live token of u0 and of 2 more users")]


def test_a_narrower_right_by_one_token_hides_behind_a_wider_one_by_another() -> None:
    crm = Crm()
    app, small, big = crm.app("sync", ("full", "all")), crm.identity("small"), crm.identity("big")
    crm.give(small, "object:read", crm.object("Lead"))
    crm.give(big, "ViewAllData")
    crm.token(app, small)
    crm.token(app, big)
    assert rights(crm.resolve(privileges.run), "sync") == {("read-data", "all", "definite")}


def test_what_an_app_holds_is_counted() -> None:
    crm = Crm()
    app = crm.app("sync", ("refresh_token", "none"), ("api", "all"))
    ann, ben, staff = crm.partner_user("ann"), crm.partner_user("ben", "P-2"), crm.identity("staff")
    crm.token(app, ann, "1", created_at=AS_OF - 9 * DAY, last_used_at=AS_OF - DAY, last_used_known=True)
    crm.token(app, ann, "2", created_at=AS_OF - 3 * DAY, last_used_known=True)
    crm.token(app, ben, created_at=AS_OF - 2 * DAY, last_used_known=True)
    crm.token(app, staff, created_at=AS_OF - 40 * DAY, last_used_known=True, status="revoked")
    crm.add(AppSettings(app, flows="code", is_public=True, refresh_policy="idle_days", refresh_days=30))
    assert fact(
        crm.resolve(),
        "sync",
        "scopes, gives, tokens, token_users, external_users, partners, partner_names, "
        "oldest_token_at, token_last_used_at, token_use_known, flows, is_public, is_pkce_required, refresh_days",
        "app_facts",
    ) == (
        "api, refresh_token",
        "all",
        3,
        2,
        2,
        2,
        "Nordwind GmbH, Südlicht AG",
        (AS_OF - 9 * DAY).replace(tzinfo=None),
        (AS_OF - DAY).replace(tzinfo=None),
        True,
        "code",
        True,
        None,
        30,
    )


@pytest.mark.parametrize(
    ("scopes", "gives"),
    [
        ([], None),
        ([("openid", "self"), ("x", None)], None),
        ([("full", "all"), ("x", None)], "all"),
        ([("refresh_token", "none")], "none"),
        ([("chatter_api", "data"), ("openid", "self")], "data"),
    ],
)
def test_the_widest_scope_is_said_only_where_it_is_known(
    scopes: list[tuple[str, str | None]], gives: str | None
) -> None:
    crm = Crm()
    crm.app("sync", *scopes)
    assert fact(crm.resolve(partners.run, facts.run, crm_facts.run), "sync", "gives", "app_facts") == (gives,)


def test_a_key_is_its_own_token() -> None:
    crm = Crm()
    key_id = f"{crm.org}:private_app/p1"
    crm.add(
        Identity(key_id, "salesforce", crm.org, "private_app", "key", "p1", True),
        Sign(key_id, kind="salesforce_account", value=ACCOUNTS["P-1"]),
        Credential(
            f"{key_id}/token",
            key_id,
            provider="salesforce",
            tenant_id=crm.org,
            kind="private_app_token",
            native_id="p1",
            status="active",
            is_replaceable=True,
            created_at=AS_OF - DAY,
        ),
    )
    con = crm.resolve(partners.run, facts.run, crm_facts.run)
    columns = "tokens, token_users, partners, oldest_token_at, token_use_known"
    assert fact(con, "key", columns, "app_facts") == (1, 0, 1, (AS_OF - DAY).replace(tzinfo=None), False)
    assert fact(con, "key", "has_access, live_credentials") == (True, 1)


def test_an_app_was_used_when_its_tokens_were() -> None:
    crm = Crm()
    used, unknown = crm.app("used"), crm.app("unknown")
    crm.app("idle")
    user = crm.identity("robot")
    crm.token(used, user, "1", last_used_at=AS_OF - 2 * DAY, last_used_known=True)
    crm.token(used, user, "2", last_used_at=AS_OF - 5 * DAY, last_used_known=True)
    crm.token(unknown, user, "1", last_used_at=AS_OF - 2 * DAY, last_used_known=True)
    crm.token(unknown, user, "2")
    con = crm.resolve(partners.run, facts.run)
    day = (AS_OF - 2 * DAY).replace(tzinfo=None)
    columns = "last_used_at, last_used_known, last_used_source"
    assert fact(con, "used", columns) == (day, True, "use of the tokens that it holds")
    assert fact(con, "unknown", columns) == (day, False, None)
    assert fact(con, "idle", columns) == (None, False, None)


def test_resolving_again_says_the_same() -> None:
    crm, _, user = with_user(("full", "all"))
    crm.add(Membership(user, crm.group("profile", "Sales")))
    con = crm.resolve(privileges.run)
    before = rows(con, "select * from privileges order by all")
    privileges.run(con)
    assert rows(con, "select * from privileges order by all") == before
