"""The collectors' door: how the engine finds collectors, what they get, and how their failures become coverage."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from nhiscan import detect, http, hvac_client, sample, secret
from nhiscan.config import nearest
from nhiscan.errors import CollectError, ConfigError, NhiscanError
from nhiscan.imports import Imported
from nhiscan.model import Coverage, Record, Sighting, Tenant, Use, Where
from nhiscan.secret import RedactingFilter, Secret
from nhiscan.tape import Player, Recorder

if TYPE_CHECKING:
    import requests

GROUP: Final = "nhiscan.collectors"
_GRAVITY: Final = ("denied", "failed", "truncated", "partial", "not_licensed", "unsupported")
_MOST_CLOCK_SKEW_S: Final = 300  # AWS refuses signatures older than this: docs, "Signature Version 4"

log = logging.getLogger(__name__)


class Collector(Protocol):
    """A frozen dataclass whose fields are its settings; reached only through the entry-point group."""

    name: ClassVar[str]
    datasets: ClassVar[frozenset[str]]
    permissions: ClassVar[Mapping[str, tuple[str, ...]]]

    def collect(self, ctx: Context) -> Iterator[Record]:
        """Yields records and, for each tenant, a Tenant first and one Coverage for each dataset."""


class ClockError(CollectError):
    """The machine's clock and a provider's differ so much that ages would be wrong."""


def _no_progress(label: str, n: int) -> None:
    del label, n


def _nothing_kept(tenant_id: str, dataset: str) -> Sequence[Use]:
    del tenant_id, dataset
    return ()


def _nothing_imported() -> Iterator[Imported]:
    return iter(())


@dataclass(frozen=True)
class Context:
    """The only way to the outside for a collector."""

    as_of: datetime
    clock: Callable[[], datetime] | None = None  # None: as_of was given by a person, so the clock does not matter
    on_progress: Callable[[str, int], None] = _no_progress
    fingerprint_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    watermarks: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    kept: Callable[[str, str], Sequence[Use]] = _nothing_kept  # of a tenant and dataset: see `before`
    imports: Callable[[], Iterator[Imported]] = _nothing_imported
    tape: Recorder | Player | None = field(default=None, repr=False)  # what answers are kept on or come from
    is_sample: bool = False  # a few of everything: `nhiscan doctor` looks for refusals, not for rows
    _sessions: dict[tuple[str | None, str | None], Any] = field(default_factory=dict, repr=False)

    def progress(self, label: str, n: int = 1) -> None:
        """Counts `n` more items of `label` on the progress bar."""
        self.on_progress(label, n)

    def since(self, tenant_id: str, dataset: str) -> datetime | None:
        """Up to when history of this dataset was completely read by earlier scans; None: never."""
        return self.watermarks.get((tenant_id, dataset))

    def before(self, tenant_id: str, dataset: str) -> Sequence[Use]:
        """What earlier scans read of a dataset whose events are kept, oldest first; nothing on replay."""
        return self.kept(tenant_id, dataset)

    def imported(self) -> Iterator[Imported]:
        """What other scanners found, as `nhiscan secrets import` kept it; like a register also on replay."""
        return self.imports()

    def fingerprint(self, value: str) -> str:
        """The keyed hash of a secret value: equal values, equal fingerprints, inside one state directory."""
        if isinstance(self.tape, Recorder):
            self.tape.saw_secret(value)
        return secret.fingerprint(value, key=self.fingerprint_key)

    def detect(self, value: str, where: Where) -> Iterator[Sighting]:
        """The secrets in one value from outside; the value itself goes no further."""
        if isinstance(self.tape, Recorder):
            self.tape.saw(value, where)
        return detect.detect(value, where, key=self.fingerprint_key)

    def wait(self, seconds: float) -> None:
        """Waits for something at the provider; on replay it has happened already."""
        if not isinstance(self.tape, Player):
            time.sleep(seconds)

    def http(
        self, host: str, *, base_url: str, verify: bool | str = True, final: Collection[int] = ()
    ) -> requests.Session:
        """A session for the origin of `base_url`; `host` is its logical name, like `vault:main`.

        Retries, waits and sizes are bounded; an answer with a status in `final` is not asked for again. Redirects and
        links that lead elsewhere raise CollectError, what the network does raises requests' exceptions, an answer of
        any status is returned.
        """
        made = http.session(host, base_url=base_url, verify=verify, tape=self.tape, final=final)
        if self.is_sample:
            made.hooks["response"].append(sample.cut_response)
        return made

    def hvac_client(
        self,
        url: str,
        *,
        host: str,
        namespace: str | None = None,
        token: Secret | None = None,
        verify: bool | str = True,
    ) -> Any:
        """An hvac client on `http()`; VAULT_TOKEN and ~/.vault-token are never read.

        A login sets the token of a client that has none and leaves any other alone; to renew one by a second
        login, assign `client.token`.
        """
        return hvac_client.make(
            url,
            session=self.http(host, base_url=url, verify=verify),
            namespace=namespace,
            token=token,
        )

    def boto3_client(
        self,
        service: str,
        *,
        region: str,
        profile: str | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        endpoint_url: str | None = None,
        is_asked_once: bool = False,
        key: tuple[str, Secret] | None = None,
    ) -> Any:
        """A boto3 client with bounded retries; with `role_arn`, of a session that assumed that role.

        `is_asked_once`: without any retry, for calls that change something. `key`: the id and secret of an access key
        to sign with instead of the caller's, which is kept no longer than the client.

        Raises: CollectError without usable credentials; botocore's ClientError when the role is refused.
        """
        # Imported late: boto3 takes a third of a second, which only scans of AWS should pay.
        from botocore.exceptions import BotoCoreError

        from nhiscan import boto_client

        http.refuse_plain_http(endpoint_url, setting="endpoint_url")

        def client(session: Any, service: str, account: str) -> Any:
            return boto_client.client(
                session,
                service,
                region=region,
                account=account,
                endpoint_url=endpoint_url,
                tape=self.tape,
                after_call=self._check_clock,
                is_asked_once=is_asked_once,
            )

        held = (profile, role_arn)
        caller = profile or "caller"
        try:
            if key is not None:
                session = boto_client.session(profile=profile, region=region, tape=self.tape, key=key)
                return client(session, service, key[0])
            if held not in self._sessions:
                session = boto_client.session(profile=profile, region=region, tape=self.tape)
                if role_arn is not None:
                    request = {"RoleArn": role_arn, "RoleSessionName": "nhiscan"}
                    if external_id is not None:
                        request["ExternalId"] = external_id
                    sts = client(session, "sts", caller)
                    session = boto_client.role_session(sts, request, region=region, tape=self.tape)
                self._sessions[held] = session
            made = client(self._sessions[held], service, role_arn or caller)
        except BotoCoreError as error:
            raise CollectError(
                f"aws: no usable credentials: {error}",
                hint="set collectors.aws.profile, or AWS_PROFILE, to a profile that exists and can sign in",
            ) from error
        if self.is_sample:
            made.meta.events.register("after-call", sample.cut_parsed)
        return made

    def _check_clock(self, http_response: Any, **_: Any) -> None:
        if self.clock is None or "date" not in http_response.headers:
            return
        with contextlib.suppress(ValueError):  # a provider's broken Date header says nothing about our clock
            theirs = parsedate_to_datetime(http_response.headers["date"])
            skew_s = (self.clock() - theirs).total_seconds()
            if abs(skew_s) > _MOST_CLOCK_SKEW_S:
                raise ClockError(
                    f"this machine's clock is {abs(skew_s) / 60:.0f} minutes "
                    f"{'ahead of' if skew_s > 0 else 'behind'} the provider's",
                    hint="set the clock, or give --as-of to say which moment the scan is for",
                )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call gave nothing, or not all; `status` is a coverage word."""

    status: str
    call: str
    reason: str
    missing_permission: str | None = None


def gravest(refusals: Iterable[Refusal]) -> str:
    """The status that weighs most of one refusal or more."""
    return min((refusal.status for refusal in refusals), key=_GRAVITY.index)


def reason_of(refusals: Iterable[Refusal], *, more: int = 0) -> str:
    """What was refused, each text once; `more`: refusals that are not among them."""
    texts = (f"{refusal.call}: {refusal.reason}" if refusal.call else refusal.reason for refusal in refusals)
    shown = "; ".join(dict.fromkeys(texts))
    return f"{shown}; and {more} more" if more > 0 else shown


def coverage_of(
    provider: str,
    tenant_id: str,
    dataset: str,
    refusals: Sequence[Refusal],
    *,
    status: str,
    reason: str | None,
    collected_at: datetime,
    history_from: datetime | None = None,
) -> Coverage:
    """The record of a dataset, with the calls that were refused and the permissions that they miss."""
    return Coverage(
        provider=provider,
        tenant_id=tenant_id,
        dataset=dataset,
        status=status,
        reason=reason,
        missing_permission=_listed(refusal.missing_permission for refusal in refusals),
        call=_listed(refusal.call for refusal in refusals),
        history_from=history_from,
        collected_at=collected_at,
    )


def _listed(words: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(filter(None, words))) or None


def names() -> list[str]:
    """Every installed collector, ours and third parties', without importing any."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def load(name: str) -> type[Any]:
    """The collector class behind a name.

    Raises: ConfigError naming the nearest known collector.
    """
    for entry in entry_points(group=GROUP, name=name):
        found: type[Any] = entry.load()
        return found
    raise ConfigError(f"unknown collector {name!r}", hint=nearest(name, names()))


def run(collector: Collector, ctx: Context) -> Iterator[Record]:
    """Everything a collector says, and a coverage record for everything it failed to say.

    Never raises for what happens at the provider: a failure is coverage `failed`, so that the
    other collectors go on and nothing reads as clean. Configuration and register errors pass through.
    """
    redacting = RedactingFilter()
    redacting.add_settings(collector)
    if isinstance(ctx.tape, Recorder):
        ctx.tape.add_collector(collector.name, redacting.values)
    tenants: list[str] = []
    said: set[tuple[str, str]] = set()
    failure: str | None = None
    try:
        for record in collector.collect(ctx):
            if isinstance(record, Tenant):
                tenants.append(record.tenant_id)
            elif isinstance(record, Coverage):
                said.add((record.tenant_id, record.dataset))
            yield record
    except ClockError:
        raise
    except CollectError as error:
        failure = error.message
        log.error("%s: %s%s", collector.name, error.message, f" ({error.hint})" if error.hint else "")
    except NhiscanError:
        raise
    except Exception as error:  # the seam: whatever a collector trips over must not end the scan of the others
        failure = f"{type(error).__name__}: {error}"
        log.error("%s: %s", collector.name, failure, exc_info=log.isEnabledFor(logging.DEBUG))
    for tenant_id in tenants or [f"{collector.name}:*"]:
        for dataset in sorted(collector.datasets):
            if (tenant_id, dataset) not in said:
                yield Coverage(
                    provider=collector.name,
                    tenant_id=tenant_id,
                    dataset=dataset,
                    status="failed",
                    reason=redacting.redact(failure or "the collector ended without a word about this dataset"),
                )
