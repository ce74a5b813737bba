"""Authoritative, never-recursing DNS server for the reserved reverse zones. docs/architecture.md has its rooms."""

__version__ = "0.1.0"
