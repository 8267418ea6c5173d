"""The one HTTP session of all collectors: bounded in time, size and retries, and bound to one origin."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, ReadTimeout, SSLError
from urllib3 import HTTPResponse

from nhiscan.errors import CollectError, ConfigError

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


def refuse_plain_http(url: str | None, *, setting: str) -> None:
    """Raises: ConfigError unless the URL is absent, https or on this machine."""
    if url is not None and urlsplit(url).scheme != "https" and not _is_loopback_http(url):
        raise ConfigError(
            f"{setting} {url} is neither https nor on loopback", hint="plain http is for stand-ins on 127.0.0.1"
        )


def _is_loopback_http(url: str) -> bool:
    return urlsplit(url).scheme == "http" and urlsplit(url).hostname in _LOOPBACK


def session(host: str, *, base_url: str, verify: bool | str = True) -> requests.Session:
    """A session that speaks to the origin of `base_url` only; `host` names that side in errors and on tapes.

    Raises, when used: requests' exceptions for what the network does; CollectError for a redirect or link that leads
    elsewhere and for an answer that is too big.
    """
    refuse_plain_http(base_url, setting=f"{host}: address")
    made = requests.Session()
    made.verify = verify
    made.auth = _as_it_is  # otherwise an entry in ~/.netrc would replace the collector's own Authorization
    adapter = _Adapter(host, _origin(base_url))
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

    def __init__(self, host: str, origin: tuple[str, str, int]) -> None:
        super().__init__(pool_maxsize=16)
        self._host = host
        self._origin = origin

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
        for pause_s in (*_PAUSES_S, None):
            try:
                response = self._whole(request, options)
            except (NoConnection, ReadTimeout) as error:
                if pause_s is None or not _may_repeat(request, error):
                    raise
                time.sleep(pause_s)
                continue
            wanted_s = _pause_wanted(request, response, pause_s)
            if wanted_s is None:
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
                    raise CollectError(
                        f"{self._host}: {request.method} {request.path_url} answered more than {_MOST_BYTES} bytes",
                        hint="ask for smaller pages",
                    )
                if time.monotonic() > deadline:
                    raise ReadTimeout(f"no whole answer within {_LONGEST_ANSWER_S} s", request=request)
            return self._answer(request, response.status_code, response.headers, bytes(body))

    def _answer(
        self, request: requests.PreparedRequest, status: int, headers: Mapping[str, str], body: bytes
    ) -> requests.Response:
        kept = {name: value for name, value in headers.items() if name.lower() not in _ABOUT_TRANSFER}
        raw = HTTPResponse(BytesIO(body), headers=kept, status=status, preload_content=False)
        return self.build_response(request, raw)


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
    asked_s = _retry_after_s(response.headers.get("Retry-After"))
    if asked_s is None:
        return pause_s
    return asked_s if asked_s <= _LONGEST_PAUSE_S else None


def _retry_after_s(text: str | None) -> float | None:
    """Seconds of a Retry-After header in either of its forms; None for none that makes sense."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
