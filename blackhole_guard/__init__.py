"""Authoritative, never-recursing DNS server for the reserved reverse zones. The rooms are described in docs/architecture.md."""

__version__ = "0.1.0"
