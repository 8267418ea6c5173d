from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from nhiscan.model import Coverage, Credential, Identity, ServiceUse, Use
from nhiscan.resolve import paths, privileges, unused
from tests.resolve.aws_estate import A, Estate, allow, arn
from tests.resolve.test_table_privileges import Mail, installed, mail

__all__ = ["installed", "mail"]  # fixtures

BEGIN = datetime(2024, 12, 27, tzinfo=UTC)
READ_AT = datetime(2026, 1, 31, tzinfo=UTC)
USED_AT = datetime(2026, 1, 20, tzinfo=UTC)


def at(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


@pytest.fixture
def estate() -> Estate:
    made = Estate()
    made.account()
    made.records.append(
        Coverage("aws", f"aws:{A}", "usage.services", "complete", history_from=BEGIN, collected_at=READ_AT)
    )
    return made


def judged(con: duckdb.DuckDBPyConnection) -> None:
    privileges.run(con)
    paths.run(con)
    unused.run(con)


def resolved(estate: Estate) -> duckdb.DuckDBPyConnection:
    con = estate.load()
    judged(con)
    return con


def row(con: duckdb.DuckDBPyConnection, identity_id: str, verb: str) -> dict[str, Any]:
    found = con.execute(
        "select u.* from unused_privileges u join identities i using (identity_key) "
        "where i.identity_id = ? and u.verb = ?",
        [identity_id, verb],
    )
    names = [column[0] for column in found.description or ()]
    (values,) = found.fetchall()
    return dict(zip(names, values, strict=True))


def verbs(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {verb for (verb,) in con.execute("select verb from unused_privileges").fetchall()}


def uses(estate: Estate, identity_id: str, **services: datetime | None) -> None:
    estate.records += [ServiceUse(identity_id, service=name, last_used_at=when) for name, when in services.items()]


def test_a_verb_is_used_when_a_service_that_gives_it_was(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow(["s3:PutObject", "sqs:SendMessage", "dynamodb:PutItem"]))
    uses(estate, bot, s3=USED_AT, sqs=None, dynamodb=None)
    found = row(resolved(estate), bot, "write-data")
    assert found.pop("identity_key") is not None
    assert found == {
        "verb": "write-data",
        "level": 4,
        "is_used": True,
        "last_used_at": at(USED_AT),
        "services": 3,
        "services_unused": 2,
        "known_from": at(BEGIN),
        "source": "access advisor",
        "evidence": "last used: 2026-01-20 s3; not used: dynamodb, sqs; "
        "by access advisor of 2026-01-31, which looks back to 2024-12-27",
    }


def test_a_verb_is_unused_when_none_of_its_services_was_used(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow(["s3:PutObject", "secretsmanager:GetSecretValue"]))
    uses(estate, bot, s3=USED_AT, secretsmanager=None)
    con = resolved(estate)
    found = row(con, bot, "read-secret")
    assert (found["is_used"], found["last_used_at"], found["services_unused"]) == (False, None, 1)
    assert row(con, bot, "write-data")["is_used"] is True


def test_a_service_that_the_advisor_does_not_name_leaves_a_verb_unknown(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow(["s3:PutObject", "sqs:SendMessage"]))
    uses(estate, bot, s3=None)
    found = row(resolved(estate), bot, "write-data")
    assert (found["is_used"], found["services"], found["services_unused"]) == (None, 2, 1)
    assert "not followed: sqs" in found["evidence"]


def test_passing_a_role_leaves_no_trace_so_it_is_never_called_unused(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("iam:PassRole"))
    uses(estate, bot, iam=None)
    found = row(resolved(estate), bot, "delegate")
    assert (found["is_used"], found["services"], found["services_unused"]) == (None, 1, 0)


def test_use_of_iam_is_no_use_of_passing_roles(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("iam:PassRole"))
    uses(estate, bot, iam=USED_AT)
    assert row(resolved(estate), bot, "delegate")["is_used"] is None


def test_an_administrator_is_judged_by_what_makes_one(estate: Estate) -> None:
    idle, busy = estate.identity("user/idle"), estate.identity("user/busy")
    for bot in (idle, busy):
        estate.give(bot, allow("*"))
        uses(estate, bot, iam=None, ec2=None, kms=None, sts=None, s3=USED_AT if bot == busy else None)
    con = resolved(estate)
    assert row(con, idle, "admin")["is_used"] is False
    found = row(con, busy, "admin")
    assert (found["is_used"], found["services"], found["services_unused"]) == (True, 5, 4)
    # Hundreds of services give it, of which the advisor named five.
    assert row(con, idle, "write-data")["is_used"] is None


def test_only_what_is_definite_and_of_some_weight_is_judged(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    once = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    estate.give(bot, allow("s3:PutObject", Condition=once), allow("ec2:DescribeInstances"), allow("sqs:SendMessage"))
    uses(estate, bot, s3=None, ec2=None, sqs=USED_AT)
    con = resolved(estate)
    assert verbs(con) == {"write-data"}
    assert row(con, bot, "write-data")["services"] == 1


def test_a_deny_takes_a_service_out_of_the_count(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow(["s3:PutObject", "sqs:SendMessage"]))
    estate.give(bot, {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"})
    uses(estate, bot, s3=None, sqs=USED_AT)
    found = row(resolved(estate), bot, "write-data")
    assert (found["is_used"], found["services"], found["services_unused"]) == (False, 1, 1)


def test_each_holder_of_the_same_policies_has_its_own_use(estate: Estate) -> None:
    shared = estate.policy(allow("s3:PutObject"))
    one, other, unasked = (estate.identity(f"role/{name}") for name in ("one", "other", "unasked"))
    for role in (one, other, unasked):
        estate.bind(role, shared)
    uses(estate, one, s3=USED_AT)
    uses(estate, other, s3=None)
    con = resolved(estate)
    assert [row(con, role, "write-data")["is_used"] for role in (one, other, unasked)] == [True, False, None]


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        ([], "access advisor was not read"),
        ([("denied", "AccessDenied")], "access advisor says nothing of it: denied, AccessDenied"),
        ([("complete", None)], "access advisor says nothing of it"),
    ],
)
def test_whoever_was_not_asked_about_is_unknown_and_the_reason_is_said(
    coverage: list[tuple[str, str | None]], words: str
) -> None:
    estate = Estate()
    estate.account()
    estate.records += [Coverage("aws", f"aws:{A}", "usage.services", *said) for said in coverage]
    bot = estate.identity("user/bot")
    estate.give(bot, allow("s3:PutObject"))
    found = row(resolved(estate), bot, "write-data")
    assert (found["is_used"], found["services"], found["source"], found["known_from"]) == (None, None, None, None)
    assert found["evidence"] == words


def logged(identity_id: str, action: str, *, kind: str = "role_change", outcome: str = "success") -> Use:
    return Use(
        event_id=f"e-{action}-{kind}-{outcome}",
        provider="aws",
        tenant_id=f"aws:{A}",
        occurred_at=USED_AT,
        kind=kind,
        action=action,
        outcome=outcome,
        identity_id=identity_id,
    )


def test_a_logged_action_is_use_even_where_the_advisor_says_nothing(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow(["iam:AttachRolePolicy", "s3:PutObject"]))
    estate.records.append(logged(bot, "AttachRolePolicy"))
    con = resolved(estate)
    found = row(con, bot, "manage-policy")
    assert (found["is_used"], found["last_used_at"], found["source"]) == (True, at(USED_AT), "logs")
    assert found["evidence"].startswith("log: AttachRolePolicy 2026-01-20; ")
    assert row(con, bot, "write-data")["is_used"] is None


def test_the_newer_of_advisor_and_log_counts(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("iam:AttachRolePolicy"))
    estate.records.append(logged(bot, "AttachRolePolicy"))
    uses(estate, bot, iam=BEGIN)
    found = row(resolved(estate), bot, "manage-policy")
    assert (found["last_used_at"], found["source"]) == (at(USED_AT), "access advisor and logs")


@pytest.mark.parametrize("how", [{"outcome": "failure"}, {"kind": "login"}])
def test_a_refused_call_and_being_assumed_are_no_use(estate: Estate, how: dict[str, str]) -> None:
    bot = estate.identity("role/bot")
    estate.give(bot, allow("sts:AssumeRole"))
    estate.records.append(logged(bot, "AssumeRole", **{"kind": "call", **how}))
    uses(estate, bot, sts=None)
    assert row(resolved(estate), bot, "impersonate")["is_used"] is False


def test_logs_of_another_verb_prove_nothing(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("iam:AttachRolePolicy"))
    estate.records.append(logged(bot, "CreateAccessKey", kind="credential_change"))
    assert row(resolved(estate), bot, "manage-policy")["is_used"] is None


def test_an_event_with_a_star_for_a_name_names_no_action(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("iam:AttachRolePolicy"))
    estate.records.append(logged(bot, "*"))
    assert row(resolved(estate), bot, "manage-policy")["is_used"] is None


def never_used(estate: Estate, name: str, *, known: bool = True) -> str:
    identity_id = f"aws:{A}:user/{name}"
    estate.records.append(
        Identity(
            identity_id,
            "aws",
            f"aws:{A}",
            "service_account",
            name,
            arn(f"user/{name}"),
            is_nhi=True,
            created_at=BEGIN,
            last_used_known=known,
        )
    )
    estate.give(identity_id, allow("s3:PutObject"))
    return identity_id


def test_an_identity_that_was_never_used_used_none_of_its_rights(estate: Estate) -> None:
    bot, unknown = never_used(estate, "bot"), never_used(estate, "unknown", known=False)
    con = resolved(estate)
    found = row(con, bot, "write-data")
    assert (found["is_used"], found["known_from"], found["source"]) == (False, at(BEGIN), "last use of the identity")
    assert found["evidence"].startswith("the identity itself was never used")
    assert row(con, unknown, "write-data")["is_used"] is None


def test_a_used_key_is_use_by_its_holder(estate: Estate) -> None:
    bot = never_used(estate, "bot")
    estate.records.append(
        Credential(
            f"aws:{A}:access_key/k",
            bot,
            provider="aws",
            tenant_id=f"aws:{A}",
            kind="access_key",
            native_id="k",
            status="active",
            is_replaceable=True,
            last_used_at=USED_AT,
        )
    )
    assert row(resolved(estate), bot, "write-data")["is_used"] is None


def test_a_narrow_right_counts_by_whom_it_reaches(estate: Estate) -> None:
    bot, strong = estate.identity("user/bot"), estate.identity("role/strong")
    estate.give(bot, allow("iam:UpdateAssumeRolePolicy", arn("role/strong")))
    con = estate.load()
    privileges.run(con)
    con.execute(
        "insert into privileges by name select identity_key, 'escalate' as verb, 'definite' as certainty, 5 as level "
        "from identities"
    )
    con.execute(
        "insert into narrow_levels select identity_key, 'manage-trust', 5 from identities where identity_id = ?", [bot]
    )
    unused.run(con)
    assert strong
    assert row(con, bot, "manage-trust")["level"] == 5
    assert verbs(con) == {"manage-trust"}  # and that this makes an administrator is no right of its own


def test_a_second_run_says_the_same(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("*"))
    uses(estate, bot, s3=USED_AT)
    con = resolved(estate)
    first = con.execute("select * from unused_privileges order by all").fetchall()
    unused.run(con)
    assert con.execute("select * from unused_privileges order by all").fetchall() == first


def test_grants_that_date_their_use_are_judged_permission_by_permission(mail: Mail) -> None:
    bot, box = mail.identity("bot"), mail.box("orders")
    mail.give(bot, "messages.write", last_used_at=USED_AT, last_used_known=True, granted_at=BEGIN)
    mail.give(bot, "contacts.write", last_used_known=True, granted_at=BEGIN)
    mail.give(bot, "calendar.export", last_used_known=True, resource_id=box)
    con = mail.load()
    judged(con)
    found = row(con, bot, "write-data")
    assert (found["is_used"], found["last_used_at"], found["known_from"]) == (True, at(USED_AT), at(BEGIN))
    assert (found["services"], found["services_unused"], found["source"]) == (2, 1, "the grant itself")
    assert "not used: contacts.write" in found["evidence"]
    assert row(con, bot, "export-data")["is_used"] is False


def test_a_permission_is_unused_only_when_every_grant_of_it_dates_its_use(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "messages.write", last_used_known=True)
    mail.give(bot, "messages.write", resource_id=mail.box("orders"))
    con = mail.load()
    judged(con)
    assert row(con, bot, "write-data")["is_used"] is None


def test_administrators_by_core_permissions_are_judged_by_these(mail: Mail) -> None:
    bot = mail.identity("bot")
    for permission in ("users.rights", "messages.read", "billing.pay"):
        mail.give(bot, permission, last_used_known=True)
    con = mail.load()
    judged(con)
    found = row(con, bot, "admin")
    assert (found["is_used"], found["services"], found["services_unused"]) == (False, 3, 3)


def test_the_tables_left_behind_are_those_of_the_schema(estate: Estate) -> None:
    bot = estate.identity("user/bot")
    estate.give(bot, allow("s3:PutObject"))
    uses(estate, bot, s3=USED_AT)
    con = estate.load()
    judged(con)
    left = con.execute("select table_name from duckdb_tables() where temporary order by all").fetchall()
    assert [name for (name,) in left if name.startswith(("unused", "aws_holders", "table_"))] == []
