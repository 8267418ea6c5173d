"""How the collector and the remediation sign in to a vault: each with the settings, and the credential, of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from nhiscan.collect import Context
from nhiscan.errors import ConfigError
from nhiscan.secret import Secret

from .reading import Patience, Reader


class Settings(Protocol):
    """Where a vault is and how to log in: by `token`, `role_id` with `secret_id`, or `jwt` with `jwt_role`."""

    @property
    def url(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def token(self) -> Secret | None: ...
    @property
    def role_id(self) -> Secret | None: ...
    @property
    def secret_id(self) -> Secret | None: ...
    @property
    def jwt(self) -> Secret | None: ...
    @property
    def jwt_role(self) -> str | None: ...
    @property
    def auth_mount(self) -> str | None: ...
    @property
    def ca_file(self) -> Path | None: ...


def check(settings: Settings, section: str) -> None:
    """Raises: ConfigError for settings that cannot work; `section`: of nhiscan.toml."""
    ways = [
        settings.token is not None,
        settings.role_id is not None or settings.secret_id is not None,
        settings.jwt is not None or settings.jwt_role is not None,
    ]
    if sum(ways) != 1:
        raise ConfigError(
            f"{section}: say in one way how to log in",
            hint="set token, or role_id with secret_id, or jwt with jwt_role",
        )
    if ways[1] and settings.role_id is None:
        raise ConfigError(f"{section}.secret_id is set without role_id")
    if ways[2] and (settings.jwt is None or settings.jwt_role is None):
        raise ConfigError(f"{section}.jwt and jwt_role belong together")
    if not settings.tenant or set(settings.tenant) & set(":/*") or settings.tenant != settings.tenant.strip():
        raise ConfigError(
            f"{section}.tenant: {settings.tenant!r} cannot be part of an id", hint="use letters, digits and -"
        )


def start(settings: Settings) -> str:
    """The namespace of the settings as it stands before a path: with a slash at its end, but for the root."""
    namespace = settings.namespace.strip("/")
    return f"{namespace}/" if namespace else ""


def token(settings: Settings, ctx: Context, section: str) -> Secret:
    """The token to work with, from a login where the settings hold none. Raises: CollectError when there is none."""
    if settings.token is not None:
        return settings.token
    body: Mapping[str, Any]
    if settings.jwt is not None:
        mount, body = settings.auth_mount or "jwt", {"role": settings.jwt_role, "jwt": settings.jwt.reveal()}
    else:
        given = {"role_id": settings.role_id, "secret_id": settings.secret_id}
        mount = settings.auth_mount or "approle"
        body = {name: secret.reveal() for name, secret in given.items() if secret is not None}
    return reader(settings, ctx, None, section).log_in(f"auth/{mount.strip('/')}/login", body)


def reader(settings: Settings, ctx: Context, token: Secret | None, section: str) -> Reader:
    """Reads as the token, from the namespace of the settings on; None: as nobody."""

    def client(namespace: str) -> Any:
        return ctx.hvac_client(
            settings.url,
            host=f"vault:{settings.tenant}",
            namespace=namespace or None,
            token=token,
            verify=verify(settings),
        )

    return Reader(settings.url, client, Patience(ctx.wait), start(settings), section=section)


def verify(settings: Settings) -> bool | str:
    """What the server's certificate is held against, as requests takes it."""
    return True if settings.ca_file is None else str(settings.ca_file)
