"""Secrets as their providers document them, made anew from a seed: the values of the planted set.

Written without a look at the detectors, so that the two can disagree. Nothing here is alive: every value is random.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_CLASSES: Final = {
    "hex": string.digits + "abcdef",
    "HEX": string.digits + "ABCDEF",
    "num": string.digits,
    "low": string.ascii_lowercase,
    "lownum": string.ascii_lowercase + string.digits,
    "alpha": string.ascii_letters,
    "UPNUM": string.ascii_uppercase + string.digits,
    "b32": string.ascii_uppercase + "234567",
    "b62": string.ascii_letters + string.digits,
    "b64": string.ascii_letters + string.digits + "+/",
    "url": string.ascii_letters + string.digits + "-_",
    "bech": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "pass": string.ascii_letters + string.digits + "!*-_.",
}
_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_HOLE: Final = re.compile(r"\{(\w+):(\d+)\}")


@dataclass(frozen=True, slots=True)
class Part:
    """One named value; `is_secret` false for what only stands beside it, such as an account's id."""

    name: str
    value: str
    is_secret: bool = True


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of secret; `host` of the provider's API, for requests that carry it."""

    kind: str
    host: str
    parts: Callable[[random.Random], list[Part]]


def filled(pattern: str, rng: random.Random) -> str:
    """`{hex:8}` becomes eight random hexadecimal digits."""
    return _HOLE.sub(lambda hole: run(hole[1], int(hole[2]), rng), pattern)


def run(name: str, length: int, rng: random.Random) -> str:
    return "".join(rng.choices(_CLASSES[name], k=length))


def checksum(text: str) -> str:
    """CRC32 in six digits of base 62, as GitHub and npm end their tokens."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits


def random_uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def jwt(rng: random.Random, issuer: str, subject: str, expires: int = 1_893_456_000) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": run("b62", 12, rng)}
    claims = {"iss": issuer, "sub": subject, "aud": "partner-api", "iat": expires - 86_400, "exp": expires}
    return ".".join([_coded(header), _coded(claims), run("url", 342, rng)])


def pem(label: str, size: int, rng: random.Random) -> str:
    """`size` random bytes behind the first bytes that a key of this form has."""
    start = base64.b64decode(_KEY_STARTS[label])
    body = base64.b64encode(start + rng.randbytes(size)).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


_KEY_STARTS: Final = {
    "RSA PRIVATE KEY": "MIIEowIBAAKCAQEA",
    "PRIVATE KEY": "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7",
    "EC PRIVATE KEY": "MHcCAQEEIA==",
    "OPENSSH PRIVATE KEY": "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB",
}


def _coded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document, separators=(",", ":")).encode()).decode().rstrip("=")


def _plain(kind: str, host: str, name: str, pattern: str, *beside: tuple[str, str]) -> Format:
    def parts(rng: random.Random) -> list[Part]:
        others = [Part(other, filled(form, rng), is_secret=False) for other, form in beside]
        return [*others, Part(name, filled(pattern, rng))]

    return Format(kind, host, parts)


def _made(kind: str, host: str, name: str, make: Callable[[random.Random], str]) -> Format:
    return Format(kind, host, lambda rng: [Part(name, make(rng))])


def _checked(prefix: str) -> Callable[[random.Random], str]:
    def make(rng: random.Random) -> str:
        middle = run("b62", 30, rng)
        return f"{prefix}{middle}{checksum(middle)}"

    return make


def _github_refresh(rng: random.Random) -> str:
    middle = run("b62", 70, rng)
    return f"ghr_{middle}{checksum(middle)}"


def _aws_pair(prefix: str) -> Callable[[random.Random], list[Part]]:
    def parts(rng: random.Random) -> list[Part]:
        return [
            Part("AWS_ACCESS_KEY_ID", prefix + run("b32", 16, rng)),
            Part("AWS_SECRET_ACCESS_KEY", run("b64", 40, rng)),
        ]

    return parts


def _service_account(rng: random.Random) -> str:
    project = f"aldermoor-{run('low', 4, rng)}-{run('num', 4, rng)}"
    mail = f"partner-sync@{project}.iam.gserviceaccount.com"
    document = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": run("hex", 40, rng),
        "private_key": pem("PRIVATE KEY", 1180, rng) + "\n",
        "client_email": mail,
        "client_id": run("num", 21, rng),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(document, indent=2)


def _session_id(rng: random.Random) -> str:
    return f"00D{run('b62', 12, rng)}!AQ{run('b62', 6, rng)}{run('b62', 60, rng)}.{run('b62', 26, rng)}"


def _grafana(rng: random.Random) -> str:
    middle = run("b62", 32, rng)
    return f"glsa_{middle}_{zlib.crc32(middle.encode()):08x}"


def _pypi(rng: random.Random) -> str:
    named = b"\x02\x01\x08pypi.org\x02\x24" + random_uuid(rng).encode()
    body = named + b"\x00\x02\x25" + b'[1,["' + random_uuid(rng).encode()[:32] + b'"]]' + b"\x00\x00\x06\x20"
    return "pypi-" + base64.urlsafe_b64encode(body + rng.randbytes(32)).decode().rstrip("=")


def _discord(rng: random.Random) -> str:
    bot = base64.urlsafe_b64encode(run("num", 18, rng).encode()).decode().rstrip("=")
    return f"{bot}.{run('url', 6, rng)}.{run('url', 38, rng)}"


def _shared_access(rng: random.Random) -> str:
    signature = base64.b64encode(rng.randbytes(32)).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"sv=2023-11-03&ss=b&srt=sco&sp=rwdlac&se=2029-12-31T00:00:00Z&spr=https&sig={signature}"


def _storage(rng: random.Random) -> str:
    key = base64.b64encode(rng.randbytes(64)).decode()
    account = f"aldermoor{run('lownum', 6, rng)}"
    return f"DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};EndpointSuffix=core.windows.net"


def _atlassian(rng: random.Random) -> str:
    middle = "ATATT3xFfGF0" + run("url", 171, rng)
    return f"{middle}={zlib.crc32(middle.encode()):08X}"


_ENTRA: Final = (
    ("AZURE_TENANT_ID", "{hex:8}-{hex:4}-4{hex:3}-a{hex:3}-{hex:12}"),
    ("AZURE_CLIENT_ID", "{hex:8}-{hex:4}-4{hex:3}-b{hex:3}-{hex:12}"),
)
_PARTNER: Final = (
    ("PARTNER_CENTER_TENANT_ID", "{hex:8}-{hex:4}-4{hex:3}-a{hex:3}-{hex:12}"),
    ("PARTNER_CENTER_APP_ID", "{hex:8}-{hex:4}-4{hex:3}-b{hex:3}-{hex:12}"),
)
_UUID: Final = "{hex:8}-{hex:4}-4{hex:3}-9{hex:3}-{hex:12}"

FORMATS: Final[tuple[Format, ...]] = (
    Format("aws_access_key_pair", "sts.amazonaws.com", _aws_pair("AKIA")),
    Format("aws_temporary_pair", "sts.amazonaws.com", _aws_pair("ASIA")),
    _plain("aws_bedrock_key", "bedrock-runtime.us-east-1.amazonaws.com", "AWS_BEARER_TOKEN_BEDROCK", "ABSK{b64:109}="),
    _made("gcp_service_account", "oauth2.googleapis.com", "GOOGLE_CREDENTIALS", _service_account),
    _plain("gcp_api_key", "maps.googleapis.com", "GOOGLE_API_KEY", "AIza{url:35}"),
    _plain(
        "gcp_oauth_client_secret",
        "oauth2.googleapis.com",
        "GOOGLE_CLIENT_SECRET",
        "GOCSPX-{url:28}",
        ("GOOGLE_CLIENT_ID", "{num:12}-{lownum:32}.apps.googleusercontent.com"),
    ),
    _plain("gcp_refresh_token", "oauth2.googleapis.com", "GOOGLE_REFRESH_TOKEN", "1//0{url:1}{b62:1}{url:98}"),
    _plain("azure_client_secret", "login.microsoftonline.com", "AZURE_CLIENT_SECRET", "{b62:3}8Q~{url:34}", *_ENTRA),
    _plain(
        "gdap_partner_secret",
        "api.partnercenter.microsoft.com",
        "PARTNER_CENTER_APP_SECRET",
        "{b62:3}8Q~{url:34}",
        *_PARTNER,
    ),
    _made("azure_storage_connection", "blob.core.windows.net", "AZURE_STORAGE_CONNECTION_STRING", _storage),
    _made("azure_shared_access_signature", "blob.core.windows.net", "AZURE_STORAGE_SAS_TOKEN", _shared_access),
    _plain("azure_devops_token", "dev.azure.com", "AZURE_DEVOPS_EXT_PAT", "{b62:52}JQQJ99{b62:18}AZDO{b62:4}"),
    _made("github_classic_token", "api.github.com", "GITHUB_TOKEN", _checked("ghp_")),
    _made("github_oauth_token", "api.github.com", "GITHUB_OAUTH_TOKEN", _checked("gho_")),
    _made("github_app_token", "api.github.com", "GH_APP_TOKEN", _checked("ghs_")),
    _made("github_refresh_token", "api.github.com", "GITHUB_REFRESH_TOKEN", _github_refresh),
    _plain("github_fine_grained_token", "api.github.com", "GH_TOKEN", "github_pat_11{UPNUM:20}_{b62:59}"),
    _plain("gitlab_token", "gitlab.aldermoor.internal", "GITLAB_TOKEN", "glpat-{url:20}"),
    _plain("gitlab_runner_token", "gitlab.aldermoor.internal", "RUNNER_TOKEN", "glrt-{url:20}"),
    _plain("gitlab_deploy_token", "gitlab.aldermoor.internal", "CI_DEPLOY_PASSWORD", "gldt-{url:20}"),
    _plain("gitlab_trigger_token", "gitlab.aldermoor.internal", "TRIGGER_TOKEN", "glptt-{hex:40}"),
    _plain("bitbucket_app_password", "api.bitbucket.org", "BITBUCKET_APP_PASSWORD", "ATBB{b62:24}{HEX:8}"),
    _made("atlassian_api_token", "aldermoor.atlassian.net", "JIRA_API_TOKEN", _atlassian),
    _plain("slack_bot_token", "slack.com", "SLACK_BOT_TOKEN", "xoxb-{num:12}-{num:13}-{b62:24}"),
    _plain("slack_user_token", "slack.com", "SLACK_USER_TOKEN", "xoxp-{num:12}-{num:12}-{num:13}-{hex:32}"),
    _plain("slack_app_token", "slack.com", "SLACK_APP_TOKEN", "xapp-1-A{UPNUM:10}-{num:13}-{hex:64}"),
    _plain(
        "slack_webhook",
        "hooks.slack.com",
        "SLACK_WEBHOOK_URL",
        "https://hooks.slack.com/services/T{UPNUM:10}/B{UPNUM:10}/{b62:24}",
    ),
    _plain("discord_webhook", "discord.com", "DISCORD_WEBHOOK", "https://discord.com/api/webhooks/{num:19}/{url:68}"),
    _made("discord_bot_token", "discord.com", "DISCORD_BOT_TOKEN", _discord),
    _plain("telegram_bot_token", "api.telegram.org", "TELEGRAM_BOT_TOKEN", "7{num:9}:AA{url:33}"),
    _plain("stripe_secret_key", "api.stripe.com", "STRIPE_SECRET_KEY", "sk_live_51{b62:97}"),
    _plain("stripe_restricted_key", "api.stripe.com", "STRIPE_API_KEY", "rk_live_51{b62:97}"),
    _plain("stripe_webhook_secret", "api.stripe.com", "STRIPE_WEBHOOK_SECRET", "whsec_{b62:32}"),
    _plain(
        "twilio_auth_token", "api.twilio.com", "TWILIO_AUTH_TOKEN", "{hex:32}", ("TWILIO_ACCOUNT_SID", "AC{hex:32}")
    ),
    _plain(
        "twilio_api_key_secret", "api.twilio.com", "TWILIO_API_SECRET", "{b62:32}", ("TWILIO_API_KEY", "SK{hex:32}")
    ),
    _plain("sendgrid_key", "api.sendgrid.com", "SENDGRID_API_KEY", "SG.{url:22}.{url:43}"),
    _plain("mailgun_key", "api.mailgun.net", "MAILGUN_API_KEY", "key-{hex:32}"),
    _plain("mailchimp_key", "us14.api.mailchimp.com", "MAILCHIMP_API_KEY", "{hex:32}-us14"),
    _made("npm_token", "registry.internal", "NPM_TOKEN", _checked("npm_")),
    _made("pypi_token", "upload.internal", "TWINE_PASSWORD", _pypi),
    _plain("rubygems_key", "rubygems.org", "GEM_HOST_API_KEY", "rubygems_{hex:48}"),
    _plain("dockerhub_token", "hub.docker.com", "DOCKER_PASSWORD", "dckr_pat_{url:27}"),
    _plain(
        "okta_api_token",
        "aldermoor.okta.com",
        "OKTA_API_TOKEN",
        "00{url:40}",
        ("OKTA_ORG_URL", "https://aldermoor{num:3}.okta.com"),
    ),
    _made(
        "snowflake_access_token",
        "aldermoor-eu1.snowflakecomputing.com",
        "SNOWFLAKE_PAT",
        lambda rng: jwt(rng, "SNOWFLAKE.ALDERMOOR", "PARTNER_LOADER"),
    ),
    _plain(
        "snowflake_password",
        "aldermoor-eu1.snowflakecomputing.com",
        "SNOWFLAKE_PASSWORD",
        "{pass:18}",
        ("SNOWFLAKE_ACCOUNT", "aldermoor-eu{num:1}"),
        ("SNOWFLAKE_USER", "LOADER_{num:2}"),
    ),
    _plain("databricks_token", "adb-5520148.azuredatabricks.net", "DATABRICKS_TOKEN", "dapi{hex:32}-2"),
    _plain("openai_project_key", "api.openai.com", "OPENAI_API_KEY", "sk-proj-{url:74}T3BlbkFJ{url:74}"),
    _plain("openai_service_key", "api.openai.com", "OPENAI_SERVICE_KEY", "sk-svcacct-{url:74}T3BlbkFJ{url:74}"),
    _plain("openai_legacy_key", "api.openai.com", "OPENAI_KEY", "sk-{b62:20}T3BlbkFJ{b62:20}"),
    _plain("anthropic_key", "api.anthropic.com", "ANTHROPIC_API_KEY", "sk-ant-api03-{url:93}AA"),
    _plain("anthropic_admin_key", "api.anthropic.com", "ANTHROPIC_ADMIN_KEY", "sk-ant-admin01-{url:93}AA"),
    _plain("huggingface_token", "huggingface.co", "HF_TOKEN", "hf_{alpha:34}"),
    _plain("groq_key", "api.groq.com", "GROQ_API_KEY", "gsk_{b62:52}"),
    _plain("replicate_token", "api.replicate.com", "REPLICATE_API_TOKEN", "r8_{b62:37}"),
    _made(
        "json_web_token",
        "api.aldermoor.internal",
        "ACCESS_TOKEN",
        lambda rng: jwt(rng, "https://login.aldermoor.internal/", f"svc-{run('low', 6, rng)}"),
    ),
    _made(
        "rsa_private_key", "sftp.aldermoor.internal", "SFTP_PRIVATE_KEY", lambda rng: pem("RSA PRIVATE KEY", 1178, rng)
    ),
    _made("pkcs8_private_key", "sftp.aldermoor.internal", "SIGNING_KEY", lambda rng: pem("PRIVATE KEY", 1180, rng)),
    _made("ec_private_key", "sftp.aldermoor.internal", "EC_KEY", lambda rng: pem("EC PRIVATE KEY", 112, rng)),
    _made(
        "openssh_private_key",
        "sftp.aldermoor.internal",
        "SSH_PRIVATE_KEY",
        lambda rng: pem("OPENSSH PRIVATE KEY", 320, rng),
    ),
    _plain(
        "postgres_url_password",
        "db.aldermoor.internal",
        "DATABASE_URL",
        "postgres://partner_sync:{b62:20}@db{num:2}.aldermoor.internal:5432/orders",
    ),
    _plain(
        "amqp_url_password",
        "mq.aldermoor.internal",
        "BROKER_URL",
        "amqp://feed:{b62:18}@mq{num:2}.aldermoor.internal:5672/partner",
    ),
    _plain(
        "mongodb_url_password",
        "mongo.aldermoor.internal",
        "MONGO_URI",
        "mongodb+srv://reporting:{b62:16}@cluster{num:1}.{lownum:5}.mongodb.net/crm",
    ),
    _plain(
        "https_url_password",
        "files.aldermoor.internal",
        "FEED_URL",
        "https://reseller:{b62:22}@files{num:2}.aldermoor.internal/daily.csv",
    ),
    _plain("hubspot_private_app_na1", "api.hubapi.com", "HUBSPOT_ACCESS_TOKEN", f"pat-na1-{_UUID}"),
    _plain("hubspot_private_app_eu1", "api.hubapi.com", "HUBSPOT_PRIVATE_APP_TOKEN", f"pat-eu1-{_UUID}"),
    _plain("hubspot_service_key", "api.hubapi.com", "HUBSPOT_SERVICE_KEY", f"pat-na2-{_UUID}"),
    _plain("hubspot_api_key", "api.hubapi.com", "HUBSPOT_API_KEY", _UUID),
    _plain("hubspot_client_secret", "api.hubapi.com", "HUBSPOT_CLIENT_SECRET", _UUID, ("HUBSPOT_CLIENT_ID", _UUID)),
    _plain(
        "salesforce_refresh_token",
        "aldermoor.my.salesforce.com",
        "SALESFORCE_REFRESH_TOKEN",
        "5Aep861{b62:40}.{b62:36}",
        ("SALESFORCE_CLIENT_ID", "3MVG9{b62:76}_{b62:3}"),
    ),
    _made("salesforce_session_id", "aldermoor.my.salesforce.com", "SALESFORCE_ACCESS_TOKEN", _session_id),
    _plain(
        "salesforce_consumer_secret",
        "aldermoor.my.salesforce.com",
        "SALESFORCE_CLIENT_SECRET",
        "{HEX:64}",
        ("SALESFORCE_CLIENT_ID", "3MVG9{b62:76}_{b62:3}"),
    ),
    _plain("vault_service_token", "vault.aldermoor.internal:8200", "VAULT_TOKEN", "hvs.CAESI{url:86}"),
    _plain("vault_batch_token", "vault.aldermoor.internal:8200", "VAULT_BATCH_TOKEN", "hvb.AAAAAQ{url:132}"),
    _plain("vault_legacy_token", "vault.aldermoor.internal:8200", "VAULT_TOKEN", "s.{b62:24}"),
    _plain("openbao_token", "bao.aldermoor.internal:8200", "BAO_TOKEN", "s.{b62:24}"),
    _plain(
        "vault_approle_secret_id", "vault.aldermoor.internal:8200", "VAULT_SECRET_ID", _UUID, ("VAULT_ROLE_ID", _UUID)
    ),
    _plain("terraform_cloud_token", "app.terraform.io", "TF_TOKEN_app_terraform_io", "{b62:14}.atlasv1.{url:67}"),
    _plain("digitalocean_token", "api.digitalocean.com", "DIGITALOCEAN_TOKEN", "dop_v1_{hex:64}"),
    _plain("cloudflare_api_token", "api.cloudflare.com", "CLOUDFLARE_API_TOKEN", "{url:40}"),
    _plain("heroku_key", "api.heroku.com", "HEROKU_API_KEY", "HRKU-AA{url:58}"),
    _plain("datadog_api_key", "api.datadoghq.eu", "DD_API_KEY", "{hex:32}", ("DD_SITE", "datadoghq.eu")),
    _plain("newrelic_user_key", "api.newrelic.com", "NEW_RELIC_API_KEY", "NRAK-{UPNUM:27}"),
    _made("grafana_service_account_token", "grafana.aldermoor.internal", "GRAFANA_TOKEN", _grafana),
    _plain("sentry_auth_token", "sentry.io", "SENTRY_AUTH_TOKEN", "sntryu_{hex:64}"),
    _plain("pagerduty_key", "api.pagerduty.com", "PAGERDUTY_TOKEN", "u+{url:18}"),
    _plain("shopify_access_token", "aldermoor.myshopify.com", "SHOPIFY_ACCESS_TOKEN", "shpat_{hex:32}"),
    _plain("square_access_token", "connect.squareup.com", "SQUARE_ACCESS_TOKEN", "EAAA{url:60}"),
    _plain("linear_key", "api.linear.app", "LINEAR_API_KEY", "lin_api_{b62:40}"),
    _plain("notion_token", "api.notion.com", "NOTION_TOKEN", "ntn_{num:11}{b62:35}"),
    _plain("airtable_token", "api.airtable.com", "AIRTABLE_TOKEN", "pat{b62:14}.{hex:64}"),
    _plain("postman_key", "api.getpostman.com", "POSTMAN_API_KEY", "PMAK-{hex:24}-{hex:34}"),
    _plain("figma_token", "api.figma.com", "FIGMA_TOKEN", "figd_{url:40}"),
    _plain("doppler_token", "api.doppler.com", "DOPPLER_TOKEN", "dp.pt.{b62:43}"),
    _plain("pulumi_token", "api.pulumi.com", "PULUMI_ACCESS_TOKEN", "pul-{hex:40}"),
    _plain("planetscale_token", "api.planetscale.com", "PLANETSCALE_TOKEN", "pscale_tkn_{url:43}"),
    _plain("supabase_token", "api.supabase.com", "SUPABASE_ACCESS_TOKEN", "sbp_{hex:40}"),
    _plain("tailscale_key", "api.tailscale.com", "TS_AUTHKEY", "tskey-auth-k{b62:10}CNTRL-{b62:32}"),
    _plain("buildkite_token", "api.buildkite.com", "BUILDKITE_API_TOKEN", "bkua_{hex:40}"),
    _plain("artifactory_token", "aldermoor.jfrog.io", "ARTIFACTORY_API_KEY", "AKCp{b62:69}"),
    _plain("sonar_token", "sonar.aldermoor.internal", "SONAR_TOKEN", "sqp_{hex:40}"),
    _plain("age_secret_key", "files.aldermoor.internal", "SOPS_AGE_KEY", "AGE-SECRET-KEY-1{bech:58}"),
)
