"""Octets and messages: names, queries, responses, EDNS, as DNS puts them on the wire.

Belongs here: parsing what strangers send, rendering what we answer, records that are packed for it and columns of them,
the numbers of the protocol, escaping names for people. Does not: which zone answers and how (`answering`), sockets
(`server`), whole messages for tools (dnslib does).
Imports nothing of ours; no I/O, no clock, no randomness.
"""
