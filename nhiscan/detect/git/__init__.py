"""The whole history of a git repository, searched."""
