"""Rights of providers that have no evaluator: an invented mail gateway, its grants and its collector's table."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import load, store
from nhiscan.errors import ConfigError
from nhiscan.model import Coverage, Grant, Identity, Membership, Record, Resource, Tenant
from nhiscan.resolve import facts, privileges, table_privileges, verb_tables
from nhiscan.resolve.table_privileges import Meaning

AS_OF = datetime(2026, 1, 31, tzinfo=UTC)
TENANT = "mail:main"
TABLE = """
[verbs]
admin = ["mail:*"]
read-data = ["messages.read", { permission = "messages.read.own", scope = "self" }, "*.export"]
export-data = ["*.export"]
write-data = ["messages.write"]
manage-policy = ["users.rights", { permission = "boxes.share", over_resources = true }]
none = ["profile"]

[admin]
core = ["users.rights", "messages.*", "billing.pay"]

[fallback]
write-data = ["*.write"]
read-config = ["*.view", "messages.write"]
"""


@dataclass
class Mail:
    records: list[Record] = field(default_factory=list)
    _grants: int = 0

    def tenant(self, **coverage: str) -> None:
        self.records.append(Tenant(TENANT, "mail"))
        for dataset, status in ({"identities": "complete", "grants": "complete"} | coverage).items():
            self.records.append(Coverage("mail", TENANT, dataset, status))

    def identity(self, name: str, kind: str = "service_account") -> str:
        identity_id = f"{TENANT}:{kind}/{name}"
        self.records.append(Identity(identity_id, "mail", TENANT, kind, name, name, True))
        return identity_id

    def box(self, name: str) -> str:
        resource_id = f"{TENANT}:box/{name}"
        self.records.append(Resource(resource_id, "mail", TENANT, kind="box", name=name, native_id=name))
        return resource_id

    def give(self, identity_id: str, permission: str, **more: Any) -> None:
        self._grants += 1
        self.records.append(
            Grant(
                grant_id=f"{TENANT}:grant/{self._grants}",
                provider="mail",
                tenant_id=TENANT,
                principal_kind="identity",
                principal=identity_id,
                permission=permission,
                identity_id=identity_id,
                **more,
            )
        )

    def load(self) -> duckdb.DuckDBPyConnection:
        con = store.empty()
        con.execute("insert into scans (scan_id, as_of) values ('s', timestamp '2026-01-31')")
        load.load(con, self.records)
        return con

    def resolved(self) -> duckdb.DuckDBPyConnection:
        con = self.load()
        privileges.run(con)
        return con


@pytest.fixture
def mail(installed: Path) -> Mail:
    del installed
    made = Mail()
    made.tenant()
    return made


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A collector's package on the path, as an installer leaves it; answers its table's file."""
    package = tmp_path / "mail_rights_for_nhiscan"
    package.mkdir()
    (package / "__init__.py").write_text("class Mail: ...\n")
    (package / "live.py").write_text("class Mail: ...\n")
    (package / "privileges.toml").write_text(TABLE)
    metadata = tmp_path / "mail_rights_for_nhiscan-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mail-rights-for-nhiscan\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[nhiscan.collectors]\nmail = mail_rights_for_nhiscan.live:Mail\n")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.startswith("mail_rights_for_nhiscan")]:
        monkeypatch.delitem(sys.modules, module)
    for cached in (table_privileges.table, verb_tables.read):
        cached.cache_clear()
    yield package / "privileges.toml"
    for cached in (table_privileges.table, verb_tables.read):
        cached.cache_clear()


def held(con: duckdb.DuckDBPyConnection, identity_id: str) -> set[tuple[str, str, str, int | None]]:
    rows = con.execute(
        "select p.verb, p.scope, p.certainty, p.level from privileges p join identities i using (identity_key) "
        "where i.identity_id = ?",
        [identity_id],
    ).fetchall()
    return set(rows)


def test_a_grant_on_the_tenant_is_for_all_and_one_on_a_resource_for_that_resource(mail: Mail) -> None:
    wide, narrow = mail.identity("wide"), mail.identity("narrow")
    mail.give(wide, "messages.read")
    mail.give(narrow, "messages.read", resource_id=mail.box("orders"))
    con = mail.resolved()
    assert held(con, wide) == {("read-data", "all", "definite", 3)}
    assert held(con, narrow) == {("read-data", "single", "definite", 1)}


def test_grants_on_several_resources_are_a_set(mail: Mail) -> None:
    bot = mail.identity("bot")
    for name in ("orders", "returns"):
        mail.give(bot, "messages.read", resource_id=mail.box(name))
    assert held(mail.resolved(), bot) == {("read-data", "set", "definite", 2)}


def test_the_same_grant_twice_is_no_set(mail: Mail) -> None:
    bot, box = mail.identity("bot"), mail.box("orders")
    mail.give(bot, "messages.read", resource_id=box)
    mail.give(bot, "messages.read, messages.read", resource_id=box)
    assert held(mail.resolved(), bot) == {("read-data", "single", "definite", 1)}


def test_an_entry_may_say_that_a_permission_reaches_less_than_its_grant(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "messages.read.own")
    assert held(mail.resolved(), bot) == {("read-data", "self", "definite", 1)}


def test_a_permission_has_every_verb_that_names_it(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "contacts.export")
    assert held(mail.resolved(), bot) == {("read-data", "all", "definite", 3), ("export-data", "all", "definite", 4)}


def test_the_fallback_counts_only_for_what_no_verb_names(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "contacts.write,messages.write")
    assert held(mail.resolved(), bot) == {("write-data", "all", "definite", 4)}


def test_an_unknown_permission_is_unknown_and_never_none(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "teleport")
    con = mail.resolved()
    assert held(con, bot) == {("unknown", "all", "potential", None)}
    facts.run(con)
    assert con.execute("select level, level_high, is_admin from identity_facts").fetchall() == [(0, None, False)]


def test_a_grant_that_does_not_say_what_may_permit_everything(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, " , ")
    con = mail.resolved()
    assert held(con, bot) == {("unknown", "all", "potential", None)}
    facts.run(con)
    assert con.execute("select is_admin from identity_facts").fetchall() == [(None,)]


def test_a_permission_in_other_letters_is_another_permission(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "Messages.Read")
    assert held(mail.resolved(), bot) == {("unknown", "all", "potential", None)}


def test_whoever_holds_nothing_has_none(mail: Mail) -> None:
    bot = mail.identity("bot")
    assert held(mail.resolved(), bot) == {("none", "self", "definite", 0)}


def test_a_permission_that_gives_nothing_is_none_too(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "profile")
    assert {(row[0], row[3]) for row in held(mail.resolved(), bot)} == {("none", 0)}


@pytest.mark.parametrize("more", [{"has_other_conditions": True}, {"narrowed_by": "office hours"}])
def test_a_grant_under_a_condition_is_conditional(mail: Mail, more: dict[str, Any]) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "messages.read", **more)
    assert held(mail.resolved(), bot) == {("read-data", "all", "conditional", 3)}


def test_a_grant_that_ended_gives_nothing_and_one_that_ends_later_does(mail: Mail) -> None:
    ended, running = mail.identity("ended"), mail.identity("running")
    mail.give(ended, "messages.read", expires_at=AS_OF)
    mail.give(running, "messages.read", expires_at=datetime(2026, 2, 1, tzinfo=UTC))
    con = mail.resolved()
    assert held(con, ended) == {("none", "self", "definite", 0)}
    assert held(con, running) == {("read-data", "all", "definite", 3)}


def test_a_wider_and_surer_row_stands_for_the_narrower_ones(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "messages.read")
    mail.give(bot, "messages.read", resource_id=mail.box("orders"))
    mail.give(bot, "messages.read", has_other_conditions=True)
    assert held(mail.resolved(), bot) == {("read-data", "all", "definite", 3)}


def test_a_narrow_sure_row_stays_beside_a_wide_unsure_one(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "messages.read", has_other_conditions=True)
    mail.give(bot, "messages.read", resource_id=mail.box("orders"))
    assert held(mail.resolved(), bot) == {
        ("read-data", "all", "conditional", 3),
        ("read-data", "single", "definite", 1),
    }


def test_rights_over_identities_and_over_resources_differ(mail: Mail) -> None:
    chief, sharer = mail.identity("chief"), mail.identity("sharer")
    mail.give(chief, "users.rights")
    mail.give(sharer, "boxes.share")
    con = mail.resolved()
    assert held(con, chief) == {("manage-policy", "all", "definite", 5)}
    assert held(con, sharer) == {("manage-policy", "all", "definite", 4)}


def test_the_administrator_of_one_resource_manages_rights_to_it(mail: Mail) -> None:
    chief, keeper = mail.identity("chief"), mail.identity("keeper")
    mail.give(chief, "mail:owner")
    mail.give(keeper, "mail:owner", resource_id=mail.box("orders"))
    con = mail.resolved()
    assert held(con, chief) == {("admin", "all", "definite", 5)}
    assert held(con, keeper) == {("manage-policy", "single", "definite", 4)}


def test_whoever_holds_every_core_permission_is_administrator_as_surely_as_the_least_sure(mail: Mail) -> None:
    sure, unsure, short = mail.identity("sure"), mail.identity("unsure"), mail.identity("short")
    for bot in (sure, unsure, short):
        mail.give(bot, "users.rights,messages.read")
    mail.give(sure, "billing.pay")
    mail.give(unsure, "billing.pay", narrowed_by="amount")
    mail.give(short, "billing.pay", resource_id=mail.box("orders"))
    con = mail.resolved()
    # No verb says what paying is, but that an administrator needs it is known.
    assert ("admin", "all", "definite", 5) in held(con, sure)
    assert ("admin", "all", "conditional", 5) in held(con, unsure)
    assert "admin" not in {row[0] for row in held(con, short)}


def test_what_a_group_holds_its_members_have_however_deep(mail: Mail) -> None:
    bot, inner, outer = mail.identity("bot"), mail.identity("inner", "group"), mail.identity("outer", "group")
    mail.records += [Membership(bot, inner), Membership(inner, outer), Membership(outer, inner)]
    mail.give(outer, "messages.read")
    con = mail.resolved()
    assert held(con, bot) == {("read-data", "all", "definite", 3)}
    assert held(con, outer) == set()
    assert con.execute(
        "select g.identity_id, p.statement from privileges p join identities g on g.identity_key = p.via_key"
    ).fetchall() == [(outer, "messages.read")]


def test_many_permissions_are_shortened(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, ",".join(f"part-{n}.export" for n in range(7)))
    statements = mail.resolved().execute("select distinct statement from privileges").fetchall()
    assert statements == [("part-0.export, part-1.export, part-2.export, part-3.export, part-4.export and 2 more",)]


@pytest.mark.parametrize("dataset", ["grants", "memberships", "delegated_admins"])
def test_what_was_not_read_is_unknown(installed: Path, dataset: str) -> None:
    del installed
    mail = Mail()
    mail.tenant(**{"memberships": "complete", dataset: "denied"})
    bot = mail.identity("bot")
    mail.give(bot, "messages.read")
    con = mail.resolved()
    assert held(con, bot) == {("read-data", "all", "definite", 3), ("unknown", "all", "potential", None)}
    assert con.execute("select considered from privileges where verb = 'unknown'").fetchall() == [
        (f"not read completely: {dataset}",)
    ]


def test_a_provider_that_says_nothing_of_rights_gets_no_rows(mail: Mail) -> None:
    mail.records = [
        Tenant("other:main", "other"),
        Identity("other:main:x/1", "other", "other:main", "x", "x", "1", True),
    ]
    assert mail.resolved().execute("select count(*) from privileges").fetchall() == [(0,)]


def test_without_a_table_every_permission_is_unknown() -> None:
    mail = Mail()
    mail.tenant()
    bot = mail.identity("bot")
    mail.give(bot, "messages.read")
    assert held(mail.resolved(), bot) == {("unknown", "all", "potential", None)}


def test_hostile_permissions_are_only_text(mail: Mail) -> None:
    bot = mail.identity("bot")
    mail.give(bot, "'; drop table grants; --\n<b>, " + "x" * 2000 + "," + "*" * 500)
    assert held(mail.resolved(), bot) == {("unknown", "all", "potential", None)}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[verbs]\nraed-data = ['x']", "verbs.raed-data: no such verb", "read-data"),
        ("[verbs]\nescalate = ['x']", "verbs.escalate: no such verb", "delegate"),
        ("[verb]\nread-data = ['x']", "verb: unknown key", "verbs"),
        ("[verbs]\nread-data = 'x'", "verbs.read-data: not a list of permissions", "read-data = ["),
        ("[verbs]\nread-data = ['']", "verbs.read-data, entry 1: names no permission", "permission ="),
        ("[verbs]\nread-data = [{ name = 'x' }]", "verbs.read-data, entry 1: names no permission", "permission ="),
        (
            "[verbs]\nread-data = ['y', { permission = 'x', scpoe = 'self' }]",
            "verbs.read-data, entry 2.scpoe: unknown key",
            "scope",
        ),
        ("[verbs]\nread-data = [{ permission = 'x', scope = 'own' }]", "verbs.read-data, entry 1: 'own' is no", "all"),
        (
            "[verbs]\nread-data = [{ permission = 'x', over_resources = 1 }]",
            "verbs.read-data, entry 1: over_resources is neither",
            "leave it out",
        ),
        ("verbs = 1", "verbs: not a table", "[verbs]"),
        ("[admin]\ncor = ['x']", "admin.cor: unknown key", "core"),
        ("[admin]\ncore = 'x'", "admin.core: not a list of permissions", "core ="),
        ("[fallback]\nReads = ['x']", "fallback.Reads: no such verb", "read"),
        ("[verbs", "not TOML", "mend it"),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_key(installed: Path, text: str, message: str, hint: str) -> None:
    installed.write_text(text)
    with pytest.raises(ConfigError) as refused:
        table_privileges.table("mail")
    assert refused.value.message.startswith(f"{installed}: {message}")
    assert hint in refused.value.hint


def test_an_empty_table_knows_nothing() -> None:
    known = table_privileges.read(tomllib.loads(""), "privileges.toml")
    assert list(known.meanings("x")) == [Meaning("unknown", "x")]
