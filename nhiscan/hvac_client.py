"""An hvac client that takes no token from the environment and gives none away by accident."""

from __future__ import annotations

from typing import Any

import hvac
import requests
from hvac.adapters import JSONAdapter

from nhiscan.secret import Secret


class _Adapter(JSONAdapter):  # type: ignore[misc] # hvac ships no types
    def login(self, url: str, use_token: bool = True, **kwargs: Any) -> Any:
        """Logs in. hvac would replace the token that the client already works with."""
        return super().login(url, use_token=use_token and not self.token, **kwargs)


def make(url: str, *, session: requests.Session, namespace: str | None, token: Secret | None) -> Any:
    return hvac.Client(
        url=url,
        token=token.reveal() if token else "",  # None would make hvac look in VAULT_TOKEN and ~/.vault-token
        verify=session.verify,
        session=session,
        adapter=_Adapter,
        namespace=namespace,
    )
