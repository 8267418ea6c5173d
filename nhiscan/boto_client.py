"""boto3 sessions and clients: bounded retries, roles whose credentials renew themselves, and the tape."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import exceptions
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.loaders import create_loader
from urllib3 import HTTPResponse

from nhiscan.errors import CollectError
from nhiscan.secret import DUMMY, Secret
from nhiscan.tape import Answer, Call, Failure, Player, Recorder, call, split

AfterCall = Callable[..., None]

_ACCOUNT: Final = re.compile(r"\d{12}")
# The most telling class first: some are kinds of others.
_FAILURES: Final = (
    (exceptions.ConnectTimeoutError, "connect timeout"),
    (exceptions.ReadTimeoutError, "read timeout"),
    (exceptions.SSLError, "tls"),
    (exceptions.ProxyConnectionError, "proxy"),
)


def session(
    *, profile: str | None, region: str, tape: Recorder | Player | None, key: tuple[str, Secret] | None = None
) -> Any:
    """A session with the credentials of the profile, or of wherever AWS's own tools take them; on replay with none.

    `key`: an access key's id and secret that are used instead.
    """
    if not isinstance(tape, Player):
        core = botocore.session.Session()
        if key is not None:
            core.set_credentials(key[0], key[1].reveal())
        if profile is not None:
            core.set_config_variable("profile", profile)
        return _on(core, region)
    nothing = dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))
    core = botocore.session.Session(session_vars=nothing)
    core.set_credentials(DUMMY, DUMMY)
    return _on(core, region)


def _on(core: Any, region: str) -> Any:
    """Every session reads the models of services from one place: each would parse the same megabytes again."""
    models = _models(core.get_config_variable("data_path"))
    core.register_component("data_loader", models)
    made = boto3.Session(botocore_session=core, region_name=region)
    models.search_paths[:] = dict.fromkeys(models.search_paths)  # each session adds boto3's own once more
    return made


@functools.cache
def _models(data_path: str | None) -> Any:
    return create_loader(data_path)


def role_session(sts: Any, request: Mapping[str, str], *, region: str, tape: Recorder | Player | None) -> Any:
    """A session of the role, which is assumed at once and again before its credentials expire.

    Raises: botocore's ClientError when the role is refused.
    """

    def assume() -> dict[str, str]:
        granted = sts.assume_role(**request)["Credentials"]
        return {
            "access_key": granted["AccessKeyId"],
            "secret_key": granted["SecretAccessKey"],
            "token": granted["SessionToken"],
            "expiry_time": granted["Expiration"].isoformat(),
        }

    first = assume()
    if isinstance(tape, Player):  # the credentials on it expired long ago, and nobody looks at them
        return session(profile=None, region=region, tape=tape)
    credentials = RefreshableCredentials.create_from_metadata(first, refresh_using=assume, method="assume-role")
    core = botocore.session.Session()
    core.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
    return _on(core, region)


class _Given(CredentialProvider):  # type: ignore[misc] # botocore ships no types
    METHOD = "assume-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


def client(
    made: Any,
    service: str,
    *,
    region: str,
    account: str,
    endpoint_url: str | None,
    tape: Recorder | Player | None,
    after_call: AfterCall,
    is_asked_once: bool = False,
) -> Any:
    """A client of a session; `account` tells the accounts behind one endpoint apart on a tape.

    `is_asked_once`: no call is ever repeated, because it may have had its effect.
    """
    if isinstance(tape, Player) or is_asked_once:
        retries: dict[str, Any] = {"mode": "standard", "total_max_attempts": 1}  # a tape holds what retries came to
    else:
        retries = {"mode": "adaptive", "total_max_attempts": 3}
    options = Config(
        retries=retries,
        connect_timeout=10,
        read_timeout=60,
        ignore_configured_endpoint_urls=isinstance(tape, Player),
    )
    found = made.client(service, region_name=region, endpoint_url=endpoint_url, config=options)
    found.meta.events.register("after-call", after_call)
    host = f"aws:{service}:{region}:{account}"
    if isinstance(tape, Player):
        found.meta.events.register("before-send", _Replaying(host, found.meta.endpoint_url, tape))
    elif tape is not None:
        recording = _Recording(host, found.meta.endpoint_url, tape)
        found.meta.events.register("before-send", recording.before_send)
        found.meta.events.register("before-parse", recording.before_parse)
        found.meta.events.register("response-received", recording.response_received)
    return found


def _call(host: str, endpoint_url: str, request: Any) -> Call:
    """The key of a prepared request; signatures, dates and the address are not in it."""
    path, query = split(request.url)
    target = request.headers.get("X-Amz-Target")
    if target is not None:
        path = f"/{_text(target)}"
    # Buckets stand before the address or in the path, depending on the address; accounts before it or nowhere.
    server, ours = (urlsplit(url).hostname or "" for url in (request.url, endpoint_url))
    if server.endswith(f".{ours}"):
        label = server.removesuffix(f".{ours}")
        path = path if _ACCOUNT.fullmatch(label) else f"/{label}{path}"  # the account is in `host` already
    return call(request.method, host, path.rstrip("/"), query, request.body)


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


class _Replaying:
    """Answers from the tape before anything is sent."""

    def __init__(self, host: str, endpoint_url: str, tape: Player) -> None:
        self._host, self._endpoint_url, self._tape = host, endpoint_url, tape

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        answer = self._tape.play(_call(self._host, self._endpoint_url, request))
        if isinstance(answer, Failure):
            raise _failure(answer, request.url)
        # By its length a broken body is told from none.
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        raw = HTTPResponse(BytesIO(answer.body), headers=headers, status=answer.status, preload_content=False)
        return AWSResponse(request.url, answer.status, headers, raw)


class _Recording:
    """Hears each attempt being sent, and in the same thread what it came to."""

    def __init__(self, host: str, endpoint_url: str, tape: Recorder) -> None:
        self._host, self._endpoint_url, self._tape = host, endpoint_url, tape
        self._now = threading.local()

    def before_send(self, request: Any, **_: Any) -> None:
        token = request.headers.get("X-Amz-Security-Token")
        if token:
            self._tape.saw_secret(_text(token))
        self._now.asked = _call(self._host, self._endpoint_url, request)
        self._now.invocation = _text(request.headers["amz-sdk-invocation-id"])  # the same for every attempt

    def before_parse(self, response_dict: Mapping[str, Any], **_: Any) -> None:
        body = response_dict["body"]
        if not isinstance(body, bytes):
            raise CollectError(
                f"{self._now.asked} cannot be recorded: its answer is a stream", hint="scan without --record"
            )
        headers = {str(name): str(value) for name, value in response_dict["headers"].items()}
        self._keep(Answer(response_dict["status_code"], headers, body))

    def response_received(self, exception: Exception | None, **_: Any) -> None:
        if isinstance(exception, exceptions.ConnectionError | exceptions.HTTPClientError):
            word = next((word for of, word in _FAILURES if isinstance(exception, of)), "connection")
            self._keep(Failure(word, str(exception)))

    def _keep(self, answer: Answer | Failure) -> None:
        self._tape.keep(self._now.asked, answer, attempt_of=self._now.invocation)


def _failure(failure: Failure, url: str) -> Exception:
    of = next((of for of, word in _FAILURES if word == failure.kind), exceptions.EndpointConnectionError)
    error: Exception = of(endpoint_url=url, proxy_url=url, error=failure.text)
    return error
