"""Takes the secrets out of recorded answers: surrogates for secrets, x's for the values that stood around them.

Whether a scrubbed text says the same to the detectors is tried out, never assumed. Text is looked at through the
encodings that providers put it in: JSON, XML, base64, gzip and URL quoting, also inside each other.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import json
import logging
import re
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode
from xml.etree import ElementTree

from nhiscan import detect
from nhiscan.model import Where
from nhiscan.printable import plain
from nhiscan.secret import DUMMY
from nhiscan.surrogate import Surrogates

_DEEPEST: Final = 5  # encodings inside each other
_SHORTEST_TELLING: Final = 8  # shorter values stand in many places by chance
_LONGEST_WORD: Final = 16
_SHORTEST_INNER: Final = 16  # of a text that is looked for inside others
_SHORTEST_SHAPED: Final = 16
_SHORTEST_ENCODED: Final = 12  # of a value whose base64 form is telling
_LONGEST_NAME: Final = 300  # of a variable, with all that may stand between it and its value
_MOST_UNPACKED: Final = 16 * 1024 * 1024
# Fields that carry a credential of the scanner; compared without case, - and _.
_IN_ANSWERS: Final = frozenset(
    {
        "accesstoken", "clientsecret", "clienttoken", "idtoken", "privatekey", "refreshtoken", "secretaccesskey",
        "secretid", "securitytoken", "sessiontoken",
    }
)  # fmt: skip
_IN_REQUESTS: Final = _IN_ANSWERS | {
    "apikey", "assertion", "clientassertion", "externalid", "jwt", "passwd", "password", "secret", "token",
}  # fmt: skip
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]{8,}={0,2}\s*")
# What the inventory joins on and is no secret: ARNs, account numbers, access key ids, regions, service accounts' mail,
# and around a password in an address the system and who logs in to it.
_IDENTIFIERS: Final = re.compile(
    r"arn:[\w\-]+:[^\s\"',;]{1,300}"
    r"|(?<![A-Za-z0-9])(?:A[KS]IA[A-Z0-9]{16}|\d{12}|(?:[a-z]{2}-){1,2}[a-z]{4,9}-\d)(?![A-Za-z0-9])"
    r"|client_email\\*[\"']?\s{0,8}:\s{0,8}\\*[\"'][^\"'\\\s]{3,200}"
    r"|[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/?#:@\"'<>]{0,80}:\Z|\A@[A-Za-z0-9._\-]{1,200}(?::\d{1,5})?"
)
# What may make a value a secret, directly before it: its name, or {"name": "...", "value": " with a name in between.
_BEFORE: Final = (
    None,
    re.compile(r"[A-Za-z_][\w.\-]{0,99}[\"'\]\\]*\s{0,32}(?:=>|:=|={1,3}|:)?\s{0,32}[\"'\\]*\Z"),
    re.compile(r"(?:name|key)\W{1,40}[A-Za-z_][\w.\-]{0,99}\W{1,40}value\W{1,24}\Z", re.IGNORECASE),
)
_FILLERS: Final = (("x", "x"), ("x", "0"), ("0", "0"))  # for letters, for digits
_UNSURE: Final = frozenset({"aws_access_key_id", "named_secret"})  # no secret; a guess from a name
_SHOWN: Final = frozenset({"tag"})  # kinds of text that the inventory shows anyway: only the secrets in them go

log = logging.getLogger(__name__)

Place: TypeAlias = Callable[[str, str, frozenset[str]], str | None]


def is_credential(name: str) -> bool:
    """A field of this name in a request carries a credential of the scanner."""
    return _folded(name) in _IN_REQUESTS


def is_telling(value: str) -> bool:
    """Wherever this value stands, it is this secret: neither short nor a word."""
    return len(value) >= _SHORTEST_TELLING and not (value.isalpha() and len(value) < _LONGEST_WORD)


def _folded(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()


class Scrubber:
    """Learns first what must go (`add_...`, then `study`), and rewrites afterwards."""

    def __init__(self) -> None:
        self._surrogates = Surrogates(secrets.token_bytes(32))
        self._seen: dict[tuple[str, str | None], Where] = {}
        self._values: set[str] = set()
        self._own: set[str] = set()
        self._instead: dict[str, dict[str | None, str]] = {}  # text -> name -> what is written instead
        self._placed: set[tuple[str, str | None]] = set()
        self._anywhere: dict[str, str] = {}
        self._secrets: list[tuple[str, str]] = []
        self._inner: list[tuple[str, str]] = []
        self._forbidden: list[str] = []

    def add_text(self, text: str, where: Where) -> None:
        """A text that was searched for secrets."""
        self._seen.setdefault((text, where.name), where)

    def add_secret(self, value: str) -> None:
        """A secret of the outside."""
        self._values.add(value)

    def add_own(self, value: str) -> None:
        """A secret of the scanner's settings, for which a dummy stands on replay."""
        self._own.add(value)

    def study(self, bodies: Iterable[bytes]) -> None:
        """Learns from all answers: the tokens in them, and where the searched texts stand."""
        known = list(bodies)
        for (text, name), where in self._seen.items():
            self._instead.setdefault(text, {})[name] = self._blanked(text, where)
        for body in known:
            _rewritten_body(body, self._learn, str)
        for value in self._values:
            self._surrogates.of(value)
        told = {value: instead for value, instead in self._surrogates.made() if value != instead}
        told |= dict.fromkeys(self._own, DUMMY)
        telling = sorted(filter(is_telling, told), key=len, reverse=True)
        self._secrets = [(value, told[value]) for value in telling]
        self._forbidden = [form for value in telling for form in _forms(value)]
        for body in known:
            self.body(body)  # notes what finds its place
        self._anywhere = {
            text: instead
            for text, by_name in self._instead.items()
            for name, instead in by_name.items()
            if len(text) >= _SHORTEST_TELLING and instead != text and (text, name) not in self._placed
        }
        inner = sorted((text for text in self._anywhere if len(text) >= _SHORTEST_INNER), key=len, reverse=True)
        self._inner = [(text, self._anywhere[text]) for text in inner]

    def body(self, body: bytes) -> bytes:
        return _rewritten_body(body, self._place, lambda text: self._patch(_replaced(text, self._inner)))

    def text(self, text: str) -> str:
        """Anything of a request or an error, without secrets."""
        return _rewritten(text, _nowhere, self._patch, "", frozenset(), 0)

    def form(self, text: str) -> str:
        pairs = parse_qsl(text, keep_blank_values=True)
        return urlencode(sorted((self.text(name), self.text(value)) for name, value in pairs)) if pairs else ""

    def request_body(self, text: str) -> str:
        is_form = "=" in text and urlencode(parse_qsl(text, keep_blank_values=True)) == text
        return self.form(text) if is_form else self.text(text)

    def is_left_in(self, text: str) -> bool:
        """A secret is still there, in the clear or encoded."""
        return any(form in text for form in self._forbidden)

    def _learn(self, leaf: str, key: str, near: frozenset[str]) -> None:
        """Notes what a login gave, and tokens in answers that no collector searched."""
        del near
        if _folded(key) in _IN_ANSWERS and leaf:
            self._own.add(leaf)
        elif len(leaf) >= _SHORTEST_SHAPED and leaf not in self._instead:
            found = detect.find(leaf)
            self._values |= {leaf[start:end] for start, end, kind in found if kind not in _UNSURE}

    def _place(self, leaf: str, key: str, near: frozenset[str]) -> str | None:
        """What is written for a whole leaf: a text that was searched, found by the name beside it or by itself."""
        if _folded(key) in _IN_ANSWERS and leaf in self._own:
            return DUMMY
        for name, instead in self._instead.get(leaf, {}).items():
            if name is not None and (name == key or name in near):
                self._placed.add((leaf, name))
                return instead
        return self._anywhere.get(leaf)

    def _patch(self, text: str) -> str:
        return _replaced(text, self._secrets)

    def _blanked(self, text: str, where: Where) -> str:
        """The text with surrogates and x's, in the least telling form in which the detectors say the same of it."""
        found = [span for span in detect.find(text, where.name) if span.kind != "aws_access_key_id"]
        for start, end, _ in found:
            value = text[start:end]
            self._surrogates.of(value, is_alike=_alike_within(text, value, where))
        spans = [(start, end, self._surrogates.of(text[start:end])) for start, end, _ in found]
        blanked = _assembled(text, spans, _as_it_is)
        if where.kind in _SHOWN:
            return blanked
        wanted = _said(blanked, where)
        for before in _BEFORE if spans else (None,):
            for filler in _FILLERS:
                blanked = _assembled(text, spans, _Blank(filler, before))
                if _said(blanked, where) == wanted:
                    return blanked
        if spans:
            log.warning("on the tape %s reads otherwise to the detectors than it did", plain(where.location))
            return blanked
        return ""


def _nowhere(leaf: str, key: str, near: frozenset[str]) -> str | None:
    del leaf, key, near
    return None


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for value, instead in pairs:
        if value in text:
            text = text.replace(value, instead)
    return text


def _alike_within(text: str, value: str, where: Where) -> Callable[[str], bool]:
    """Says of a stand-in whether the detectors find it in the text as they found the value."""
    wanted = [span.kind for span in detect.find(text, where.name)]

    def is_alike(candidate: str) -> bool:
        changed = text.replace(value, candidate)
        found = detect.find(changed, where.name)
        return [span.kind for span in found] == wanted and any(changed[s:e] == candidate for s, e, _ in found)

    return is_alike


def _said(text: str, where: Where) -> list[tuple[str, str, str | None]]:
    """What the detectors say of a text: kinds, values and the ids inside them."""
    native_ids = [sighting.native_id for sighting in detect.detect(text, where, key=b"")]
    found = [(kind, text[start:end], None) for start, end, kind in detect.find(text, where.name)]
    return [*found, *(("native id", "", native_id) for native_id in native_ids)]


def _assembled(text: str, spans: Iterable[tuple[int, int, str]], blank: Callable[[str, bool], str]) -> str:
    """The text with other secrets; `blank` makes what stands between them and is told whether one follows."""
    parts: list[str] = []
    done = 0
    for start, end, instead in spans:
        parts += [blank(text[done:start], True), instead]
        done = end
    return "".join((*parts, blank(text[done:], False)))


def _as_it_is(text: str, is_before_secret: bool) -> str:
    del is_before_secret
    return text


class _Blank:
    """Fills letters and digits of what stands between secrets; identifiers and, if asked for, a secret's name stay."""

    def __init__(self, filler: tuple[str, str], before: re.Pattern[str] | None) -> None:
        self._letter, self._digit = filler
        self._before = before

    def __call__(self, text: str, is_before_secret: bool) -> str:
        kept = {i for match in _IDENTIFIERS.finditer(text) for i in range(*match.span())}
        if is_before_secret and self._before is not None:
            name = self._before.search(text, max(0, len(text) - _LONGEST_NAME))
            kept |= set(range(*name.span())) if name else set()
        return "".join(
            char if i in kept or not char.isalnum() else self._digit if char.isdigit() else self._letter
            for i, char in enumerate(text)
        )


def _forms(value: str) -> set[str]:
    """How a value looks in JSON, XML, a URL and base64, there at each of the three offsets."""
    in_url = quote(value, safe="", errors="surrogatepass")
    forms = {value, json.dumps(value)[1:-1], html.escape(value), html.escape(value, quote=False), in_url}
    if len(value) >= _SHORTEST_ENCODED:
        coded = value.encode("utf-8", "surrogatepass")
        for offset in range(3):
            inside = base64.b64encode(b"\0" * offset + coded).decode().rstrip("=")
            forms.add(inside[(0, 2, 3)[offset] : len(inside) - 1])  # edges depend on what stands beside it
    return forms


def _rewritten_body(body: bytes, place: Place, patch: Callable[[str], str]) -> bytes:
    text = body.decode("utf-8", "surrogateescape")
    if text.lstrip()[:1] == "<":
        try:
            # expat refuses entities that blow up; the answer's own client has parsed it the same way.
            root = ElementTree.fromstring(body)  # noqa: S314
            return ElementTree.tostring(root, encoding="utf-8") if _rewrite_element(root, place, patch) else body
        except (ElementTree.ParseError, RecursionError):
            return patch(text).encode("utf-8", "surrogateescape")
    said = _rewritten(text, place, patch, "", frozenset(), 0)
    return body if said == text else said.encode("utf-8", "surrogateescape")


def _rewrite_element(element: ElementTree.Element, place: Place, patch: Callable[[str], str]) -> bool:
    """Rewrites the text of each element; whether anything changed."""
    near = frozenset(child.text for child in element if child.text and not len(child))
    is_changed = False
    for child in element:
        if child.text:
            said = _rewritten(child.text, place, patch, child.tag.rpartition("}")[2], near - {child.text}, 0)
            is_changed |= said != child.text
            child.text = said
        is_changed |= _rewrite_element(child, place, patch)
    return is_changed


def _rewritten(text: str, place: Place, patch: Callable[[str], str], key: str, near: frozenset[str], depth: int) -> str:
    """A leaf after `place`, or else after `place` and `patch` of what is packed in it, or else after `patch`."""
    placed = place(text, key, near)
    if placed is not None:
        return patch(placed)
    if depth < _DEEPEST:
        if text.lstrip()[:1] in ("{", "["):
            try:
                tree = json.loads(text)
                said = _rewritten_tree(tree, place, patch, key, depth + 1)
                return patch(text if said == tree else json.dumps(said, separators=(",", ":")))
            except (ValueError, RecursionError):  # no JSON, or nested beyond reason: as one text
                pass
        for inner, pack in _unpacked(text):
            said = _rewritten(inner, place, patch, key, near, depth + 1)
            if said != inner:
                return pack(said)
    return patch(text)


def _rewritten_tree(tree: Any, place: Place, patch: Callable[[str], str], key: str, depth: int) -> Any:
    if isinstance(tree, dict):
        near = frozenset(item for item in tree.values() if isinstance(item, str))
        return {
            name: _rewritten(item, place, patch, name, near - {item}, depth)
            if isinstance(item, str)
            else _rewritten_tree(item, place, patch, name, depth)
            for name, item in tree.items()
        }
    if isinstance(tree, list):
        return [_rewritten_tree(item, place, patch, key, depth) for item in tree]
    return _rewritten(tree, place, patch, key, frozenset(), depth) if isinstance(tree, str) else tree


def _unpacked(text: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    """What is packed in a text, each with the way back."""
    if _BASE64.fullmatch(text):
        try:
            data = base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            pass
        else:
            yield data.decode("utf-8", "surrogateescape"), _to_base64
            if data[:2] == b"\x1f\x8b":
                try:
                    packed = zlib.decompressobj(wbits=31)
                    yield packed.decompress(data, _MOST_UNPACKED).decode("utf-8", "surrogateescape"), _to_gzip
                except zlib.error:
                    pass
    if "%" in text:
        yield unquote(text, errors="surrogateescape"), lambda said: quote(said, safe="", errors="surrogatepass")


def _to_base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def _to_gzip(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode("utf-8", "surrogateescape"), mtime=0)).decode()
