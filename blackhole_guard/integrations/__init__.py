"""What a neighbour must be told: the lines for BIND, Unbound and their like, for exactly the blocks that we serve.

Belongs here: which names a resolver asks us for and which it asks the servers of delegated blocks for, and one module
for each program that writes this in its language, with what the program cannot do said beside it.
Does not: which zones there are (`zones`), where we listen (`server`), what a resolver does wrong today (`leaks`),
printing (`cli`).
Imports `config` and `reserved`, and `wire` for names; what it needs to know of zones it says by a `Protocol`.
"""
