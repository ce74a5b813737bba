"""Zones at rest: snapshots that workers map, what changed between them, serials, the journal.

Belongs here: the two LMDB files, what stands under which key, how they get onto the disk, differences, RFC 1982.
Does not: what the zones are (`zones`), when to load (`loading`), what answers a query (`answering`, whose `ZoneReader`
a snapshot fulfils). Imports `wire`, lmdb and msgspec.
"""
