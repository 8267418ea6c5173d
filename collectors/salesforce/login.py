"""How the scanner logs in: OAuth with a JWT that its certificate's key signs, or with client credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import jwt
import requests

from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError
from nhiscan.secret import DUMMY, Secret

from .api import Login
from .words import id18

_LIFE: Final = timedelta(minutes=3)  # Salesforce takes no assertion that lives longer
_LONGEST_WORD: Final = 300  # of what a login says
_IDENTITY: Final = re.compile(r"/id/([A-Za-z0-9]{15,18})/([A-Za-z0-9]{15,18})\Z")


@dataclass(frozen=True)
class Door:
    """Where and as whom to log in; `private_key` with `username` for a JWT, else `client_secret`."""

    ctx: Context
    url: str  # My Domain
    version: str
    open_session: requests.Session  # to the My Domain, with nothing that tells who asks
    session: requests.Session  # to `token_host`
    token_host: str
    audience: str
    client_id: str
    username: str | None
    private_key: Secret | None
    client_secret: Secret | None
    section: str = "collectors.salesforce"  # of nhiscan.toml, where these settings stand

    def log_in(self) -> Login:
        """Raises: ConfigError for a key that is none; CollectError when there is no token, or no such API version."""
        now = self._knock()
        try:
            answer = self.session.post(f"{self.token_host}/services/oauth2/token", data=self._form(now))
        except requests.RequestException as error:
            raise self._out_of_reach(self.token_host, error) from error
        said = _object(answer)
        if not answer.ok:
            word, text = (
                str(said.get("error") or f"HTTP {answer.status_code}")[:_LONGEST_WORD],
                str(said.get("error_description") or "")[:_LONGEST_WORD],
            )
            raise CollectError(
                f"salesforce: the login of {self.username or self.client_id} was refused: {word}: {text}",
                hint="see the login history of that user in Setup; the README says how app, certificate and user have "
                "to be set up",
            )
        found = _IDENTITY.search(str(said.get("id") or ""))
        token = said.get("access_token")
        if not isinstance(token, str) or not token or found is None:
            raise CollectError(
                f"salesforce: {self.token_host} answered the login without a token and whose it is",
                hint=f"check that {self.section}.url and login_url are Salesforce's",
            )
        return Login(Secret(token), id18(found[1]), id18(found[2]))

    def _knock(self) -> datetime:
        """The org's own time, by which an assertion is young enough; sees as well that the API version is there.

        Of a version that an org does not know, everything would look as if the edition lacked it.
        """
        try:
            answer = self.open_session.get(f"{self.url}/services/data")
        except requests.RequestException as error:
            raise self._out_of_reach(self.url, error) from error
        versions = [str(item.get("version")) for item in _items(answer)]
        if versions and self.version not in versions:
            raise CollectError(
                f"salesforce: {self.url} knows no API version {self.version}",
                hint=f"set {self.section}.api_version to one of {versions[0]} to {versions[-1]}",
            )
        try:
            return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            return self.ctx.as_of if self.ctx.clock is None else self.ctx.clock()

    def _form(self, now: datetime) -> dict[str, str]:
        if self.private_key is not None:
            return {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": self._assertion(self.private_key, now),
            }
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.reveal() if self.client_secret else "",
        }

    def _assertion(self, key: Secret, now: datetime) -> str:
        if key.reveal() == DUMMY:  # on replay: nobody reads it
            return DUMMY
        claims = {
            "iss": self.client_id,
            "sub": self.username,
            "aud": self.audience,
            "exp": int((now + _LIFE).timestamp()),
        }
        try:
            return jwt.encode(claims, key.reveal(), algorithm="RS256")
        except (jwt.exceptions.PyJWTError, AttributeError, ValueError, TypeError) as error:  # a public key cannot sign
            raise ConfigError(
                f"{self.section}.private_key is no RSA private key in PEM",
                hint="give the key that belongs to the certificate of the app, without a password",
            ) from error

    def _out_of_reach(self, host: str, error: requests.RequestException) -> CollectError:
        return CollectError(
            f"salesforce: {host} cannot be reached: {type(error).__name__}: {error}",
            hint=f"check {self.section}.url and login_url, the network and, for a certificate error, ca_file",
        )


def _items(answer: requests.Response) -> list[dict[str, Any]]:
    """The objects of a list; nothing where there is none."""
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return []
    return [item for item in said if isinstance(item, dict)] if isinstance(said, list) else []


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except requests.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
