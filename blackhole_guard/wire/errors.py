"""The one exception that leaves this room."""


class WireError(ValueError):
    """Octets that are no acceptable message, or text that is no name.

    Attributes:
        offset: where in the octets (or the text) it went wrong.
        rcode: what to answer the sender; None: nothing, drop the message.
    """

    def __init__(self, what: str, *, offset: int = 0, rcode: int | None = 1) -> None:
        super().__init__(what)
        self.offset = offset
        self.rcode = rcode
