"""What maps and settings mean together: the zones that are served, their cuts, and the addresses in them.

Belongs here: which block becomes which zones, the longest prefix, apex records, delegations with RFC 2317,
contradictions between maps. Does not: reading maps (`sources`), zones at rest (`store`), which of these answers a
query (`answering`).
Imports `config`, `reserved` and `wire`.
"""
