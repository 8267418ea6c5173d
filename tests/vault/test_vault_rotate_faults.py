"""What goes wrong on the wire between the remediation and a live server, one answer at a time."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.vault.estate import Admin
from nhiscan import http
from nhiscan.remediate import contract
from nhiscan.remediate.contract import BusyError, RefusedError, UnansweredError
from nhiscan.secret import Secret
from tests.remediation import trials
from tests.remediation.trials import Clock, Make, World
from tests.vault import rotated
from tests.vault.proxy import Fault, Proxy


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of seconds would make the tests slow; how often is asked stays the same."""
    monkeypatch.setattr(http, "_PAUSES_S", (0.0, 0.0, 0.0))


@pytest.fixture
def proxy(admin: Admin) -> Iterator[Proxy]:
    with Proxy(admin.url) as made:
        yield made


@pytest.fixture
def session(admin: Admin, proxy: Proxy) -> Any:
    return rotated.session(proxy.url, token=Secret(admin.token))


@pytest.fixture
def store(admin: Admin, proxy: Proxy) -> Any:
    return rotated.store(proxy.url, token=Secret(admin.token))


@dataclass(frozen=True)
class Change:
    """One call that changes something. `call`: matches it at the proxy; `is_done`: read past the adapter."""

    call: str
    do: Callable[[], object]
    is_done: Callable[[], bool]


def a_secret_id_made(admin: Admin, session: Any, store: Any) -> Change:
    role = rotated.role(admin)
    new = session.make(role.target, "-")
    return Change(
        "POST auth/approle/role/.*/custom-secret-id",
        lambda: session.effect("create", role.target, "-", fields=new),
        lambda: len(role.accessors()) == 2,
    )


def a_secret_id_destroyed(admin: Admin, session: Any, store: Any) -> Change:
    role = rotated.role(admin)
    return Change(
        "POST auth/approle/role/.*/secret-id-accessor/destroy",
        lambda: session.effect("delete", role.target, "-"),
        lambda: not role.accessors(),
    )


def a_token_revoked(admin: Admin, session: Any, store: Any) -> Change:
    accessor, value = rotated.token(admin, policies=["default"])
    target = rotated.target("credential", "vault_token", accessor)
    return Change(
        "POST auth/token/revoke-accessor",
        lambda: session.effect("delete", target, "-"),
        lambda: not rotated.is_let_in(admin, value),
    )


def an_entity_frozen(admin: Admin, session: Any, store: Any) -> Change:
    native_id = admin.write("identity/entity", {})["data"]["id"]
    return Change(
        "POST identity/entity/id/.*",
        lambda: session.effect("off", rotated.target("identity", "entity", native_id), "-"),
        lambda: bool(admin.read(f"identity/entity/id/{native_id}")["disabled"]),
    )


def a_version_deleted(admin: Admin, session: Any, store: Any) -> Change:
    kept = rotated.kept(admin, password=rotated.value())
    before = session.observe(kept.target)
    return Change(
        "POST kv/delete/.*",
        lambda: session.effect("off", kept.target, "-", before=before),
        lambda: kept.current() is None,
    )


def a_value_staged(admin: Admin, session: Any, store: Any) -> Change:
    kept, key = rotated.kept(admin, SECRET_ID="old"), rotated.key()
    fields = rotated.fields(SECRET_ID=rotated.value())
    return Change(
        "POST kv/data/.*",
        lambda: store.stage(kept.address, key, fields),
        lambda: any(document is not None for document in kept.staged().values()),
    )


def a_value_published(admin: Admin, session: Any, store: Any) -> Change:
    kept, key, value = rotated.kept(admin, SECRET_ID="old"), rotated.key(), rotated.value()
    store.stage(kept.address, key, rotated.fields(SECRET_ID=value))
    return Change(
        "PATCH kv/data/.*",
        lambda: store.publish(kept.address, key, version="1"),
        lambda: kept.current() == {"SECRET_ID": value},
    )


def a_staged_value_discarded(admin: Admin, session: Any, store: Any) -> Change:
    kept, key = rotated.kept(admin, SECRET_ID="old"), rotated.key()
    store.stage(kept.address, key, rotated.fields(SECRET_ID=rotated.value()))
    return Change("DELETE kv/metadata/.*", lambda: store.discard(kept.address, key), lambda: not kept.staged())


CHANGES = (
    a_secret_id_made,
    a_secret_id_destroyed,
    a_token_revoked,
    an_entity_frozen,
    a_version_deleted,
    a_value_staged,
    a_value_published,
    a_staged_value_discarded,
)
HOWS: Mapping[int | str, type[Exception]] = {
    "dropped": UnansweredError,
    "lost": UnansweredError,
    500: UnansweredError,
    503: UnansweredError,
    429: BusyError,
    403: RefusedError,
    400: RefusedError,
    307: RefusedError,
}


@pytest.mark.parametrize("make", CHANGES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("how", HOWS)
def test_no_call_that_may_have_had_an_effect_is_repeated_and_doing_it_again_does_it_once(
    admin: Admin, proxy: Proxy, session: Any, store: Any, make: Callable[..., Change], how: int | str
) -> None:
    change = make(admin, session, store)
    proxy.calls.clear()
    proxy.faults.append(Fault(change.call, how, on_calls=(1,)))
    if make is a_secret_id_destroyed and how == "lost":
        change.do()  # a server that knows the accessor no more says so to whoever looks
    else:
        with pytest.raises(HOWS[how]) as caught:
            change.do()
        assert type(caught.value) is HOWS[how]
        if how == 403:
            path = next(call for call in proxy.calls if re.fullmatch(change.call, call)).partition(" ")[2]
            assert caught.value.permission.endswith(f" on {path}")  # type: ignore[attr-defined]
    assert len([call for call in proxy.calls if re.fullmatch(change.call, call)]) == 1
    assert change.is_done() is (how == "lost")
    proxy.faults.clear()
    if make is a_secret_id_made and how == "lost":
        return  # making it again is refused: `reconcile` finds it
    change.do()
    assert change.is_done()


def test_an_answer_that_comes_too_late_is_not_known_and_may_still_be_done(
    admin: Admin, proxy: Proxy, session: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = importlib.import_module(f"{contract.load('vault').__module__}_calls")
    monkeypatch.setattr(calls, "_TIMEOUT_S", (1, 0.3))
    change = a_token_revoked(admin, session, store)
    proxy.faults.append(Fault(change.call, "slow"))
    with pytest.raises(UnansweredError, match="ReadTimeout"):
        change.do()
    rotated.until(change.is_done)


def test_half_an_answer_says_nothing(admin: Admin, proxy: Proxy, session: Any, store: Any) -> None:
    change = a_secret_id_made(admin, session, store)
    proxy.faults.append(Fault(change.call, "truncated"))
    with pytest.raises(UnansweredError, match="is not whole"):
        change.do()
    assert change.is_done()


def test_a_quota_says_when_to_ask_again(admin: Admin, proxy: Proxy, session: Any, store: Any) -> None:
    change = a_token_revoked(admin, session, store)
    proxy.faults.append(Fault(change.call, 429))
    with pytest.raises(BusyError) as caught:
        change.do()
    assert caught.value.after.total_seconds() == 5


def test_a_token_of_ours_that_ended_is_said_to_have_ended(admin: Admin, proxy: Proxy) -> None:
    _, value = rotated.token(admin, policies=["root"])
    session = rotated.session(proxy.url, token=Secret(value))
    role = rotated.role(admin)
    admin.write("auth/token/revoke", {"token": value})
    asks: tuple[Callable[[], object], ...] = (
        lambda: session.observe(role.target),
        lambda: session.effect("delete", role.target, "-"),
    )
    for ask in asks:
        with pytest.raises(RefusedError, match="own token ended") as caught:
            ask()
        assert "resume" in caught.value.hint
    assert role.accessors() == {role.accessor}


def test_what_is_denied_is_never_taken_for_gone(admin: Admin, proxy: Proxy, session: Any) -> None:
    role, kept = rotated.role(admin), rotated.kept(admin, password=rotated.value())
    accessor, _ = rotated.token(admin, policies=["default"])
    entity = admin.write("identity/entity", {})["data"]["id"]
    for target, call in (
        (role.target, "GET auth/approle/role/.*"),
        (role.target, "LIST auth/approle/role/.*"),
        (role.target, "POST auth/approle/role/.*/secret-id-accessor/lookup"),
        (rotated.target("credential", "vault_token", accessor), "POST auth/token/lookup-accessor"),
        (rotated.target("identity", "entity", entity), "GET identity/entity/id/.*"),
        (kept.target, "GET kv/metadata/.*"),
        (kept.target, "GET sys/internal/ui/mounts/.*"),
    ):
        for how in (403, 500, 503, "dropped"):
            proxy.faults[:] = [Fault(call, how)]
            with pytest.raises((RefusedError, UnansweredError)):
                session.observe(target)


def test_a_404_of_what_stands_before_the_vault_is_not_taken_for_gone(
    admin: Admin, proxy: Proxy, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = rotated.kept(admin, password=rotated.value())
    calls = importlib.import_module(f"{contract.load('vault').__module__}_calls")
    monkeypatch.setattr(calls, "is_from_a_vault", lambda answer: False)
    proxy.faults.append(Fault("GET kv/metadata/.*", 404))
    with pytest.raises(RefusedError, match="HTTP 404"):
        session.observe(kept.target)


def test_a_server_that_quotes_what_it_was_sent_tells_no_secret(
    admin: Admin, proxy: Proxy, session: Any, store: Any
) -> None:
    role, kept, value = rotated.role(admin), rotated.kept(admin, SECRET_ID="old"), rotated.value()
    fields = rotated.fields(secret_id=value)
    for how in (400, 403, 429, 500):
        proxy.faults[:] = [
            Fault("POST .*(custom-secret-id|/data/.*|secret-id/lookup)", how, message=f"what is {value}?")
        ]
        doings: tuple[Callable[[], object], ...] = (
            lambda: session.effect("create", role.target, "-", fields=fields),
            lambda: session.accepts(role.target, "-", fields),
            lambda: store.stage(kept.address, rotated.key(), fields),
        )
        for do in doings:
            with pytest.raises((RefusedError, UnansweredError)) as caught:
                do()
            error: BaseException | None = caught.value
            while error is not None:
                assert value not in f"{error!r} {error}"
                error = error.__cause__ or error.__context__


def test_no_error_holds_the_request_that_it_came_of(admin: Admin, proxy: Proxy, session: Any, store: Any) -> None:
    """With it went the token and the new secret, for whoever prints errors with what they hold."""
    change = a_secret_id_made(admin, session, store)
    proxy.faults.append(Fault(change.call, "dropped"))
    with pytest.raises(UnansweredError) as caught:
        change.do()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# the token of the login that tries a new secret id


def tried(admin: Admin, session: Any) -> tuple[Any, str, Any]:
    role = rotated.role(admin)
    made = session.effect("create", role.target, "-", fields=(new := session.make(role.target, "-")))
    return role.target, made.id, new


@pytest.mark.parametrize("how", ["lost", "dropped", 429, 403])
def test_the_token_of_a_trial_login_ends_although_an_answer_was_lost(
    admin: Admin, proxy: Proxy, session: Any, how: int | str
) -> None:
    what = tried(admin, session)
    before = rotated.tokens(admin)
    proxy.faults.append(Fault("POST auth/token/revoke-self", how, on_calls=(1,)))
    assert session.accepts(*what)
    assert rotated.tokens(admin) == before


def test_a_token_of_a_trial_login_that_may_live_on_is_named(admin: Admin, proxy: Proxy, session: Any) -> None:
    what = tried(admin, session)
    before = rotated.tokens(admin)
    proxy.faults.append(Fault("POST auth/token/revoke-self", "dropped"))
    with pytest.raises(UnansweredError) as caught:
        session.accepts(*what)
    (left,) = rotated.tokens(admin) - before
    assert left in caught.value.hint


def test_a_login_that_says_no_is_no_and_one_that_says_nothing_is_not_known(
    admin: Admin, proxy: Proxy, session: Any
) -> None:
    what = tried(admin, session)
    login = "POST auth/approle/login"
    proxy.faults[:] = [Fault(login, 400, message="invalid role or secret ID")]
    assert not session.accepts(*what)
    for how, error in ((429, BusyError), (500, UnansweredError), ("lost", UnansweredError)):
        proxy.faults[:] = [Fault(login, how)]
        with pytest.raises(error):
            session.accepts(*what)


# the engine through a wire that fails


@pytest.fixture
def rotation(admin: Admin, proxy: Proxy, session: Any, store: Any) -> Make:
    make = rotated.rotation(admin, session, store)

    def undisturbed(clock: Clock) -> World:
        proxy.faults.clear()
        world = make(clock)
        proxy.calls.clear()
        return world

    return undisturbed


@dataclass(frozen=True)
class Nth(Fault):
    """Meets one call of all that a proxy passes on."""

    of: Proxy | None = None
    nth: int = 0

    def hits(self, call: str, number: int) -> bool:
        return self.of is not None and len(self.of.calls) == self.nth


@pytest.mark.parametrize("how", ["lost", "dropped", 429, 500])
def test_a_rotation_ends_alike_whichever_of_its_calls_goes_wrong(
    rotation: Make, proxy: Proxy, tmp_path: Path, how: int | str
) -> None:
    """Every call that is not read by GET or LIST, those that look up among them."""
    undisturbed = trials.Trial(rotation, tmp_path)
    undisturbed.carry_on()
    calls = [n for n, call in enumerate(proxy.calls, 1) if not call.startswith(("GET", "LIST"))]
    assert len(calls) > 20
    for number in calls[:: 1 if how == "lost" else 4]:
        trial = trials.Trial(rotation, tmp_path)
        proxy.faults.append(Nth(".*", how, of=proxy, nth=number))
        trial.carry_on()
        assert (trial.violations, trial.end) == ([], undisturbed.end), f"{how} at {proxy.calls[number - 1]}"


def test_a_permission_that_is_missing_midway_stops_for_a_person_and_goes_on_from_there(
    rotation: Make, proxy: Proxy, tmp_path: Path
) -> None:
    undisturbed = trials.Trial(rotation, tmp_path)
    undisturbed.carry_on()
    for call in (
        "POST .*/custom-secret-id",
        "POST .*/destroy",
        "POST kv/data/.*",
        "PATCH kv/metadata/.*",
        "PATCH kv/data/.*",
        "DELETE kv/metadata/.*",
    ):
        trial = trials.Trial(rotation, tmp_path)
        proxy.faults.append(Fault(call, 403))
        said = ""
        for _ in range(3):
            result = trial.apply()
            trial.check()
            if result.state in ("human", "unanswered"):  # what is lacking for the last call leaves half an answer
                said = result.says
                proxy.faults.clear()  # somebody grants it
            trial.clock.wait(5 * 86_400)
        trial.carry_on()
        assert " on kv/" in said or " on auth/" in said, (call, said)
        assert (trial.violations, trial.end) == ([], undisturbed.end), call


def test_lists_that_lag_and_a_secret_id_not_known_yet_make_no_second_one(
    rotation: Make, proxy: Proxy, tmp_path: Path
) -> None:
    """A standby that answers for itself: the answer to the call was lost, and four lists do not show what it made."""
    trial = trials.Trial(rotation, tmp_path)
    proxy.faults.append(Fault("POST .*/custom-secret-id", "lost", on_calls=(1,)))
    stale = {"LIST": 4, "secret-id/lookup": 3}
    (old,) = trial.world.look().stored

    def answers(call: str, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        is_made = any(call.endswith("custom-secret-id") for call in proxy.calls)
        for part, data in (("LIST", {"keys": [old]}), ("secret-id/lookup", {})):
            if is_made and part in call and stale[part]:
                stale[part] -= 1
                return data
        return None

    proxy.answers = answers
    trial.carry_on()
    assert not any(stale.values())
    assert (trial.violations, trial.end) == ([], ("closed", ("gone", ["live"], True)))
    assert len([call for call in proxy.calls if call.endswith("custom-secret-id")]) == 1
