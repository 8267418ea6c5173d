"""The one HTTP session of all collectors: bounded in time, size and retries, and bound to one origin."""

from __future__ import annotations

import base64
import contextlib
import re
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, ProxyError, ReadTimeout, SSLError
from urllib3 import HTTPResponse

from nhiscan.errors import CollectError, ConfigError
from nhiscan.tape import Answer, Call, Failure, Player, Recorder, call, split

_TIMEOUT_S: Final = (10, 60)  # to connect, and between two bytes of an answer
_LONGEST_ANSWER_S: Final = 300
_MOST_BYTES: Final = 64 * 1024 * 1024  # unpacked
_CHUNK: Final = 64 * 1024
_PAUSES_S: Final = (0.5, 1.0, 2.0)  # before the second, third and fourth attempt
_LONGEST_PAUSE_S: Final = 60.0  # a provider that wants a longer one gets its refusal reported
_UNPROCESSED: Final = frozenset({429, 503})  # the provider did nothing: any method may ask again
_PASSING: Final = frozenset({502, 504})
_READING: Final = frozenset({"GET", "HEAD", "LIST", "OPTIONS"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PORTS: Final = {"http": 80, "https": 443}
_TOO_BIG_HINT: Final = "ask for smaller pages"
_CREDENTIAL_HEADERS: Final = re.compile("auth|cookie|key|secret|token", re.IGNORECASE)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")  # of an object of ours: it differs from run to run


class TooBigError(CollectError):
    """An answer that is larger than any list page or document has a reason to be."""


# The most telling class first: some are kinds of others.
_FAILURES: Final[tuple[tuple[Any, str], ...]] = (
    (ConnectTimeout, "connect timeout"),
    (ReadTimeout, "read timeout"),
    (SSLError, "tls"),
    (ProxyError, "proxy"),
    (NoConnection, "connection"),
    (TooBigError, "too big"),
)


def refuse_plain_http(url: str | None, *, setting: str) -> None:
    """Raises: ConfigError unless the URL is absent, or https or on this machine and without a password."""
    if url is not None and "@" in urlsplit(url).netloc:
        raise ConfigError(
            f"{setting} holds a user or a password before its host",
            hint="an address stands in messages and reports; leave out what precedes the @",
        )
    if url is not None and urlsplit(url).scheme != "https" and not _is_loopback_http(url):
        raise ConfigError(
            f"{setting} {url} is neither https nor on loopback", hint="plain http is for stand-ins on 127.0.0.1"
        )


def _is_loopback_http(url: str) -> bool:
    return urlsplit(url).scheme == "http" and urlsplit(url).hostname in _LOOPBACK


def session(
    host: str,
    *,
    base_url: str,
    verify: bool | str = True,
    tape: Recorder | Player | None = None,
    final: Collection[int] = (),
) -> requests.Session:
    """A session that speaks to the origin of `base_url` only; `host` names that side in errors and on tapes.

    `final`: statuses after which nothing is repeated here, because the caller knows when it makes sense.
    Raises, when used: requests' exceptions for what the network does; CollectError for a redirect or link that leads
    elsewhere and for an answer that is too big.
    """
    refuse_plain_http(base_url, setting=f"{host}: address")
    made = requests.Session()
    made.verify = verify
    made.auth = _as_it_is  # otherwise an entry in ~/.netrc would replace the collector's own Authorization
    adapter = _Replaying(host, tape) if isinstance(tape, Player) else _Adapter(host, _origin(base_url), tape, final)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ConfigError(f"{url} is no address: {error}") from error
    return parts.scheme, (parts.hostname or "").lower(), port


class _Adapter(HTTPAdapter):
    """Sends with retries and reads answers whole, so that nothing of one stays on the wire."""

    def __init__(
        self, host: str, origin: tuple[str, str, int], tape: Recorder | None, final: Collection[int] = ()
    ) -> None:
        super().__init__(pool_maxsize=16)
        self._host = host
        self._origin = origin
        self._tape = tape
        self._final = frozenset(final)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        del stream  # an answer that is read later would escape the bounds
        url = str(request.url)
        if _origin(url) != self._origin:
            raise CollectError(
                f"{self._host}: refused to follow to {urlsplit(url).scheme}://{urlsplit(url).netloc}",
                hint="credentials go to the configured address only; configure the address that answers itself",
            )
        options = {"timeout": timeout or _TIMEOUT_S, "verify": verify, "cert": cert, "proxies": proxies}
        if self._tape is None:
            return self._persistent(request, options)
        for value in _credentials(request.headers):
            self._tape.saw_secret(value)
        asked = _call(self._host, request)
        try:
            response = self._persistent(request, options)
        except (requests.RequestException, TooBigError) as error:
            self._tape.keep(asked, _as_failure(error))
            raise
        self._tape.keep(asked, Answer(response.status_code, dict(response.headers), response.content))
        return response

    def _persistent(self, request: requests.PreparedRequest, options: Mapping[str, Any]) -> requests.Response:
        """The first answer or failure that is worth no further attempt."""
        for pause_s in (*_PAUSES_S, None):
            try:
                response = self._whole(request, options)
            except (NoConnection, ReadTimeout) as error:
                if pause_s is None or not _may_repeat(request, error):
                    raise
                time.sleep(pause_s)
                continue
            wanted_s = _pause_wanted(request, response, pause_s)
            if wanted_s is None or response.status_code in self._final:
                break
            time.sleep(wanted_s)
        return response

    def _whole(self, request: requests.PreparedRequest, options: Mapping[str, Any]) -> requests.Response:
        """One attempt; the answer's body is unpacked and in memory."""
        deadline = time.monotonic() + _LONGEST_ANSWER_S
        body = bytearray()
        with super().send(request, stream=True, **options) as response:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise TooBigError(
                        f"{self._host}: {request.method} {request.path_url} answered more than {_MOST_BYTES} bytes",
                        hint=_TOO_BIG_HINT,
                    )
                if time.monotonic() > deadline:
                    raise ReadTimeout(f"no whole answer within {_LONGEST_ANSWER_S} s", request=request)
            return _response(self, request, Answer(response.status_code, response.headers, bytes(body)))


class _Replaying(HTTPAdapter):
    """Answers from a tape, whatever the address."""

    def __init__(self, host: str, tape: Player) -> None:
        super().__init__()
        self._host = host
        self._tape = tape

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        answer = self._tape.play(_call(self._host, request))
        if isinstance(answer, Failure):
            raise _as_error(answer, request)
        return _response(self, request, answer)


def _response(adapter: HTTPAdapter, request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _ABOUT_TRANSFER}
    raw = HTTPResponse(BytesIO(answer.body), headers=kept, status=answer.status, preload_content=False)
    response = adapter.build_response(request, raw)
    if not response.content:  # read here, so that nothing of it is left to the connection
        response.raw.close()
    return response


def _call(host: str, request: requests.PreparedRequest) -> Call:
    """The key of a request; a vault's namespace is part of whom it asks."""
    path, query = split(str(request.url))
    namespace = request.headers.get("X-Vault-Namespace")
    body = request.body
    if not isinstance(body, str | bytes | None):
        raise TypeError(f"{host}: a body that is sent piecemeal has no place on a tape")
    return call(str(request.method), f"{host}/{namespace!s}" if namespace else host, path, query, body)


def _credentials(headers: Mapping[str, Any]) -> Iterator[str]:
    """What the headers of a request give away."""
    for name, value in headers.items():
        if not _CREDENTIAL_HEADERS.search(name):
            continue
        scheme, _, rest = str(value).partition(" ")
        yield rest or scheme
        if scheme.lower() == "basic":
            with contextlib.suppress(ValueError):
                yield base64.b64decode(rest).decode("utf-8", "replace").partition(":")[2]


def _as_failure(error: Exception) -> Failure:
    kind = next((word for of, word in _FAILURES if isinstance(error, of)), "connection")
    return Failure(kind, _ADDRESS.sub("", str(error)))


def _as_error(failure: Failure, request: requests.PreparedRequest) -> Exception:
    if failure.kind == "too big":
        return TooBigError(failure.text, hint=_TOO_BIG_HINT)
    found: Exception = {word: of for of, word in _FAILURES}[failure.kind](failure.text, request=request)
    return found


_ABOUT_TRANSFER: Final = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})


def _may_repeat(request: requests.PreparedRequest, error: requests.RequestException) -> bool:
    if isinstance(error, SSLError):  # a wrong certificate stays wrong
        return False
    return isinstance(error, ConnectTimeout) or request.method in _READING


def _pause_wanted(
    request: requests.PreparedRequest, response: requests.Response, pause_s: float | None
) -> float | None:
    """Seconds until this call should be repeated; None: this is the answer."""
    passing = response.status_code in _PASSING and request.method in _READING
    if pause_s is None or not (passing or response.status_code in _UNPROCESSED):
        return None
    asked_s = _retry_after_s(response.headers.get("Retry-After"), response.headers.get("Date"))
    if asked_s is None:
        return pause_s
    return asked_s if asked_s <= _LONGEST_PAUSE_S else None


def _retry_after_s(text: str | None, said_at: str | None) -> float | None:
    """Seconds of a Retry-After header in either of its forms; None for none that makes sense.

    A moment is measured from the answer's own date: no clock of ours has to be right.
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, (_moment(text) - _moment(said_at or "")).total_seconds())
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
