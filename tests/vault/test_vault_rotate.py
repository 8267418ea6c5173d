"""What the adapter does at a live server to secret ids, tokens, entities and versions, and what it leaves alone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from fixtures.vault.estate import Admin
from nhiscan.errors import CollectError, ConfigError
from nhiscan.remediate.contract import RefusedError, UnsupportedError
from nhiscan.secret import Secret
from tests.vault import rotated


@pytest.fixture
def session(admin: Admin) -> Any:
    return rotated.session(admin.url, token=Secret(admin.token))


# secret ids


def test_a_new_secret_id_lives_beside_the_old_one_until_that_is_destroyed(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    new = session.make(role.target, "-")
    assert role.accessor_of(new["secret_id"].reveal()) is None  # made by us: the server does not know it yet
    made = session.effect("create", role.target, rotated.key(), fields=new)
    assert made.id == role.accessor_of(new["secret_id"].reveal())
    assert made.fields is None and made.request_id
    seen = session.observe(role.target)
    assert (seen.state, seen.others) == ("live", {made.id: "live"})
    assert session.accepts(role.target, made.id, new)
    session.effect("delete", role.target, rotated.key())
    assert role.accessors() == {made.id}
    assert session.observe(role.target).state == "gone"
    assert role.log_in(role.value) is None
    assert role.log_in(new["secret_id"].reveal()) is not None


def test_made_secrets_differ_and_hold_256_bits(admin: Admin, session: Any) -> None:
    target = rotated.role(admin).target
    made = {session.make(target, "-")["secret_id"].reveal() for _ in range(50)}
    assert len(made) == 50
    assert min(map(len, made)) >= 43


def test_a_new_secret_id_has_the_labels_and_bounds_of_the_old_one(admin: Admin, session: Any) -> None:
    role = rotated.role(
        admin,
        secret_id={
            "metadata": json.dumps({"owner": "ana@example.com"}),
            "cidr_list": ["203.0.113.0/24"],
            "token_bound_cidrs": ["203.0.113.7/32"],
            "ttl": "2h",
        },
        secret_id_ttl="24h",
    )
    key = rotated.key()
    made = session.effect("create", role.target, key, fields=session.make(role.target, key))
    old, new = role.told(role.accessor), role.told(made.id)
    for bound in ("cidr_list", "token_bound_cidrs", "secret_id_ttl"):
        assert new[bound] == old[bound] != []
    assert new["metadata"] == {"owner": "ana@example.com", "nhiscan_operation": key}


def test_a_longer_life_than_the_role_gives_by_now_is_not_asked_for(admin: Admin, session: Any) -> None:
    role = rotated.role(admin, secret_id={"ttl": "20h"}, secret_id_ttl="24h")
    admin.write(role.path, {"secret_id_ttl": "1h"})
    made = session.effect("create", role.target, rotated.key(), fields=session.make(role.target, "-"))
    assert role.told(made.id)["secret_id_ttl"] == 3600


def test_what_came_of_a_lost_answer_is_known_by_its_operation(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    before = session.observe(role.target)
    key = rotated.key()
    assert session.reconcile(role.target, before, key) == ()
    made = session.effect("create", role.target, key, fields=session.make(role.target, key))
    role.add()  # somebody else makes one in the same moment
    session.effect("create", role.target, rotated.key(), fields=session.make(role.target, "-"))
    assert session.reconcile(role.target, before, key) == (made.id,)


def test_destroying_twice_is_destroying_once(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    session.effect("delete", role.target, "-")
    session.effect("delete", role.target, "-")
    assert session.observe(role.target).state == "gone"


def test_discard_ends_only_what_the_tool_made(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    made = session.effect("create", role.target, rotated.key(), fields=session.make(role.target, "-"))
    foreign, _ = role.add(metadata=json.dumps({"owner": "ana@example.com"}))
    for spared in (foreign, role.accessor):
        with pytest.raises(RefusedError, match="was not made by this tool"):
            session.effect("discard", role.target, "-", id=spared)
    for _ in range(2):
        session.effect("discard", role.target, "-", id=made.id)
    assert role.accessors() == {role.accessor, foreign}


def test_the_old_one_is_never_discarded_even_where_the_tool_made_it(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    made = session.effect("create", role.target, rotated.key(), fields=session.make(role.target, "-"))
    target = dataclasses.replace(role.target, native_id=made.id)
    with pytest.raises(RefusedError):
        session.effect("discard", target, "-", id=made.id)
    assert made.id in role.accessors()


def test_trying_a_new_secret_id_leaves_no_token(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    made = session.effect("create", role.target, rotated.key(), fields=(new := session.make(role.target, "-")))
    before = rotated.tokens(admin)
    assert session.accepts(role.target, made.id, new)
    assert rotated.tokens(admin) == before


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({"secret_id_num_uses": 2}, {}),
        ({"secret_id_bound_cidrs": ["203.0.113.0/24"]}, {}),
        ({"token_bound_cidrs": ["203.0.113.0/24"]}, {}),
        ({}, {"cidr_list": ["203.0.113.0/24"]}),
        ({}, {"token_bound_cidrs": ["203.0.113.0/24"]}),
        ({"token_type": "batch"}, {}),
        ({"token_no_default_policy": True}, {}),
    ],
)
def test_where_a_login_would_cost_something_or_cannot_work_it_is_looked_up(
    admin: Admin, session: Any, settings: dict[str, Any], body: dict[str, Any]
) -> None:
    role = rotated.role(admin, secret_id=body, **settings)
    made = session.effect("create", role.target, rotated.key(), fields=(new := session.make(role.target, "-")))
    before, uses = rotated.tokens(admin), role.told(made.id)["secret_id_num_uses"]
    assert session.accepts(role.target, made.id, new)
    assert role.told(made.id)["secret_id_num_uses"] == uses
    assert rotated.tokens(admin) == before


def test_a_secret_id_that_the_server_does_not_know_is_not_accepted(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    made = session.effect("create", role.target, rotated.key(), fields=(new := session.make(role.target, "-")))
    assert not session.accepts(role.target, made.id, session.make(role.target, "-"))
    assert not session.accepts(role.target, role.accessor, new)  # another one's value
    session.effect("discard", role.target, "-", id=made.id)
    assert not session.accepts(role.target, made.id, new)


def test_a_login_that_is_refused_does_not_count_although_the_server_knows_the_value(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    live = role.log_in(role.value)
    made = session.effect("create", role.target, rotated.key(), fields=(new := session.make(role.target, "-")))
    entity = admin.write("auth/token/lookup", {"token": live})["data"]["entity_id"]
    admin.write(f"identity/entity/id/{entity}", {"disabled": True})
    with pytest.raises(RefusedError, match="auth/approle/login was refused"):
        session.accepts(role.target, made.id, new)


def test_more_uses_than_are_left_are_never_handed_out(admin: Admin, session: Any) -> None:
    """How many uses it was made with is told by nobody: a new one would have no bound."""
    counted = rotated.role(admin, secret_id={"num_uses": 3})
    assert session.capabilities(counted.target).overlap == 0
    assert session.capabilities(rotated.role(admin, secret_id_num_uses=3).target).overlap > 1


def test_a_secret_id_that_expired_or_whose_role_is_gone_is_gone(admin: Admin, session: Any) -> None:
    expired = rotated.role(admin, secret_id={"ttl": "1s"})
    rotated.until(lambda: session.observe(expired.target).state == "gone")
    assert expired.accessor in expired.accessors()  # still listed
    deleted = rotated.role(admin)
    admin.call("DELETE", deleted.path)
    assert session.observe(deleted.target).state == "gone"
    with pytest.raises(UnsupportedError, match="is gone"):
        session.capabilities(deleted.target)


def test_changed_bounds_or_policies_of_the_role_are_another_state(admin: Admin, session: Any) -> None:
    role = rotated.role(admin)
    digests = {session.observe(role.target).digest()}
    for changed in ({"token_policies": ["default", "more"]}, {"secret_id_ttl": "9h"}, {"bind_secret_id": "false"}):
        admin.write(role.path, {"token_bound_cidrs": ["127.0.0.1/32"], **changed})
        digests.add(session.observe(role.target).digest())
    assert len(digests) == 4
    role.log_in(role.value)
    assert session.observe(role.target).digest() in digests  # use alone changes nothing


def test_a_target_without_accessor_or_role_is_for_a_person(session: Any) -> None:
    wrapped = rotated.target("credential", "approle_secret", "", holder="auth/approle/role/partner")
    with pytest.raises(UnsupportedError, match="wrapped"):
        session.capabilities(wrapped)
    with pytest.raises(UnsupportedError, match="names no role"):
        session.capabilities(rotated.target("credential", "approle_secret", "accessor"))


# tokens


def test_a_revoked_token_takes_its_children_with_it(admin: Admin, session: Any) -> None:
    accessor, value = rotated.token(admin, policies=["root"])
    _, child = rotated.token(Admin(admin.url, value), policies=["default"])
    target = rotated.target("credential", "vault_token", accessor)
    can = session.capabilities(target)
    assert (can.overlap, can.can_turn_off, can.can_delete) == (0, False, True)
    assert "every token that it made" in can.effects["delete"]
    assert session.observe(target).state == "live"
    for _ in range(2):
        session.effect("delete", target, "-")
    assert session.observe(target).state == "gone"
    assert not rotated.is_let_in(admin, value)
    assert not rotated.is_let_in(admin, child)


def test_the_facts_of_a_token_do_not_change_by_its_use(admin: Admin, session: Any) -> None:
    accessor, value = rotated.token(admin, policies=["default"], ttl="1h", num_uses=9)
    target = rotated.target("identity", "token", accessor)
    before = session.observe(target)
    assert before.facts["policies"] == "default"
    rotated.is_let_in(admin, value)
    assert session.observe(target) == before


# entities


def entity_of(admin: Admin, namespace: str = "") -> tuple[Any, str]:
    """An entity and a live token of a login through it."""
    role = rotated.role(admin, namespace=namespace)
    value = role.log_in(role.value)
    assert value is not None
    native_id = admin.write(f"{namespace}auth/token/lookup", {"token": value})["data"]["entity_id"]
    return rotated.target("identity", "entity", native_id), value


def test_a_frozen_entity_stops_logins_and_live_tokens_and_can_be_thawed(admin: Admin, session: Any) -> None:
    target, value = entity_of(admin)
    admin.write(f"identity/entity/id/{target.native_id}", {"metadata": {"team": "crm"}, "policies": ["default"]})
    can = session.capabilities(target)
    assert (can.can_turn_off, can.can_delete) == (True, False)
    for _ in range(2):
        session.effect("off", target, "-")
        assert session.observe(target).state == "off"
        assert not rotated.is_let_in(admin, value)
    for _ in range(2):
        session.effect("on", target, "-")
        assert session.observe(target).state == "live"
        assert rotated.is_let_in(admin, value)
    found = admin.read(f"identity/entity/id/{target.native_id}")
    assert (found["metadata"], found["policies"]) == ({"team": "crm"}, ["default"])  # the rest is as it was


def test_an_entity_that_is_gone_is_not_made_again(admin: Admin, session: Any) -> None:
    target, _ = entity_of(admin)
    admin.call("DELETE", f"identity/entity/id/{target.native_id}")
    assert session.observe(target).state == "gone"
    with pytest.raises(RefusedError):
        session.effect("off", target, "-")
    assert session.observe(target).state == "gone"


def test_one_more_way_in_is_another_state_of_an_entity_and_no_role_id_is_told(admin: Admin, session: Any) -> None:
    target, _ = entity_of(admin)
    before = session.observe(target)
    role = rotated.role(admin)
    role_id = admin.read(f"{role.path}/role-id")["role_id"]
    admin.write("sys/auth/second", {"type": "approle"})
    mount = admin.read("sys/auth")["second/"]["accessor"]
    admin.write("identity/entity-alias", {"name": role_id, "mount_accessor": mount, "canonical_id": target.native_id})
    after = session.observe(target)
    assert after.digest() != before.digest()
    assert role_id not in json.dumps(dict(after.facts))


# versions


def test_a_version_is_deleted_undeleted_and_destroyed(admin: Admin, session: Any) -> None:
    kept = rotated.kept(admin, mount="team/kv", password="earlier")
    kept.write(password="leaked", user="crm")
    before = session.observe(kept.target)
    assert (before.state, before.facts) == ("live", {"version": "2"})
    for step, state in (("off", "off"), ("on", "live"), ("off", "off"), ("delete", "gone")):
        for _ in range(2):
            session.effect(step, kept.target, "-", before=before)
            assert session.observe(kept.target).state == state
    assert admin.read(f"{kept.mount}/metadata/{kept.path}")["versions"]["1"]["destroyed"] is False


def test_a_field_is_the_version_that_holds_it(admin: Admin, session: Any) -> None:
    kept = rotated.kept(admin, password="leaked", api_key="leaked")
    target = rotated.target("secret", "secret_field", f"{kept.address}#password")
    assert "every field" in session.capabilities(target).effects["off"]
    session.effect("off", target, "-", before=session.observe(target))
    assert kept.current() is None


def test_a_newer_version_is_another_state_and_is_left_alone(admin: Admin, session: Any) -> None:
    kept = rotated.kept(admin, password="leaked")
    before = session.observe(kept.target)
    kept.write(password="from somebody else")
    destroy = f"vault kv destroy -mount={kept.mount} -versions=OLD {kept.path}"
    assert destroy in session.capabilities(kept.target).changed["version"]
    assert session.observe(kept.target).digest() != before.digest()
    with pytest.raises(RefusedError, match="is at version 2, not 1"):
        session.effect("off", kept.target, "-", before=before)
    session.effect("delete", kept.target, "-", before=before)  # off was before the newer one came
    assert kept.current() == {"password": "from somebody else"}
    assert kept.metadata()["versions"]["1"]["destroyed"]


def test_no_step_goes_without_the_version_that_the_plan_knew(admin: Admin, session: Any) -> None:
    kept = rotated.kept(admin, password="leaked")
    missing = rotated.kept(admin)
    for target, before in ((kept.target, None), (missing.target, session.observe(missing.target))):
        with pytest.raises(RefusedError, match="names no version"):
            session.effect("off", target, "-", before=before)
    assert session.observe(missing.target).state == "gone"


def test_a_version_that_will_delete_itself_is_live_until_then(admin: Admin, session: Any) -> None:
    kept = rotated.kept(admin)
    admin.write(f"{kept.mount}/metadata/{kept.path}", {"delete_version_after": "720h"})
    kept.write(password="leaked")
    assert kept.metadata()["versions"]["1"]["deletion_time"]
    assert session.observe(kept.target).state == "live"


# namespaces, and what is not acted on


@pytest.mark.parametrize("home", ["", "partners-eu"])
def test_targets_of_a_namespace_are_found_from_above_and_from_inside(admin: Admin, home: str) -> None:
    value = admin.token if not home else rotated.token(admin, "partners-eu/", policies=["all"])[1]
    everything = 'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }'
    admin.write("partners-eu/sys/policies/acl/all", {"policy": everything})
    session = rotated.session(admin.url, token=Secret(value), namespace=home)
    for namespace in ("partners-eu/", "partners-eu/inner/"):
        role = rotated.role(admin, namespace=namespace)
        made = session.effect("create", role.target, "-", fields=(new := session.make(role.target, "-")))
        assert session.accepts(role.target, made.id, new)
        entity, live = entity_of(admin, namespace)
        session.effect("off", entity, "-")
        assert session.observe(entity).state == "off"
        assert not rotated.is_let_in(admin, live)
        accessor, _ = rotated.token(admin, namespace, policies=["default"])
        token = rotated.target("credential", "vault_token", accessor)
        session.effect("delete", token, "-")
        assert session.observe(token).state == "gone"
        kept = rotated.kept(admin, mount=f"{namespace}kv", password="leaked")
        session.effect("off", kept.target, "-", before=session.observe(kept.target))
        assert kept.current() is None


def test_a_namespace_that_is_not_below_ours_is_for_a_person(admin: Admin) -> None:
    _, value = rotated.token(admin, "partners-eu/", policies=["default"])
    session = rotated.session(admin.url, token=Secret(value), namespace="partners-eu")
    with pytest.raises(UnsupportedError, match="not below the namespace"):
        session.observe(rotated.kept(admin, password="leaked").target)
    top = rotated.session(admin.url, token=Secret(admin.token))
    with pytest.raises(UnsupportedError, match="of no namespace below"):
        top.observe(rotated.target("identity", "entity", "38faec2b-85ea-8654-356b-bf59d0f564ab.zzzzzz"))


def test_nothing_is_done_to_what_the_remediation_itself_is(admin: Admin) -> None:
    role = rotated.role(admin)
    role_id = Secret(admin.read(f"{role.path}/role-id")["role_id"])
    session = rotated.session(admin.url, role_id=role_id, secret_id=Secret(role.value))
    own = session.calls.own
    with pytest.raises(UnsupportedError, match="logs in through"):
        session.capabilities(role.target)
    for thing_kind, kind, native_id, step in (
        ("credential", "vault_token", own.accessor, "delete"),
        ("identity", "entity", own.entity_id, "off"),
    ):
        target = rotated.target(thing_kind, kind, native_id)
        with pytest.raises(UnsupportedError, match="the remediation itself"):
            session.capabilities(target)
        with pytest.raises(UnsupportedError, match="the remediation itself"):
            session.effect(step, target, "-")


@pytest.mark.parametrize(
    ("thing_kind", "kind"),
    [("credential", "password"), ("identity", "workload_role"), ("membership", "entity"), ("secret", "pki_role")],
)
def test_everything_else_is_for_a_person(session: Any, thing_kind: str, kind: str) -> None:
    with pytest.raises(UnsupportedError, match="no adapter acts on"):
        session.capabilities(rotated.target(thing_kind, kind, "auth/userpass/users/eva"))


def test_a_step_that_a_kind_does_not_know_is_refused(admin: Admin, session: Any) -> None:
    role, (entity, _) = rotated.role(admin), entity_of(admin)
    accessor, _ = rotated.token(admin, policies=["default"])
    for target, step in (
        (role.target, "off"),
        (role.target, "create"),  # without a value
        (entity, "delete"),
        (rotated.target("credential", "vault_token", accessor), "off"),
        (rotated.kept(admin, password="-").target, "create"),
    ):
        with pytest.raises(RefusedError):
            session.effect(step, target, "-")
    with pytest.raises(UnsupportedError, match="nothing replaces"):
        session.make(entity, "-")
    assert session.reconcile(entity, session.observe(entity), "-") == ()
    assert not session.accepts(entity, "-", {})


def test_a_target_of_another_vault_is_refused(admin: Admin, session: Any) -> None:
    target = dataclasses.replace(rotated.role(admin).target, tenant_id="vault:other")
    with pytest.raises(UnsupportedError, match="belongs to vault:other"):
        session.capabilities(target)


def test_a_secret_of_kv_version_1_or_of_no_engine_is_for_a_person(admin: Admin, session: Any) -> None:
    admin.write("legacy/crm", {"password": rotated.value()})
    with pytest.raises(UnsupportedError, match="no KV engine of version 2"):
        session.capabilities(rotated.target("secret", "secret", "legacy/crm"))
    with pytest.raises(UnsupportedError, match="does not say where"):
        session.capabilities(rotated.target("secret", "secret", ""))
    with pytest.raises(RefusedError, match="sys/internal/ui/mounts"):
        session.capabilities(rotated.target("secret", "secret", "nowhere/crm"))


# settings


def test_settings_that_cannot_work_name_the_section_of_remediation(admin: Admin) -> None:
    for settings in ({}, {"token": Secret("t"), "role_id": Secret("r")}, {"token": Secret("t"), "tenant": "a:b"}):
        with pytest.raises(ConfigError, match=r"remediation\.vault"):
            rotated.session(admin.url, **settings)
    with pytest.raises(CollectError) as caught:
        rotated.session(admin.url, token=Secret("s.nothing"))
    assert "fresh token" in caught.value.hint
    with pytest.raises(CollectError) as caught:
        rotated.session(admin.url, role_id=Secret("none"), secret_id=Secret("none"))
    assert "remediation.vault.auth_mount" in caught.value.hint
