"""`make bench`: a million identities loaded, resolved, judged and published, beside networkx and pandas.

Every step runs in a fresh process, so that its peak memory is its own. Ends with 1 when two answers differ.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import steps
from .measured import peak_mb


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000, help="identities (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    parser.add_argument("--step", choices=steps.STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measure(options.step, options.folder, options.size)))
        return 0
    with tempfile.TemporaryDirectory(prefix="nhiscan-bench-") as folder:
        found = {}
        for step in steps.STEPS:
            try:
                found[step] = _in_process(step, Path(folder), options.size)
            except subprocess.CalledProcessError as error:
                print(f"{step} failed with {error.returncode}; measured before it:", file=sys.stderr)
                print(json.dumps(found, indent=2))
                return 1
    differences = compare(found)
    if options.json:
        print(json.dumps({"size": options.size, "steps": found, "differences": differences}, indent=2))
    else:
        print("\n".join(table(options.size, found)))
    for difference in differences:
        print(f"different answers: {difference}", file=sys.stderr)
    return 1 if differences else 0


def measure(step: str, folder: Path, size: int) -> dict[str, Any]:
    measured = steps.STEPS[step](folder, size)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **asdict(measured),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": peak_mb(),
    }


def _in_process(step: str, folder: Path, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench", "--step", step, "--folder", str(folder), "--size", str(size)]
    root = Path(__file__).parents[2]
    # The parent keeps no table in memory, so a child's peak is its own.
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=root, env=dict(os.environ))
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(found: dict[str, dict[str, Any]]) -> list[str]:
    """Answers that should be the same and are not."""
    differences = [
        f"{other} and reach_ours"
        for other in ("reach_truth", "reach_networkx")
        if found[other]["answer"] != found["reach_ours"]["answer"]
    ]
    ours, theirs = found["rules_ours"]["answer"], found["rules_pandas"]["answer"]
    differences += [
        f"{step}: {name} {found[step]['counts'][name]} made, {read} read"
        for step in ("salesforce_collect", "hubspot_collect")
        for name, read in found[step]["answer"].items()
        if found[step]["counts"][name] != read
    ]
    return differences + [
        f"{rule}: {ours[rule]} by SQL, {theirs[rule]} by pandas" for rule in steps.RULES if ours[rule] != theirs[rule]
    ]


def table(size: int, found: dict[str, dict[str, Any]]) -> list[str]:
    """The figures as a Markdown table, then the ratios."""
    made = found["generate"]["counts"]
    lines = [
        f"{size:,} identities, {made['estate']:,} rows",
        "",
        "| step | seconds | cpu | peak MB |",
        "|---|--:|--:|--:|",
    ]
    for step, measured in found.items():
        if step in ("generate", "reach_truth", "privileges_generate"):
            continue
        total = sum(measured["seconds"].values())
        lines.append(
            f"| **{step.replace('_', ' ')}** | {total:.2f} | {measured['cpu_s']:.1f} | {measured['peak_mb']} |"
        )
        lines += [f"| {part} | {seconds:.2f} | | |" for part, seconds in measured["seconds"].items()]
    records = found["load_records"]
    rate = records["counts"]["records"] / records["seconds"]["load from records"]
    lines += ["", f"load from records: {rate:,.0f} rows a second ({records['counts']['records']:,} records)"]
    for name, ours, theirs in (
        ("reach-to-admin, build and search", "reach_ours", "reach_networkx"),
        (f"{len(steps.RULES)} rules, open and judge", "rules_ours", "rules_pandas"),
    ):
        ratio = sum(found[theirs]["seconds"].values()) / sum(found[ours]["seconds"].values())
        lines.append(f"{name}: {ratio:.1f} times as fast as {theirs.split('_')[1]}, same answer")
    lines.append(_privileges(found["privileges_ours"], found["privileges_cloudsplaining"]))
    requests = found["requests_ours"]
    rate = requests["counts"]["requests"] / requests["counts"]["cpu_ms"] * 1000
    lines.append(f"exact decisions: {rate:,.0f} a second of CPU ({requests['counts']['requests']:,} requests)")
    assumed = found["assume_graph"]
    counts, seconds = assumed["counts"], assumed["seconds"]["assume graph"]
    said = f"{counts['pairs']:,} steps in {counts['edges']:,} rows"
    lines.append(f"assume graph of {counts['roles']:,} roles: {seconds:.2f} s, {said}")
    return [*lines, *(_crm(name, found[f"{name}_collect"]) for name in ("salesforce", "hubspot"))]


def _crm(provider: str, collected: dict[str, Any]) -> str:
    """`peak` and CPU of reading and loading alone; the step has more, as it keeps the tables for the next one."""
    counts = collected["counts"]
    read = ", ".join(f"{count:,} {name}" for name, count in collected["answer"].items())
    return (
        f"{provider}, {read}: {counts['cpu_ms'] / 1000:.1f} s of CPU, {counts['peak_mb']} MB at most, "
        f"{counts['requests']:,} requests: {counts['requests'] / counts['daily']:.2%} of a day's {counts['daily']:,}, "
        f"of which a scan takes {counts['ours']:,} at most"
    )


def _privileges(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    ours_s, roles = ours["counts"]["cpu_ms"] / 1000, ours["counts"]["roles"]
    if theirs["answer"]:
        return f"privileges of {roles:,} roles: {ours_s:.1f} s of CPU; cloudsplaining {theirs['answer']}"
    theirs_s = theirs["counts"]["cpu_ms"] / 1000
    return (
        f"privileges of {roles:,} roles: {ours_s:.1f} s of CPU, cloudsplaining {theirs_s:.1f} s: "
        f"{theirs_s / ours_s:.1f} times less, and another answer"
    )


if __name__ == "__main__":
    sys.exit(main())
