"""What stands around a match, and what only looks like a secret: placeholders, documentation, allowed lines."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from nhiscan.detect import values

_BEFORE: Final = 100
_AFTER: Final = 40
_LINES_BEFORE: Final = 2
_LONGEST_LINE: Final = 200  # of the lines before, its end
_NAME: Final = re.compile(
    rb"""(?:^|[^\w.\-])(?:-D|--|\$)?(?P<name>[A-Za-z_][\w.\-]{0,99})\\*["']?\]?"""
    rb"""[ \t]{0,16}(?:=>|:=|==?|:|[ \t])[ \t]{0,16}(?:[urbf]{0,2}\\*["'`])?"""
    rb"""(?:(?:Bearer|Basic|Token|bearer|token)[ \t]+)?\Z"""
)
_XML_NAME: Final = re.compile(rb"<(?P<name>[A-Za-z_][\w.\-]{0,99})[^<>]{0,100}>\Z")

# Signs that stand in no value that a machine made.
_EXAMPLE: Final = re.compile(
    r"""
    example|exampel|placeholder|change[-_]?me|redacted|dummy|sample|replace[-_]?me|not[-_]?real|foobar|insert[-_]
    |(?<![A-Za-z0-9])(?:your|fake|test[-_]?token|my[-_]?token)(?![a-z0-9])|xxxx|\*\*\*|\.\.\.|<[a-z]|\$\{|\{\{
    """,
    re.IGNORECASE | re.VERBOSE,
)
_HOST: Final = re.compile(r"[a-z][a-z0-9+.\-]{0,20}://[\w.\-]{1,100}(?::\d{1,5})?(?=/)")  # says nothing of the path
_MOST_TYPED: Final = 0.8  # of a value's signs in a sequence: a token may hold 12345, an example is little else
_FEWEST_SIGNS: Final = 16
_FEWEST_KINDS: Final = 6  # distinct signs among so many

_COMMENT: Final = rb"""(?:\#|//|/\*|'|--|<!--[# \t]{0,8})"""
_ALLOWED: Final = re.compile(
    _COMMENT + rb"""[ \t]*pragma: ?(?:allow|white)list[ -]secret|(?:gitleaks|nhiscan):allow\b"""
)
_ALLOWED_NEXT: Final = re.compile(
    rb"\A[ \t]*" + _COMMENT + rb"""[ \t]*pragma: ?(?:allow|white)list[ -]nextline[ -]secret"""
)

# Comments and strings of Python, so that the quotes in them open nothing.
_STRING: Final = re.compile(  # each begins once and always matches, so that a file takes no longer than its length
    rb"""\#[^\n]*|(?P<long>\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:\"{3})?|'{3}(?:[^'\\]|\\.|'(?!''))*+(?:'{3})?)"""
    rb"""|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?""",
    re.DOTALL,
)
# By these names, modules of Ansible document themselves:
# https://docs.ansible.com/ansible/latest/dev_guide/developing_modules_documenting.html
_OPENING: Final = re.compile(rb"[ \t]*(?P<name>(?:DOCUMENTATION|EXAMPLES|RETURN)[ \t]*=[ \t]*)?[rRuU]{0,2}")
_LONGEST_HEAD: Final = 4_000  # of what stands before a string that documents: a licence, a signature


def entropy(value: str) -> float:
    """Shannon's, in bits a sign."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts) if value else 0.0


def is_example(value: str, pattern: str) -> bool:
    """A placeholder, a key of a documentation or little more than a sequence: made by no machine.

    What the pattern itself asks for is not held against the value.
    """
    value = _HOST.sub("", value)
    if values.is_placeholder(value) or values.is_template(value):
        return True
    if any(match[0].lower() not in pattern.lower() for match in _EXAMPLE.finditer(value)):
        return True
    if values.sequence_share(value) >= _MOST_TYPED:
        return True
    return len(value) >= _FEWEST_SIGNS and len(set(value)) < _FEWEST_KINDS


def is_test(value: str, pattern: str | None) -> bool:
    """Of the provider's test system."""
    return pattern is not None and re.search(pattern, value) is not None


def distance(near: re.Pattern[bytes], data: bytes, start: int, end: int) -> int | None:
    """How far from `data[start:end]` the nearest match of `near` stands; None: it does not stand around it."""
    last = None
    low = begin_of_context(data, start)
    for match in near.finditer(data, low, start):
        last = match
    if last is not None:
        return start - last.end()
    after = near.search(data, end, end + _AFTER)
    return None if after is None else after.start() - end


def begin_of_context(data: bytes, start: int) -> int:
    """Where the text that may speak about a value begins: on its line, or in the two lines before it."""
    line = line_start(data, start)
    low = max(line, start - _BEFORE)
    if line < start - _BEFORE:
        return low
    for _ in range(_LINES_BEFORE):
        if line == 0:
            break
        above = line_above(data, line)
        low = max(above, line - 1 - _LONGEST_LINE)
        if low > above:
            break
        line = above
    return low


def line_start(data: bytes, at: int) -> int:
    """Where the line of `at` begins; a lone CR ends a line as well."""
    return max(data.rfind(b"\n", 0, at), data.rfind(b"\r", 0, at)) + 1


def line_above(data: bytes, line: int) -> int:
    """Where the line begins that ends before `line`, the beginning of another one."""
    return line_start(data, line - 1 - data.startswith(b"\r\n", line - 2))


def line_end(data: bytes, at: int) -> int:
    """Where the line of `at` ends."""
    ends = [end for end in (data.find(b"\n", at), data.find(b"\r", at)) if end >= 0]
    return min(ends, default=len(data))


def name_before(data: bytes, start: int) -> str | None:
    """Name of the variable that a value is given to."""
    before = data[max(line_start(data, start), start - 2 * _BEFORE) : start]
    match = _NAME.search(before) or _XML_NAME.search(before)
    return match["name"].decode("ascii", "replace") if match else None


def is_allowed(data: bytes, start: int, end: int) -> bool:
    """A person wrote beside it that it may stand there: as detect-secrets, gitleaks and nhiscan have it."""
    begin = line_start(data, start)
    if _ALLOWED.search(data, begin, min(line_end(data, start), begin + 20_000)):
        return True
    if begin == 0:
        return False
    above = line_above(data, begin)
    return _ALLOWED_NEXT.match(data[above:begin]) is not None


def documentation(data: bytes) -> Iterator[tuple[int, int]]:
    """Where a program in Python says what it does and how it is called: begin and end, in order."""
    for match in _STRING.finditer(data):
        if match["long"] and _documents(data[max(0, match.start() - _LONGEST_HEAD) : match.start()]):
            yield match.span()


def _documents(before: bytes) -> bool:
    """A string after this one documents: it has a name that says so, or stands first in a file, class or function."""
    head, _, line = before.rpartition(b"\n")
    opening = _OPENING.fullmatch(line)
    if opening is None or opening["name"]:
        return opening is not None
    code = [above for above in head.splitlines() if above.strip() and not above.lstrip().startswith(b"#")]
    return not code or code[-1].rstrip().endswith(b":")
