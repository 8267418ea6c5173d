"""`make bench`, second part: the secrets scanner beside detect-secrets, kingfisher, betterleaks and gitleaks.

Takes releases and peers from the package registries, kept in build/bench/secrets between runs; without a network the
steps that need them are left out, and said. Ends with 1 when findings differ from stock's or a link is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from . import secret_peers
from .secret_corpus import AbsentError
from .secret_figures import Bench, Figure, table
from .secret_git import secrets_git
from .secret_links import secrets_linked
from .secret_steps import secrets_planted, secrets_precise, secrets_recall
from .secret_stock import secrets_stock

_KEPT: Final = Path(__file__).parents[2] / "build" / "bench" / "secrets"
STEPS: Final[Mapping[str, Callable[[Bench], Iterator[Figure]]]] = {
    step.__name__: step
    for step in (secrets_precise, secrets_stock, secrets_planted, secrets_recall, secrets_git, secrets_linked)
}
_MUST: Final = ("stock", "linked")  # steps whose misses are wrong answers, not slow ones


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.secret_bench", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)} (default: all)")
    parser.add_argument("--recall", type=Path, help="folder of examples written by others, *.jsonl")
    parser.add_argument("--pairs", type=int, default=3, help="paired runs (default: %(default)s)")
    parser.add_argument("--stock-mb", type=float, default=10.0, help="sample for stock (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if unknown := set(options.steps) - STEPS.keys():
        parser.error(f"no step called {', '.join(sorted(unknown))}")
    _KEPT.mkdir(parents=True, exist_ok=True)
    bench = Bench(_KEPT, recall=options.recall, pairs=options.pairs, stock_mb=options.stock_mb)
    figures = list(_versions(bench))
    for name in options.steps or STEPS:
        print(name, file=sys.stderr)
        figures += measured(name, bench)
    print(json.dumps([asdict(figure) for figure in figures], indent=2) if options.json else "\n".join(table(figures)))
    return 1 if any(figure.is_met is False and figure.step in _MUST for figure in figures) else 0


def measured(name: str, bench: Bench) -> list[Figure]:
    """The figures of one step; what it could not fetch is one of them."""
    figures: list[Figure] = []
    try:
        figures.extend(STEPS[name](bench))
    except AbsentError as error:
        figures.append(Figure(name.partition("_")[2], "left out", str(error)))
    return figures


def _versions(bench: Bench) -> Iterator[Figure]:
    for tool in secret_peers.PEERS:
        try:
            yield Figure("peers", tool.name, tool.said_version(bench.folder))
        except AbsentError as error:
            yield Figure("peers", tool.name, f"left out: {error}")


if __name__ == "__main__":
    sys.exit(main())
