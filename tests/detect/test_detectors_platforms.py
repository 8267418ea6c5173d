"""What detectors of platforms say beside the value: account, id, end, and which of two kinds a value is."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import Leak
from nhiscan.detect.precise.detector import load
from nhiscan.detect.precise.profile import Precise


@cache
def profile() -> Precise:
    return Precise()


def found(text: str) -> dict[str, Leak]:
    return {leak.kind: leak for leak in profile().leaks(filled(text, seed="platforms").encode(), "notes.txt")}


def only(text: str) -> Leak:
    (leak,) = found(text).values()
    return leak


@pytest.mark.parametrize("length", [12, 15])
def test_a_salesforce_session_names_its_org(length: int) -> None:
    leak = only(f"Authorization: Bearer 00D<<[A-Za-z0-9]{{{length}}}>>!AQ<<[A-Za-z0-9_]{{90}}>>x")
    assert leak.kind == "salesforce_access_token"
    assert leak.issuer_tenant == leak.secret.reveal().partition("!")[0]


def test_a_salesforce_consumer_key_is_an_id_and_no_grave_loss() -> None:
    leak = only("client_id=3MVG9<<[A-Za-z0-9_]{79}>>x")
    assert (leak.kind, leak.severity) == ("salesforce_consumer_key", "low")
    assert leak.native_id == leak.secret.reveal()


def test_a_storage_key_names_its_account() -> None:
    leak = only("AccountName=acmedata;AccountKey=<<[A-Za-z0-9+/]{86}>>==;EndpointSuffix=core.windows.net")
    assert (leak.kind, leak.issuer_tenant) == ("azure_storage_account_key", "acmedata")


def test_a_connection_string_is_told_from_its_key_alone() -> None:
    leak = only(
        "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send;"
        "SharedAccessKey=<<[A-Za-z0-9+/]{33}>>+ASbA<<[A-Za-z0-9+/]{5}>>="
    )
    assert (leak.kind, leak.issuer_tenant) == ("azure_service_bus_connection_string", "acme")


def test_a_shared_access_signature_says_its_end() -> None:
    leak = only("?sp=r&se=2031-01-01T00:00:00Z&sv=2024-11-04&sr=c&sig=<<[A-Za-z0-9]{43}>>%3D")
    assert (leak.kind, leak.expires_at) == ("azure_sas_token", datetime(2031, 1, 1, tzinfo=UTC))


def test_a_presigned_url_says_its_key_and_its_end() -> None:
    leak = only(
        "X-Amz-Credential=AKIA<<[A-Z2-7]{16}>>%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=86400&X-Amz-Signature=<<[0-9a-f]{64}>>"
    )
    assert leak.native_id is not None and leak.native_id.startswith("AKIA")
    assert leak.expires_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_databricks_token_names_the_workspace_above_it() -> None:
    leak = only("host = https://adb-1234567.8.azuredatabricks.net\ntoken = dapi<<[0-9a-f]{32}>>\n")
    assert leak.issuer_tenant == "adb-1234567.8.azuredatabricks.net"
    assert leak.secret.reveal().startswith("dapi")


def test_a_service_account_key_names_project_and_mail_address() -> None:
    leak = only(
        '{"type": "service_account", "project_id": "acme-prod", "private_key_id": "<<[0-9a-f]{40}>>", '
        '"private_key": "-----BEGIN PRIVATE KEY-----\\n<<[A-Za-z0-9+/]{800}>>\\n-----END PRIVATE KEY-----\\n", '
        '"client_email": "sync@acme-prod.iam.gserviceaccount.com"}'
    )
    assert leak.kind == "gcp_service_account_key"
    assert (leak.issuer_tenant, leak.native_id) == ("acme-prod", "sync@acme-prod.iam.gserviceaccount.com")


def test_a_teams_webhook_names_its_tenant() -> None:
    tenant = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
    address = f"https://acme.webhook.office.com/webhookb2/<<uuid>>@{tenant}/IncomingWebhook/<<[0-9a-f]{{32}}>>/<<uuid>>"
    assert only(address).issuer_tenant == tenant


def test_a_partners_app_secret_is_worse_than_an_apps() -> None:
    secret = "<<[A-Za-z0-9]{3}>>8Q~<<[A-Za-z0-9_.~-]{33}>>a"
    assert only(f"PARTNER_CENTER_CLIENT_SECRET={secret}").kind == "partner_center_app_secret"
    assert only(f"AZURE_CLIENT_SECRET={secret}").kind == "azure_client_secret"


def test_one_format_of_two_vaults_is_told_by_the_name_beside_it() -> None:
    token = "s.<<[A-Za-z0-9]{24}>>"
    assert only(f"VAULT_TOKEN={token}").issuer == "vault"
    assert only(f"BAO_TOKEN={token}").issuer == "openbao"


def test_a_token_inside_an_address_is_called_by_its_maker() -> None:
    assert set(found("https://x:glpat-<<[A-Za-z0-9_-]{20}>>@gitlab.com/acme/a.git")) == {"gitlab_personal_access_token"}


def test_an_encrypted_private_key_is_less_than_a_plain_one() -> None:
    assert only("<<pem:ENCRYPTED PRIVATE KEY>>").severity == "medium"
    assert only("<<pem:RSA PRIVATE KEY>>").severity == "critical"


def test_a_private_key_cut_off_is_found() -> None:
    assert only("-----BEGIN RSA PRIVATE KEY-----\n<<[A-Za-z0-9+/]{64}>>\n<<[A-Za-z0-9+/]{64}>>\n").kind == "private_key"


@pytest.mark.parametrize(
    "text",
    [
        "- name: AUTH0_CLIENT_SECRET\n  value: {}\n",
        'variable "auth0_client_secret" {{\n  default = "{}"\n}}\n',
        '<add key="Auth0ClientSecret" value="{}" />\n',
        "tool --auth0-client-secret {} run\n",
        "os.environ.get('AUTH0_CLIENT_SECRET', '{}')\n",
        '{{"name": "AUTH0_CLIENT_SECRET", "value": "{}"}}\n',
    ],
)
def test_a_value_without_a_telling_prefix_is_known_by_its_name_in_every_notation(text: str) -> None:
    assert set(found(text.format("<<[A-Za-z0-9_-]{64}>>"))) == {"auth0_client_secret"}


def test_a_closing_tag_names_nothing() -> None:
    assert found("<gitlab_token>see wiki</gitlab_token> <<[A-Za-z0-9]{20}>> </gitlab_token>\n") == {}


def test_an_address_of_this_very_machine_is_no_loss() -> None:
    assert found("http://u1:<<[A-Za-z0-9]{14}>>7@localhost:5672/") == {}


def test_every_platform_that_partners_meet_has_its_detectors() -> None:
    issuers = {detector.issuer for detector in load()}
    assert {"hubspot", "salesforce", "vault", "openbao", "azure", "aws", "gcp", "github", "gitlab", "slack"} <= issuers
    assert {"snowflake", "databricks", "okta", "twilio", "npm", "pypi", "openai", "anthropic"} <= issuers
