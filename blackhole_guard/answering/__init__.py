"""What to answer: the algorithm of RFC 1034 section 4.3.2 for reserved zones, policy, and what the ledger enters.

Belongs here: from a query's octets and its source to a response's octets, with a named outcome on the way; who may ask;
which averted leak a query is entered as; the hot path, which knows what was asked before by its octets. Does not:
octets as such (`wire`), zones at rest (`store`), sockets (`server`).
Imports `wire` and `reserved`; what it needs of an open snapshot it says by the Protocols in `zone_reader`.
"""
