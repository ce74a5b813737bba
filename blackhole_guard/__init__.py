"""Authoritative, never-recursing DNS server for the reserved reverse zones; docs/architecture.md describes the rooms."""

__version__ = "0.1.0"
