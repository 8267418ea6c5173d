from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from nhiscan import collect
from nhiscan.collect import ClockError, Context, Refusal
from nhiscan.errors import CollectError, ConfigError, RegisterError
from nhiscan.model import Coverage, Record, Tenant
from nhiscan.secret import Secret

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TENANT = "portal:main"


@dataclass(frozen=True)
class Portal:
    """A collector that says what it is told to say, and then ends or fails."""

    says: tuple[Record, ...] = ()
    then: Exception | None = None
    token: Secret | None = None

    name: ClassVar[str] = "portal"
    datasets: ClassVar[frozenset[str]] = frozenset({"identities", "credentials"})
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def collect(self, ctx: Context) -> Iterator[Record]:
        del ctx
        yield from self.says
        if self.then is not None:
            raise self.then


def tenant(tenant_id: str = TENANT) -> Tenant:
    return Tenant(tenant_id=tenant_id, provider="portal")


def covered(dataset: str, *, tenant_id: str = TENANT) -> Coverage:
    return Coverage(provider="portal", tenant_id=tenant_id, dataset=dataset, status="complete")


def coverage_of(*says: Record, then: Exception | None = None) -> dict[tuple[str, str], tuple[str, str | None]]:
    records = collect.run(Portal(says, then), Context(as_of=NOW))
    return {(r.tenant_id, r.dataset): (r.status, r.reason) for r in records if isinstance(r, Coverage)}


def test_a_collector_that_covers_everything_is_passed_on_unchanged() -> None:
    says = (tenant(), covered("identities"), covered("credentials"))
    assert list(collect.run(Portal(says), Context(as_of=NOW))) == list(says)


def test_what_was_said_before_a_failure_is_kept_and_the_rest_is_failed() -> None:
    error = CollectError("portal: 500 from /keys", hint="try again later")
    assert coverage_of(tenant(), covered("identities"), then=error) == {
        (TENANT, "identities"): ("complete", None),
        (TENANT, "credentials"): ("failed", "portal: 500 from /keys"),
    }


def test_a_collector_that_stumbles_over_an_answer_does_not_end_the_scan() -> None:
    assert coverage_of(tenant(), covered("identities"), then=KeyError("UserName")) == {
        (TENANT, "identities"): ("complete", None),
        (TENANT, "credentials"): ("failed", "KeyError: 'UserName'"),
    }


def test_a_secret_in_the_words_of_a_failure_is_not_kept() -> None:
    portal = Portal((tenant(),), ValueError("401 for token=open-sesame"), Secret("open-sesame"))
    reasons = {r.reason for r in collect.run(portal, Context(as_of=NOW)) if isinstance(r, Coverage)}
    assert reasons == {"ValueError: 401 for token=***"}


def test_silence_about_a_dataset_is_a_failure() -> None:
    assert coverage_of(tenant(), covered("credentials")) == {
        (TENANT, "credentials"): ("complete", None),
        (TENANT, "identities"): ("failed", "the collector ended without a word about this dataset"),
    }


def test_every_tenant_that_was_reached_is_judged_for_itself() -> None:
    statuses = coverage_of(
        tenant("portal:a"),
        covered("identities", tenant_id="portal:a"),
        covered("credentials", tenant_id="portal:a"),
        tenant("portal:b"),
        covered("identities", tenant_id="portal:b"),
        then=CollectError("portal: refused"),
    )
    assert {key: status for key, (status, _) in statuses.items()} == {
        ("portal:a", "identities"): "complete",
        ("portal:a", "credentials"): "complete",
        ("portal:b", "identities"): "complete",
        ("portal:b", "credentials"): "failed",
    }


def test_a_collector_that_reaches_no_tenant_fails_everywhere() -> None:
    assert coverage_of(then=CollectError("portal: wrong password")) == {
        ("portal:*", "identities"): ("failed", "portal: wrong password"),
        ("portal:*", "credentials"): ("failed", "portal: wrong password"),
    }


def test_other_collectors_go_on_after_one_failed() -> None:
    ctx = Context(as_of=NOW)
    broken = Portal((tenant(),), CollectError("portal: 500"))
    sound = Portal((tenant(), covered("identities"), covered("credentials")))
    records = [record for portal in (broken, sound) for record in collect.run(portal, ctx)]
    assert [r.status for r in records if isinstance(r, Coverage)] == ["failed", "failed", "complete", "complete"]


def test_a_failure_is_logged_with_its_hint(caplog: pytest.LogCaptureFixture) -> None:
    coverage_of(then=CollectError("portal: wrong password", hint="renew the token"))
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.ERROR, "portal: portal: wrong password (renew the token)")
    ]


@pytest.mark.parametrize("error", [ConfigError("portal: no such profile"), RegisterError("partners.csv: no header")])
def test_what_the_user_must_mend_first_ends_the_scan(error: Exception) -> None:
    with pytest.raises(type(error)):
        coverage_of(tenant(), then=error)


def test_a_wrong_clock_ends_the_scan_because_every_age_would_be_wrong() -> None:
    with pytest.raises(ClockError):
        coverage_of(tenant(), then=ClockError("clock"))


def test_a_dataset_outside_the_closed_list_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="unknown dataset 'user'"):
        covered("user")


def test_a_status_outside_the_closed_list_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="unknown coverage status 'ok'"):
        Coverage(provider="portal", tenant_id=TENANT, dataset="identities", status="ok")


def test_of_several_refusals_the_gravest_counts_and_each_call_text_and_permission_is_said_once() -> None:
    refusals = [
        Refusal("truncated", "GET /users", "cut off"),
        Refusal("denied", "GET /keys", "no", "read keys"),
        Refusal("denied", "GET /keys", "no", "read keys"),
        Refusal("unsupported", "", "not asked", "read all"),
    ]
    said = collect.coverage_of(
        "crm",
        "crm:main",
        "credentials",
        refusals,
        status=collect.gravest(refusals),
        reason=collect.reason_of(refusals, more=2),
        collected_at=NOW,
    )
    assert (said.status, said.call, said.missing_permission) == (
        "denied",
        "GET /users, GET /keys",
        "read keys, read all",
    )
    assert said.reason == "GET /users: cut off; GET /keys: no; not asked; and 2 more"


def test_what_was_not_refused_names_no_call_and_no_permission() -> None:
    said = collect.coverage_of("crm", "crm:main", "grants", [], status="complete", reason=None, collected_at=NOW)
    assert said == Coverage("crm", "crm:main", "grants", "complete", collected_at=NOW)


def test_installed_collectors_are_listed_without_importing_them() -> None:
    assert {"aws", "register"} <= set(collect.names())


def test_an_unknown_collector_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as caught:
        collect.load("regster")
    assert (caught.value.message, caught.value.hint) == ("unknown collector 'regster'", "did you mean 'register'?")


# The outside of a boto3 client: one server that knows one answer.

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::111111111111:user/nhiscan</Arn><UserId>AIDAEXAMPLE</UserId><Account>111111111111</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""

Endpoint = Callable[[str], str]


@pytest.fixture
def aws_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """Starts an STS that sends the given Date header; the address to reach it at."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    servers: list[ThreadingHTTPServer] = []

    def start(date: str) -> str:
        class Sts(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response_only(200)
                self.send_header("Date", date)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(IDENTITY)))
                self.end_headers()
                self.wfile.write(IDENTITY)

            def log_message(self, *_: object) -> None:
                """Keeps the server off stderr."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Sts)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def account(ctx: Context, endpoint_url: str) -> object:
    client = ctx.boto3_client("sts", region="eu-central-1", endpoint_url=endpoint_url)
    return client.get_caller_identity()["Account"]


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(seconds=299), -timedelta(seconds=299)])
def test_a_clock_that_is_nearly_right_is_good_enough(aws_at: Endpoint, skew: timedelta) -> None:
    endpoint = aws_at(format_datetime(NOW, usegmt=True))
    assert account(Context(as_of=NOW, clock=lambda: NOW + skew), endpoint) == "111111111111"


@pytest.mark.parametrize(
    ("skew", "said"),
    [
        (timedelta(minutes=20), "this machine's clock is 20 minutes ahead of the provider's"),
        (-timedelta(days=1), "this machine's clock is 1440 minutes behind the provider's"),
    ],
)
def test_a_clock_far_off_is_an_error_that_says_by_how_much(aws_at: Endpoint, skew: timedelta, said: str) -> None:
    endpoint = aws_at(format_datetime(NOW, usegmt=True))
    with pytest.raises(ClockError, match=said):
        account(Context(as_of=NOW, clock=lambda: NOW + skew), endpoint)


def test_a_given_moment_makes_the_clock_irrelevant(aws_at: Endpoint) -> None:
    endpoint = aws_at(format_datetime(NOW, usegmt=True))
    assert account(Context(as_of=NOW - timedelta(days=365)), endpoint) == "111111111111"


def test_a_provider_with_a_broken_date_says_nothing_about_our_clock(aws_at: Endpoint) -> None:
    assert account(Context(as_of=NOW, clock=lambda: NOW), aws_at("yesterday, probably")) == "111111111111"


@pytest.mark.parametrize("url", ["http://aws.example", "http://10.0.0.7:5000", "http://127.0.0.1.example", "ftp://x"])
def test_plain_http_off_loopback_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Context(as_of=NOW).boto3_client("sts", region="eu-central-1", endpoint_url=url)
    assert url in caught.value.message


def test_a_profile_that_does_not_exist_is_named() -> None:
    with pytest.raises(CollectError, match="no-such-profile") as caught:
        Context(as_of=NOW).boto3_client("sts", region="eu-central-1", profile="no-such-profile")
    assert "profile" in caught.value.hint


def test_progress_reaches_whoever_shows_it() -> None:
    seen: list[tuple[str, int]] = []
    ctx = Context(as_of=NOW, on_progress=lambda label, n: seen.append((label, n)))
    ctx.progress("users")
    ctx.progress("roles", 7)
    assert seen == [("users", 1), ("roles", 7)]
