"""Which lines stock's plugins have to look at, and what they and the filters say about these.

Each plugin's own patterns, as vectorscan expressions that match more, are one database a kind of file: a plugin sees
the lines where one of its expressions matches, and the filters only see what a plugin found. A plugin that does more
than look for its patterns sees every line.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, Final, NamedTuple

from nhiscan.detect.expressions.database import database, vectorscan
from nhiscan.detect.expressions.superset import core, superset
from nhiscan.detect.stock.filters import Filters

# Letters that patterns take for ASCII ones when case does not count; every plugin looks at their lines.
_FOLDED: Final = "\u0130\u0131\u017f\u212a"
_FOLDED_BYTES: Final = rb"\xc4[\xb0\xb1]|\xc5\xbf|\xe2\x84\xaa"
_ONCE: Final = 8  # HS_FLAG_SINGLEMATCH
_ENTROPY: Final = frozenset({"Base64HighEntropyString", "HexHighEntropyString"})


class Looked(NamedTuple):
    """A line, from 1, and the numbers of the plugins that have to look at it."""

    number: int
    line: str
    plugins: Iterable[int]


class _Expressions(NamedTuple):
    """A database, and which plugin each of its expressions speaks for (-1: all of them)."""

    database: Any
    scratch: Any
    plugins: Sequence[int]


class Lines:
    """Stock's plugins and filters as they are set now; `use_vectorscan` False: every plugin sees every line."""

    def __init__(self, *, use_vectorscan: bool = True) -> None:
        from detect_secrets.settings import get_filters, get_plugins

        self._plugins: list[Any] = list(get_plugins())
        self._filters = Filters(get_filters())
        self._hyperscan: Any = vectorscan() if use_vectorscan else None
        self._slow = [n for n, plugin in enumerate(self._plugins) if not _is_sped_up(plugin)]
        self._expressions = cache(self._compiled)
        self._runs = [_run(plugin) for plugin in self._plugins if type(plugin).__name__ in _ENTROPY]

    def is_left_out(self, path: str) -> bool:
        """A filter refuses the whole file."""
        return self._filters.leave_out(path)

    def may_hold(self, data: bytes, path: str) -> bool:
        """Something may be found in the text once a parser has added or taken away quotes, white space and the like."""
        if self._hyperscan is None or self._slow:
            return True
        if self._hits(self._expressions(_keyword_patterns(path), "core"), data, is_one_enough=True):
            return True
        return any(len(set(run)) >= fewest for runs, fewest in self._runs for run in runs.findall(data))

    def found(self, text: str, data: bytes, path: str) -> Iterator[Any]:
        """What stock finds in the lines as they stand, in its order."""
        looked = self._looked_as_is(text, data, path)
        yield from self._analyzed(looked, lambda: io.StringIO(text).readlines(), path)

    def found_in(self, lines: list[str], path: str) -> Iterator[Any]:
        """What stock finds in rewritten lines, each of which may itself be broken into several."""
        yield from self._analyzed(self._looked_rewritten(lines, path), lambda: lines, path)

    def _looked_as_is(self, text: str, data: bytes, path: str) -> Iterator[Looked]:
        if self._hyperscan is None or self._slow:
            yield from self._looked_rewritten(io.StringIO(text).readlines(), path)
            return
        number, start, end, plugins = 1, 0, -1, set[int]()
        for hit, plugin in sorted(self._hits(self._expressions(_keyword_patterns(path), "line"), data)):
            if hit <= end:
                plugins.add(plugin)
                continue
            if plugins:
                yield Looked(number, data[start:end].decode("utf-8"), self._numbers(plugins))
            before = start
            start = data.rfind(b"\n", max(end, 0), hit - 1) + 1 or start
            number += data.count(b"\n", before, start)
            end = data.find(b"\n", hit)
            end = len(data) if end < 0 else end
            plugins = {plugin}
        if plugins:
            yield Looked(number, data[start:end].decode("utf-8"), self._numbers(plugins))

    def _looked_rewritten(self, lines: list[str], path: str) -> Iterator[Looked]:
        wanted: dict[int, set[int]] = {}
        if self._hyperscan is not None:
            encoded = [line.encode("utf-8", "surrogatepass") for line in lines]
            ends = list(accumulate(len(line) + 1 for line in encoded))
            for hit, plugin in self._hits(self._expressions(_keyword_patterns(path), "text"), b"\n".join(encoded)):
                wanted.setdefault(bisect_right(ends, hit - 1), set()).add(plugin)
        if self._hyperscan is None or self._slow:
            for n, line in enumerate(lines):
                yield Looked(n + 1, line, self._numbers(wanted.get(n, set())))
            return
        for n in sorted(wanted):
            yield Looked(n + 1, lines[n], self._numbers(wanted[n]))

    def _numbers(self, plugins: set[int]) -> Iterable[int]:
        if self._hyperscan is None or -1 in plugins:
            return range(len(self._plugins))
        return sorted(plugins.union(self._slow)) if self._slow else sorted(plugins)

    def _analyzed(self, looked: Iterable[Looked], lines: Callable[[], list[str]], path: str) -> Iterator[Any]:
        from detect_secrets.util.code_snippet import get_code_snippet

        all_lines: list[str] = []
        for number, whole, plugins in looked:
            line = whole.rstrip()
            snippet: Any = None
            about: dict[str, Any] = {}
            for n in plugins:
                plugin, is_slow = self._plugins[n], n in self._slow
                if is_slow:
                    all_lines = all_lines or lines()
                    snippet = snippet or get_code_snippet(all_lines, number)
                secrets = self._secrets(plugin, path, line, number, snippet, is_slow=is_slow)
                if not secrets:
                    continue
                if not about:
                    all_lines = all_lines or lines()
                    snippet = snippet or get_code_snippet(all_lines, number)
                    about = {"filename": path, "line": line, "context": snippet}
                    judged = self._filters.of_line(about)
                    if judged.is_left_out:
                        break
                for secret in secrets:
                    if not judged.leaves_out(secret.secret_value, plugin):
                        yield secret

    def _secrets(self, plugin: Any, path: str, line: str, number: int, snippet: Any, *, is_slow: bool) -> Iterable[Any]:
        from detect_secrets.core.potential_secret import PotentialSecret
        from detect_secrets.util.inject import call_function_with_arguments

        if type(plugin).__name__ in _ENTROPY and not is_slow:
            values = dict.fromkeys(found[1] for found in plugin.regex.findall(line))
            fewest = _fewest(plugin.entropy_limit)
            return [
                PotentialSecret(type=plugin.secret_type, filename=path, secret=value, line_number=number)
                for value in values
                if len(set(value)) >= fewest and plugin.calculate_shannon_entropy(value) > plugin.entropy_limit
            ]
        try:
            found: Iterable[Any] = call_function_with_arguments(
                plugin.analyze_line, filename=path, line=line, line_number=number, context=snippet
            )
        except (UnicodeEncodeError, RecursionError):  # half a character, a token of brackets: stock stops with an error
            return ()
        return found or ()

    def _hits(self, expressions: _Expressions, data: bytes, *, is_one_enough: bool = False) -> set[tuple[int, int]]:
        """(end of a match, plugin)."""
        hits: list[tuple[int, int]] = []
        plugins = expressions.plugins

        def keep(number: int, start: int, end: int, flags: int, context: Any) -> bool:
            hits.append((end, plugins[number]))
            return is_one_enough

        with contextlib.suppress(self._hyperscan.ScanTerminated):
            expressions.database.scan(data, match_event_handler=keep, scratch=expressions.scratch)
        return set(hits)

    def _compiled(self, keywords: tuple[Any, ...], purpose: str) -> _Expressions:
        expressions: dict[bytes, int] = {_FOLDED_BYTES: -1}
        for n, plugin in enumerate(self._plugins):
            if n in self._slow:
                continue
            for expression in _expressions(plugin, keywords, purpose):
                shared = expressions.setdefault(expression, n) not in (n,)
                if shared:
                    expressions[expression] = -1
        flags = _ONCE if purpose == "core" else 0
        made = database([(expression, flags) for expression in expressions])
        return _Expressions(made, self._hyperscan.Scratch(made), list(expressions.values()))


def _keyword_patterns(path: str) -> tuple[Any, ...]:
    from detect_secrets.plugins import keyword
    from detect_secrets.util.filetype import determine_file_type

    default = keyword.QUOTES_REQUIRED_DENYLIST_REGEX_TO_GROUP
    return tuple(keyword.REGEX_BY_FILETYPE.get(determine_file_type(path), default))


def _is_sped_up(plugin: Any) -> bool:
    """It finds nothing but what its patterns match, and a vectorscan expression exists for each of them."""
    from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

    kind = type(plugin)
    is_stock = kind.__module__.startswith("detect_secrets.plugins.")
    if is_stock and (kind.__name__ in _ENTROPY or kind.__name__ == "KeywordDetector"):
        return True
    if not isinstance(plugin, RegexBasedDetector):
        return False
    is_plain = kind.analyze_string is RegexBasedDetector.analyze_string and kind.analyze_line is BasePlugin.analyze_line
    return (is_stock or is_plain) and None not in [superset(pattern, absent="\n\r") for pattern in plugin.denylist]


def _expressions(plugin: Any, keywords: tuple[Any, ...], purpose: str) -> Iterator[bytes]:
    kind = type(plugin).__name__
    if kind in _ENTROPY:
        if purpose != "core":  # else a look at the runs says more
            run = f"{_characters(plugin)}{{{_fewest(plugin.entropy_limit)},}}"
            yield f"\"{run}\"|'{run}'".encode()
        return
    for pattern in keywords if kind == "KeywordDetector" else plugin.denylist:
        if purpose == "core":
            yield (core(pattern, absent=_FOLDED) or r"[\x00-\xff]").encode()
        elif expression := superset(pattern, absent=_FOLDED + "\n\r" if purpose == "line" else _FOLDED):
            yield expression.encode()


def _run(plugin: Any) -> tuple[re.Pattern[bytes], int]:
    """What a quoted value is part of, and how many different characters it has at least.

    One less than in the value: its last may be a backslash that was put before a quote.
    """
    fewest = max(1, _fewest(plugin.entropy_limit) - 1)
    return re.compile(f"{_characters(plugin)}{{{fewest},}}".encode()), fewest


def _characters(plugin: Any) -> str:
    members = "".join(f"\\x{byte:02x}" for byte in sorted(set(plugin.charset.encode())))
    return f"[{members}]"


def _fewest(limit: float) -> int:
    """How many different characters a text of more than this entropy has at least, with room for rounding."""
    return max(1, math.ceil(2 ** (limit - 1e-9)))
