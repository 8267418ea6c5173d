"""Which rule of a vault's policies decides about a request path, and sets of request paths.

A rule's path is exact, a prefix (`*` at its end) or has segments that match any one segment (`+`). Rules of the same
path are merged, a deny among them wins, and of all paths that match a request only the most specific decides. Sets of
paths are closed under intersection, and a path made of segments that no policy names stands for all others of its set.
That is how questions about sets come down to questions about single paths, which a live server can be asked as well.
Source: vault/acl.go of HashiCorp Vault and OpenBao.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from nhiscan.resolve.vault_policy import DENY, PathRule

# A segment that no policy can name: text of a policy never holds a lone surrogate.
_ANY_OTHER: Final = "\udcff"


class Pattern(NamedTuple):
    """A set of request paths. A segment is a text and whether more may follow in it; `is_open`: more segments, too."""

    segments: tuple[tuple[str, bool], ...]
    is_open: bool

    @property
    def is_single(self) -> bool:
        return not self.is_open and not any(is_prefix for _, is_prefix in self.segments)

    @property
    def start(self) -> str:
        """The text that all of the paths start with."""
        parts = []
        for text, is_prefix in self.segments:
            parts.append(text)
            if is_prefix:
                break
        return "/".join(parts)

    def example(self, *, deeper: int = 0) -> str:
        """A path of the set that no longer or more literal pattern matches, but for the segments that are given."""
        parts = [text + _ANY_OTHER if is_prefix else text for text, is_prefix in self.segments]
        return "/".join(parts + [_ANY_OTHER] * deeper)


@lru_cache(maxsize=100_000)
def pattern(text: str) -> Pattern:
    """The set of paths that a policy's path matches."""
    is_open = text.endswith("*")
    parts = text.removesuffix("*").split("/")
    segments = [("", True) if part == "+" else (part, False) for part in parts]
    if is_open:
        segments[-1] = (parts[-1], True)
    return Pattern(tuple(segments), is_open)


def intersect(one: Pattern, other: Pattern) -> Pattern | None:
    """The paths in both sets; None when there are none."""
    if len(one.segments) > len(other.segments):
        one, other = other, one
    if len(one.segments) < len(other.segments) and not one.is_open:
        return None
    segments = []
    for (text, is_prefix), (other_text, other_is_prefix) in zip(one.segments, other.segments, strict=False):
        if is_prefix and other_text.startswith(text):
            segments.append((other_text, other_is_prefix))
        elif other_is_prefix and text.startswith(other_text):
            segments.append((text, is_prefix))
        elif text == other_text and not is_prefix and not other_is_prefix:
            segments.append((text, False))
        else:
            return None
    rest = other.segments[len(one.segments) :]
    return Pattern((*segments, *rest), one.is_open and other.is_open)


class Placed(NamedTuple):
    """A rule where it stands: `path` has its namespace before it and its templates filled in.

    `source`: position of its policy; `is_guess`: a template stands for something that is not known; `is_own`: it stands
    for something of the holder's own.
    """

    path: str
    rule: PathRule
    source: int
    is_guess: bool = False
    is_own: bool = False


class Decision(NamedTuple):
    """The merged rules of one path; with deny, `capabilities` is deny alone."""

    capabilities: int
    is_conditional: bool
    is_guess: bool
    placed: tuple[Placed, ...]


_Priority: TypeAlias = tuple[int, bool, int, int, bytes]


class _Wild(NamedTuple):
    priority: _Priority
    parts: tuple[str, ...]
    is_prefix: bool
    decision: Decision


class Acl:
    """The rules of all policies of a token together."""

    def __init__(self, rules: Iterable[Placed]) -> None:
        by_path: dict[str, list[Placed]] = defaultdict(list)
        for placed in rules:
            by_path[placed.path].append(placed)
        self.decisions: Final[dict[str, Decision]] = {path: _merged(same) for path, same in by_path.items()}
        self._exact: dict[str, Decision] = {}
        self._prefixes: dict[str, Decision] = {}
        wild = []
        for path, decision in self.decisions.items():
            if _has_wild_segment(path):
                wild.append(_wild(path, decision))
            elif path.endswith("*"):
                self._prefixes[path[:-1]] = decision
            else:
                self._exact[path] = decision
        self._wild = sorted(wild, key=lambda each: each.priority, reverse=True)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)
        self._longest = max((len(each.parts) for each in wild), default=0)
        self.wild = len(wild)

    def decide(self, path: str, *, is_list: bool = False) -> Decision | None:
        """What decides about a request; None: no rule matches, so it is refused.

        `is_list`: the path ends with a slash, and rules that are written without it count as well. Of wildcards that
        match with and others that match without it, OpenBao 2.7 prefers the first, some versions of both servers the
        second; only what may be listed depends on it.
        """
        if not is_list or not path.endswith("/"):
            return self._exact.get(path) or self._most_specific(path)
        bare = path[:-1]
        return self._exact.get(path) or self._exact.get(bare) or self._most_specific(path) or self._most_specific(bare)

    def _most_specific(self, path: str) -> Decision | None:
        prefix = next((path[:n] for n in self._lengths if path[:n] in self._prefixes), None)
        if self._wild:
            least = None if prefix is None else _priority(prefix, len(_bytes(prefix)), is_prefix=True, wildcards=0)
            parts = path.split("/")
            for each in self._wild:
                if least is not None and each.priority < least:
                    break
                if _matches(each, parts):
                    return each.decision
        return None if prefix is None else self._prefixes[prefix]

    def examples(self, paths: Pattern) -> Iterator[str]:
        """Paths that stand for all others of the set: if the same is decided for each of them, it is for all others."""
        deepest = max(self._longest - len(paths.segments) + 1, 0) if paths.is_open else 0
        for deeper in range(deepest + 1):
            yield paths.example(deeper=deeper)


def _merged(same: list[Placed]) -> Decision:
    capabilities = 0
    for placed in same:
        capabilities |= placed.rule.capabilities
    return Decision(
        DENY if capabilities & DENY else capabilities,
        any(placed.rule.is_conditional for placed in same),
        any(placed.is_guess for placed in same),
        tuple(same),
    )


def _has_wild_segment(path: str) -> bool:
    # As both servers test it, so "a/+b" ranks among paths with wild segments although it has none.
    return path == "+" or "/+" in path or path.startswith("+/")


def _wild(path: str, decision: Decision) -> _Wild:
    text = path.removesuffix("*")
    parts = tuple(text.split("/"))
    is_prefix = text != path
    first = len(_bytes(path.partition("+")[0]))
    priority = _priority(text, first, is_prefix=is_prefix, wildcards=parts.count("+"))
    return _Wild(priority, parts, is_prefix, decision)


def _priority(text: str, first: int, *, is_prefix: bool, wildcards: int) -> _Priority:
    """The greatest decides: latest wildcard, no `*` at the end, fewest `+`, longest, last in the alphabet."""
    written = _bytes(text)
    return first, not is_prefix, -wildcards, len(written), written


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _matches(wild: _Wild, parts: list[str]) -> bool:
    last = len(wild.parts) - 1
    if len(parts) <= last or (not wild.is_prefix and len(parts) > last + 1):
        return False
    for number, (own, part) in enumerate(zip(wild.parts, parts, strict=False)):
        if own != "+" and own != part and not (wild.is_prefix and number == last and part.startswith(own)):
            return False
    return True
