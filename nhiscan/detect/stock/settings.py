"""Which plugins and filters stock detect-secrets works with; it keeps one set of them for the whole process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nhiscan.errors import ConfigError

VERIFICATION: Final = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
_EXISTENCE: Final = "detect_secrets.filters.common.is_invalid_file"  # members of archives and blobs are no files


def put_in_force(settings: Mapping[str, Any], *, baseline: str = "", is_search: bool) -> Any:
    """Makes these stock's settings and returns them; without plugins_used, all of stock's own plugins.

    `is_search`: without verification, which would call providers with what is found, and without a look at the disk.
    `baseline`: name of a file that is left out, as stock leaves out the baseline that it compares with.
    Raises: ConfigError when stock does not know a plugin or filter, or cannot read a file of theirs.
    """
    from detect_secrets import settings as stock
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class as known

    stock.cache_bust()
    known.cache_clear()
    config = dict(settings)
    if "plugins_used" not in config:
        kinds: dict[str, type[Any]] = known()
        config["plugins_used"] = [{"name": kind.__name__} for kind in kinds.values()]
    try:
        made = stock.configure_settings_from_baseline(config, filename=baseline)
        if is_search:
            made.disable_filters(VERIFICATION, _EXISTENCE)
        known.cache_clear()  # custom plugins are only known now
        stock.get_plugins()
    except (TypeError, KeyError, ValueError, OSError, ImportError) as error:
        raise ConfigError(
            f"detect-secrets refuses its settings: {type(error).__name__}: {error}",
            hint="check plugins_used and filters_used of the baseline, and that the files they name are there",
        ) from error
    return made


def is_in_force(settings: Any) -> bool:
    """Whether what `put_in_force` returned still is what stock works with."""
    from detect_secrets.settings import get_settings

    return get_settings() is settings
