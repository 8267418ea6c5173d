"""When the lines of a file are rewritten before they are searched: stock's transformers of ini and YAML, asked seldom.

Both are slow, and stock asks the first one for every file. Whether they would refuse a file, or whether nothing in it
could be found however it is rewritten, is mostly known from a glance; else stock's own transformers do the work.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, Final

# A line at the margin that is no comment, section or option: the ini parser raises an error at the end at the latest.
_NO_OPTION: Final = re.compile(rb"^(?:[!\"$-:<-Z\\-~][^\n=:]*$|[=:])", re.MULTILINE)
# What brings up text that does not stand in a YAML file as it is: base64 by a tag, line ends that nothing else takes
# for any; between double quotes, escapes of anything but white space, quotes and backslashes.
_YAML_REWRITES: Final = re.compile(rb"binary|\xc2\x85|\xe2\x80[\xa8\xa9]")
_YAML_ESCAPES: Final = re.compile(rb"\\[xuU/0abeNLP_\n]")
# Where a transformer fails in a way it did not foresee, stock stops with an error; here, lines count as they stand.
_STOPS: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class NamedText(io.StringIO):
    """A text with a file name, as stock's transformers want it."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


def transformed(
    text: str, data: bytes, path: str, *, is_eager: bool, may_hold: Callable[[bytes], bool]
) -> list[str] | None:
    """The rewritten lines; None where the lines count as they stand, or where there is nothing to find in them.

    `data`: the text as bytes. `may_hold`: whether these may hold what a plugin finds, whatever is added or taken away.
    """
    from detect_secrets.transformers import get_transformed_file
    from detect_secrets.util.filetype import FileType, determine_file_type

    kind = determine_file_type(path)
    if is_eager:
        may_be_ini, is_yaml = kind is FileType.OTHER and not _NO_OPTION.search(data), False
    else:
        may_be_ini, is_yaml = _starts_with_section(data) and not _NO_OPTION.search(data), kind is FileType.YAML
    is_rewritten = (may_be_ini and b"%" in data) or (is_yaml and _is_rewritten(data))
    if not (may_be_ini or is_yaml) or not (is_rewritten or may_hold(data)):
        return None
    file: Any = NamedText(text, path)
    try:
        lines: list[str] | None = get_transformed_file(file, use_eager_transformers=is_eager)
    except _STOPS:
        return None
    return lines or None


def _starts_with_section(data: bytes) -> bool:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start:end].decode("utf-8").strip()
        if line and line[0] not in "#;":
            return line[0] == "[" and "]" in line[2:]
        start = end + 1
    return False


def _is_rewritten(data: bytes) -> bool:
    has_escapes = b'"' in data and _YAML_ESCAPES.search(data) is not None
    has_escaped_tags = b"%" in data and b"!" in data
    return has_escapes or has_escaped_tags or _YAML_REWRITES.search(data) is not None
