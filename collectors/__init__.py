"""Collectors, each reached through the entry-point group only."""
