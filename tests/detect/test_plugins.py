"""The detectors as plugins of detect-secrets, run by the stock tool itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fixtures.filled import filled
from nhiscan.detect.precise import plugins
from nhiscan.detect.precise.detector import load
from nhiscan.detect.precise.plugins import PLUGINS


def test_the_stock_tool_finds_what_only_our_plugins_know(tmp_path: Path) -> None:
    token = filled("hvs.<<[A-Za-z0-9]{90}>>", seed=1)
    (tmp_path / "settings.py").write_text(f"connect('{token}')\n")
    ours = Path(plugins.__file__)
    command = [sys.executable, "-m", "detect_secrets", "scan", "-n", "--all-files", "-p", str(ours), "settings.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = [result["type"] for result in json.loads(done.stdout)["results"]["settings.py"]]
    assert [said for said in found if said.endswith("(vault_service_token)")]
    assert token not in done.stdout


def test_every_detector_of_one_line_is_a_plugin_of_its_own() -> None:
    assert len(PLUGINS) == sum(not detector.multiline for detector in load())
    assert (
        len({plugin.__name__ for plugin in PLUGINS}) == len({plugin.secret_type for plugin in PLUGINS}) == len(PLUGINS)
    )


def test_a_plugin_finds_the_examples_of_its_detector() -> None:
    silent = [
        plugin.detector.kind
        for plugin in PLUGINS
        for n, text in enumerate(plugin.detector.true)
        if "\n" not in text and not list(plugin().analyze_string(filled(text, seed=f"{plugin.detector.kind} {n}")))
    ]
    assert silent == []
