"""How bad something is. Apart from the model, whose import takes longer than the search of a file."""

from __future__ import annotations

from typing import Final

SEVERITIES: Final = ("critical", "high", "medium", "low", "info")  # the worst first
