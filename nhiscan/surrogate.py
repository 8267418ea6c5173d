"""Stand-ins for secrets: the same format, prefix and checksum, another value; equal for equal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any, Final

from nhiscan import detect
from nhiscan.detect.precise.checks import crc32_digits

_SEPARATORS: Final = "-_.:/=@+?&"
_LONGEST_PLAIN_PREFIX: Final = 8
# Parts in the middle or at the end of a token by which its format is known.
_MARKS: Final = re.compile(
    r"T3BlbkFJ" # OpenAI: "OpenAI" in base64
    r"|AgEIcHlwaS5vcmc|AgENdGVzdC5weXBpLm9yZw" # PyPI: its own address at the start of a macaroon
    r"|-us(?=\d)" # Mailchimp: data centre
    r"|-----(?:BEGIN|END) [A-Z0-9 ]+-----"
    r"|PuTTY-User-Key-File-\d|^[A-Z][A-Za-z\-]+(?=: )",
    re.MULTILINE,
)  # fmt: skip
# Source: GitHub's blog, "Behind GitHub's new authentication token formats": CRC32 of the 30 signs, base 62, six digits.
_WITH_CRC32: Final = re.compile(r"((?:gh[pousr]|npm)_)([A-Za-z0-9]{30,245})[A-Za-z0-9]{6}")
# Source: Grafana, pkg/components/satokengen: CRC32 of all before it, its lowest byte first.
_GRAFANA: Final = re.compile(r"(glsa_[A-Za-z0-9]{32})_[0-9a-f]{8}")
_SHORTEST_ENCODED: Final = 12
_JWT: Final = re.compile(r"(eyJ[\w\-]+)\.(eyJ[\w\-]+)(?:\.([\w.+/=\-]*))?")
_IDENTIFYING: Final = frozenset({"appid", "aud", "azp", "client_id", "exp", "iat", "iss", "nbf", "sub", "tid"})
_PLAIN: Final = (ascii_lowercase, ascii_uppercase, digits)  # lower letters, upper letters and digits to choose from
_HEXADECIMAL: Final = ("abcdef", "ABCDEF", digits)
_HEX: Final = re.compile(r"[0-9a-f\-]{16,}|[0-9A-F\-]{16,}|^[0-9a-fA-F\-]+$")  # stays hexadecimal
_ROUNDS: Final = 3  # a stand-in may look like a placeholder by chance

Check = Callable[[str], bool]


class Surrogates:
    """The stand-ins of one recording; without its key nobody gets from one to the value."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made: dict[str, str] = {}

    def made(self) -> Iterator[tuple[str, str]]:
        return iter(self._made.items())

    def of(self, value: str, *, is_alike: Check | None = None) -> str:
        """The stand-in of a value; of those that are tried the first for which the detectors say the same."""
        if value not in self._made:
            self._made[value] = self._make(value, is_alike or _alike(value))
        return self._made[value]

    def _make(self, value: str, is_alike: Check) -> str:
        for candidate in self._candidates(value):
            if candidate != value and is_alike(candidate):
                return candidate
        return self._altered(value, 0, 0)

    def _candidates(self, value: str) -> Iterator[str]:
        if parts := _JWT.fullmatch(value):
            yield self._token(parts)
        if checked := _WITH_CRC32.fullmatch(value) or _GRAFANA.fullmatch(value):
            yield self._altered(value, checked[1].index("_") + 1, 0)
        if plain := _plain(value):
            yield from (self._encoded(value, plain, n) for n in range(_ROUNDS))
        kept = sorted(
            {n + 1 for n, char in enumerate(value) if char in _SEPARATORS} | set(range(_LONGEST_PLAIN_PREFIX + 1))
        )
        for prefix in kept:
            if prefix <= len(value) * 3 // 4:
                yield from (self._altered(value, prefix, n) for n in range(_ROUNDS))

    def _altered(self, value: str, prefix: int, n: int) -> str:
        """Letters and digits behind the prefix become others of their class; the rest is its format."""
        kept = set(range(prefix)) | {i for mark in _MARKS.finditer(value) for i in range(*mark.span())}
        stream = self._stream(f"{prefix}.{n}.{value}")
        classes = [_PLAIN] * len(value)
        for run in _HEX.finditer(value):
            classes[slice(*run.span())] = [_HEXADECIMAL] * len(run[0])
        altered = "".join(char if i in kept else _other(char, next(stream), classes[i]) for i, char in enumerate(value))
        return _GRAFANA.sub(_with_hex_crc32, _WITH_CRC32.sub(_with_crc32, altered))

    def _encoded(self, value: str, plain: str, n: int) -> str:
        """Base64 of another text of the same shape: some tokens are known by what they encode."""
        code = base64.b64encode(self._altered(plain, 0, n).encode()).decode()
        return code if value.endswith("=") else code.rstrip("=")

    def _stream(self, seed: str) -> Iterator[int]:
        block = 0
        while True:
            said = hmac.new(self._key, f"{block}.{seed}".encode("utf-8", "surrogatepass"), hashlib.sha512)
            yield from said.digest()
            block += 1

    def _token(self, parts: re.Match[str]) -> str:
        """A JWT that says the same of who it is for and nothing else; its signature is worth nothing."""
        claims = _decoded(parts[2])
        kept = {name: value if name in _IDENTIFYING else _x(value) for name, value in claims.items()}
        said = json.dumps(kept, separators=(",", ":")).encode()
        payload = base64.urlsafe_b64encode(said).decode().rstrip("=")
        signature = "" if parts[3] is None else "." + self._altered(parts[3], 0, 0)
        return f"{parts[1]}.{payload}{signature}"


def _alike(value: str) -> Check:
    kinds = [found.kind for found in detect.find(value)]
    return lambda candidate: [found.kind for found in detect.find(candidate)] == kinds


def _plain(value: str) -> str | None:
    """The text that base64 encodes; None when it is no text."""
    if len(value) < _SHORTEST_ENCODED:
        return None
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("ascii")
    except ValueError:
        return None
    return text if text.isprintable() else None


def _decoded(part: str) -> Mapping[str, Any]:
    try:
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _x(value: Any) -> Any:
    """The shape of a JSON value."""
    if isinstance(value, dict):
        return {name: _x(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_x(item) for item in value]
    return re.sub(r"\w", "x", value) if isinstance(value, str) else value if isinstance(value, bool) else None


def _other(char: str, n: int, classes: tuple[str, str, str]) -> str:
    lower, upper, numbers = classes
    if char.isdigit():
        return numbers[n % len(numbers)]
    if char.isupper():
        return upper[n % len(upper)]
    return lower[n % len(lower)] if char.isalpha() else char


def _with_crc32(token: re.Match[str]) -> str:
    return f"{token[1]}{token[2]}{crc32_digits(token[2])}"


def _with_hex_crc32(token: re.Match[str]) -> str:
    return f"{token[1]}_{zlib.crc32(token[1].encode()).to_bytes(4, 'little').hex()}"
