"""Every request to one vault, dumb and loud.

What the server refuses, answers with an error or cannot do comes back as a `Refusal`, what is not there as None. Only a
token that is no good, a sealed server and one that is gone raise: nothing else could be read after that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

import requests

from nhiscan.collect import Refusal
from nhiscan.errors import CollectError
from nhiscan.secret import Secret

K = TypeVar("K")
T = TypeVar("T")
Json: TypeAlias = Mapping[str, Any]

_CAPABILITIES: Final = {"GET": "read", "LIST": "list", "POST": "update"}
_RATE_LIMIT_PAUSES_S: Final = (2.0, 4.0, 8.0)  # a quota counts a few seconds to a minute and says no Retry-After
_LONGEST_WAIT_S: Final = 300.0  # for quotas, in all: then they are reported
_TIMEOUT_S: Final = 120  # a list of very many tokens takes its time
_PAGE: Final = 1000
_MOST_PAGES: Final = 10_000
_WORKERS: Final = 8
_BATCH: Final = 64
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a list, those before the first refusal; a name that ends in / is a folder."""

    names: Sequence[str] = ()
    refusal: Refusal | None = None


@dataclass
class Patience:
    """Seconds that one run may still wait for quotas, shared by all its readers."""

    wait: Callable[[float], None]
    left_s: float = _LONGEST_WAIT_S
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, seconds: float) -> bool:
        """Waits, unless too much was waited already."""
        with self._lock:
            self.left_s -= seconds
            is_left = self.left_s >= 0
        if is_left:
            self.wait(seconds)
        return is_left


@dataclass(frozen=True)
class Reader:
    """Reads one namespace; `make_client(namespace)` gives an hvac client that holds the scanner's token."""

    address: str
    make_client: Callable[[str], Any]
    patience: Patience
    namespace: str = ""  # with a slash at its end, but for the root
    home: Reader | None = None  # reads the namespace that the token belongs to; None: this one does
    section: str = "collectors.vault"  # of nhiscan.toml, where what an error asks for is mended

    @cached_property
    def client(self) -> Any:
        return self.make_client(self.namespace)

    def inside(self, namespace: str) -> Reader:
        """A reader of another namespace, given by its whole path."""
        if namespace == self.namespace:
            return self
        return Reader(self.address, self.make_client, self.patience, namespace, self.home or self, self.section)

    @property
    def is_home(self) -> bool:
        return self.home is None

    def full(self, path: str) -> str:
        """A path as it reads from the root namespace."""
        return f"{self.namespace}{path}"

    def get(self, path: str, *, sudo: bool = False) -> Json | Refusal | None:
        return self._ask("GET", path, sudo=sudo)

    def post(self, path: str, body: Json, *, sudo: bool = False) -> Json | Refusal | None:
        return self._ask("POST", path, body=body, sudo=sudo)

    def list_names(self, path: str, *, sudo: bool = False) -> Names:
        """Every name below a path. OpenBao pages some lists; a server or list that does not sends everything."""
        path = path.rstrip("/")
        names: dict[str, None] = {}
        last: str | None = None
        for _ in range(_MOST_PAGES):
            params = {"limit": str(_PAGE)} if last is None else {"limit": str(_PAGE), "after": last}
            answer = self._ask("LIST", path, params=params, sudo=sudo)
            if isinstance(answer, Refusal):
                return Names(list(names), answer)
            found = (answer or {}).get("keys") or []
            if not isinstance(found, list) or (answer and "keys" not in answer):
                return Names(list(names), Refusal("failed", f"LIST {self.full(path)}", "the answer holds no list"))
            page = [str(name) for name in found]
            before = len(names)
            names.update(dict.fromkeys(page))
            if len(page) != _PAGE or len(names) == before:
                return Names(list(names))
            last = page[-1]
        return Names(list(names), Refusal("truncated", f"LIST {self.full(path)}", f"stopped after {_MOST_PAGES} pages"))

    def check(self) -> Json:
        """Who the token is.

        Raises: CollectError when the token is no good, or the server sealed, not set up or out of reach.
        """
        answer = (self.home or self)._ask_once("GET", "auth/token/lookup-self", None, None)
        if isinstance(answer, requests.RequestException):
            raise self._out_of_reach(answer) from answer
        if isinstance(answer, requests.Response):
            raise self._no_use(answer)
        said = answer.get("data")
        if not isinstance(said, dict) or "accessor" not in said:
            raise CollectError(
                f"vault: {self.address} does not answer like a vault", hint=f"check {self.section}.url and its port"
            )
        return said

    def log_in(self, path: str, body: Json) -> Secret:
        """The token that a login gives.

        Raises: CollectError when there is none.
        """
        answer = self._ask_once("POST", path, body, None)
        if isinstance(answer, requests.RequestException):
            raise self._out_of_reach(answer) from answer
        if isinstance(answer, requests.Response):
            if answer.status_code in (400, 401, 403, 404):
                raise CollectError(
                    f"vault: the login at {self.full(path)} was refused: {told(answer)} (HTTP {answer.status_code})",
                    hint=f"check the role, its secret and {self.section}.auth_mount; a secret id may have ended",
                )
            raise self._no_use(answer)
        granted = answer.get("auth")
        if not isinstance(granted, dict) or not granted.get("client_token"):
            raise CollectError(
                f"vault: the login at {self.full(path)} gave no token",
                hint="logins that ask for a second factor need a person; take another way in",
            )
        return Secret(str(granted["client_token"]))

    def _out_of_reach(self, error: requests.RequestException) -> CollectError:
        return CollectError(
            f"vault: {self.address} cannot be reached: {short(str(error))}",
            hint=f"check {self.section}.url, the network and, for a certificate error, {self.section}.ca_file",
        )

    def _no_use(self, answer: requests.Response) -> CollectError:
        said = f"{told(answer)} (HTTP {answer.status_code})"
        if answer.status_code == 403:
            return CollectError(
                f"vault: the token is no good, or it ended: {said}",
                hint="give a fresh token, or a way to log in; the token must live longer than the run, and its "
                "policies must allow read on auth/token/lookup-self",
            )
        if answer.status_code in (501, 503):
            return CollectError(
                f"vault: {self.address} is sealed or not set up: {said}",
                hint="unseal it (`bao operator unseal`, `vault operator unseal`) and run again",
            )
        return CollectError(
            f"vault: {self.address} does not serve requests: {said}",
            hint=f"point {self.section}.url at the active node; see sys/health and sys/leader",
        )

    def _ask(
        self, method: str, path: str, *, body: Json | None = None, params: Json | None = None, sudo: bool = False
    ) -> Json | Refusal | None:
        call = f"{method} {self.full(path)}"
        answer = self._ask_once(method, path, body, params)
        for pause_s in _RATE_LIMIT_PAUSES_S:
            if not (isinstance(answer, requests.Response) and answer.status_code == 429):
                break
            if not self.patience.spend(pause_s):
                break
            answer = self._ask_once(method, path, body, params)
        if isinstance(answer, requests.RequestException):
            self.check()
            return Refusal("failed", call, short(f"{type(answer).__name__}: {answer}"))
        if isinstance(answer, dict):
            if "sealed" in answer:  # the one call without data around its answer
                return answer
            data = answer.get("data")
            return data if isinstance(data, dict) else Refusal("failed", call, "the answer holds no data")
        if answer.status_code == 204:
            return {}
        if answer.status_code == 404 and is_from_a_vault(answer):
            return None
        return self._refusal(call, method, path, answer, sudo=sudo)

    def _ask_once(
        self, method: str, path: str, body: Json | None, params: Json | None
    ) -> dict[str, Any] | requests.Response | requests.RequestException:
        try:
            answer = self.client.adapter.request(
                method, f"/v1/{quote(path)}", raise_exception=False, json=body, params=params, timeout=_TIMEOUT_S
            )
        except requests.RequestException as error:
            return error
        return answer if isinstance(answer, dict | requests.Response) else {}  # JSON that is no object

    def _refusal(self, call: str, method: str, path: str, answer: requests.Response, *, sudo: bool) -> Refusal:
        if answer.status_code in (200, 404):
            return Refusal("failed", call, f"the answer is not whole JSON of a vault (HTTP {answer.status_code})")
        reason = short(f"{told(answer)} (HTTP {answer.status_code})")
        if answer.status_code in (403, 503):
            self.check()
        if answer.status_code == 403:
            capability = f"{_CAPABILITIES[method]} and sudo" if sudo else _CAPABILITIES[method]
            return Refusal("denied", call, reason, missing_permission=f"{capability} on {self.full(path)}")
        if answer.status_code in (405, 501):
            return Refusal("unsupported", call, reason)
        return Refusal("failed", call, reason)


def ask_each(
    things: Sequence[K], question: Callable[[K], T | Refusal], *, count: Callable[[int], None]
) -> Iterator[tuple[K, T | Refusal]]:
    """One answer for each thing, in the order of `things`, a batch at a time; `count` hears how many more are done.

    Stops asking when a whole batch was refused; the rest then carries the same refusal. What is refused for everybody
    would otherwise cost thousands of calls.
    """
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(things), _BATCH):
            batch = things[start : start + _BATCH]
            got = list(pool.map(question, batch))
            count(len(batch))
            yield from zip(batch, got, strict=True)
            if len(got) == _BATCH and all(isinstance(answer, Refusal) for answer in got):
                last = got[-1]
                yield from ((thing, last) for thing in things[start + _BATCH :])
                return


def is_from_a_vault(answer: requests.Response) -> bool:
    """What stands before a vault says 404 as well, for paths that it does not hand on."""
    return bool({"errors", "data"} & _said(answer).keys())


def _said(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def told(answer: requests.Response) -> str:
    errors = _said(answer).get("errors")
    return "; ".join(str(error) for error in errors) if errors else "no message"


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
