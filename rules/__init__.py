"""No code."""
