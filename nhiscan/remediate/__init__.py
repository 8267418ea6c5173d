"""Rotation and revocation of what was flagged: plan, approve, apply, resume, roll back, prove.

`contract` is what a system's adapter promises; `plan`, `approvals` and `journal` are what is written down; `engine` is
the one state machine that all of them meet in.
"""
