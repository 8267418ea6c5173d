"""nhiscan: non-human identities of a partner ecosystem, who owns them, what they can do, whether they should still exist."""

__version__ = "0.1.0"
