"""What a name and a value say about each other: is this value the secret that the name promises?

A value that only points to a secret is how it should be done, so references stay silent, as do placeholders, switches,
paths and what a name says *about* a secret (`TOKEN_TTL`, `SECRET_NAME`). detect-secrets' own filters are not used: they
are made for source code, and in the settings of something that runs they would hide real secrets (keys that are UUIDs,
numeric or sequential passwords, whatever starts with a dollar sign, lines with an allowlist comment).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

_SHORTEST_PASSWORD: Final = 4
_SHORTEST_SECRET: Final = 8  # of other names: shorter ones are counters, regions, words
_LONG: Final = 20  # from here on a key without a digit is a key

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zñ]+|\d+")
# Beyond the words of detect-secrets: names that settings use.
_PASSWORDS: Final = (
    r"password|passwd|passwort|pwd|passphrase|(?<![a-z])(?:pass|pw)(?![a-z])|dbpass(?![a-z])|contrase[nñ]a"
)
_KEYS: Final = (
    r"(?:api|app|auth|service|account|db|database|priv|private|client|access|signing|encryption|master|shared|storage"
    r"|license)_?keys?"
)
_OTHERS: Final = r"secret|token|credentials?|creds"
_PASSWORD: Final = re.compile(_PASSWORDS)
_KEY: Final = re.compile(_KEYS)
_SECRET: Final = re.compile(f"{_PASSWORDS}|{_KEYS}|{_OTHERS}")
# Words after which a name still is the secret itself.
_STILL_TEXT: Final = (
    "a b base64 b64 current default dev develop development key keys live new old plain plaintext primary prod "
    "production previous qa s secondary secret stage staging string test text uat value v1 v2"
)
_STILL: Final = frozenset(_STILL_TEXT.split())
# Words after which a name speaks about a secret.
_ABOUT_TEXT: Final = (
    "age algo algorithm alias arn backend bucket cache chars class config count days driver enabled endpoint engine "
    "expiration expires expiry field file filename format group hash header host hours id ids interval kid length len "
    "lifetime limit location manager max min minutes mode mount name names namespace parameter param params path "
    "period policy prefix project provider ref region reset required role rotation rule seconds selector service size "
    "source store suffix table ttl type uri url user username validity version"
)
_ABOUT: Final = frozenset(_ABOUT_TEXT.split())
_MIXED: Final = re.compile(r"[A-Za-z]\d+[A-Za-z]|\d[A-Za-z]+\d")
_LOGIN_ID: Final = "secret_id"  # the second half of a vault login, or the name of a secret
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_PLACEHOLDER: Final = re.compile(
    r"""
    change[-_ ]?(?:me|it|this)\w* | replace[-_ ]?(?:me|it|this)\w* | (?:your|insert|enter|put|add)[-_ ].*
    | .*[-_ ]here | x[x\-_.]*x | (.)\1{3,} | to[-_ ]?do | tbd | fix[-_ ]?me | dummy\w* | place[-_ ]?holder
    | redacted | masked | hidden | none | null | nil | undefined | empty | unset | n/?a | true | false | yes | no | on
    | off | enabled | disabled | required | optional | string | [^\w]* | .*example.*
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_TEMPLATE: Final = re.compile(
    r"""
    \{.*\} | \[.*\] | <[^<>]*> | %[A-Za-z_]\w*% | \$\(.* | `.* | \$[A-Za-z_]\w* | \w*\$\{.*\}\w*
    | !(?:Ref|GetAtt|Sub|ImportValue|secret|vault)\b.*
    """,
    re.VERBOSE | re.DOTALL,
)
_POINTER: Final = re.compile(
    r"""
    arn:.* | @Microsoft\.KeyVault\(.* | resolve:.* | projects/[^/]+/secrets/.*
    | [A-Za-z][A-Za-z0-9+.\-]*://.* # op://, secret://, an ordinary address: what it carries is looked for on its own
    | (?:vault|ssm|ssm-secure|secretsmanager|aws-?sm|aws-?ssm|gcp-?sm|akv|keyvault|sm|kms|env|file|ref|secret|bao):.*
    | ENC\[.*\] | AQ(?:ICA|ECA)[A-Za-z0-9+/=]{60,} # ciphertext: of sops, of AWS KMS
    """,
    re.VERBOSE | re.DOTALL,
)
_PATH: Final = re.compile(
    r"(?:~|\.{1,2})?/[\w.@:\-/ ]*|[A-Za-z]:\\.*|[\w\-]+(?:/[\w.\-]+)*\.(?:pem|key|crt|json|txt|ya?ml|env|p12|jks)"
)
_CODE: Final = re.compile(r"[A-Za-z_][\w.]*[(\[].*|[A-Za-z_]+(?:\.[A-Za-z_]+)+", re.DOTALL)
_PIECE: Final = re.compile(r"[-_./:@#\s]+")
_SEQUENCES: Final = tuple(
    row * 2
    for row in ("0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz", "0123456789abcdef", "1234567890abcdef")
)

_ROWS: Final = (
    "0123456789",
    "90",
    "9a",
    "f0",
    "z0",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
)
_NEXT: Final = frozenset(pair for row in _ROWS for pair in pairwise(row))
_STEPS: Final = {(b, a): "-" for a, b in _NEXT} | dict.fromkeys(_NEXT, "+")
_RUN: Final = re.compile(r"([=+-])\1{2,}")  # of the steps between at least four signs
_SPELLED: Final = re.compile("deadbeef|cafebabe|badc0ffee|feedface|decafbad")


def is_placeholder(value: str) -> bool:
    """Stands where a secret will be put, or is a switch."""
    return _PLACEHOLDER.fullmatch(value) is not None


def is_template(value: str) -> bool:
    """A variable, a command or a container, not a value."""
    return _TEMPLATE.fullmatch(value) is not None


def is_reference(value: str) -> bool:
    """Says where the secret is kept: another store, a variable, a file, an address."""
    if is_template(value) or _POINTER.fullmatch(value):
        return True
    return _PATH.fullmatch(value) is not None and not any(map(looks_made, _PIECE.split(value)))


def is_code(name: str, value: str) -> bool:
    """An unquoted value that is an expression of a program: a call, an attribute, a variable of the same name."""
    return value == name or _CODE.fullmatch(value) is not None


def is_named_secret(name: str, value: str) -> bool:
    """The name promises a secret, and the value can be one."""
    promised, is_certain = _promise(name)
    if not promised or value == name or is_placeholder(value) or is_reference(value):
        return False
    if not is_certain:
        return any(map(looks_made, _PIECE.split(value)))
    if promised == _LOGIN_ID:
        return _UUID.fullmatch(value) is not None
    if _PASSWORD.fullmatch(promised):
        return len(value) >= _SHORTEST_PASSWORD
    if len(value) < _SHORTEST_SECRET or not re.search("[A-Za-z]", value) or " " in value:
        return False
    if any(value.lower() in sequence for sequence in _SEQUENCES):
        return False
    pieces = _PIECE.split(value)
    if len(pieces) > 1 and all(piece.isalpha() or piece.isdigit() or not piece for piece in pieces):
        # acme/prod/db is the name of a secret. The price: a secret made of plain words is missed.
        return False
    return not _KEY.fullmatch(promised) or len(value) >= _LONG or re.search(r"\d", value) is not None


@lru_cache(maxsize=4096)
def _promise(name: str) -> tuple[str, bool]:
    """The word that promises a secret, empty without one; and whether the name surely is that secret's."""
    folded = "_".join(word.lower() for word in _WORDS.findall(name[:200]))
    promises = list(_SECRET.finditer(folded))
    if not promises:
        return "", False
    last = promises[-1]
    rest = [word for word in folded[last.end() :].split("_") if word]
    if rest == ["id"] and last[0] == "secret":
        return _LOGIN_ID, True
    if rest and (rest[-1] in _ABOUT or rest[0] in _ABOUT):
        return "", False
    return last[0], all(word in _STILL or word.isdigit() for word in rest)


def looks_made(piece: str) -> bool:
    """Made by a machine, as far as signs tell: long, letters and digits mixed."""
    return len(piece) >= _SHORTEST_SECRET and _MIXED.search(piece) is not None


def sequence_share(value: str) -> float:
    """The share of letters and digits that stand in an order that a person types: 1234, dcba, aaaa, a1b2c3, qwerty."""
    signs = "".join(filter(str.isalnum, value.lower()))
    typed = {at for word in _SPELLED.finditer(signs) for at in range(*word.span())}
    for apart in (1, 2):
        pairs = zip(signs, signs[apart:], strict=False)
        steps = "".join(["=" if pair[0] == pair[1] else _STEPS.get(pair, " ") for pair in pairs])
        for run in _RUN.finditer(steps):
            typed.update(range(run.start(), run.end() + apart))
    return len(typed) / len(signs) if signs else 0.0
