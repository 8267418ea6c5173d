"""Every request to one Salesforce org, dumb and loud: login, SOQL with its pages, descriptions, files.

What the org refuses or cannot do comes back as a `Refusal`. Only a login that fails, an org that is gone and a session
that ends at once raise: nothing else could be read after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import requests

from nhiscan import collect
from nhiscan.errors import CollectError
from nhiscan.http import TooBigError
from nhiscan.secret import Secret

Json: TypeAlias = Mapping[str, Any]

_LEFT_TO_OTHERS: Final = 0.1  # of the daily quota: whoever else lives on it gets the last tenth
_USAGE: Final = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")
NO_COLUMN: Final = re.compile(r"No such column '([^']{1,200})' on entity")
_MOST_PAGES: Final = 10_000
_MOST_SILENCES: Final = 3  # calls in a row without any answer: then the org is gone
_LONGEST_REASON: Final = 300
_OF_THE_KIND: Final = {  # errorCode -> coverage status
    "INVALID_FIELD": "unsupported",
    "INVALID_TYPE": "unsupported",
    "NOT_FOUND": "unsupported",
    "API_DISABLED_FOR_ORG": "not_licensed",
    "FUNCTIONALITY_NOT_ENABLED": "not_licensed",
    "INSUFFICIENT_ACCESS": "denied",
    "INSUFFICIENT_ACCESS_OR_READONLY": "denied",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "denied",
    "FORBIDDEN": "denied",
    "API_CURRENTLY_DISABLED": "denied",
    "QUERY_TIMEOUT": "failed",
}
# What makes every other call end the same way -> the permission that is missing.
_ENDS: Final[Mapping[str, str | None]] = {
    "REQUEST_LIMIT_EXCEEDED": None,
    "API_DISABLED_FOR_ORG": None,
    "API_CURRENTLY_DISABLED": "API Enabled",
}


@dataclass(frozen=True, slots=True)
class Refusal(collect.Refusal):
    """With `code`, Salesforce's errorCode."""

    code: str = ""
    column: str | None = None  # that an INVALID_FIELD names


@dataclass(frozen=True, slots=True)
class Login:
    """What a login gave: a token, and whose it is (18 characters each)."""

    token: Secret
    org_id: str
    user_id: str


class Rows:
    """The rows of one query, page by page as they are iterated; afterwards `refusal` says why some are missing."""

    def __init__(self, pages: Callable[[Rows], Iterator[Json]]) -> None:
        self._pages = pages
        self.refusal: Refusal | None = None
        self.count = 0
        self.is_read = False

    def __iter__(self) -> Iterator[Json]:
        for row in self._pages(self):
            self.count += 1
            yield row
        self.is_read = True


@dataclass
class Api:
    """One org at one API version. `log_in` is asked for a token at the start and when a session has ended."""

    url: str
    version: str
    session: requests.Session
    log_in: Callable[[], Login]
    daily_share: float
    is_sample: bool = False  # the first page of everything is enough
    login: Login = field(init=False)
    calls: int = 0
    stop: Refusal | None = None  # once set, nothing is asked any more
    _silences: int = 0

    def __post_init__(self) -> None:
        self.login = self.log_in()

    def query(self, soql: str, *, tooling: bool = False) -> Rows:
        return Rows(lambda rows: self._pages(soql, rows, tooling=tooling))

    def count(self, soql: str, *, tooling: bool = False) -> int | Refusal:
        """The answer to a `SELECT COUNT() FROM ...`."""
        call = _call_of(soql)
        answer = self._json(self._query_path(soql, tooling=tooling), call)
        if isinstance(answer, Refusal):
            return answer
        size = answer.get("totalSize") if isinstance(answer, dict) else None
        return size if isinstance(size, int) else Refusal("failed", call, "the answer holds no totalSize")

    def describe(self, name: str, *, tooling: bool = False) -> frozenset[str] | Refusal:
        """The fields of an object that this user may see."""
        path = f"{'tooling/' if tooling else ''}sobjects/{name}/describe"
        answer = self.get(path)
        if isinstance(answer, Refusal):
            return answer
        fields = answer.get("fields")
        if not isinstance(fields, list):
            return Refusal("failed", f"GET {path}", "the answer holds no fields")
        return frozenset(str(item["name"]) for item in fields if isinstance(item, dict) and "name" in item)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Json | Refusal:
        """A JSON object from below the versioned data path, such as Connect REST."""
        query = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in (params or {}).items())
        answer = self._json(f"{self._data}/{path}{'?' if query else ''}{query}", f"GET {path}")
        return answer if isinstance(answer, Refusal | dict) else _no_object(f"GET {path}")

    def blob(self, path: str) -> bytes | Refusal:
        """The content of a file, by the path that a row gives or one below the versioned data path."""
        at = path if path.startswith("/") else f"{self._data}/{path}"
        call = f"GET {at.removeprefix(f'{self._data}/')}"
        answer = self._ask(at, call)
        return answer if isinstance(answer, Refusal) else answer.content

    @property
    def _data(self) -> str:
        return f"/services/data/v{self.version}"

    def _query_path(self, soql: str, *, tooling: bool) -> str:
        return f"{self._data}/{'tooling/' if tooling else ''}query?q={quote(soql, safe='')}"

    def _pages(self, soql: str, rows: Rows, *, tooling: bool) -> Iterator[Json]:
        """Every row once. A cursor that expired is asked for anew, once; rows that have come already are left out.

        Rows without an id of their own cannot be told apart: their list then ends where the cursor did.
        """
        call = _call_of(soql)
        start = path = self._query_path(soql, tooling=tooling)
        seen: set[str] = set()
        is_again = False
        for _ in range(_MOST_PAGES):
            page = self._json(path, call)
            if isinstance(page, Refusal):
                if page.code == "INVALID_QUERY_LOCATOR" and len(seen) == rows.count and not is_again:
                    path, is_again = start, True
                    continue
                rows.refusal = page
                return
            records = page.get("records") if isinstance(page, dict) else None
            if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
                rows.refusal = Refusal("failed", call, "the answer holds no records")
                return
            is_last, link = page.get("done") is True, page.get("nextRecordsUrl")
            for record in records:
                native_id = record.get("Id")
                if isinstance(native_id, str) and native_id.strip("0") not in ("", "AAA"):
                    if is_again and native_id in seen:
                        continue
                    if seen or not is_last:
                        seen.add(native_id)
                yield record
            if self.is_sample:
                return
            if is_last:
                rows.refusal = _short_of(page.get("totalSize"), rows.count, call)
                return
            problem = self._problem_of_link(link)
            if problem is not None:
                rows.refusal = Refusal("truncated", call, problem)
                return
            path = str(link)
        rows.refusal = Refusal("truncated", call, f"stopped after {_MOST_PAGES} pages")

    def _problem_of_link(self, link: object) -> str | None:
        if not isinstance(link, str) or not link:
            return "the org says that there are more rows and not where"
        parts = urlsplit(link)
        if parts.netloc or parts.scheme or not link.startswith("/services/data/"):
            return f"the next page is said to be elsewhere, at {parts.scheme}://{parts.netloc}, and was not asked for"
        return None

    def _json(self, path: str, call: str) -> Any:
        answer = self._ask(path, call)
        if isinstance(answer, Refusal):
            return answer
        try:
            return parsed(answer)
        except requests.JSONDecodeError:
            return Refusal("failed", call, f"the answer is not whole JSON (HTTP {answer.status_code})")

    def _ask(self, path: str, call: str) -> requests.Response | Refusal:
        if self.stop is not None:
            return replace(self.stop, call=call)
        answer = self._send(path, call)
        if isinstance(answer, requests.Response) and answer.status_code == 401:
            self.login = self.log_in()
            answer = self._send(path, call)
            if isinstance(answer, requests.Response) and answer.status_code == 401:
                raise CollectError(
                    f"salesforce: {self.url} does not take the session that a login has just given: {said(answer)[1]}",
                    hint="check that collectors.salesforce.url is the My Domain of this org and that the session "
                    "settings of the scanner's profile allow this machine's address",
                )
        if isinstance(answer, Refusal):
            return answer
        if answer.ok:
            return answer
        refusal = _refusal(answer, call)
        if refusal.code in _ENDS:
            self.stop = refusal = replace(refusal, missing_permission=_ENDS[refusal.code])
        return refusal

    def _send(self, path: str, call: str) -> requests.Response | Refusal:
        self.session.headers["Authorization"] = f"Bearer {self.login.token.reveal()}"
        self.calls += 1
        try:
            answer = self.session.get(f"{self.url}{path}")
        except requests.RequestException as error:
            self._silences += 1
            reason = short(f"{type(error).__name__}: {error}")
            if self._silences >= _MOST_SILENCES:
                raise CollectError(
                    f"salesforce: {self.url} cannot be reached any more: {reason}",
                    hint="check the network and scan again",
                ) from error
            return Refusal("failed", call, reason)
        except TooBigError as error:
            return Refusal("truncated", call, error.message)
        self._silences = 0
        self._watch_quota(answer)
        return answer

    def _watch_quota(self, answer: requests.Response) -> None:
        said = _USAGE.search(answer.headers.get("Sforce-Limit-Info", ""))
        if said is None:
            return
        used, most = int(said[1]), int(said[2])
        if self.calls >= self.daily_share * most:
            self.stop = Refusal(
                "truncated",
                "",
                f"stopped after {self.calls} requests: collectors.salesforce.daily_share gives this scan "
                f"{self.daily_share:.0%} of the org's {most} a day",
            )
        elif used >= (1 - _LEFT_TO_OTHERS) * most:
            self.stop = Refusal(
                "truncated", "", f"stopped: {used} of the org's {most} requests a day are used, the rest is for others"
            )


def _short_of(total: object, count: int, call: str) -> Refusal | None:
    """A list that ends before the number that it was said to have."""
    if not isinstance(total, int) or count >= total:
        return None
    return Refusal("truncated", call, f"{total} rows are said to be there and {count} came")


def _no_object(call: str) -> Refusal:
    return Refusal("failed", call, "the answer is no JSON object")


def _call_of(soql: str) -> str:
    """A query as a person names it."""
    found = re.search(r"\bFROM\s+(\w+)", soql)
    return f"query {found[1] if found else soql[:40]}"


def parsed(answer: requests.Response) -> Any:
    """The JSON of an answer. Half of a surrogate pair, which no file can hold, becomes `?`."""
    said = answer.json()
    return _whole(said) if b"\\u" in answer.content else said


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


def _refusal(answer: requests.Response, call: str) -> Refusal:
    code, text = said(answer)
    reason = short(f"{code}: {text} (HTTP {answer.status_code})" if code else f"{text} (HTTP {answer.status_code})")
    by_status = {403: "denied", 404: "unsupported"}.get(answer.status_code, "failed")
    status = _OF_THE_KIND.get(code, by_status)
    if code == "REQUEST_LIMIT_EXCEEDED":
        status = "failed"
    column = NO_COLUMN.search(text) if code == "INVALID_FIELD" else None
    return Refusal(status, call, reason, code=code, column=column[1] if column else None)


def said(answer: requests.Response) -> tuple[str, str]:
    """errorCode and message of an error, which is a list of objects, or one object at Connect REST."""
    try:
        found = parsed(answer)
    except requests.JSONDecodeError:
        return "", "no message"
    first = found[0] if isinstance(found, list) and found else found
    if not isinstance(first, dict):
        return "", "no message"
    return str(first.get("errorCode") or ""), short(str(first.get("message") or "no message"))


def short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"
