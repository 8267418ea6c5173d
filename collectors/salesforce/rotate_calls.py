"""What remediation asks of one org: reads, which may be repeated, and changes, which are sent once.

API: REST, `query` and `sobjects`; Connect REST; OAuth `revoke`. Answers by the REST API Developer Guide, "Status Codes
and Error Responses", and the SOAP API Developer Guide, "ExceptionCode" and "StatusCode".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

import requests

from nhiscan.errors import CollectError
from nhiscan.remediate.contract import BusyError, RefusedError, UnansweredError
from nhiscan.secret import Secret

from .api import NO_COLUMN, Json, Login, parsed, said, short
from .org import quoted

_ENDED: Final = 401
_CREATED: Final = 201
_MOST_PAGES: Final = 50
_NOT_ALLOWED: Final = frozenset(
    {
        "FORBIDDEN",
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INVALID_TYPE",  # of a query: the object is not there for this user
    }
)
# Nothing was done; the first two pass by themselves. The quota is over 24 hours that move along.
_LOCKED: Final = "UNABLE_TO_LOCK_ROW"
_LIMIT: Final = "REQUEST_LIMIT_EXCEEDED"
_AT_ONCE: Final = "ConcurrentRequests"
_SOON: Final = timedelta(seconds=5)
_QUOTA: Final = timedelta(hours=1)
_GONE: Final = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})


class DuplicateError(RefusedError):
    """There is such a record already, so that none was made."""


@dataclass
class Calls:
    """One org and a session there, which is begun anew when it has ended.

    `bare` tells nobody who asks. Changes go by `changing`, which sends each once.
    """

    url: str
    version: str
    reading: requests.Session
    changing: requests.Session
    bare: requests.Session
    log_in: Callable[[], Login]
    login: Login = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.login = self.log_in()

    @property
    def tenant_id(self) -> str:
        return f"salesforce:{self.login.org_id}"

    def rows(
        self,
        name: str,
        columns: Sequence[str],
        where: Mapping[str, str | None],
        *,
        needs: str,
        optional: Sequence[str] = (),
    ) -> list[Json]:
        """Every row of an object whose fields equal `where`; None is null.

        `optional`: columns that an edition or a right may hide. Raises: RefusedError, UnansweredError.
        """
        extra = list(optional)
        terms = [f"{column} = {'null' if value is None else quoted(value)}" for column, value in where.items()]
        condition = f" WHERE {' AND '.join(terms)}" if terms else ""
        call = f"query {name}"
        while True:
            soql = f"SELECT {', '.join((*columns, *extra))} FROM {name}{condition}"
            answer = self._read(f"{self._data}/query?q={quote(soql, safe='')}")
            code, text = ("", "") if answer.ok else said(answer)
            hidden = NO_COLUMN.search(text) if code == "INVALID_FIELD" else None
            if hidden is None or hidden[1] not in extra:
                return self._all(answer, call, needs)
            extra.remove(hidden[1])

    def get(self, path: str, *, needs: str) -> Json:
        """A JSON object from below the versioned data path."""
        return _object(_right(self._read(f"{self._data}/{path}"), f"GET {path}", needs), f"GET {path}")

    def update(self, name: str, native_id: str, values: Mapping[str, Any], *, needs: str) -> None:
        self._change("PATCH", f"sobjects/{name}/{native_id}", needs, (204,), values)

    def create(self, name: str, values: Mapping[str, Any], *, needs: str) -> str | None:
        """The id of the record made, where the answer tells it. Raises: DuplicateError where there is one."""
        answer = self._change("POST", f"sobjects/{name}", needs, (_CREATED,), values)
        try:
            told = parsed(answer)
        except requests.JSONDecodeError:
            return None  # it is made all the same
        found = told.get("id") if isinstance(told, dict) else None
        return found if isinstance(found, str) else None

    def delete(self, path: str, *, needs: str) -> None:
        """Ends a record or a resource of Connect REST; one that is not there any more is ended."""
        self._change("DELETE", path, needs, (204, 404))

    def revoke(self, token: Secret) -> bool:
        """Ends an OAuth token by itself or by its delete token; False: the org knows no such token.

        Object Reference, OauthToken, "Usage"; Help, "Revoke OAuth Tokens Programmatically".
        """
        call = "POST oauth2/revoke"
        try:
            answer = self.bare.post(
                f"{self.url}/services/oauth2/revoke", data={"token": token.reveal()}, allow_redirects=False
            )
        except (requests.RequestException, CollectError) as error:
            raise _unanswered(call, type(error).__name__) from None  # the error could quote what was sent
        if answer.status_code == 400:
            return False
        if answer.status_code != 200:
            raise _problem(answer, call, "")
        return True

    @property
    def _data(self) -> str:
        return f"/services/data/v{self.version}"

    def _all(self, answer: requests.Response, call: str, needs: str) -> list[Json]:
        found: list[Json] = []
        for _ in range(_MOST_PAGES):
            page = _object(_right(answer, call, needs), call)
            records, link = page.get("records"), page.get("nextRecordsUrl")
            if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
                raise _unanswered(call, "the answer holds no records")
            found += records
            if page.get("done") is True:
                total = page.get("totalSize")
                if isinstance(total, int) and len(found) < total:
                    raise _unanswered(call, f"{total} rows are said to be there and {len(found)} came")
                return found
            parts = urlsplit(link) if isinstance(link, str) else None
            if parts is None or parts.netloc or not parts.path.startswith(f"{self._data}/query/"):
                raise _unanswered(call, "the org says that there are more rows and not where")
            answer = self._read(str(link))
        raise _unanswered(call, f"stopped after {_MOST_PAGES} pages")

    def _read(self, path: str) -> requests.Response:
        call = f"GET {urlsplit(path).path.removeprefix(f'{self._data}/')}"
        return self._signed_in(lambda: self.reading.get(f"{self.url}{path}", headers=self._headers()), call)

    def _change(
        self, method: str, path: str, needs: str, wanted: tuple[int, ...], values: Mapping[str, Any] | None = None
    ) -> requests.Response:
        call = f"{method} {path}"
        answer = self._signed_in(
            lambda: self.changing.request(
                method, f"{self.url}{self._data}/{path}", json=values, headers=self._headers(), allow_redirects=False
            ),
            call,
        )
        if answer.status_code in wanted and (answer.status_code != 404 or said(answer)[0] in _GONE):
            return answer
        if answer.ok:  # of somebody between: Salesforce has another status for each of these
            raise _unanswered(call, f"HTTP {answer.status_code}, which does not say what happened")
        raise _problem(answer, call, needs)

    def _signed_in(self, send: Callable[[], requests.Response], call: str) -> requests.Response:
        """The answer; after a new login where the session had ended, since then nothing was done."""
        answer = self._sent(send, call)
        if answer.status_code != _ENDED:
            return answer
        try:
            self.login = self.log_in()
        except CollectError as error:
            raise RefusedError(f"the session ended, and {error.message}", hint=error.hint) from error
        answer = self._sent(send, call)
        if answer.status_code == _ENDED:
            raise RefusedError(
                f"salesforce: {self.url} does not take the session that a login has just given: {said(answer)[1]}",
                hint="check that remediation.salesforce.url is the My Domain of this org and that the session settings "
                "of the user's profile allow this machine's address",
            )
        return answer

    def _sent(self, send: Callable[[], requests.Response], call: str) -> requests.Response:
        try:
            return send()
        except requests.RequestException as error:
            raise _unanswered(call, f"{type(error).__name__}: {error}") from error
        except CollectError as error:  # too big, or an answer that leads to another address
            raise _unanswered(call, error.message) from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.login.token.reveal()}"}


def _right(answer: requests.Response, call: str, needs: str) -> requests.Response:
    if answer.ok:
        return answer
    raise _problem(answer, call, needs)


def _object(answer: requests.Response, call: str) -> Json:
    try:
        told = parsed(answer)
    except requests.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise _unanswered(call, f"the answer is no JSON object (HTTP {answer.status_code})")
    return told


def _unanswered(call: str, reason: str) -> UnansweredError:
    return UnansweredError(
        f"salesforce: {call}: {short(reason)}", hint="look at the org before anything is done a second time"
    )


def _problem(answer: requests.Response, call: str, needs: str) -> RefusedError | UnansweredError:
    """What an answer that is no success means."""
    status, (code, text) = answer.status_code, said(answer)
    told = f"salesforce: {call}: {f'{code}: ' if code else ''}{text} (HTTP {status})"
    if status == 429:
        asked = answer.headers.get("Retry-After", "")
        return BusyError(told, after=timedelta(seconds=int(asked)) if asked.isdecimal() else _SOON)
    if code == _LIMIT:
        return BusyError(
            told, hint="the org's requests of a day are used up", after=_SOON if _AT_ONCE in text else _QUOTA
        )
    if code == _LOCKED:
        return BusyError(told, after=_SOON)
    if status < 400 or status == 408 or status >= 500:
        return _unanswered(call, f"{code or text} (HTTP {status})")
    if code == "DUPLICATE_VALUE":
        return DuplicateError(told)
    if code in _NOT_ALLOWED:
        return RefusedError(told, hint=f"give the user of [remediation.salesforce] {needs}", permission=needs)
    return RefusedError(told, hint="see the README of the salesforce collector, part on remediation")
