"""Every request of the remediation to a vault: asked once, and its answer told as done, refused or not known.

Paths are whole, with their namespace in front, so that one session reaches all namespaces below its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import requests

from nhiscan.errors import CollectError
from nhiscan.remediate.contract import BusyError, RefusedError, UnansweredError, UnsupportedError
from nhiscan.secret import RedactingFilter, Secret

from .reading import Json, is_from_a_vault, short, told

_CAPABILITIES: Final = {
    "DELETE": "delete",
    "GET": "read",
    "LIST": "list",
    "PATCH": "patch",
    "POST": "update",
}
_WHO: Final = "auth/token/lookup-self"
_TIMEOUT_S: Final = (10, 30)  # to connect, and between two bytes of an answer
_QUOTA: Final = timedelta(seconds=5)  # a quota counts a few seconds to a minute and says no Retry-After
_MOST_NAMESPACES: Final = 1_000


@dataclass(frozen=True)
class Own:
    """Who the remediation is at this vault: what it never acts on, because it would end itself halfway."""

    accessor: str
    entity_id: str
    login_path: str
    role: str


@dataclass(frozen=True)
class Calls:
    """`home`: the namespace that the token belongs to, with a slash at its end, but for the root."""

    session: requests.Session
    address: str
    token: Secret
    home: str
    own: Own

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Json | None:
        return self._ask("GET", path, None, self.token, params)

    def names(self, path: str) -> list[str]:
        """The names below a path; none where there is no such folder."""
        return [str(name) for name in data(self._ask("LIST", path, None, self.token)).get("keys") or []]

    def post(self, path: str, body: Json, capability: str = "update") -> Json | None:
        """`capability`: what it asks for, where the vault tells making from changing."""
        return self._ask("POST", path, body, self.token, capability=capability)

    def patch(self, path: str, body: Json) -> Json | None:
        """Changes only what `body` names; None in it removes."""
        return self._ask("PATCH", path, body, self.token)

    def delete(self, path: str) -> Json | None:
        return self._ask("DELETE", path, None, self.token)

    def log_in(self, path: str, body: Json) -> Json:
        """What a login with another credential gives. The token in it is for the caller to end."""
        return (self._ask("POST", path, body, None) or {}).get("auth") or {}

    def revoke_self(self, token: Secret, namespace: str) -> None:
        """Ends a token by itself."""
        self._ask("POST", f"{namespace}auth/token/revoke-self", {}, token)

    def namespace_of(self, native_id: str) -> str:
        """The namespace of an id of a token or entity, whose own id stands behind the dot; the root has none.

        Raises: UnsupportedError where there is no such namespace below ours.
        """
        wanted = native_id.partition(".")[2]
        if not wanted:
            return ""
        if self.own.accessor.partition(".")[2] == wanted:
            return self.home
        waiting = [self.home]
        for _ in range(_MOST_NAMESPACES):
            if not waiting:
                break
            above = waiting.pop()
            for child in (
                data(self._ask("LIST", f"{above}sys/namespaces", None, self.token)).get("key_info") or {}
            ).values():
                if child["id"] == wanted:
                    return str(child["path"])
                waiting.append(str(child["path"]))
        raise UnsupportedError(
            f"vault: {native_id} is of no namespace below {self.home or 'the root'}",
            hint="point remediation.vault.namespace at one above it, or follow the runbook",
        )

    def _ask(
        self,
        method: str,
        path: str,
        body: Json | None,
        token: Secret | None,
        params: Mapping[str, str] | None = None,
        capability: str | None = None,
    ) -> Json | None:
        """The whole answer, empty where there is nothing to say; None: the vault knows no such thing.

        Raises: RefusedError (BusyError) where nothing was done, UnansweredError where that is not known.
        """
        call = f"{method} {path}"
        answer: requests.Response | None = None
        failure = ""
        try:
            answer = self.session.request(
                method,
                f"{self.address.rstrip('/')}/v1/{quote(path)}",
                headers=_headers(method, token),
                json=body,
                params=params,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
            )
        except (requests.RequestException, CollectError) as error:
            # Raised below, outside of here: the error holds the request, and with it what was sent.
            failure = type(error).__name__
        if answer is None:
            raise UnansweredError(f"vault: {call} had no answer ({failure})", hint="look whether it was done")
        if answer.ok and answer.status_code < 300:
            return _content(answer, call)
        if answer.status_code == 404 and (is_from_a_vault(answer) or (method == "PATCH" and not answer.content)):
            return None  # a vault says so without a word where there is nothing to patch
        permission = f"{capability or _CAPABILITIES[method]} on {path}"
        raise self._refusal(answer, call, permission, body, token)

    def _refusal(
        self, answer: requests.Response, call: str, permission: str, body: Json | None, token: Secret | None
    ) -> RefusedError | UnansweredError:
        said = f"{short(_without_secrets(told(answer), body))} (HTTP {answer.status_code})"
        if answer.status_code == 429:
            return BusyError(f"vault: {call} was asked too often: {said}", after=_after(answer))
        if answer.status_code >= 500:
            return UnansweredError(f"vault: {call} failed: {said}", hint="look whether it was done")
        if answer.status_code < 400:
            return RefusedError(
                f"vault: {call} was sent elsewhere: {said}", hint="point remediation.vault.url at the active node"
            )
        if answer.status_code != 403:
            return RefusedError(f"vault: {call} was refused: {said}")
        if token is self.token and not call.endswith(_WHO) and self._is_ended():
            return RefusedError(
                f"vault: {call} was refused: the remediation's own token ended",
                hint="run `nhiscan remediate resume`, which signs in again; a fixed token must be replaced first",
            )
        return RefusedError(f"vault: {call} was refused: {said}", hint=f"grant {permission}", permission=permission)

    def _is_ended(self) -> bool:
        try:
            self.get(f"{self.home}{_WHO}")
        except RefusedError:
            return True
        except UnansweredError:
            return False
        return False


def data(answer: Json | None) -> Json:
    """What an answer holds; empty for none."""
    return (answer or {}).get("data") or {}


def request_id(answer: Json | None) -> str | None:
    """The vault's name for the request, which its audit log shows as well; an answer without content has none."""
    return (answer or {}).get("request_id") or None


def _headers(method: str, token: Secret | None) -> dict[str, str]:
    headers = {"X-Vault-Request": "true"}  # asked for by an agent that stands before the server
    if token is not None:
        headers["X-Vault-Token"] = token.reveal()
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    return headers


def _content(answer: requests.Response, call: str) -> Json:
    if answer.status_code == 204:
        return {}
    try:
        found = answer.json()
    except requests.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UnansweredError(f"vault: the answer to {call} is not whole", hint="look whether it was done")
    return found


def _after(answer: requests.Response) -> timedelta:
    asked = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(asked)) if asked.isdecimal() else _QUOTA


def _without_secrets(text: str, body: Json | None) -> str:
    """A server, or what stands before it, may quote what it was sent."""
    redacting = RedactingFilter()
    waiting: list[Any] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            redacting.add(Secret(value))
    return redacting.redact(text)
