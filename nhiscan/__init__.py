"""Finds the non-human identities that partners hold, says who owns each, and whether it should still exist."""

__version__ = "0.1.0"
