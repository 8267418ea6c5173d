"""Users, roles and sessions of a portal become identities; what cannot be read is counted, never taken for harmless."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nhiscan.errors import ConfigError
from nhiscan.model import Credential, Grant, Identity, Membership, Tag, Tenant

from .conftest import TENANT, USERS, Read


def users(header: str, *rows: str) -> dict[str, str]:
    return {"users.csv": "\n".join([header, *rows]) + "\n"}


def test_a_user_is_a_person_with_an_address(read: Read) -> None:
    said = read({"users.csv": USERS})
    ana, ben = said.of(Identity)
    assert said.one(Tenant).tenant_id == TENANT
    assert (ana.identity_id, ana.kind, ana.is_nhi, ana.mail) == (
        f"{TENANT}:user/u1",
        "human_user",
        False,
        "ana@borealis.example",
    )
    assert (ben.name, ben.status, ben.is_external) == ("Ben", "enabled", None)
    assert said.covered("identities") == ("complete", "")


@pytest.mark.parametrize(
    ("cell", "status"),
    [("active", "enabled"), ("Suspended", "disabled"), ("INACTIVE", "disabled"), ("Invited", "invited")],
)
def test_the_state_of_a_user_is_read_in_usual_words(read: Read, cell: str, status: str) -> None:
    assert read(users("id,status", f"u1,{cell}")).one(Identity).status == status


def test_a_state_that_nobody_knows_is_not_taken_for_disabled(read: Read) -> None:
    said = read(users("id,status", "u1,zombie", "u2,"))
    assert [user.status for user in said.of(Identity)] == ["enabled", "enabled"]
    status, reason = said.covered("identities")
    assert status == "partial"
    assert "status is no known word (line 2: 'zombie')" in reason
    assert "status or is_enabled or is_suspended is empty (line 3)" in reason


@pytest.mark.parametrize(
    ("header", "cell", "status"),
    [("is_enabled", "FALSE", "disabled"), ("is_suspended", "true", "disabled"), ("is_suspended", "no", "enabled")],
)
def test_the_state_may_stand_as_yes_or_no(read: Read, header: str, cell: str, status: str) -> None:
    assert read(users(f"id,{header}", f"u1,{cell}")).one(Identity).status == status


def test_a_list_without_states_is_refused_until_somebody_says_that_all_are_active(read: Read) -> None:
    said = read(users("id,mail", "u1,a@b.example"))
    assert said.of(Identity) == []
    assert said.covered("identities")[0] == "failed"
    listed = {"path": "hub/users.csv", "holds": "users", "fixed": {"status": "enabled"}}
    assert read({}, path=None, files=[listed]).one(Identity).status == "enabled"


@pytest.mark.parametrize(
    ("licence", "is_external"),
    [("partner", True), ("guest", True), ("customer", True), ("internal", False), ("integration", False)],
)
def test_a_licence_says_who_is_from_outside(read: Read, licence: str, is_external: bool) -> None:
    assert read({"users.csv": "id,status\nu1,active\n"}, licence=licence).one(Identity).is_external is is_external
    own = read(users("id,status,licence", f"u1,active,{licence}"), licence="internal").one(Identity)
    assert (own.licence, own.is_external) == (licence, is_external)


def test_never_signed_in_and_not_known_are_told_apart(read: Read) -> None:
    listed = {"path": "hub/users.csv", "holds": "users", "never": ["Never logged in"]}
    files = users(
        "id,status,last_sign_in_at", "u1,active,Never logged in", "u2,active,", "u3,active,2026-01-02T03:04:05Z"
    )
    said = read(files, path=None, files=[listed])
    assert [(user.last_used_known, user.last_used_at) for user in said.of(Identity)] == [
        (True, None),
        (False, None),
        (True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ]
    assert said.covered("identities.last_used")[0] == "complete"


def test_an_empty_cell_is_never_only_where_somebody_says_so(read: Read) -> None:
    listed = {"path": "hub/users.csv", "holds": "users", "never": [""]}
    said = read(users("id,status,last_sign_in_at,created_at", "u1,active,,"), path=None, files=[listed])
    assert (said.one(Identity).last_used_known, said.one(Identity).created_at) == (True, None)


def test_last_use_is_told_from_sign_ins_where_the_list_does_not_say(read: Read) -> None:
    said = read(
        {
            "users.csv": "id,status,created_at\nold,active,2020-01-01\nnew,active,2026-01-20\nbusy,active,2020-01-01\n",
            "sign_ins.csv": "at,user,outcome\n2026-01-10T08:00Z,busy,success\n2026-01-11T08:00Z,old,failure\n",
        }
    )
    assert {user.native_id: (user.last_used_known, user.last_used_at) for user in said.of(Identity)} == {
        "old": (False, None),
        "new": (True, None),
        "busy": (True, datetime(2026, 1, 10, 8, tzinfo=UTC)),
    }
    assert said.covered("identities.last_used")[0] == "complete"


def test_of_the_list_and_the_log_the_newer_sign_in_counts(read: Read) -> None:
    said = read(
        {
            "users.csv": "id,status,last_sign_in_at\nu1,active,2026-01-01T00:00Z\n",
            "sign_ins.csv": "at,user,outcome\n2026-01-10T08:00Z,u1,success\n",
        }
    )
    assert said.one(Identity).last_used_at == datetime(2026, 1, 10, 8, tzinfo=UTC)


def test_without_a_word_about_sign_ins_last_use_is_not_covered(read: Read) -> None:
    assert read({"users.csv": USERS}).covered("identities.last_used") == (
        "unsupported",
        "the list of users has no column last_sign_in_at",
    )


def test_whoever_was_invited_holds_an_open_invitation(read: Read) -> None:
    said = read(users("id,mail,status,invited_at", "u1,a@b.example,invited,2026-01-02T00:00Z"))
    invitation = said.one(Credential)
    assert said.one(Identity).status == "invited"
    assert (invitation.kind, invitation.created_at) == ("invitation", datetime(2026, 1, 2, tzinfo=UTC))
    assert (invitation.last_used_at, invitation.last_used_known) == (None, True)


def test_whoever_signed_in_has_accepted_the_invitation(read: Read) -> None:
    said = read(users("id,status,last_sign_in_at", "u1,invited,2026-01-02T00:00Z"))
    assert said.one(Identity).status == "enabled"
    assert said.of(Credential) == []


@pytest.mark.parametrize(("cell", "state"), [("True", "registered"), ("no", "none"), ("", None)])
def test_a_second_factor_is_registered_missing_or_unknown(read: Read, cell: str, state: str | None) -> None:
    said = read(users("id,status,mfa", f"u1,active,{cell}"))
    assert said.one(Identity).mfa_state == state
    assert said.covered("identities.mfa")[0] == "complete"


def test_the_partner_that_the_tool_names_is_a_label(read: Read) -> None:
    said = read(users("id,status,partner", "u1,active,Borealis GmbH", "u2,active,"))
    assert [(tag.identity_id, tag.name, tag.value) for tag in said.of(Tag)] == [
        (f"{TENANT}:user/u1", "partner", "Borealis GmbH")
    ]
    assert said.covered("identities.tags")[0] == "complete"
    assert read({"users.csv": USERS}).covered("identities.tags")[0] == "not_applicable"


def test_roles_are_groups_by_list_and_by_file(read: Read) -> None:
    said = read(
        {
            "users.csv": 'id,status,roles\nu1,active,"Sales; Admin"\nu2,active,\n',
            "roles.csv": "user,role\nu2,Sales\nnobody,Sales\n",
        }
    )
    groups = {identity.name: identity.identity_id for identity in said.of(Identity) if identity.kind == "group"}
    assert groups == {"Admin": f"{TENANT}:role/Admin", "Sales": f"{TENANT}:role/Sales"}
    assert {(m.identity_id, m.group_id) for m in said.of(Membership)} == {
        (f"{TENANT}:user/u1", groups["Sales"]),
        (f"{TENANT}:user/u1", groups["Admin"]),
        (f"{TENANT}:user/u2", groups["Sales"]),
    }
    status, reason = said.covered("memberships")
    assert status == "partial"
    assert "name no user of the list" in reason


def test_rights_are_unknown_until_they_are_stated_for_every_role(read: Read) -> None:
    files = {"users.csv": 'id,status,roles\nu1,active,"Sales,Admin"\n'}
    some = read(files, rights={"sales": "write-data of account"})
    assert some.covered("grants") == (
        "unsupported",
        "nobody said under collectors.portal.rights what these roles may do: 'Admin'",
    )
    every = read(files, rights={"sales": "write-data of account", "ADMIN": "admin"})
    assert every.covered("grants")[0] == "complete"
    assert {(g.principal, g.permission, g.record_scope) for g in every.of(Grant)} == {
        ("Sales", "write-data", "account"),
        ("Admin", "admin", "all"),
    }


def test_sessions_belong_to_users_of_the_list(read: Read) -> None:
    said = read(
        {
            "users.csv": USERS,
            "sessions.csv": "id,user,expires_at\ns1,ANA@borealis.example,2026-02-01T00:00Z\ns2,zoe,\n",
        }
    )
    session = said.one(Credential)
    assert (session.kind, session.identity_id, session.expiry_known) == ("session", f"{TENANT}:user/u1", True)
    assert said.covered("sessions")[0] == "partial"


def test_a_user_without_an_id_is_known_by_login_without_case(read: Read) -> None:
    said = read(users("login,status", "Ana@Borealis.example,active"))
    user = said.one(Identity)
    assert (user.identity_id, user.mail) == (f"{TENANT}:user/ana@borealis.example", "ana@borealis.example")


def test_a_user_in_two_states_is_taken_for_enabled_and_said(read: Read) -> None:
    said = read(users("id,status", "u1,disabled", "u1,active", "u2,active", "u2,active"))
    assert {user.status for user in said.of(Identity)} == {"enabled"}
    assert said.covered("identities") == (
        "partial",
        "1 of 4 rows: stand twice in different states and are taken for enabled",
    )


def test_names_are_put_together_and_hostile_ones_cleaned(read: Read) -> None:
    said = read(
        users("id,first_name,last_name,status", 'u1,"=HYPERLINK(""http://x"")","A\u202enna\n<b>",active', "u2,,,active")
    )
    assert [user.name for user in said.of(Identity)] == ['=HYPERLINK("http://x") Anna <b>', "u2"]


def test_a_long_name_is_shortened_where_it_is_quoted(read: Read) -> None:
    reason = read(users("id,mail,status", f"u1,{'x' * 2000},active")).covered("identities")[1]
    assert "mail is not a mail address" in reason
    assert len(reason) < 300


def test_rows_that_are_cut_or_too_long_are_left_out_and_counted(read: Read) -> None:
    said = read(users("id,mail,status", "u1,a@b.example,active", "u2,a@b.example,active,more", "u3,c@d.exa"))
    assert [user.native_id for user in said.of(Identity)] == ["u1"]
    status, reason = said.covered("identities")
    assert status == "partial"
    assert "1 of 3 rows: more cells than columns (line 3)" in reason
    assert "1 of 3 rows: fewer cells than columns (line 4)" in reason


def test_only_the_first_lines_are_named(read: Read) -> None:
    reason = read(users("id,status", *(f"u{n},odd" for n in range(50)))).covered("identities")[1]
    assert reason == (
        "50 of 50 rows: status is no known word (line 2: 'odd'; line 3: 'odd'; line 4: 'odd' and 47 more)"
    )


def test_an_id_that_a_spreadsheet_damaged_is_no_id(read: Read) -> None:
    said = read(users("id,status", "1.23457E+15,active", "#REF!,active", "u3,active"))
    assert [user.native_id for user in said.of(Identity)] == ["u3"]
    assert said.covered("identities")[0] == "partial"


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"tenant": "a:b"}, "no name for a portal"),
    ({"path": None}, "names neither path nor files"),
    ({"mapping": "octa"}, "unknown mapping 'octa'"),
    ({"licence": "partners"}, "unknown licence"),
    ({"rights": {"Admin": "everything"}}, "is no right"),
    ({"files": [{"path": "x.csv", "holds": "user"}]}, "files hold no 'user'"),
    ({"files": [{"path": "x.csv", "holds": "users", "columns": {"A": "mial"}}]}, "have no column 'mial'"),
    ({"files": [{"path": "x.csv", "holds": "users", "words": {"status active": "enabled"}}]}, "column of words"),
    ({"files": [{"path": "x.csv", "holds": "users", "words": {"status: aktiv": "on"}}]}, "'on' is no status"),
    ({"files": [{"path": "x.csv", "holds": "users", "timezone": "Berlin"}]}, "unknown timezone"),
    ({"files": [{"path": "x.csv", "holds": "users", "date_format": "%Y"}]}, "does not name a day"),
    ({"files": [{"path": "x.csv", "holds": "users", "fixed": {"statu": "x"}}]}, "have no column 'statu'"),
    ({"settings": {"sso": True}}, "settings.sso: unknown key"),
]


@pytest.mark.parametrize(("settings", "message"), SETTINGS)
def test_a_setting_that_cannot_be_is_an_error_that_names_it(read: Read, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read({"users.csv": USERS}, **settings)
