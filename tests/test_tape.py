"""Recording and replaying through the doors that collectors use. Planted secrets are made up at run time."""

from __future__ import annotations

import base64
import gzip
import json
import random
import socket
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import pytest
import requests

from fixtures.filled import filled
from fixtures.vault.server import running
from nhiscan import collect, http, tape
from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError, StoreError
from nhiscan.model import Coverage, Record, Sighting, Tenant, Where
from nhiscan.secret import DUMMY, Secret
from tests.web import Asked, Said, Script, in_turn, serving

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TENANT = "portal:main"
FINE = Said({"fine": True})


def made(n: int) -> str:
    return "".join(random.Random(n).choices(string.ascii_letters + string.digits, k=n))


def everything(folder: Path) -> str:
    return gzip.decompress((folder / tape.FILE).read_bytes()).decode()


def _no(*_: Any, **__: Any) -> None:
    raise AssertionError("a replay went to the network, or waited")


@contextmanager
def offline() -> Iterator[None]:
    """No socket can be made, no name looked up, no time spent."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, _no)
        patch.setattr("time.sleep", _no)
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def recording() -> Context:
    return Context(as_of=NOW, tape=tape.Recorder(as_of=NOW))


def written(ctx: Context, folder: Path) -> Path:
    assert isinstance(ctx.tape, tape.Recorder)
    tape.claim(folder)
    ctx.tape.write(folder)
    return folder


def replaying(folder: Path) -> Context:
    player = tape.read(folder)
    return Context(as_of=player.as_of, tape=player)


def recorded(folder: Path, script: Script, *paths: str) -> Path:
    """A tape of one GET for each path."""
    ctx = recording()
    with serving(script) as web:
        portal = ctx.http("portal:main", base_url=web.url)
        for path in paths:
            portal.get(f"{web.url}{path}")
    return written(ctx, folder)


URL = "https://portal.example"  # a replay looks at no address


def replayed(folder: Path) -> requests.Session:
    return replaying(folder).http("portal:main", base_url=URL)


def test_a_replay_hears_what_the_recording_heard(tmp_path: Path) -> None:
    def script(asked: Asked) -> Said:
        return Said({"path": asked.path}, 404 if "missing" in asked.path else 200, {"Link": "<next>"})

    def talk(url: str, ctx: Context) -> list[tuple[int, Any, str | None]]:
        portal = ctx.http("portal:main", base_url=url)
        answers = [
            portal.get(f"{url}/users", params={"page": "2", "size": "10"}),
            portal.get(f"{url}/missing"),
            portal.request("LIST", f"{url}/roles"),
            portal.post(f"{url}/search", json={"b": 1, "a": [2]}),
        ]
        return [(answer.status_code, answer.json(), answer.headers.get("Link")) for answer in answers]

    ctx = recording()
    with serving(script) as web:
        heard = talk(web.url, ctx)
    folder = written(ctx, tmp_path / "tape")
    with offline():
        assert talk(URL, replaying(folder)) == heard


def test_equal_calls_are_answered_in_the_order_of_the_recording(tmp_path: Path) -> None:
    states = [Said({"state": state}) for state in ("queued", "queued", "running", "done")]
    folder = recorded(tmp_path / "tape", in_turn(*states), *["/job"] * 4)
    portal = replayed(folder)
    assert [portal.get(f"{URL}/job").json()["state"] for _ in range(4)] == ["queued", "queued", "running", "done"]
    assert everything(folder).count("queued") == 1  # what repeats itself stands there once


def test_the_order_of_fields_in_a_request_does_not_matter(tmp_path: Path) -> None:
    ctx = recording()
    with serving(in_turn(FINE)) as web:
        portal = ctx.http("portal:main", base_url=web.url)
        portal.post(f"{web.url}/search?b=2&a=1", data=json.dumps({"x": 1, "y": {"p": 2, "q": 3}}))
    portal = replayed(written(ctx, tmp_path / "tape"))
    answer = portal.post(f"{URL}/search?a=1&b=2", data=json.dumps({"y": {"q": 3, "p": 2}, "x": 1}))
    assert answer.json() == {"fine": True}


def test_two_systems_and_two_namespaces_with_the_same_paths_do_not_mix(tmp_path: Path) -> None:
    ctx = recording()
    with serving(lambda asked: Said({"of": asked.headers.get("X-Vault-Namespace", "root")})) as web:
        for namespace in ("team", "root"):
            ctx.hvac_client(web.url, host="vault:main", namespace=namespace).read("sys/mounts")
    with serving(in_turn(Said({"of": "dr"}))) as web:
        ctx.hvac_client(web.url, host="vault:dr", namespace="team").read("sys/mounts")
    again = replaying(written(ctx, tmp_path / "tape"))
    heard = [
        again.hvac_client(URL, host=host, namespace=namespace).read("sys/mounts")["of"]
        for host, namespace in (("vault:dr", "team"), ("vault:main", "root"), ("vault:main", "team"))
    ]
    assert heard == ["dr", "root", "team"]


def test_only_what_a_call_finally_came_to_is_on_the_tape_and_a_replay_does_not_wait(
    tmp_path: Path, impatient: None
) -> None:
    folder = recorded(tmp_path / "tape", in_turn(Said(status=503), Said(status=429), FINE), "/users")
    with offline():
        assert replayed(folder).get(f"{URL}/users").json() == {"fine": True}


def test_a_refusal_after_all_attempts_is_replayed_without_waiting(tmp_path: Path, impatient: None) -> None:
    folder = recorded(tmp_path / "tape", in_turn(Said({"errors": ["sealed"]}, 503)), "/v1/sys/mounts")
    with offline():
        assert replayed(folder).get(f"{URL}/v1/sys/mounts").status_code == 503


def test_a_failure_of_the_network_is_replayed_as_what_it_was(tmp_path: Path, impatient: None) -> None:
    ctx = recording()
    with serving(in_turn(FINE)) as web:
        pass
    with pytest.raises(requests.ConnectionError) as first:
        ctx.http("portal:main", base_url=web.url).get(f"{web.url}/users")
    folder = written(ctx, tmp_path / "tape")
    with offline(), pytest.raises(requests.ConnectionError) as again:
        replayed(folder).get(f"{URL}/users")
    assert type(again.value) is type(first.value)
    assert " at 0x" not in str(again.value)


def test_an_answer_that_was_too_big_is_too_big_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MOST_BYTES", 10)
    ctx = recording()
    with serving(in_turn(Said(b"x" * 11))) as web, pytest.raises(CollectError):
        ctx.http("portal:main", base_url=web.url).get(f"{web.url}/all")
    with pytest.raises(CollectError, match="portal:main: GET /all answered more than 10 bytes"):
        replayed(written(ctx, tmp_path / "tape")).get(f"{URL}/all")


@pytest.mark.parametrize(
    ("path", "often", "said"),
    [("/roles", 1, "GET portal:main /roles is not on the tape"), ("/users", 2, "was recorded less often")],
)
def test_a_call_that_was_not_recorded_names_itself_and_the_next_step(
    tmp_path: Path, path: str, often: int, said: str
) -> None:
    portal = replayed(recorded(tmp_path / "tape", in_turn(FINE), "/users"))
    with pytest.raises(CollectError, match=said) as caught:
        for _ in range(often):
            portal.get(f"{URL}{path}")
    assert "record again" in caught.value.hint


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "tape", in_turn(Said(b"\xff\x00\xfe")), "/raw")
    assert replayed(folder).get(f"{URL}/raw").content == b"\xff\x00\xfe"


def test_a_login_to_a_real_vault_is_replayed_with_dummies(tmp_path: Path) -> None:
    def talk(ctx: Context, url: str, role_id: str, half: Secret) -> list[str]:
        client = ctx.hvac_client(url, host="vault:main")
        client.auth.approle.login(role_id, half.reveal())
        client.auth.token.renew_self()
        assert client.auth.token.lookup_self()["data"]["id"] == client.token  # the token itself, under another name
        return sorted(client.sys.list_auth_methods()["data"])

    ctx = recording()
    with running() as server:
        root = Context(as_of=NOW).hvac_client(server.url, host="vault:main", token=Secret(server.root_token))
        root.sys.enable_auth_method("approle")
        root.sys.create_or_update_acl_policy("look", 'path "sys/auth" { capabilities = ["read"] }')
        root.auth.approle.create_or_update_approle("scanner", token_policies=["look"])
        role_id = root.auth.approle.read_role_id("scanner")["data"]["role_id"]
        half = root.auth.approle.generate_secret_id("scanner")["data"]["secret_id"]
        heard = talk(ctx, server.url, role_id, Secret(half))
    folder = written(ctx, tmp_path / "tape")
    with offline():
        assert talk(replaying(folder), URL, role_id, Secret(DUMMY)) == heard == ["approle/", "token/"]
    assert half not in everything(folder)
    assert '"secret_id\\":\\"' + DUMMY in everything(folder)


# What a tape must not hold


@dataclass(frozen=True)
class Portal:
    """A collector that searches what a portal of functions answers, and logs in for it."""

    url: str
    password: Secret

    name: ClassVar[str] = "portal"
    datasets: ClassVar[frozenset[str]] = frozenset({"sightings.environment"})
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def collect(self, ctx: Context) -> Iterator[Record]:
        yield Tenant(tenant_id=TENANT, provider="portal")
        portal = ctx.http(TENANT, base_url=self.url)
        login = portal.post(f"{self.url}/login", data={"user": "scan", "password": self.password.reveal()}).json()
        portal.headers["Authorization"] = f"Bearer {login['access_token']}"
        for function in portal.get(f"{self.url}/functions").json():
            for name, value in function["variables"].items():
                yield from ctx.detect(value, self._where("environment", function["name"], name))
            user_data = base64.b64decode(function["user_data"]).decode()
            yield from ctx.detect(user_data, self._where("user_data", function["name"], None))
            for tag in function["tags"]:
                yield from ctx.detect(tag["value"], self._where("tag", function["name"], tag["key"]))
            portal.get(f"{self.url}/functions/{function['name']}")
        yield Coverage(provider="portal", tenant_id=TENANT, dataset="sightings.environment", status="complete")

    def _where(self, kind: str, function: str, name: str | None) -> Where:
        return Where("portal", TENANT, kind, f"function {function}", name)


PASSWORD = made(19)
TOKEN = made(41)
GITHUB = filled("gh<<[p]{1}>>_<<crc32:[A-Za-z0-9]{30}>>", seed=1)
DATABASE = "Pg#" + made(17)
SHELL = made(23)
HEADER = made(29)
UNNOTICED = "sunshine-of-anna"
STRIPE = "sk_" + "live_" + made(24)
KEY_ID = "AKIA" + "".join(random.Random(3).choices(string.ascii_uppercase, k=16))
CANARIES = (PASSWORD, TOKEN, GITHUB, DATABASE, SHELL, HEADER, UNNOTICED, STRIPE)

USER_DATA = f"#!/bin/sh\nexport DB_PASSWORD='{SHELL}'\ncurl -H 'X-Api-Key: {HEADER}' https://{UNNOTICED}.example\n"
FUNCTIONS = [
    {
        "name": "orders",
        "variables": {
            "GITHUB_TOKEN": GITHUB,
            "DB_URL": f"postgres://app:{quote(DATABASE)}@db.example/orders",
            "DB_PASSWORD": DATABASE,
            "GREETING": UNNOTICED,
            "STAGE": "prod",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "ROLE": "arn:aws:iam::111111111111:role/orders",
            "SETTINGS": json.dumps({"stripe": {"api_key": STRIPE}}),
        },
        "user_data": base64.b64encode(USER_DATA.encode()).decode(),
        "tags": [{"key": "partner", "value": "Nordwind"}, {"key": "token", "value": GITHUB}],
    },
    {"name": "prod", "variables": {"TOKEN": GITHUB}, "user_data": "", "tags": []},
]


def portal_script(asked: Asked) -> Said:
    if asked.path == "/login":
        return Said({"access_token": TOKEN, "token_type": "bearer"})
    if asked.path == "/functions":
        return Said(FUNCTIONS)
    # Nobody searches this answer; the secrets are in it all the same, in other words.
    inner = base64.b64encode(gzip.compress(f"password: {DATABASE}".encode())).decode()
    return Said({"log": quote(f"started with {SHELL}"), "packed": inner, "note": f"<b>{STRIPE}</b>", "by": TOKEN})


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record], list[Record]]:
    """The tape, and what recording and replay said."""
    ctx = recording()
    with serving(portal_script) as web:
        first = list(collect.run(Portal(web.url, Secret(PASSWORD)), ctx))
    folder = written(ctx, tmp_path_factory.mktemp("portal") / "tape")
    with offline():
        again = list(collect.run(Portal(URL, Secret(DUMMY)), replaying(folder)))
    return folder, first, again


def unpacked(text: str) -> Iterator[str]:
    """A text and all that can be read in it, through base64, gzip and URL quoting."""
    yield text
    for word in {word for line in text.split("\n") for word in line.replace("\\", " ").replace('"', " ").split()}:
        yield unquote(word)
        try:
            data = base64.b64decode(word, validate=True)
        except ValueError:
            continue
        yield (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")


@pytest.mark.parametrize("planted", CANARIES)
def test_no_planted_value_is_in_any_byte_of_a_tape(
    portal: tuple[Path, list[Record], list[Record]], planted: str
) -> None:
    folder, first, _ = portal
    assert [coverage.status for coverage in first if isinstance(coverage, Coverage)] == ["complete"]
    assert planted not in "\n".join(unpacked(everything(folder)))


def test_a_replay_finds_the_same_secrets_in_the_same_places(
    portal: tuple[Path, list[Record], list[Record]],
) -> None:
    def seen(records: list[Record]) -> list[tuple[str, str, str | None, str | None]]:
        sightings = [record for record in records if isinstance(record, Sighting)]
        return [(s.sighting_id, s.kind, s.name, s.native_id) for s in sightings]

    _, first, again = portal
    assert len(seen(first)) >= 8
    assert seen(again) == seen(first)


def test_what_was_one_secret_in_three_places_is_one_on_the_tape(
    portal: tuple[Path, list[Record], list[Record]],
) -> None:
    def groups(records: list[Record]) -> list[list[str]]:
        by_mark: dict[str | None, list[str]] = {}
        for record in records:
            if isinstance(record, Sighting):
                by_mark.setdefault(record.fingerprint, []).append(record.sighting_id)
        return sorted(by_mark.values())

    _, first, again = portal
    assert max(map(len, groups(first))) == 3
    assert groups(again) == groups(first)


def test_names_labels_and_identifiers_stay(portal: tuple[Path, list[Record], list[Record]]) -> None:
    text = everything(portal[0])
    for kept in ("Nordwind", KEY_ID, "arn:aws:iam::111111111111:role/orders", "orders", "/functions/prod"):
        assert kept in text


def test_what_is_in_a_variable_besides_secrets_becomes_xs(portal: tuple[Path, list[Record], list[Record]]) -> None:
    text = everything(portal[0]).replace("\\", "")
    assert '"GREETING":"xxxxxxxx-xx-xxxx"' in text
    assert '"STAGE":"xxxx"' in text


def test_the_header_says_what_a_tape_is(portal: tuple[Path, list[Record], list[Record]]) -> None:
    header = json.loads(everything(portal[0]).partition("\n")[0])
    assert (header["format"], header["version"], header["as_of"]) == ("nhiscan tape", 1, NOW.isoformat())
    assert header["collectors"] == ["portal"]
    assert "test material" in header["note"]


def test_a_secret_that_cannot_be_taken_out_stops_the_writing_and_names_the_call(tmp_path: Path) -> None:
    ctx = recording()
    basic = base64.b64encode(f"anna:{SHELL}".encode()).decode()
    with serving(in_turn(Said({"log": f"sent Basic {basic} once"}))) as web:
        ctx.http(TENANT, base_url=web.url).get(f"{web.url}/odd")
    list(ctx.detect(SHELL, Where("portal", TENANT, "environment", "function orders", "DB_PASSWORD")))
    with pytest.raises(StoreError, match="a secret is left in the answer to GET portal:main /odd") as caught:
        written(ctx, tmp_path / "tape")
    assert SHELL not in str(caught.value)
    assert list((tmp_path / "tape").iterdir()) == []


# Tapes that are no good


def damaged(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / tape.FILE).write_bytes(content)
    return folder


def packed(*lines: object) -> bytes:
    return gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())


def answered(**said: object) -> bytes:
    answer = {"status": 200, "headers": {}, "body": "", "times": 1, **said}
    return packed(HEADER_LINE, {"call": ["GET", "h", "/", "", ""], "answers": [answer]})


HEADER_LINE = {"format": "nhiscan tape", "version": 1, "nhiscan": "0.1.0", "as_of": NOW.isoformat(), "collectors": []}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no tape|is damaged"),
        (b"not packed", "is damaged"),
        (packed(HEADER_LINE, {"call": ["GET", "h", "/", "", ""], "answers": []})[:-20], "is damaged"),
        (packed({**HEADER_LINE, "version": 2}), "is a tape of version 2, this is version 1"),
        (packed({"format": "something else"}), "is no tape"),
        (packed([]), "is no tape"),
        (packed({**HEADER_LINE, "as_of": "2026-01-31T12:00:00"}), "is damaged: as_of without a zone"),
        (packed({**HEADER_LINE, "as_of": None}), "is damaged"),
        (packed(HEADER_LINE, {"call": ["GET"], "answers": []}), "is damaged"),
        (packed(HEADER_LINE, {"call": ["GET", "h", "/", "", ""], "answers": [{"status": 200}]}), "is damaged"),
        (packed(HEADER_LINE, {"call": ["GET", "h", "/", "", ""], "answers": [{"failure": "rain"}]}), "is damaged"),
        (packed(HEADER_LINE, "no call"), "is damaged"),
        (answered(body=5), "is damaged"),
        (answered(headers="none"), "is damaged"),
        (answered(status=float("inf")), "is damaged"),
        (answered(status=10**30), "is damaged: status 1000"),
        (answered(times=0), "is damaged: an answer that came 0 times"),
        (answered(times=10**12), "is damaged: an answer that came 1000000000000 times"),
    ],
)
def test_a_tape_that_is_no_good_is_named_with_the_next_step(tmp_path: Path, content: bytes, said: str) -> None:
    folder = damaged(tmp_path / "tape", content)
    with pytest.raises(ConfigError, match=said) as caught:
        tape.read(folder)
    assert str(folder / tape.FILE) in caught.value.message
    assert "record" in caught.value.hint


@pytest.mark.parametrize("left", [1, 40, 200])
def test_a_truncated_tape_is_never_a_shorter_one(tmp_path: Path, left: int) -> None:
    whole = (recorded(tmp_path / "tape", in_turn(FINE), *(f"/{n}" for n in range(50))) / tape.FILE).read_bytes()
    with pytest.raises(ConfigError, match="is damaged"):
        tape.read(damaged(tmp_path / "cut", whole[:-left]))


def test_a_folder_without_a_tape_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tape\.jsonl\.gz does not exist"):
        tape.read(tmp_path)


def test_a_folder_with_something_in_it_is_not_recorded_into(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        tape.claim(tmp_path)


def test_a_tape_is_for_its_owner_only_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "tape", in_turn(FINE), "/users")
    assert [(file.name, oct(file.stat().st_mode & 0o777)) for file in folder.iterdir()] == [(tape.FILE, "0o600")]


def test_what_is_called_a_secret_id_keeps_calls_apart_when_it_names_a_secret_and_not_when_it_opens_one() -> None:
    arns = [f"arn:aws:secretsmanager:eu-central-1:111111111111:secret:{name}" for name in ("one", "two")]
    one, two = (tape.call("POST", "aws", "/", body=json.dumps({"SecretId": arn})) for arn in arns)
    assert one != two
    first, second = (tape.call("POST", "vault", "/", body=json.dumps({"secret_id": made(n)})) for n in (20, 21))
    assert first == second
