"""The profile `detect-secrets`: what stock detect-secrets finds, with its plugins, filters and settings, but faster.

Verification is off whatever the settings say: no found secret leaves the machine. A file counts as UTF-8; stock leaves
out what is not, and so does this profile. Stock keeps its settings once for the whole process, so only one set of them
is in force at a time and searches are for one thread. A plugin of a user that is no plain list of patterns sees every
line, at stock's own speed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, ClassVar, Final

from nhiscan.detect.leak import Leak
from nhiscan.detect.stock.lines import Lines
from nhiscan.detect.stock.settings import is_in_force, put_in_force
from nhiscan.detect.stock.transform import transformed
from nhiscan.secret import Secret

AWS_KEY_ID: Final = "aws_access_key_id"
AWS_KEY: Final = "aws_secret_access_key"
_LINE_END: Final = re.compile(r"\r\n?|\n")
_KEY_ID: Final = re.compile(r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}")
# Severity and confidence of what is not a token by its own format.
_VAGUE: Final = {
    "base64_high_entropy_string": ("medium", 0.25),
    "hex_high_entropy_string": ("medium", 0.15),
    "secret_keyword": ("medium", 0.3),
    "public_ip_ipv4": ("low", 0.05),
    "artifactory_credentials": ("high", 0.3),
    "cloudant_credentials": ("high", 0.5),
    "ibm_cloud_iam_key": ("high", 0.3),
    "ibm_cos_hmac_credentials": ("high", 0.4),
    "softlayer_credentials": ("high", 0.5),
    "twilio_api_key": ("high", 0.5),
}
_CONFIDENCE: Final = 0.8
_ISSUERS: Final = {
    AWS_KEY_ID: "aws",
    AWS_KEY: "aws",
    "azure_storage_account_access_key": "azure",
    "discord_bot_token": "discord",
    "github_token": "github",
    "gitlab_token": "gitlab",
    "mailchimp_access_key": "mailchimp",
    "npm_tokens": "npm",
    "openai_token": "openai",
    "pypi_token": "pypi",
    "sendgrid_api_key": "sendgrid",
    "slack_token": "slack",
    "square_oauth_secret": "square",
    "stripe_access_key": "stripe",
    "telegram_bot_token": "telegram",
    "twilio_api_key": "twilio",
}


class Stock:
    """The profile; `settings`: plugins_used and filters_used of a baseline, all plugins and usual filters without.

    `baseline`: a file whose namesakes are left out, as stock leaves out the baseline that it compares with.
    Raises: ConfigError when stock does not know a plugin or filter of the settings.
    """

    name: ClassVar[str] = "detect-secrets"

    def __init__(
        self, settings: Mapping[str, Any] | None = None, *, baseline: str = "", use_vectorscan: bool = True
    ) -> None:
        self._settings = dict(settings or {})
        self._baseline = PurePath(baseline).name
        self._in_force = put_in_force(self._settings, baseline=self._baseline, is_search=True)
        self._lines = Lines(use_vectorscan=use_vectorscan)

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        """The secrets of one file's bytes; each value once a kind, where stock sees it first."""
        seen: set[tuple[str, str]] = set()
        lines: _LineStarts | None = None
        for secret, text in self._found(data, path):
            key = secret.type, secret.secret_hash
            if key not in seen:
                seen.add(key)
                lines = lines or _LineStarts(text)
                yield _leak(secret, lines)

    def _found(self, data: bytes, path: str) -> Iterator[tuple[Any, str]]:
        if not is_in_force(self._in_force):
            self._in_force = put_in_force(self._settings, baseline=self._baseline, is_search=True)
        lines = self._lines
        if lines.is_left_out(path):
            return
        try:
            original = data.decode("utf-8")
        except UnicodeDecodeError:
            return
        text = original
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            data = text.encode()
        is_found = False
        for is_eager in (False, True):
            rewritten = transformed(
                text, data, path, is_eager=is_eager, may_hold=lambda data: lines.may_hold(data, path)
            )
            if rewritten is not None:
                found = lines.found_in(rewritten, path)
            elif is_eager:
                return
            else:
                found = lines.found(text, data, path)
            for secret in found:
                is_found = True
                yield secret, original
            if is_found:
                return


def kind_of(secret_type: str, value: str = "") -> str:
    """The kind of a leak for a type of stock's, which names both halves of a pair of AWS alike."""
    kind = re.sub(r"[^a-z0-9]+", "_", secret_type.lower()).strip("_")
    if kind == "aws_access_key":
        return AWS_KEY_ID if _KEY_ID.fullmatch(value) else AWS_KEY
    return kind


def _leak(secret: Any, lines: _LineStarts) -> Leak:
    value = str(secret.secret_value)
    kind = kind_of(secret.type, value)
    severity, confidence = _VAGUE.get(kind, ("high", _CONFIDENCE))
    start, end = lines.span(secret.line_number)
    at = lines.text.find(value, start, end)
    column = None
    if at >= 0:
        column, start, end = at - start + 1, at, at + len(value)
    return Leak(
        kind=kind,
        secret=Secret(value),
        line=secret.line_number,
        start=start,
        end=end,
        severity=severity,
        confidence=confidence,
        issuer=_ISSUERS.get(kind),
        native_id=value if kind == AWS_KEY_ID else None,
        column=column,
    )


class _LineStarts:
    """Where the lines of a text begin, asked for in ascending order."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._number = 0
        self._start = self._end = self._next = 0

    def span(self, number: int) -> tuple[int, int]:
        """Start and end of a line; the end of the text for a line that rewriting has moved beyond it."""
        if number < self._number:
            self._number = self._next = 0
        while self._number < number:
            match = _LINE_END.search(self.text, self._next)
            self._number += 1
            self._start, self._end = self._next, match.start() if match else len(self.text)
            self._next = match.end() if match else len(self.text)
        return self._start, self._end
