"""A history: ours by its blobs, the peers with the same blobs as files and with their own git modes."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Iterator
from typing import Final

from . import secret_history, secret_peers, secret_process, secret_scores
from .secret_corpus import AbsentError
from .secret_figures import Bench, Figure, Paired
from .secret_peers import Hit

_LEAST_COMMITS: Final = 1_000


def secrets_git(bench: Bench) -> Iterator[Figure]:
    """CPU of ours on the whole history against each peer's on the unique blobs, and what is found of the planted."""
    history = secret_history.build(bench.folder)
    blobs = bench.folder / "blobs"
    count, size = secret_history.blobs(history.repository, blobs)
    told = f"{history.commits:,} commits, {count:,} unique blobs, {size / 1e6:.0f} MB"
    yield Figure("git", "repository", told, f">= {_LEAST_COMMITS:,} commits", history.commits >= _LEAST_COMMITS)
    report = bench.folder / "report"
    ours = secret_peers.OURS
    command = [*ours.command(ours.installed(bench.folder), str(history.repository), 1), "--git"]
    for tool in (secret_peers.KINGFISHER, secret_peers.BETTERLEAKS, secret_peers.GITLEAKS):
        try:
            program = tool.installed(bench.folder)
        except AbsentError as error:
            yield Figure("git", tool.name, f"left out: {error}")
            continue
        taken, theirs = [], []
        for number in range(1 + bench.pairs):
            own = secret_process.run(command, report)
            other = secret_process.run(tool.command(program, str(blobs), 1), report, env=secret_peers.environment(1))
            if number:  # the first of each fills its caches
                taken.append(own)
                theirs.append(other)
        yield Figure("git", f"CPU, beside {tool.name} on the blobs as files", Paired(taken, theirs).said())
        if tool.git is None:
            continue
        own_mode = tool.git(program, str(history.repository))
        used = [secret_process.run(own_mode, report, env=secret_peers.environment(1)) for _ in range(bench.pairs)]
        cpu = statistics.median(run.cpu_s for run in used)
        yield Figure("git", f"{tool.name}'s own git mode", f"{cpu:.2f} s of CPU, ended with {used[0].exit_code}")
    used_s = secret_process.run(command, report)
    text = report.read_text(encoding="utf-8")
    report.unlink()
    found = json.loads(text)["findings"]
    hits = [Hit(one["path"], one["line"], one["line"], one["kind"]) for one in found]
    score = secret_scores.score(history.plants, secret_scores.below(hits, history.repository))
    gone = sum(not one["is_current"] for one in found)
    attributed = sum(bool(one["first"]) for one in found)
    said = (
        f"{score.share:.1%} of {score.planted}; {gone} of {len(found)} findings not in HEAD, {attributed} with a commit"
    )
    yield Figure("git", "planted secrets found", said)
    yield Figure("git", "peak memory", f"{used_s.peak_mb:.0f} MB in the largest process")
    shutil.rmtree(blobs)
