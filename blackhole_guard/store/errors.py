"""The one exception that leaves this room."""


class StoreError(Exception):
    """A file of the store cannot be read or written; one printable line."""
