"""Patterns by which a person leaves files and folders out of a search."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence


def matcher(patterns: Sequence[str]) -> Callable[[str, str], bool] | None:
    """Whether one of the patterns means a file or folder, by its name and its path; None without patterns.

    One without / means a name in any folder, one with / a path from the root; only ** spans folders.
    """
    patterns = [pattern.rstrip("/") for pattern in patterns]
    names = [fnmatch.translate(pattern) for pattern in patterns if "/" not in pattern]
    paths = [_path_pattern(pattern.removeprefix("./").strip("/")) for pattern in patterns if "/" in pattern]
    if not patterns:
        return None
    match_name = re.compile("|".join(names) or r"(?!)").match
    match_path = re.compile("|".join(paths) or r"(?!)").match
    return lambda name, path: match_name(name) is not None or match_path(path) is not None


def _path_pattern(glob: str) -> str:
    """`fnmatch` lets * span folders; here only ** does."""
    parts: list[str] = []
    for part in re.split(r"(\*\*/?|\*|\?|\[!?[^\]]+\])", glob):
        if part.startswith("**"):
            parts.append("(?:.*/)?" if part.endswith("/") else ".*")
        elif part in ("*", "?"):
            parts.append(f"[^/]{part.replace('?', '')}")
        elif part.startswith("["):
            parts.append(fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z"))
        else:
            parts.append(re.escape(part))
    return f"(?s:{''.join(parts)})\\Z"


def covers(excluded: Callable[[str, str], bool], path: str) -> bool:
    """Whether a path, or a folder that it lies in, is meant."""
    end = -1
    while True:
        end = path.find("/", end + 1)
        part = path if end < 0 else path[:end]
        if excluded(part.rpartition("/")[2], part):
            return True
        if end < 0:
            return False
