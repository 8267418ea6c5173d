"""The policies that the README publishes, loaded into a live server: each phase works with its own and not without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fixtures.vault.estate import Admin
from nhiscan.remediate import contract
from nhiscan.remediate.contract import RefusedError
from nhiscan.secret import Secret
from tests.vault import rotated
from tests.vault.conftest import DELETE, LOOK, MAKE, OFF, PUBLISH, RESTORE
from tests.vault.rotated import Kept, Role

KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Bench:
    """The role and the secret that the README names, and one token and entity."""

    admin: Admin
    role: Role
    kept: Kept
    token: contract.Target
    entity: contract.Target

    def signed_in(self, *policies: str) -> tuple[Any, Any]:
        """Session and store of a token with these documents and nothing else."""
        names = []
        for number, document in enumerate(policies):
            names.append(f"phase-{number}")
            self.admin.write(f"sys/policies/acl/{names[-1]}", {"policy": document})
        _, value = rotated.token(self.admin, policies=names, no_default_policy=True)
        secret = Secret(value)
        return rotated.session(self.admin.url, token=secret), rotated.store(self.admin.url, token=secret)


@pytest.fixture
def bench(admin: Admin) -> Iterator[Bench]:
    if "secret/" not in admin.read("sys/mounts"):
        admin.write("sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        rotated.until(lambda: rotated.is_up(admin, "secret"))
    kept = Kept(admin, "secret", "acme/crm")
    kept.write(SECRET_ID="old", URL="https://crm.example.com")
    accessor, _ = rotated.token(admin, policies=["default"])
    entity = admin.write("identity/entity", {})["data"]["id"]
    yield Bench(
        admin,
        rotated.role(admin, name="alder-loader"),
        kept,
        rotated.target("credential", "vault_token", accessor),
        rotated.target("identity", "entity", entity),
    )
    for path in (kept.path, *kept.staged()):
        admin.call("DELETE", f"secret/metadata/{path}")
    admin.call("DELETE", "auth/approle/role/alder-loader")


def look(bench: Bench, session: Any, store: Any) -> None:
    for target in (bench.role.target, bench.token, bench.entity, bench.kept.target):
        session.capabilities(target)
        assert session.observe(target).state == "live"
    session.reconcile(bench.role.target, session.observe(bench.role.target), KEY)
    assert store.observe(bench.kept.address)["names"] == "SECRET_ID, URL"


def make(bench: Bench, session: Any, store: Any) -> None:
    target, address = bench.role.target, bench.kept.address
    fields = session.make(target, KEY)
    for _ in range(2):
        store.stage(address, KEY, fields)
        assert store.staged(address, KEY) == fields
        assert store.published(address, KEY) is None
    made = session.effect("create", target, KEY, fields=fields)
    assert session.accepts(target, made.id, fields)
    session.effect("discard", target, KEY, id=made.id)
    store.discard(address, KEY)
    store.stage(address, KEY, fields)


def publish(bench: Bench, session: Any, store: Any) -> None:
    _as_root(bench).stage(bench.kept.address, KEY, rotated.fields(SECRET_ID=rotated.value()))
    version = store.observe(bench.kept.address)["version"]
    made = store.publish(bench.kept.address, KEY, version=version)
    assert store.published(bench.kept.address, KEY) == made
    new = Kept(bench.admin, "secret", "acme/crm")
    bench.admin.call("DELETE", "secret/metadata/acme/crm")
    _as_root(bench).stage(new.address, KEY, rotated.fields(SECRET_ID=rotated.value()))
    assert store.publish(new.address, KEY, version="0") == "1"


def restore(bench: Bench, session: Any, store: Any) -> None:
    root = _as_root(bench)
    version = root.observe(bench.kept.address)["version"]
    root.stage(bench.kept.address, KEY, rotated.fields(SECRET_ID=rotated.value()))
    root.publish(bench.kept.address, KEY, version=version)
    store.restore(bench.kept.address, KEY, version=version)
    bench.admin.call("DELETE", "secret/metadata/acme/crm")
    root.stage(bench.kept.address, KEY, rotated.fields(SECRET_ID=rotated.value()))
    root.publish(bench.kept.address, KEY, version="0")
    store.restore(bench.kept.address, KEY, version="0")
    assert bench.kept.current() is None


def off(bench: Bench, session: Any, store: Any) -> None:
    for target in (bench.entity, bench.kept.target):
        before = session.observe(target)
        for step in ("off", "on"):
            session.effect(step, target, KEY, before=before)


def delete(bench: Bench, session: Any, store: Any) -> None:
    for target in (bench.role.target, bench.token, bench.kept.target):
        before = session.observe(target)
        session.effect("delete", target, KEY, before=before)
        assert session.observe(target).state == "gone"


def _as_root(bench: Bench) -> Any:
    return rotated.store(bench.admin.url, token=Secret(bench.admin.token))


PHASES: dict[str, tuple[str, Callable[[Bench, Any, Any], None]]] = {
    "make": (MAKE, make),
    "publish": (PUBLISH, publish),
    "restore": (RESTORE, restore),
    "off": (OFF, off),
    "delete": (DELETE, delete),
}


def test_looking_needs_the_first_policy_alone_and_each_line_of_it(bench: Bench) -> None:
    look(bench, *bench.signed_in(LOOK))
    for line in LOOK.strip().splitlines():
        if "lookup-self" in line or ".nhiscan-" in line:  # asked at the sign-in, and by the phases that follow
            continue
        with pytest.raises(RefusedError) as caught:
            look(bench, *bench.signed_in(LOOK.replace(line, "")))
        assert caught.value.permission is None or " on " in caught.value.permission


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_works_with_its_policy_and_is_refused_without(bench: Bench, phase: str) -> None:
    policy, do = PHASES[phase]
    with pytest.raises(RefusedError) as caught:
        do(bench, *bench.signed_in(LOOK))
    assert caught.value.permission
    for path in bench.kept.staged():
        bench.admin.call("DELETE", f"secret/metadata/{path}")
    do(bench, *bench.signed_in(LOOK, policy))


@pytest.mark.parametrize("phase", ["make", "publish", "off"])
def test_no_policy_of_an_earlier_phase_ends_anything(bench: Bench, phase: str) -> None:
    session, _ = bench.signed_in(LOOK, PHASES[phase][0])
    before = session.observe(bench.kept.target)
    for target in (bench.token, bench.kept.target):
        with pytest.raises(RefusedError):
            session.effect("delete", target, KEY, before=before)


def test_the_permissions_of_a_plan_are_those_of_the_policies() -> None:
    """Each path and capability that a plan names for a step is a line of the README, and the other way round."""
    published: dict[str, set[str]] = {}
    for document in (LOOK, MAKE, PUBLISH, RESTORE, OFF, DELETE):
        for path, capabilities in re.findall(r'path "(.*?)"\s*\{ capabilities = \[(.*?)\]', document):
            published.setdefault(_as_pattern(path), set()).update(re.findall(r'"(\w+)"', capabilities))
    named: dict[str, set[str]] = {}
    for by_step in contract.load("vault").permissions.values():
        for needs in by_step.values():
            for need in needs:
                capabilities, _, path = need.partition(" on ")
                named.setdefault(path, set()).update(capabilities.split(", "))
    del published["auth/token/lookup-self"]  # of the sign-in
    assert published == named


def _as_pattern(path: str) -> str:
    told = path.replace("auth/approle/role/alder-loader", "auth/<mount>/role/<role>")
    told = re.sub(r"^secret/(\w+)/acme/crm", r"<mount>/\1/<path>", told)
    return told.replace("identity/entity/id/+", "identity/entity/id/<entity>")
