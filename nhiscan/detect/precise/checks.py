"""What a value must satisfy beyond its pattern: checksums and structure, by the name that a detector gives."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Mapping
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any, Final

from nhiscan.detect import values

Check = Callable[[str], bool]

_BASE62: Final = digits + ascii_uppercase + ascii_lowercase
_CHECKSUM: Final = 6
_LONGEST_CLAIMS: Final = 65_536
_LEET: Final = str.maketrans("013457@$", "oieastas")
_MANUAL_TEXT: Final = (
    "pass passwd password passwort pswd pword pw pwd mypass mypassword mypasswd mysecret mysecretpassword yourpassword "
    "userpass userpassword dbpass dbpassword thepassword newpassword oldpassword somepassword strongpassword "
    "rootpassword adminpassword testpass testpassword passpass passme passphrase letmein secret supersecret topsecret "
    "secretpassword hunter user username admin administrator root guest test tests tester testing demo default docker "
    "postgres postgresql mysql mariadb redis mongo mongodb rabbitmq oracle scott tiger sa foo bar baz foobar hello "
    "world bacon eggs spam abc xyz qwerty welcome changeit changeme token key host port localhost"
)
_MANUAL_PASSWORDS: Final = frozenset(_MANUAL_TEXT.split())
_ENDS_OF_NAMES: Final = ("token", "secret", "key", "login", "user", "name", "field")
_WORDS_AND_NUMBERS: Final = re.compile(r"[a-z]+(?:[-_.](?:[a-z]+|\d+))+")
_VARIABLE: Final = re.compile(r"^[a-z]+(?:_[a-z]+)+$|[{}\\]|\$[A-Za-z({]|%[(sdvr]|\*{3}|#\{|\(\)")
_SHORTEST_PASSWORD: Final = 4
_PIECES: Final = re.compile(r"[^A-Za-z0-9]+")
_OF_A_DIGEST: Final = re.compile(r"(?:sha|md)\d{1,3}[-=:_]", re.IGNORECASE)
_OF_A_PUBLIC_KEY: Final = re.compile(r"0x[0-9A-F]{8,40}|[0-9A-F]{40}")
_ENDS_A_NAME: Final = re.compile(r"[a-z0-9](?:Key|Token|Secret|Info|Name|Type|Size|Password|Credential)s?\Z")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FEWEST_OF_A_UUID: Final = 9  # distinct signs
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_SHORTEST_RANDOM: Final = 12
_SHORTEST_RANDOM_HEX: Final = 24
_LONG_RANDOM: Final = 16
_FEWEST_DIGITS: Final = 2
_CHANGES: Final = 0.25  # of the signs, followed by one of another sort: hexadecimal digits have 0.47, words none
_CHANGES_OF_A_NAME: Final = 0.4
_CHANGES_OF_LETTERS: Final = 0.45
_CHANGES_OF_HEX: Final = 0.15  # of a number whose length is known
_DIGITS: Final = re.compile(r"\d+")
_CHANGES_WITHOUT_DIGIT: Final = 0.4


def crc32_digits(text: str) -> str:
    """CRC32 of a text in six digits of base 62, as GitHub and npm end their tokens."""
    rest, checksum = zlib.crc32(text.encode("utf-8", "surrogateescape")), ""
    for _ in range(_CHECKSUM):
        rest, n = divmod(rest, len(_BASE62))
        checksum = _BASE62[n] + checksum
    return checksum


def github_crc32(value: str) -> bool:
    """The last six signs are the CRC32 of what stands between the prefix and them.

    Source: GitHub's blog, "Behind GitHub's new authentication token formats"; npm uses the same.
    """
    body = value.rpartition("_")[2]
    return body[-_CHECKSUM:] == crc32_digits(body[:-_CHECKSUM])


def jwt(value: str) -> bool:
    """Header and claims are JSON objects, and the header names an algorithm or the type."""
    parts = value.split(".")
    header = json_part(parts[0])
    return header is not None and bool({"alg", "typ", "enc"} & set(header)) and json_part(parts[1]) is not None


def json_part(part: str) -> Mapping[str, Any] | None:
    """The object that a base64url part holds; None when it holds none."""
    if len(part) > _LONGEST_CLAIMS:
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(part.rstrip("=") + "=" * (-len(part.rstrip("=")) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def mixed_signs(value: str) -> bool:
    """Has lower letters, upper letters and digits."""
    return any(c.islower() for c in value) and any(c.isupper() for c in value) and any(c.isdigit() for c in value)


def aws_secret(value: str) -> bool:
    """Small letters, capitals and digits; in the one of a thousand that draws no digit, they change as no name does."""
    if any(map(str.isdigit, value)):
        return mixed_signs(value)
    changes = sum(a.isupper() != b.isupper() for a, b in pairwise(value))
    return changes >= _CHANGES_WITHOUT_DIGIT * len(value)


def random_value(value: str) -> bool:
    """A piece of it changes between small letters, capitals and digits too often for a name, a version or a path.

    Neither a digest nor the id of a public key of OpenPGP.
    """
    if _OF_A_DIGEST.match(value) or _OF_A_PUBLIC_KEY.fullmatch(value):
        return False
    return any(map(_is_random, _PIECES.split(value)))


def changing_signs(value: str) -> bool:
    """Small letters, capitals and digits change as no name does: enough where its maker is named beside it."""
    signs = "".join(filter(str.isalnum, value))
    changes = sum(_variety(a + b) > 1 for a, b in pairwise(signs))
    if _HEX.fullmatch(signs):
        return changes >= _CHANGES_OF_HEX * len(signs)
    return changes >= (_CHANGES if has_digit(signs) else _CHANGES_OF_LETTERS) * len(signs)


def random_uuid(value: str) -> bool:
    """A UUID that was drawn, or made from a time; none that a person typed."""
    return _UUID.fullmatch(value) is not None and len(set(value)) >= _FEWEST_OF_A_UUID


def _is_random(piece: str) -> bool:
    shortest = _SHORTEST_RANDOM_HEX if _HEX.fullmatch(piece) else _SHORTEST_RANDOM
    if len(piece) < shortest or sum(map(str.isdigit, piece)) < _FEWEST_DIGITS or _ENDS_A_NAME.search(piece):
        return False
    changes = sum(_variety(a + b) > 1 for a, b in pairwise(piece)) / len(piece)
    is_numbered = len(_DIGITS.findall(piece)) < 2  # the end of a name, or of a curve
    return changes >= (_CHANGES_OF_A_NAME if is_numbered or len(piece) < _LONG_RANDOM else _CHANGES)


def has_digit(value: str) -> bool:
    """Has a digit, so is no word."""
    return any(c.isdigit() for c in value)


def letters_and_digits(value: str) -> bool:
    """Has letters and digits, so is neither a word nor a number."""
    return any(c.isalpha() for c in value) and any(c.isdigit() for c in value)


def chosen_password(value: str) -> bool:
    """No word, variable or reference: at least two of lower letters, upper letters, digits and other signs."""
    return _variety(value) > 1 and not values.is_reference(value) and not values.is_code("", value)


def strong_password(value: str) -> bool:
    """Three of lower letters, upper letters, digits and other signs: as policies ask of passwords and no name has."""
    return _variety(value) > 2 and not values.is_reference(value) and not values.is_code("", value)


def own_password(value: str) -> bool:
    """A strong password that is none of those that every manual uses, and speaks of no password itself: no name."""
    small = value.lower()
    speaks = "pass" in small.translate(_LEET) or small.endswith(_ENDS_OF_NAMES) or _WORDS_AND_NUMBERS.fullmatch(value)
    return strong_password(value) and connection_password(value) and not speaks


def _variety(value: str) -> int:
    return len({"lower" if c.islower() else "upper" if c.isupper() else "digit" if c.isdigit() else "" for c in value})


def connection_password(value: str) -> bool:
    """A chosen password that is none of those that every manual uses, and has no place for a variable in it."""
    small = value.lower()
    plain = {"".join(filter(str.isalpha, text)) for text in (small, small.rstrip(digits).translate(_LEET))}
    return chosen_password(value) and not plain & _MANUAL_PASSWORDS and not _VARIABLE.search(value)


def data_center_token(value: str) -> bool:
    """Base64 of an id in digits, a colon and random bytes."""
    try:
        said, _, rest = base64.b64decode(value, validate=True).partition(b":")
    except binascii.Error:
        return False
    return said.isdigit() and bool(rest)


def grafana_crc32(value: str) -> bool:
    """Ends in the CRC32 of all before its last underscore, as eight hex digits of the bytes from the lowest one up.

    Source: Grafana, pkg/components/satokengen.
    """
    body, _, checksum = value.rpartition("_")
    return zlib.crc32(body.encode("utf-8", "surrogateescape")).to_bytes(4, "little").hex() == checksum


def elastic_api_key(value: str) -> bool:
    """Base64 of the 20 signs of a document's id, a colon and the 22 of the key."""
    try:
        said = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return len(said) == 43 and said[20] == ":" and said.count(":") == 1


def basic_credentials(value: str) -> bool:
    """Base64 of a name, a colon and a password that a person or machine chose."""
    try:
        said = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    name, _, password = said.partition(":")
    return said.isprintable() and " " not in name and len(password) >= _SHORTEST_PASSWORD and chosen_password(password)


def kubernetes_token(value: str) -> bool:
    """Its claims are those of a service account: the subject that Kubernetes gives them all."""
    return str(_claim(value, "sub")).startswith("system:serviceaccount:")


def supabase_service_role(value: str) -> bool:
    """Its claims are those of the key that passes all rules of a project; the public one has the role anon."""
    return _claim(value, "iss") == "supabase" and _claim(value, "role") == "service_role"


def argo_cd_token(value: str) -> bool:
    """Its claims name Argo CD as the issuer."""
    return _claim(value, "iss") == "argocd"


def _claim(token: str, name: str) -> object:
    claims = json_part(token.split(".")[1])
    return None if claims is None else claims.get(name)


CHECKS: Final[Mapping[str, Check]] = {
    check.__name__: check
    for check in (
        github_crc32,
        jwt,
        mixed_signs,
        aws_secret,
        random_value,
        random_uuid,
        changing_signs,
        has_digit,
        letters_and_digits,
        chosen_password,
        strong_password,
        connection_password,
        own_password,
        basic_credentials,
        data_center_token,
        grafana_crc32,
        elastic_api_key,
        kubernetes_token,
        supabase_service_role,
        argo_cd_token,
    )
}
