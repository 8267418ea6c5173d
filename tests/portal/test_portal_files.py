"""Files of a portal that are missing, broken or old: each is said, and the others stand."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from nhiscan import check, collect, config, doctor
from nhiscan.collect import Context
from nhiscan.model import Coverage, Identity, Setting, Use

from .conftest import AS_OF, TENANT, USERS, Read

LOG = "at,user,outcome\n2026-01-20T08:00Z,u1,success\n"


def test_each_dataset_is_said_exactly_once(read: Read) -> None:
    said = read({"users.csv": USERS})
    datasets = [record.dataset for record in said.of(Coverage)]
    assert len(datasets) == len(set(datasets))
    assert {record.tenant_id for record in said.of(Coverage)} == {TENANT}


def test_what_no_file_holds_is_not_covered(read: Read) -> None:
    said = read({"users.csv": USERS})
    for dataset, table in (("usage.logins", "sign_ins"), ("usage.exports", "exports"), ("sessions", "sessions")):
        assert said.covered(dataset) == (
            "unsupported",
            f"no file holds {table}: name one under collectors.portal.files",
        )
    assert said.covered("credentials")[0] == "unsupported"
    assert said.covered("grants")[0] == "unsupported"


def test_a_portal_without_users_covers_none(read: Read) -> None:
    said = read({"sign_ins.csv": LOG})
    assert said.covered("identities")[0] == "unsupported"
    assert said.covered("identities.last_used")[0] == "unsupported"
    assert len(said.of(Use)) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty: the first line holds the column names"),
        (b"\n\n", "is empty"),
        (
            b"u1,ana@borealis.example,active\n",
            "no column for id or login or mail; found: u1, ana@borealis.example, active",
        ),
        (b"id,mail\nu1,a@b.example\n", "no column for status or is_enabled or is_suspended"),
        (b"id,id,status\n1,2,active\n", "2 columns are 'id'"),
        (b"\xff\xfe\x00", "its encoding cannot be told"),
    ],
)
def test_a_list_of_users_that_cannot_be_read_is_said_and_the_log_stands(
    read: Read, content: bytes, reason: str
) -> None:
    said = read({"users.csv": content, "sign_ins.csv": LOG})
    assert said.of(Identity) == []
    status, told = said.covered("identities")
    assert (status, reason in told) == ("failed", True), told
    assert said.covered("usage.logins")[0] == "complete"


def test_a_list_without_a_user_is_no_empty_portal(read: Read) -> None:
    said = read({"users.csv": USERS.partition("\n")[0] + "\n", "exports.csv": "at,user\n"})
    assert said.covered("identities")[0] == "failed"
    assert said.covered("usage.exports") == ("complete", "")


def test_a_filter_that_fits_no_row_is_no_quiet_log(read: Read) -> None:
    listed = {"path": "hub/sign_ins.csv", "holds": "sign_ins", "only": {"outcome": "sucess"}}
    status, reason = read({"users.csv": USERS, "sign_ins.csv": LOG}, files=[listed]).covered("usage.logins")
    assert (status, "none of its 1 rows counts" in reason) == ("failed", True)


def test_what_stands_before_a_broken_line_is_kept(read: Read) -> None:
    said = read({"users.csv": USERS + 'u3,"cut off'})
    assert [user.native_id for user in said.of(Identity)] == ["u1", "u2"]
    status, reason = said.covered("identities")
    assert status == "partial"
    assert "line 4" in reason
    assert "quotation mark" in reason


def test_a_file_that_is_not_there_is_said_and_the_others_stand(read: Read) -> None:
    said = read({"users.csv": USERS}, files=[{"path": "gone.csv", "holds": "sign_ins"}])
    status, reason = said.covered("usage.logins")
    assert (status, "gone.csv" in reason) == ("failed", True)
    assert said.coverage("usage.logins").history_from is None
    assert len(said.of(Identity)) == 2


def test_one_of_two_logs_that_is_broken_leaves_the_other(read: Read) -> None:
    said = read({"users.csv": USERS, "sign_ins.csv": LOG, "sign_ins_old.csv": "at\n"})
    assert len(said.of(Use)) == 1
    assert said.covered("usage.logins")[0] == "partial"


def test_a_folder_that_is_missing_or_holds_nothing_fails(read: Read, tmp_path: Path) -> None:
    empty = read({"notes.csv": "a\n"})
    assert {record.status for record in empty.of(Coverage)} == {"failed"}
    assert "holds no file of a portal" in empty.covered("identities")[1]
    missing = read({}, path="elsewhere")
    assert {record.status for record in missing.of(Coverage)} == {"failed"}


def test_a_file_of_another_name_is_said_and_not_read(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    assert len(read({"users.csv": USERS, "users_old.csv": USERS.replace("u1", "u9")}).of(Identity)) == 2
    assert "users_old.csv is not read" in caplog.text


def test_a_column_that_the_settings_map_has_to_be_there(read: Read) -> None:
    listed = {"path": "hub/users.csv", "holds": "users", "columns": {"Zuletzt da": "last_sign_in_at"}}
    status, reason = read({"users.csv": USERS}, files=[listed]).covered("identities")
    assert status == "failed"
    assert "no column 'zuletzt_da', which nhiscan.toml maps; found: id, mail, name, status" in reason


@pytest.mark.parametrize(("exported_at", "status"), [(date(2026, 1, 24), "complete"), (date(2026, 1, 22), "partial")])
def test_a_file_of_long_ago_is_partial(read: Read, exported_at: date, status: str) -> None:
    said = read({"users.csv": USERS, "sign_ins.csv": LOG}, exported_at=exported_at)
    assert said.covered("identities")[0] == status
    assert said.covered("usage.logins")[0] == status
    if status == "partial":
        assert said.covered("identities")[1] == "exported 2026-01-22, 9 days before the scan: export it again"


def test_a_file_that_says_nothing_was_exported_when_it_was_written(read: Read) -> None:
    assert read({"users.csv": USERS}, exported_at=None).coverage("identities").collected_at == AS_OF


def test_a_file_with_as_many_rows_as_the_tool_exports_was_cut(read: Read) -> None:
    listed = {"path": "hub/users.csv", "holds": "users", "most_rows": 2}
    assert read({"users.csv": USERS}, files=[listed]).covered("identities") == (
        "truncated",
        "2 rows are as many as the tool exports at most, so that the file was cut",
    )
    assert read({"users.csv": USERS}, files=[listed | {"most_rows": 3}]).covered("identities")[0] == "complete"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_told(read: Read, encoding: str, delimiter: str) -> None:
    text = "id,name,status\r\nu1,Jörg Müller aus Köln,active\r\n".replace(",", delimiter)
    assert read({"users.csv": text.encode(encoding)}).one(Identity).name == "Jörg Müller aus Köln"


def test_another_encoding_after_the_first_rows_is_said(read: Read) -> None:
    listed = {"path": "hub/users.csv", "holds": "users", "encoding": "utf-8"}
    said = read({"users.csv": USERS.encode() + b"u3,,J\xf6rg,active\n"}, files=[listed])
    assert said.covered("identities")[0] in ("partial", "failed")
    assert "encoding" in said.covered("identities")[1]


def test_settings_that_were_stated_stand_and_the_others_are_unknown(read: Read) -> None:
    said = read({"users.csv": USERS}, settings={"sso_required": True, "lockout_attempts": 0, "keys_issued": False})
    values = {setting.name: (setting.value, setting.number) for setting in said.of(Setting)}
    assert values["sso.required"] == ("yes", None)
    assert values["password.lockout_attempts"] == (None, 0)
    assert values["session.idle_minutes"] == (None, None)
    assert said.covered("settings.sign_in") == ("complete", "not stated: local_login_allowed, mfa_required")
    assert said.covered("settings.sessions") == (
        "unsupported",
        "state session_idle_minutes, session_max_hours under collectors.portal.settings",
    )
    assert said.covered("credentials")[0] == "not_applicable"


def test_doctor_says_which_files_are_missing_and_what_that_hides(read: Read, tmp_path: Path) -> None:
    read({"users.csv": USERS})
    given = {"tenant": "hub", "path": "hub", "files": [{"path": "gone.csv", "holds": "sign_ins"}]}
    portal = config.build(collect.load("portal"), given, where="", base=tmp_path, environ={})
    (examined,) = doctor.examine([portal], Context(as_of=AS_OF, is_sample=True), check.load())
    gaps = {gap.dataset: gap for gap in examined.gaps}
    assert "gone.csv" in (gaps["usage.logins"].reason or "")
    assert "mon-failed-login-burst" in gaps["usage.logins"].hides
    assert (gaps["usage.logins"].is_mendable, gaps["usage.exports"].is_mendable) == (True, False)


def test_doctor_looks_at_a_few_rows_of_a_log_only(read: Read, tmp_path: Path) -> None:
    read({"users.csv": USERS, "sign_ins.csv": LOG + "2026-01-20T08:00Z,u1,success\n" * 1000})
    portal = config.build(collect.load("portal"), {"tenant": "hub", "path": "hub"}, where="", base=tmp_path, environ={})
    records = list(collect.run(portal, Context(as_of=AS_OF, is_sample=True)))
    assert sum(isinstance(record, Use) for record in records) < 50


@pytest.mark.parametrize("seed", range(150))
def test_no_damage_to_a_list_of_users_loses_one_without_a_word(read: Read, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"u{n}" for n in range(12)]
    whole = "id,mail,name,status\r\n" + "".join(f'{n},{n}@b.example,"Doe, {n}",active\r\n' for n in names)
    damaged = bytearray(whole.encode())
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(damaged))
        match chance.choice(("cut", "replace", "insert", "delete")):
            case "cut":
                del damaged[at:]
            case "replace":
                damaged[at] = chance.randrange(256)
            case "insert":
                damaged.insert(at, chance.choice(b'",\n\r\x00\xff;='))
            case "delete":
                del damaged[at : at + chance.randrange(1, 9)]
        if not damaged:
            break
    said = read({"users.csv": bytes(damaged)})
    lines = bytes(damaged).splitlines()
    read_whole = len({user.identity_id for user in said.of(Identity) if user.kind == "human_user"})
    # A line that is gone as a whole leaves no trace; a break inside of quotation marks makes one more.
    present = min(sum(line.startswith(b"u") for line in lines), len(names))
    assert len({record.dataset for record in said.of(Coverage)}) == len(said.of(Coverage))
    assert read_whole >= present or said.covered("identities")[0] != "complete"


MAPPED: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "okta",
        "users.csv",
        (
            "User,Login,Status,Activation date,Authentication Source,Last Login,Last Password Change\n"
            "Ana,ana@borealis.example,ACTIVE,2025-01-02T03:04:05.000Z,Okta,2026-01-02T03:04:05.000Z,\n"
        ),
        {
            "mail": "ana@borealis.example",
            "status": "enabled",
            "last_used_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        },
    ),
    (
        "entra-id",
        "users.csv",
        (
            "userPrincipalName,displayName,surname,mail,givenName,id,userType,jobTitle,department,accountEnabled,"
            "creationType,directorySynced,invitationState,identityIssuer,createdDateTime\n"
            "ana_borealis.example#EXT#@acme.example,Ana,,ana@borealis.example,,7cc0,Guest,,,True,Invitation,,"
            "PendingAcceptance,,2025-11-02T10:00:00Z\n"
        ),
        {
            "native_id": "7cc0",
            "status": "invited",
            "is_external": True,
            "created_at": datetime(2025, 11, 2, 10, tzinfo=UTC),
        },
    ),
    (
        "google-workspace",
        "users.csv",
        (
            "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],"
            "Status [READ ONLY],Last Sign In [READ ONLY],2sv Enrolled [READ ONLY]\n"
            "Ana,Borg,ana@borealis.example,****,Suspended,Never logged in,True\n"
        ),
        {"name": "Ana Borg", "status": "disabled", "last_used_known": True, "mfa_state": "registered"},
    ),
    (
        "zendesk",
        "users.csv",
        (
            "ID,Name,Email,Suspended,Date created,Last updated,Last sign-in,Time zone,Language,Primary Group,Groups\n"
            '4711,Ana,ana@borealis.example,FALSE,2025-01-02,2025-01-02,2026-01-02,,,Support,"Support, Sales"\n'
        ),
        {"native_id": "4711", "status": "enabled", "last_used_at": datetime(2026, 1, 2, tzinfo=UTC)},
    ),
    (
        "atlassian",
        "users.csv",
        (
            "User id,User name,email,User status,Added to org,Org role,Last seen in Jira - a,Last seen in Atlas - a\n"
            "712020:97,Ana,ana@borealis.example,Active,3 Jan 2024,User,Never accessed,12 May 2024\n"
        ),
        {"native_id": "712020:97", "status": "enabled", "last_used_at": datetime(2024, 5, 12, tzinfo=UTC)},
    ),
    (
        "auth0",
        "users.csv",
        (
            "user_id,name,email,blocked,created_at,last_login\n"
            "auth0|5f,Ana,ana@borealis.example,true,2025-01-02T03:04:05.000Z,\n"
        ),
        {"native_id": "auth0|5f", "status": "disabled", "last_used_known": True, "last_used_at": None},
    ),
]


@pytest.mark.parametrize(("mapping", "name", "content", "expected"), MAPPED, ids=[each[0] for each in MAPPED])
def test_a_named_mapping_reads_its_products_users(
    read: Read, mapping: str, name: str, content: str, expected: dict[str, Any]
) -> None:
    said = read({name: content}, mapping=mapping)
    assert said.covered("identities")[0] == "complete", said.covered("identities")[1]
    (user,) = (identity for identity in said.of(Identity) if identity.kind == "human_user")
    assert {field: getattr(user, field) for field in expected} == expected


def test_the_okta_system_log_gives_sign_ins_only(read: Read) -> None:
    header = (
        "severity,event_type,display_message,uuid,version,timestamp,outcome.result,outcome.reason,actor.id,actor.type,"
        "actor.display_name,actor.alternate_id,authentication_context.credential_type,client.ip_address,"
        "client.user_agent.raw_user_agent,client.geographical_context.country\n"
    )
    row = (
        "INFO,{},x,{},0,2026-01-20T08:00:00.000Z,{},INVALID_CREDENTIALS,00u1,User,Ana,ana@borealis.example,PASSWORD,"
        "192.0.2.1,Mozilla/5.0,Netherlands\n"
    )
    said = read(
        {
            "users.csv": "User,Login,Status\nAna,ana@borealis.example,ACTIVE\n",
            "sign_ins.csv": header
            + row.format("user.session.start", "a", "FAILURE")
            + row.format("policy.evaluate_sign_on", "b", "ALLOW")
            + row.format("user.session.start", "c", "SUCCESS"),
        },
        mapping="okta",
    )
    first, second = said.of(Use)
    assert (first.outcome, first.reason, first.flow, first.country) == (
        "failure",
        "INVALID_CREDENTIALS",
        "password",
        "Netherlands",
    )
    assert (second.event_id.startswith(f"{TENANT}:login/c-"), second.outcome, second.identity_id) == (
        True,
        "success",
        f"{TENANT}:user/ana@borealis.example",
    )


def test_the_entra_log_gives_sign_ins_and_leaves_interrupted_ones_out(read: Read) -> None:
    header = (
        "Date (UTC),Request ID,User agent,Correlation ID,User ID,User,Username,User type,Incoming token type,"
        "Application,Application ID ,IP address,Location,Status,Sign-in error code,Failure reason,Client app,Browser,"
        "Operating System,Incoming token type\n"
    )
    row = (
        "2025-12-04T08:19:41Z,{},,c,7CC0,Ana,ana,Guest,none,Hub,1,192.0.2.1,"
        '"Utrecht, Utrecht, NL",{},0,,Browser,Edge 120,Windows10,x\n'
    )
    said = read(
        {
            "users.csv": "userPrincipalName,displayName,mail,id,accountEnabled\nana,Ana,,7cc0,True\n",
            "sign_ins.csv": header + row.format("r1", "Success") + row.format("r2", "Interrupted"),
        },
        mapping="entra-id",
    )
    assert said.covered("usage.logins") == ("complete", "")
    use = said.one(Use)
    assert (use.event_id.startswith(f"{TENANT}:login/r1-"), use.country, use.user_agent, use.identity_id) == (
        True,
        "NL",
        "Edge 120 Windows10",
        f"{TENANT}:user/7cc0",
    )
