from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from nhiscan import http
from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError
from nhiscan.secret import Secret
from tests.web import Said, Web, in_turn, serving

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CTX = Context(as_of=NOW)
FINE = Said({"fine": True})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for and did not happen."""
    asked: list[float] = []
    monkeypatch.setattr("time.sleep", asked.append)
    return asked


def session(web: Web) -> requests.Session:
    return CTX.http("portal:main", base_url=web.url)


@pytest.mark.parametrize("url", ["http://portal.example", "http://10.0.0.7:8200", "ftp://127.0.0.1", "portal.example"])
def test_plain_http_off_loopback_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"portal:main: address .* is neither https nor on loopback"):
        CTX.http("portal:main", base_url=url)


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_password_in_an_address_is_refused_and_not_repeated(scheme: str) -> None:
    with pytest.raises(ConfigError, match="portal:main: address holds a user or a password") as refused:
        CTX.http("portal:main", base_url=f"{scheme}://scanner:planted@portal.example")
    assert "planted" not in f"{refused.value.message} {refused.value.hint}"


def test_an_address_with_an_impossible_port_is_the_users_to_mend() -> None:
    with pytest.raises(ConfigError, match="is no address"):
        CTX.http("portal:main", base_url="https://portal.example:99999")


def test_a_redirect_on_the_same_origin_is_followed() -> None:
    with serving(in_turn(Said(status=302, headers={"Location": "/there"}), FINE)) as web:
        assert session(web).get(f"{web.url}/here").json() == {"fine": True}
    assert web.paths == ["/here", "/there"]


def test_a_redirect_to_another_origin_is_refused_and_nothing_goes_there() -> None:
    with serving(in_turn(FINE)) as other, serving(in_turn(Said(status=307, headers={"Location": other.url}))) as web:
        with pytest.raises(CollectError, match=f"portal:main: refused to follow to {other.url}"):
            session(web).get(web.url, headers={"X-Vault-Token": "ours"})
        assert other.asked == []


def test_a_next_link_to_another_origin_is_refused_and_nothing_goes_there() -> None:
    with serving(in_turn(FINE)) as other, serving(in_turn(FINE)) as web:
        with pytest.raises(CollectError, match="refused to follow"):
            session(web).get(f"{other.url}/page/2")
        assert other.asked == []


def test_a_busy_provider_is_asked_again_after_the_pause_that_it_wants(pauses: list[float]) -> None:
    with serving(in_turn(Said(status=429, headers={"Retry-After": "7"}), FINE)) as web:
        assert session(web).post(web.url, json={}).status_code == 200
    assert pauses == [7.0]


def test_a_pause_until_a_moment_in_the_past_is_none(pauses: list[float]) -> None:
    moment = "Wed, 01 Jan 2020 00:00:00 GMT"
    with serving(in_turn(Said(status=503, headers={"Retry-After": moment}), FINE)) as web:
        assert session(web).get(web.url).status_code == 200
    assert pauses == [0.0]


@pytest.mark.parametrize("nonsense", ["soon", "-3", "Wed, 99 Foo", ""])
def test_a_wish_that_makes_no_sense_leaves_the_usual_pause(pauses: list[float], nonsense: str) -> None:
    with serving(in_turn(Said(status=429, headers={"Retry-After": nonsense}), FINE)) as web:
        assert session(web).get(web.url).status_code == 200
    assert pauses == [0.5]


def test_a_pause_of_hours_is_not_waited_for(pauses: list[float]) -> None:
    with serving(in_turn(Said(status=429, headers={"Retry-After": "7200"}))) as web:
        assert session(web).get(web.url).status_code == 429
    assert (pauses, len(web.asked)) == ([], 1)


def test_attempts_end_and_the_last_answer_is_given(pauses: list[float]) -> None:
    with serving(in_turn(Said(status=503))) as web:
        assert session(web).get(web.url).status_code == 503
    assert (pauses, len(web.asked)) == ([0.5, 1.0, 2.0], 4)


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("LIST", 2), ("POST", 1)])
def test_what_may_have_been_done_is_not_asked_for_twice(pauses: list[float], method: str, attempts: int) -> None:
    with serving(in_turn(Said(status=502), FINE)) as web:
        session(web).request(method, web.url)
    assert (len(web.asked), len(pauses)) == (attempts, attempts - 1)


def test_a_status_that_the_caller_knows_better_is_not_asked_for_again(pauses: list[float]) -> None:
    with serving(in_turn(Said(status=429), FINE)) as web:
        assert CTX.http("portal:main", base_url=web.url, final={429}).get(web.url).status_code == 429
    assert (pauses, len(web.asked)) == ([], 1)


def test_a_provider_that_is_not_there_is_tried_and_then_said(pauses: list[float]) -> None:
    with serving(in_turn(FINE)) as web:
        pass
    with pytest.raises(requests.ConnectionError):
        session(web).get(web.url)
    assert pauses == [0.5, 1.0, 2.0]


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MOST_BYTES", 1000)
    with serving(in_turn(Said(b"x" * 1001))) as web, pytest.raises(CollectError, match="more than 1000 bytes"):
        session(web).get(web.url)


def test_an_answer_that_unpacks_to_something_huge_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MOST_BYTES", 1000)
    bomb = Said(gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"})
    with serving(in_turn(bomb)) as web, pytest.raises(CollectError, match="more than 1000 bytes"):
        session(web).get(web.url)


def test_a_packed_answer_is_unpacked_once() -> None:
    with serving(in_turn(Said(gzip.compress(b'{"fine": 1}'), headers={"Content-Encoding": "gzip"}))) as web:
        assert session(web).get(web.url).json() == {"fine": 1}


def test_an_entry_in_netrc_does_not_replace_the_collectors_own_authorization(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(in_turn(FINE)) as web:
        session(web).get(web.url, headers={"Authorization": "Bearer ours"})
    assert web.asked[0].headers["Authorization"] == "Bearer ours"


def test_a_vault_client_takes_no_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "not-for-us")
    with serving(in_turn(FINE)) as web:
        CTX.hvac_client(web.url, host="vault:main").read("sys/auth")
    assert "X-Vault-Token" not in web.asked[0].headers


def test_a_vault_client_lists_with_the_method_list_in_its_namespace() -> None:
    with serving(in_turn(FINE)) as web:
        client = CTX.hvac_client(web.url, host="vault:main", namespace="team", token=Secret("ours"))
        client.auth.approle.list_roles()
    (asked,) = web.asked
    assert (asked.method, asked.path) == ("LIST", "/v1/auth/approle/role")
    assert (asked.headers["X-Vault-Namespace"], asked.headers["X-Vault-Token"]) == ("team", "ours")


def test_a_login_sets_the_token_of_a_client_that_has_none() -> None:
    with serving(in_turn(Said({"auth": {"client_token": "fresh"}}))) as web:
        client = CTX.hvac_client(web.url, host="vault:main")
        client.auth.approle.login("role", "half")
    assert client.token == "fresh"


def test_a_login_leaves_a_token_alone_that_the_client_works_with() -> None:
    with serving(in_turn(Said({"auth": {"client_token": "fresh"}}))) as web:
        client = CTX.hvac_client(web.url, host="vault:main", token=Secret("ours"))
        client.auth.approle.login("role", "half")
    assert client.token == "ours"
