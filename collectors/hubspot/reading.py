"""Every request to HubSpot, dumb and loud.

What is refused, broken or cut short comes back as a `Refusal`. Only a token that is no good raises: nothing else could
be read after that. Limits are HubSpot's to say: the one of ten seconds is waited for, the daily one ends all reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import requests

from nhiscan.collect import Refusal
from nhiscan.errors import CollectError

Json: TypeAlias = Mapping[str, Any]

TOO_MANY: Final = 429
DAILY_SHARE: Final = 0.1  # for a scan, of the account's calls of a day, which all its integrations share
_ATTEMPTS: Final = 6  # until the limit of ten seconds has let a call through
_PAUSE_S: Final = 10.0  # where no header says one
_LONGEST_PAUSE_S: Final = 60.0
_LONGEST_WAIT_S: Final = 600.0  # in one scan
_MOST_PAGES: Final = 20_000
_LONGEST_REASON: Final = 300


@dataclass
class Reader:
    """Reads one account. `over`: the limit that ended all reading, once one did."""

    session: requests.Session
    base_url: str
    token: str = field(repr=False)
    wait: Callable[[float], None]
    over: Refusal | None = None
    _calls: int = 0
    _waited_s: float = 0.0

    def get(self, path: str, params: Mapping[str, object] | None = None) -> Json | Refusal:
        """Raises: CollectError when the token is no good or HubSpot out of reach."""
        call = f"GET {path}"
        if self.over is not None:
            return Refusal(self.over.status, call, self.over.reason)
        for _ in range(_ATTEMPTS):
            answer = self._ask(path, params)
            if isinstance(answer, Refusal):
                return answer
            if answer.status_code != TOO_MANY:
                self._pace(answer)
                return self._said(call, answer)
            said = body(answer)
            if str(said.get("policyName")).upper() == "DAILY":
                self.over = Refusal(
                    "failed", call, "the account's calls of today are used up; they begin anew at its midnight"
                )
                return self.over
            if not self._pause(pause_s(answer)):
                break
        return Refusal("failed", call, "HubSpot's limit of calls in ten seconds was reached again and again")

    def rows(self, path: str) -> Sequence[Json] | Refusal:
        """The rows of a list that comes whole."""
        answer = self.get(path)
        return answer if isinstance(answer, Refusal) else _rows(f"GET {path}", answer)

    def pages(self, path: str, params: Mapping[str, object], *, limit: int) -> Iterator[Sequence[Json] | Refusal]:
        """The rows of each page; a refusal is the last thing that is said, and what came before it stands.

        A page names the next by a cursor. Its link is never followed: it would take the token elsewhere.
        """
        call = f"GET {path}"
        seen: set[str] = set()
        after: str | None = None
        for _ in range(_MOST_PAGES):
            asked = {**params, "limit": limit} if after is None else {**params, "limit": limit, "after": after}
            answer = self.get(path, asked)
            if isinstance(answer, Refusal):
                yield answer
                return
            rows = _rows(call, answer)
            yield rows
            if isinstance(rows, Refusal):
                return
            if not _has_next(answer):
                return
            after = _next(answer)
            if after is None:
                yield Refusal("failed", call, "a page says that there are more and not where")
                return
            if after in seen:
                yield Refusal("failed", call, "a page named one as the next that was read before")
                return
            seen.add(after)
        yield Refusal("truncated", call, f"stopped after {_MOST_PAGES} pages")

    def _ask(self, path: str, params: Mapping[str, object] | None) -> requests.Response | Refusal:
        self._calls += 1
        try:
            return self.session.get(
                f"{self.base_url.rstrip('/')}{path}",
                params={name: _text(value) for name, value in (params or {}).items()},
                headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"},
            )
        except requests.RequestException as error:
            if self._calls == 1:
                raise CollectError(
                    f"hubspot: {self.base_url} cannot be reached: {short(str(error))}",
                    hint="check the network and collectors.hubspot.base_url",
                ) from error
            return Refusal("failed", f"GET {path}", short(f"{type(error).__name__}: {error}"))

    def _said(self, call: str, answer: requests.Response) -> Json | Refusal:
        if answer.ok:
            said = body(answer)
            return said if said else Refusal("failed", call, "the answer is not whole JSON")
        said = body(answer)
        message = short(f"{said.get('message') or 'no message'} (HTTP {answer.status_code})")
        if answer.status_code == 401:
            raise CollectError(
                f"hubspot: the token is no good, or it ended: {message}",
                hint="collectors.hubspot.token must name the current value of a service key or private app",
            )
        if answer.status_code == 403:
            scopes = scopes_of(said)
            return Refusal("denied", call, message, ", ".join(f"scope {scope}" for scope in scopes) or None)
        if answer.status_code == 404:
            return Refusal("failed", call, f"{message}: check collectors.hubspot.api_version")
        return Refusal("failed", call, message)

    def _pace(self, answer: requests.Response) -> None:
        """Waits before a limit is reached, and stops when this scan has had its share of the day."""
        if _number(answer, "Remaining") == 0:
            self._pause(pause_s(answer))
        daily = _number(answer, "Daily")
        if daily is not None and self._calls >= max(1, int(daily * DAILY_SHARE)):
            self.over = Refusal(
                "truncated",
                "",
                f"stopped after {self._calls} calls: a scan takes no more than {DAILY_SHARE:.0%} of the account's "
                f"{daily} calls a day",
            )

    def _pause(self, seconds: float) -> bool:
        """Waits, unless too much was waited already."""
        seconds = min(seconds, _LONGEST_PAUSE_S)
        self._waited_s += seconds
        if self._waited_s > _LONGEST_WAIT_S:
            return False
        self.wait(seconds)
        return True


def _rows(call: str, answer: Json) -> Sequence[Json] | Refusal:
    rows = answer.get("results")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return Refusal("failed", call, "the answer holds no list of results")
    return rows


def _has_next(answer: Json) -> bool:
    paging = answer.get("paging")
    return bool(paging.get("next") if isinstance(paging, dict) else paging)


def _next(answer: Json) -> str | None:
    paging = answer.get("paging")
    following = paging.get("next") if isinstance(paging, dict) else None
    after = following.get("after") if isinstance(following, dict) else None
    return str(after) if isinstance(after, str | int) and after != "" else None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def body(answer: requests.Response) -> dict[str, Any]:
    """The answer's object; empty where it is none. Half of a surrogate pair, which no file can hold, becomes `?`."""
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return {}
    if not isinstance(said, dict):
        return {}
    return _whole(said) if b"\\u" in answer.content else said


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def scopes_of(said: Json) -> list[str]:
    """The scopes that a refusal names, in its context or in those of its errors."""
    errors = said.get("errors")
    contexts = [said.get("context"), *(each.get("context") for each in errors or [] if isinstance(each, dict))]
    named = [
        str(scope)
        for context in contexts
        if isinstance(context, dict)
        for name, scopes in context.items()
        if "scope" in name.lower() and isinstance(scopes, list)
        for scope in scopes
    ]
    return list(dict.fromkeys(named))


def pause_s(answer: requests.Response) -> float:
    """How long a limit wants to be left alone."""
    asked = answer.headers.get("Retry-After", "")
    milliseconds = _number(answer, "Interval-Milliseconds")
    return float(asked) if asked.isdecimal() else _PAUSE_S if milliseconds is None else milliseconds / 1000


def _number(answer: requests.Response, name: str) -> int | None:
    text = answer.headers.get(f"X-HubSpot-RateLimit-{name}", "")
    return int(text) if text.isdecimal() else None


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
