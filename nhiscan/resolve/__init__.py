"""Stages that derive: each reads tables, writes its own, and says why."""
