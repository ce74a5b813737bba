"""The reserved address space as data: which blocks IANA reserves, and the reverse zones that answer for them.

Belongs here: the registry's rows, arithmetic between blocks and owner names, the sink that a leaked query would reach
and its addresses, what a query in the reserved space looks like, names in it that are the doctor's own.
Does not: the names an operator gives to addresses (`sources`), zones at rest (`store`), octets (`wire`).
Imports `wire` and the standard library; reads no file but the registry that ships beside it.
"""
