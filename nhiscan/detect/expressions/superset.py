"""Python patterns as vectorscan expressions that match more, so that one pass over the bytes rules most lines out.

Vectorscan knows no look-around, no back-reference and, on bytes, no characters. What it does not know is left out or
widened, never narrowed: wherever the pattern matches, the expression matches inside the same span. Only existence
counts, so repeats at either end are cut to their least number, and a hit may stand anywhere inside the pattern's match.

The expression says all by itself, without flags, and means the same to vectorscan and to `re` on bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined] # the one way to a pattern's parts; pinned by tests
from re import _parser  # type: ignore[attr-defined] # as above
from typing import Any, Final, NamedTuple

_LONGEST: Final = 50_000  # signs of an expression; nested back-references double with each level
_MOST_REPEATS: Final = 1_000  # vectorscan refuses far more; what is above is left open
_MOST_EXTRAS: Final = 8
_WIDTH: Final = 4  # bytes of the longest character in UTF-8
_HIGH: Final = frozenset(range(0x80, 0x100))
_LOW: Final = frozenset(range(0x80))
_TYPES: Final = re.ASCII | re.LOCALE | re.UNICODE
_SPACES: Final = frozenset(c for c in range(0x80) if chr(c).isspace())
_MARKS: Final = frozenset(b"\"'\\")
_SHORTEST_CORE: Final = 3
# Letters that `re` takes for ASCII ones under IGNORECASE.
_FOLDED: Final = {"i": "\u0130\u0131", "s": "\u017f", "k": "\u212a"}
_REPEATS: Final = frozenset({op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT})
_DROPPED: Final = frozenset({op.AT, op.ASSERT, op.ASSERT_NOT})
_CHARACTERS: Final = frozenset({op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN})


class _NeverError(Exception):
    """This part matches no text that is searched."""


class _TooLongError(Exception):
    """The expression would grow past any use."""


class _UnknownError(Exception):
    """A construct of a newer Python."""


class _Class(NamedTuple):
    """One character: `low` bytes below 0x80 (all bytes for a bytes pattern), `extras` some characters above; or any."""

    low: frozenset[int]
    is_wide: bool = False
    extras: str = ""


def superset(pattern: str | bytes | re.Pattern[Any], *, absent: str = "") -> str | None:
    """An expression that matches the bytes (UTF-8 for a str pattern) of every match; None where there is no use in one.

    `absent`: characters that no searched text contains, such as line ends where single lines are searched.
    """
    flags = pattern.flags if isinstance(pattern, re.Pattern) else 0
    source = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    tree = _parser.parse(source, flags)
    if tree.state.flags & re.LOCALE or tree.getwidth()[0] == 0:
        return None
    translation = _Translation(tree.state, is_text=isinstance(source, str), absent=absent)
    translation.collect(tree, tree.state.flags)
    try:
        expression = translation.sequence(tree, tree.state.flags, front=True, back=True)
    except (_NeverError, _TooLongError, _UnknownError):
        return None
    if len(expression) > _LONGEST or re.match(expression.encode("ascii"), b""):
        return None
    return expression


def core(pattern: str | re.Pattern[str], *, absent: str = "") -> str | None:
    """An expression that matches the source of every match, where a parser of ini or YAML rewrote the text in between.

    Such a parser adds or takes away quotes, backslashes and white space, and puts `: ` or ` = ` between a key and its
    value; all else it hands on. So this is the longest part of the pattern that no white space may interrupt, with any
    number of quotes and backslashes where there may be one. None where that is too short to be of use.
    Does not hold for sources with escapes in double quotes, references or encoded values: their readers must know.
    """
    flags = pattern.flags if isinstance(pattern, re.Pattern) else 0
    tree = _parser.parse(pattern.pattern if isinstance(pattern, re.Pattern) else pattern, flags)
    if tree.state.flags & re.LOCALE:
        return None
    translation = _Translation(tree.state, is_text=True, absent=absent)
    translation.collect(tree, tree.state.flags)
    try:
        runs = [translation.run(run) for run in translation.runs(tree, tree.state.flags)]
    except (_NeverError, _TooLongError, _UnknownError):
        return None
    width, expression = max(runs, default=(0, ""))
    return expression if width >= _SHORTEST_CORE else None


class _Translation:
    """What one pattern's parts need to know of it."""

    def __init__(self, state: Any, *, is_text: bool, absent: str) -> None:
        self._state = state
        self._is_text = is_text
        self._absent = absent
        self._absent_low = frozenset(ord(char) for char in absent if ord(char) < 0x80)
        self._groups: dict[int, tuple[Any, int]] = {}
        self._length = 0

    def collect(self, items: Any, flags: int) -> None:
        """Remembers every group, those inside look-arounds too: a back-reference may name them."""
        for code, value in items:
            if code is op.SUBPATTERN:
                group, add, drop, inner = value
                inside = _combined(flags, add, drop)
                if group is not None:
                    self._groups[group] = (inner, inside)
                self.collect(inner, inside)
            elif code is op.BRANCH:
                for branch in value[1]:
                    self.collect(branch, flags)
            elif code in _REPEATS:
                self.collect(value[2], flags)
            elif code is op.ATOMIC_GROUP:
                self.collect(value, flags)
            elif code in (op.ASSERT, op.ASSERT_NOT):
                self.collect(value[1], flags)
            elif code is op.GROUPREF_EXISTS:
                self.collect(value[1], flags)
                self.collect(value[2] or (), flags)

    def sequence(self, items: Iterable[Any], flags: int, *, front: bool = False, back: bool = False) -> str:
        """Parts after each other; at an open end, parts that may be empty say nothing and are left out."""
        kept = [item for item in items if item[0] not in _DROPPED]
        while front and kept and self._may_be_empty(kept[0]):
            del kept[0]
        while back and kept and self._may_be_empty(kept[-1]):
            del kept[-1]
        last = len(kept) - 1
        return "".join(
            self._part(item, flags, front=front and n == 0, back=back and n == last) for n, item in enumerate(kept)
        )

    def runs(self, items: Iterable[Any], flags: int) -> list[list[tuple[Any, int]]]:
        """The mandatory parts, groups opened, broken where white space or something left out may stand between."""
        runs: list[list[tuple[Any, int]]] = [[]]
        for item in items:
            code, value = item
            if code in _DROPPED:
                continue
            if code is op.SUBPATTERN:
                inner = self.runs(value[3], _combined(flags, value[1], value[2]))
                runs[-1] += inner[0]
                runs += inner[1:]
            elif self._is_handed_on(item, flags):
                runs[-1].append((item, flags))
            elif code in _REPEATS and value[0] and self._is_handed_on((op.SUBPATTERN, (None, 0, 0, value[2])), flags):
                least = (op.MAX_REPEAT, (value[0], value[0], value[2]))
                runs[-1].append((least, flags))
                runs.append([])
            else:
                runs.append([])
        return [run for run in runs if run] or [[]]

    def run(self, parts: list[tuple[Any, int]]) -> tuple[int, str]:
        """Its least width without what parsers add or take away, and its expression."""
        while parts and parts[-1][0] == (op.LITERAL, ord(":")):
            parts = parts[:-1]  # may be the one between key and value
        width = 0
        texts = []
        for n, (item, flags) in enumerate(parts):
            if self._is_marked(item, flags):
                texts.append(f"{_set(self._all_members(item, flags) | _MARKS)}*")
            else:
                texts.append(self._part(item, flags, front=n == 0, back=n == len(parts) - 1))
                width += int(_parser.SubPattern(self._state, [item]).getwidth()[0])
        return width, "".join(texts)

    def _is_handed_on(self, item: Any, flags: int) -> bool:
        """What it matches has no white space; quotes and backslashes only where it is a repeat of one character."""
        code, value = item
        if code in _CHARACTERS:
            return not self._members(item, flags).low & _SPACES
        if code in _REPEATS:
            body = list(value[2])
            if len(body) == 1 and body[0][0] in _CHARACTERS:
                return self._is_handed_on(body[0], flags)
            return self._is_handed_on((op.SUBPATTERN, (None, 0, 0, body)), flags)
        if code is op.SUBPATTERN:
            inside = _combined(flags, value[1], value[2])
            return all(self._is_plain(part, inside) for part in value[3])
        if code is op.BRANCH:
            return all(self._is_plain(part, flags) for branch in value[1] for part in branch)
        return False

    def _is_plain(self, item: Any, flags: int) -> bool:
        return item[0] in _DROPPED or (self._is_handed_on(item, flags) and not self._is_marked(item, flags))

    def _is_marked(self, item: Any, flags: int) -> bool:
        """Quotes or backslashes may be among what it matches."""
        return bool(self._all_members(item, flags) & _MARKS)

    def _all_members(self, item: Any, flags: int) -> frozenset[int]:
        """The bytes of a character or of a repeat of one; none for what is made of several, which has no marks."""
        code, value = item
        if code in _REPEATS and len(value[2]) == 1:
            return self._all_members(value[2][0], flags)
        if code not in _CHARACTERS:
            return frozenset()
        chars = self._members(item, flags)
        return chars.low | (_HIGH if chars.is_wide or chars.extras else frozenset())

    def _part(self, item: Any, flags: int, *, front: bool, back: bool) -> str:
        code, value = item
        if code in _CHARACTERS:
            text = self._repeated(self._class(item, flags), 1, 1, ends=front or back)
        elif code in _REPEATS:
            text = self._repeat(value, flags, front=front, back=back)
        elif code is op.BRANCH:
            text = self._branches(value[1], flags, front=front, back=back)
        elif code is op.SUBPATTERN:
            _, add, drop, inner = value
            text = self._branches([inner], _combined(flags, add, drop), front=front, back=back)
        elif code is op.ATOMIC_GROUP:
            text = self._branches([value], flags, front=front, back=back)
        elif code is op.GROUPREF:
            inner, inside = self._groups[value]
            text = self._branches([inner], inside | flags & re.IGNORECASE)
        elif code is op.GROUPREF_EXISTS:
            text = self._branches([value[1], value[2] or ()], flags, front=front, back=back)
        elif code is op.FAILURE:
            raise _NeverError
        else:
            raise _UnknownError
        self._length += len(text)
        if self._length > _LONGEST * 10:
            raise _TooLongError
        return text

    def _may_be_empty(self, item: Any) -> bool:
        return bool(_parser.SubPattern(self._state, [item]).getwidth()[0] == 0)

    def _branches(self, branches: Sequence[Any], flags: int, *, front: bool = False, back: bool = False) -> str:
        texts: dict[str, None] = {}
        for branch in branches:
            try:
                texts[self.sequence(branch, flags, front=front, back=back)] = None
            except _NeverError:
                continue
        if not texts:
            raise _NeverError
        if list(texts) == [""]:
            return ""
        optional = "?" if "" in texts else ""
        return f"(?:{'|'.join(text for text in texts if text)}){optional}"

    def _repeat(self, value: Any, flags: int, *, front: bool, back: bool) -> str:
        least, most, body = int(value[0]), value[1], value[2]
        if front or back:
            most = least
        if most == 0:
            return ""
        items = list(body)
        if len(items) == 1 and items[0][0] in _CHARACTERS:
            try:
                return self._repeated(self._class(items[0], flags), least, most, ends=front or back)
            except _NeverError:
                if least == 0:
                    return ""
                raise
        try:
            once = least == most == 1
            inner = self.sequence(body, flags, front=front and once, back=back and once)
        except _NeverError:
            if least == 0:
                return ""
            raise
        return f"(?:{inner}){_times(least, most)}" if inner else ""

    def _repeated(self, chars: _Class, least: int, most: Any, *, ends: bool) -> str:
        if not chars.is_wide:
            return f"{_written(chars)}{_times(least, most)}"
        wider = most if most is op.MAXREPEAT else least if ends else int(most) * _WIDTH
        return f"{_set(chars.low | _HIGH)}{_times(least, wider)}"

    def _class(self, item: Any, flags: int) -> _Class:
        chars = self._members(item, flags)
        low = chars.low - self._absent_low
        extras = "".join(sorted(set(chars.extras) - set(self._absent)))
        if not (low or chars.is_wide or extras):
            raise _NeverError
        return _Class(low, chars.is_wide, extras)

    def _members(self, item: Any, flags: int) -> _Class:
        code, value = item
        everything = _Class(_LOW, is_wide=True) if self._is_text else _Class(_LOW | _HIGH)
        if code is op.ANY:
            return everything if flags & re.DOTALL else everything._replace(low=everything.low - {0x0A})
        items = list(value) if code is op.IN else [(op.LITERAL, value)]
        is_negated = code is op.NOT_LITERAL or items[0][0] is op.NEGATE
        low: set[int] = set()
        high: list[tuple[int, int]] = []
        is_wide = False
        for kind, what in items:
            if kind is op.CATEGORY:
                goes_on, members = self._category(what, flags)
                low |= members
                is_wide = is_wide or goes_on
            elif kind in (op.LITERAL, op.RANGE):
                first, last = (what, what) if kind is op.LITERAL else what
                limit = 0x7F if self._is_text else 0xFF
                low.update(range(first, min(last, limit) + 1))
                if last > limit:
                    high.append((max(first, limit + 1), last))
        if flags & re.IGNORECASE:
            low |= {ord(chr(c).swapcase()) for c in low if c < 0x80}
        if is_negated:
            return everything._replace(low=everything.low - low)
        chars = self._folded(low, high, flags)
        return chars._replace(is_wide=True, extras="") if is_wide else chars

    def _folded(self, low: set[int], high: list[tuple[int, int]], flags: int) -> _Class:
        """What the members stand for: under IGNORECASE, letters of ASCII and others may stand for each other."""
        extras = "".join(chr(first) for first, last in high if first == last)
        is_wide = any(first != last for first, last in high) or len(extras) > _MOST_EXTRAS
        if self._is_text and flags & re.IGNORECASE and not flags & re.ASCII:
            for letter, others in _FOLDED.items():
                if any(first <= ord(other) <= last for other in others for first, last in high):
                    low |= {ord(letter), ord(letter.upper())}
            is_wide = is_wide or bool(high)
            extras = "".join(others for letter, others in _FOLDED.items() if ord(letter) in low)
        return _Class(frozenset(low), is_wide, "" if is_wide else extras)

    def _category(self, category: Any, flags: int) -> tuple[bool, frozenset[int]]:
        """Whether characters above 0x7F belong to it, and which bytes do."""
        name = str(category)
        is_ascii = not self._is_text or bool(flags & re.ASCII)
        members = frozenset(c for c in _LOW if _belongs(chr(c), name, is_ascii=is_ascii))
        is_not = "_NOT_" in name
        if is_not:
            members = (_LOW if self._is_text else _LOW | _HIGH) - members
        return self._is_text and (is_not or not is_ascii), members


def _belongs(char: str, name: str, *, is_ascii: bool) -> bool:
    if name.endswith("DIGIT"):
        return char.isdigit()
    if name.endswith("WORD"):
        return char.isalnum() or char == "_"
    return char in " \t\n\r\f\v" if is_ascii else char.isspace()


def _combined(flags: int, add: int, drop: int) -> int:
    if add & _TYPES:
        flags &= ~_TYPES
    return (flags | add) & ~drop


def _times(least: int, most: Any) -> str:
    least, most = min(least, _MOST_REPEATS), None if most > _MOST_REPEATS else int(most)
    if most is None:
        return {0: "*", 1: "+"}.get(least, f"{{{least},}}")
    if least == most:
        return "" if least == 1 else f"{{{least}}}"
    return "?" if (least, most) == (0, 1) else f"{{{least},{most}}}"


def _written(chars: _Class) -> str:
    extras = ["".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass")) for char in chars.extras]
    choices = [_set(chars.low), *extras] if chars.low else extras
    return choices[0] if len(choices) == 1 and chars.low else f"(?:{'|'.join(choices)})"


def _set(members: frozenset[int]) -> str:
    if len(members) == 1:
        return _sign(next(iter(members)))
    return f"[{''.join(_ranges(sorted(members)))}]"


def _ranges(members: list[int]) -> Iterator[str]:
    first = last = members[0]
    for member in [*members[1:], 0x200]:
        if member == last + 1:
            last = member
            continue
        yield _sign(first) if first == last else f"{_sign(first)}-{_sign(last)}"
        first = last = member


def _sign(byte: int) -> str:
    char = chr(byte)
    return char if byte < 0x80 and char.isalnum() else f"\\x{byte:02x}"
