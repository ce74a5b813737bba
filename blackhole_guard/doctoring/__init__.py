"""The doctor at work: real resolvers, asked over the network, for a command or on the observer's schedule.

Belongs here: sockets for the questions of `leaks.doctor`, which resolvers this machine uses, what our own configuration
tells the doctor. Does not: what is asked and what the answers say (`leaks`), printing (`cli`), metrics (`telemetry`).
Imports `leaks`, `config`, `zones`, `reserved`, `wire` and the standard library.
"""
