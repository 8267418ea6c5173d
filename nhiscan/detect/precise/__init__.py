"""Secrets known by their format: the detectors, and how a text is held against all of them at once."""
