"""The vault collector: auth methods and their roles, tokens, policies and secrets' metadata of one vault.

API: HashiCorp Vault and OpenBao HTTP API v1, through hvac's adapter. Permissions stand in `coverage.PERMISSIONS` and
README.md. Not read: values of secrets (unless their mounts are named in `fingerprint_mounts`), role ids, audit logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from nhiscan.collect import Context, Refusal
from nhiscan.errors import ConfigError
from nhiscan.model import Record, Tenant
from nhiscan.secret import Secret

from . import login
from .coverage import PERMISSIONS, Tally
from .namespace import Namespace
from .search import Search
from .state import config_records, max_lease_ttl_s, quota_records

_SECTION: Final = "collectors.vault"
_MOST_NAMESPACES: Final = 1_000


@dataclass(frozen=True)
class Vault:
    """Settings: one of `token`, `role_id` with `secret_id`, or `jwt` with `jwt_role` says how to log in."""

    name: ClassVar[str] = "vault"
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = PERMISSIONS
    datasets: ClassVar[frozenset[str]] = frozenset(PERMISSIONS)

    url: str
    tenant: str = "main"
    namespace: str = ""
    token: Secret | None = None
    role_id: Secret | None = None
    secret_id: Secret | None = None
    jwt: Secret | None = None
    jwt_role: str | None = None
    auth_mount: str | None = None
    ca_file: Path | None = None
    fingerprint_mounts: tuple[str, ...] = ()
    read_leases: bool = True
    most_secrets: int = 100_000

    def collect(self, ctx: Context) -> Iterator[Record]:
        """The tenant, then namespace by namespace its records, then coverage.

        Raises: ConfigError for settings that cannot work; CollectError when the login fails, the token ends, or the
        server is sealed or gone.
        """
        login.check(self, _SECTION)
        if self.most_secrets < 1:
            raise ConfigError("collectors.vault.most_secrets must be at least 1")
        tenant_id = f"vault:{self.tenant}"
        # Before anything can fail: a tenant that was never named would be missing from the coverage.
        yield Tenant(tenant_id=tenant_id, provider="vault", name=self.tenant)
        collected_at = ctx.as_of if ctx.clock is None else ctx.clock()
        reader = login.reader(self, ctx, login.token(self, ctx, _SECTION), _SECTION)
        scanner = reader.check()
        tally = Tally()
        search = Search(tenant_id, ctx.detect)
        config = reader.get("sys/config/state/sanitized")
        yield from config_records(tenant_id, reader, tally, config)
        yield from quota_records(tenant_id, reader, tally)
        entity_states: dict[str, bool] = {}
        group_ids: set[str] = set()
        waiting = [reader.namespace]
        for n in range(_MOST_NAMESPACES + 1):
            if not waiting:
                break
            if n == _MOST_NAMESPACES:
                refusal = Refusal("truncated", "LIST sys/namespaces", f"stopped after {n} namespaces")
                tally.count(refusal, *self.datasets)
                break
            namespace = Namespace(
                tenant_id=tenant_id,
                reader=reader.inside(waiting.pop()),
                tally=tally,
                counting=_counting(ctx, self.tenant),
                fingerprint=ctx.fingerprint,
                search=search,
                chosen=frozenset(mount.strip("/") for mount in self.fingerprint_mounts),
                most_secrets=self.most_secrets,
                read_leases=self.read_leases,
                server_max_ttl_s=max_lease_ttl_s(config),
                entity_states=entity_states,
                group_ids=group_ids,
            )
            waiting += namespace.children()
            yield from namespace.records(scanner)
        self._say_what_was_not_asked(tally)
        # Last: had a record not been made, nothing may have been called complete.
        yield from tally.coverage(tenant_id, collected_at)

    def _say_what_was_not_asked(self, tally: Tally) -> None:
        if not self.fingerprint_mounts:
            reason = "no values are read: collectors.vault.fingerprint_mounts is empty"
            tally.count(Refusal("unsupported", "", reason), "stored_secrets.fingerprints")
        if not self.read_leases:
            tally.count(Refusal("unsupported", "", "collectors.vault.read_leases is false"), "leases")


def _counting(ctx: Context, tenant: str) -> Callable[[str], Callable[[int], None]]:
    return lambda what: lambda n: ctx.progress(f"vault {tenant}: {what}", n)
