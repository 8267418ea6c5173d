"""The secrets scanner beside its peers on the same files: cost, noise, and what each finds of what is there."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import secret_corpus, secret_peers, secret_plants, secret_process, secret_scores
from .secret_corpus import AbsentError
from .secret_figures import Bench, Figure, Paired
from .secret_peers import Hit, Tool
from .secret_process import Used

_MOST_CPU: Final = 0.6  # of kingfisher's
_LEAST_RECALL: Final = 0.95
_MOST_NOISE: Final = 1.0  # findings a megabyte
_CLEAN: Final = "clean/"
_PLANTED: Final = "planted/"
_REPORT: Final = "report"


def planted_tree(bench: Bench) -> secret_plants.Planted:
    """Writes the planted set beside the corpus."""
    folder = bench.folder / "tree" / "planted"
    shutil.rmtree(folder, ignore_errors=True)
    return secret_plants.write(folder)


def secrets_precise(bench: Bench) -> Iterator[Figure]:
    """CPU, memory and noise on real source with planted secrets."""
    clean = secret_corpus.build(bench.folder)
    planted_tree(bench)
    tree = clean.parent
    files, size = secret_corpus.size(clean)
    yield Figure("precise", "corpus", f"{files:,} files, {size / 1e6:.0f} MB, of {len(list(clean.iterdir()))} packages")
    kingfisher = secret_peers.KINGFISHER
    for jobs in (1, 2):
        paired = pairs(bench, secret_peers.OURS, kingfisher, tree, jobs)
        said = f"{jobs} thread" + ("s" if jobs > 1 else "")
        is_met = paired.cpu_ratio <= _MOST_CPU
        yield Figure("precise", f"CPU, {said}, beside kingfisher", paired.said(), f"<= {_MOST_CPU}", is_met)
        yield Figure("precise", f"wall time, {said}, beside kingfisher", paired.said("wall_s"))
        ours, theirs = (watched(bench, tool, tree, jobs).peak_mb for tool in (secret_peers.OURS, kingfisher))
        is_met = ours < theirs
        yield Figure(
            "precise", f"peak memory, {said}", f"{ours:.0f} MB, kingfisher {theirs:.0f} MB", "below its", is_met
        )
    for tool in (secret_peers.OURS, kingfisher, secret_peers.BETTERLEAKS, secret_peers.GITLEAKS):
        try:
            used, hits = found(bench, tool, tree)
        except AbsentError as error:
            yield Figure("precise", tool.name, f"left out: {error}")
            continue
        noise = sum(1 for _ in secret_scores.below(hits, tree, _CLEAN)) / (size / 1e6)
        told = f"{noise:.2f} a MB; one run: {used.cpu_s:.1f} s of CPU"
        if tool is secret_peers.OURS:
            yield Figure(
                "precise", "findings on clean source", told, f"<= {_MOST_NOISE:.0f} a MB", noise <= _MOST_NOISE
            )
        else:
            yield Figure("precise", f"findings on clean source, {tool.name}", told)


def secrets_planted(bench: Bench) -> Iterator[Figure]:
    """What each tool finds of the planted set, by kind; and what it finds among the look-alikes."""
    planted = planted_tree(bench)
    target = bench.folder / "tree" / "planted"
    kinds = len({plant.kind for plant in planted.plants})
    said = f"{kinds} kinds, {len(planted.plants)} plants, {planted.decoys} files of look-alikes"
    yield Figure("planted", "set", f"{said}, {planted.bytes / 1e6:.2f} MB")
    for tool in (secret_peers.OURS, secret_peers.OURS_STOCK, *secret_peers.PEERS):
        try:
            _, hits = found(bench, tool, target)
        except AbsentError as error:
            yield Figure("planted", tool.name, f"left out: {error}")
            continue
        score = secret_scores.score(planted.plants, secret_scores.below(hits, target))
        told = f"{score.share:.1%} found; {sum(score.stray.values())} findings beside the plants"
        is_ours = tool is secret_peers.OURS
        yield Figure(
            *("planted", tool.name, told, f">= {_LEAST_RECALL:.0%}" if is_ours else ""),
            is_met=score.share >= _LEAST_RECALL if is_ours else None,
        )
        lost = [f"{kind} {of - found}" for kind, (found, of) in sorted(score.by_kind.items()) if found < of]
        if lost:
            yield Figure("planted", f"{tool.name}, missed", ", ".join(lost))


def secrets_recall(bench: Bench) -> Iterator[Figure]:
    """Examples written by others: the share found of those with a secret, and of those without one that are flagged."""
    if bench.recall is None or not bench.recall.is_dir():
        yield Figure("recall", "examples written by others", "left out: no folder with them was given")
        return
    for file in sorted(bench.recall.glob("*.jsonl")):
        examples = secret_scores.examples(file)
        target = bench.folder / "recall" / file.stem
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        expected = {}
        for number, (text, holds) in enumerate(examples.items()):
            (target / f"{number}.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
            expected[f"{number}.txt"] = holds
        counts = Counter(expected.values())
        for tool in (secret_peers.OURS, secret_peers.OURS_STOCK, *secret_peers.PEERS):
            try:
                _, hits = found(bench, tool, target)
            except AbsentError as error:
                yield Figure("recall", f"{file.stem}, {tool.name}", f"left out: {error}")
                continue
            flagged = Counter(expected[path] for path in {hit.path for hit in secret_scores.below(hits, target)})
            said = f"{flagged[True] / max(counts[True], 1):.1%} of {counts[True]} found, "
            said += f"{flagged[False] / max(counts[False], 1):.1%} of {counts[False]} flagged"
            yield Figure("recall", f"{file.stem}, {tool.name}", said)
        shutil.rmtree(target)


def pairs(bench: Bench, ours: Tool, theirs: Tool, target: Path, jobs: int, *, count: int | None = None) -> Paired:
    """A B A B, after one run of each that fills its caches.

    Raises: AbsentError when a tool cannot be installed, does not finish, or finds nothing: a crash ends with 1 as well.
    """
    programs = {tool.name: tool.installed(bench.folder) for tool in (ours, theirs)}
    taken: dict[str, list[Used]] = {tool.name: [] for tool in (ours, theirs)}
    for number in range(1 + (count or bench.pairs)):
        for tool in (ours, theirs):
            used = _run(bench, tool, programs[tool.name], target, jobs)
            if not _has_hits(bench, tool):
                raise AbsentError(f"{tool.name} found nothing")
            if number:
                taken[tool.name].append(used)
    return Paired(taken[ours.name], taken[theirs.name])


def _has_hits(bench: Bench, tool: Tool) -> bool:
    try:
        return any(tool.hits((bench.folder / _REPORT).read_text(encoding="utf-8", errors="replace")))
    except json.JSONDecodeError:
        return False


def found(bench: Bench, tool: Tool, target: Path, *, jobs: int = 1) -> tuple[Used, list[Hit]]:
    """Raises: AbsentError when the tool cannot be installed, or does not finish."""
    used = _run(bench, tool, tool.installed(bench.folder), target, jobs)
    report = bench.folder / _REPORT
    text = report.read_text(encoding="utf-8", errors="replace")
    report.unlink()  # peers write the values that they find
    return used, list(tool.hits(text))


def _run(bench: Bench, tool: Tool, program: Path, target: Path, jobs: int) -> Used:
    command = tool.command(program, ".", jobs)
    used = secret_process.run(command, bench.folder / _REPORT, env=secret_peers.environment(jobs), cwd=target)
    if used.exit_code not in tool.endings:
        raise AbsentError(f"{tool.name} ended with {used.exit_code}")
    return used


def watched(bench: Bench, tool: Tool, target: Path, jobs: int) -> Used:
    command = tool.command(tool.installed(bench.folder), ".", jobs)
    return secret_process.watched(command, bench.folder / _REPORT, env=secret_peers.environment(jobs), cwd=target)


def linked_tree(source: Path, target: Path, paths: list[Path]) -> None:
    """The files once more, without copying them."""
    shutil.rmtree(target, ignore_errors=True)
    for path in paths:
        own = target / path.relative_to(source)
        own.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, own)
