"""The profile `detect-secrets` beside stock detect-secrets: the same findings, and what they cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from . import secret_corpus, secret_peers, secret_process
from .secret_figures import Bench, Figure, Paired
from .secret_process import Used
from .secret_steps import linked_tree, planted_tree

_LEAST_RATIO: Final = 15.0
_PART_BYTES: Final = 10_000_000
_PATIENCE_S: Final = 600  # for stock and one part of the sample; some files take it hours
_Found: TypeAlias = set[tuple[str, int, str, str]]  # file, line, type, hash


def secrets_stock(bench: Bench) -> Iterator[Figure]:
    """Parts of the corpus that stock finishes, both tools in turn; the planted set is one of the parts."""
    clean = secret_corpus.build(bench.folder)
    planted_tree(bench)
    parts = [*_parts(clean, int(bench.stock_mb * 1e6)), sorted((clean.parent / "planted").rglob("*"))]
    ours, theirs, differences, searched, files, findings, left = [], [], [], 0, 0, 0, 0
    for part in parts:
        paths = [path for path in part if path.is_file()]
        tree = bench.folder / "sample"
        linked_tree(clean.parent, tree, paths)
        stock, expected = _stock(bench, tree)
        if expected is None:
            left += len(paths)
            continue
        own, found = _own(bench, tree)
        if part is not parts[-1]:  # start-up would be most of what the small planted set costs
            theirs.append(stock)
            ours.append(own)
        differences += sorted(found ^ expected)
        files += len(paths)
        searched += sum(path.stat().st_size for path in paths)
        findings += len(expected)
    said = f"{files:,} files, {searched / 1e6:.1f} MB, {findings:,} findings"
    yield Figure("stock", "sample", f"{said}; left out {left:,} files that stock did not finish in {_PATIENCE_S} s")
    names = len({path for path, *_ in differences})
    told = f"{len(differences)} differences in {names} files"
    yield Figure("stock", "file, line, type and hash as stock's", told, "none", not differences)
    if theirs:
        ratio = sum(used.cpu_s for used in theirs) / sum(used.cpu_s for used in ours)
        said = f"{ratio:.1f} times less, {Paired(ours, theirs).said()}"
        yield Figure("stock", "CPU on source, one thread", said, f">= {_LEAST_RATIO:.0f}", ratio >= _LEAST_RATIO)
    for path, line, kind, _ in differences[:10]:
        yield Figure("stock", "different", f"{kind} in line {line} of {path}")


def _parts(clean: Path, most: int) -> Iterator[list[Path]]:
    """Files of the corpus in an order by chance, up to so many bytes."""
    files = sorted(path for path in clean.rglob("*") if path.is_file())
    files.sort(key=lambda path: hashlib.sha256(str(path.relative_to(clean)).encode()).digest())
    part: list[Path] = []
    size = total = 0
    for path in files:
        size += path.stat().st_size
        part.append(path)
        if size > min(_PART_BYTES, most):
            yield part
            total += size
            part, size = [], 0
        if total > most:
            return


def _stock(bench: Bench, tree: Path) -> tuple[Used, _Found | None]:
    tool, report = secret_peers.STOCK, bench.folder / "report"
    command = tool.command(tool.installed(bench.folder), ".", 1)
    used = secret_process.run(command, report, cwd=tree, at_most_s=_PATIENCE_S)
    return used, _read(report) if used.exit_code == 0 else None


def _own(bench: Bench, tree: Path) -> tuple[Used, _Found]:
    tool, baseline = secret_peers.OURS_STOCK, bench.folder / "baseline"
    command = [*tool.command(tool.installed(bench.folder), ".", 1), "--write-baseline", str(baseline)]
    used = secret_process.run(command, bench.folder / "report", cwd=tree)
    found = _read(baseline)
    baseline.unlink()
    return used, found


def _read(baseline: Path) -> _Found:
    results = json.loads(baseline.read_text(encoding="utf-8"))["results"]
    return {
        (path.removeprefix("./"), finding["line_number"], finding["type"], finding["hashed_secret"])
        for path, findings in results.items()
        for finding in findings
    }
