"""Secrets that are known by their shape: the stock plugins of detect-secrets, asked for places instead of values.

Left out are the entropy plugins (noise), public addresses (no secret) and two of IBM, whose patterns ask for no more
than a name that ends in key or token. Plugins are called directly: the settings of detect-secrets are one for the whole
process, and collectors call this from threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

from nhiscan.detect.values import looks_made

_PLUGINS: Final = (
    ("artifactory", "ArtifactoryDetector"),
    ("aws", "AWSKeyDetector"),
    ("azure_storage_key", "AzureStorageKeyDetector"),
    ("basic_auth", "BasicAuthDetector"),
    ("cloudant", "CloudantDetector"),
    ("discord", "DiscordBotTokenDetector"),
    ("github_token", "GitHubTokenDetector"),
    ("gitlab_token", "GitLabTokenDetector"),
    ("jwt", "JwtTokenDetector"),
    ("mailchimp", "MailchimpDetector"),
    ("npm", "NpmDetector"),
    ("openai", "OpenAIDetector"),
    ("pypi_token", "PypiTokenDetector"),
    ("sendgrid", "SendGridDetector"),
    ("slack", "SlackDetector"),
    ("softlayer", "SoftlayerDetector"),
    ("square_oauth", "SquareOAuthDetector"),
    ("stripe", "StripeDetector"),
    ("telegram_token", "TelegramBotTokenDetector"),
    ("twilio", "TwilioKeyDetector"),
)
_PREFIX_GROUPS: Final = frozenset({"github_token", "gitlab_token"})  # their first group is the prefix alone
# The stock pattern wants a user and stops at !, $, & and their like, all of which addresses may carry.
_USER_INFO: Final = re.compile(r"""(?<=://)[^\s/?#:@"']{0,100}:([^\s/?#@"']{1,200})@""")
_SIGNATURE: Final = re.compile(r"[\w.+/=\-]*")  # the stock pattern of a JWT ends before it
_EDGES: Final = " \t\"'=:"


class Shape(NamedTuple):
    """Where a pattern matched, and what it is of."""

    start: int
    end: int
    kind: str


def shapes(text: str) -> Iterator[Shape]:
    """Everything in one line that has the shape of a known secret; places may overlap."""
    for kind, pattern, plugin in _patterns():
        for match in pattern.finditer(text):
            groups = () if kind in _PREFIX_GROUPS else range(1, pattern.groups + 1)
            group = next((n for n in groups if match[n]), 0)
            start, end = match.span(group)
            if kind == "json_web_token":
                if not plugin.is_formally_valid(match[0].rstrip(".")):
                    continue
                end = _SIGNATURE.match(text, end).end()  # type: ignore[union-attr] # matches the empty text too
            while start < end and text[start] in _EDGES:
                start += 1
            while start < end and text[end - 1] in " \t\"'":
                end -= 1
            if text.startswith("AccountKey=", start):
                start += len("AccountKey=")
            if group == 0 and not _stands_alone(text, start, end):
                continue
            if kind == "twilio_api_key" and text.startswith("AC", start):
                continue  # the account's number is no secret
            if kind == "artifactory_credentials" and not looks_made(text[start:end]):
                continue  # the stock pattern takes APACNORTHEAST1 for one
            yield Shape(start, end, kind)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], Any], ...]:
    # Imported late: detect-secrets takes a quarter of a second, which only scans should pay.
    found = []
    for module, name in _PLUGINS:
        plugin = getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
        kind = re.sub(r"[^a-z0-9]+", "_", plugin.secret_type.lower()).strip("_")
        denylist = (*plugin.denylist, _USER_INFO) if module == "basic_auth" else plugin.denylist
        for n, pattern in enumerate(denylist):
            if module == "aws":
                kind = ("aws_access_key_id", "aws_secret_access_key")[n]
            found.append((kind, pattern, plugin))
    return tuple(found)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Not a part of something longer: an account number and topic in an ARN read like a bot's token."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    return not (before.isalnum() or after.isalnum() or after in "_-")
