"""Measurements: how quick the kit is, and what it notices."""
