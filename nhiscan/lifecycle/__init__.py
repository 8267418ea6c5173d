"""What people decide about a partner's access over its life, read off published scans and kept in the ledger.

Nothing here calls a provider.
"""
