"""Leaks: what still goes to the sinks, who asks, what resolvers do about it; and who causes the averted ones.

Belongs here: the kinds of evidence (packets, captures, dnstap, query logs) and how a leak is told from each, what is
kept of leaks (counts, tops, recent ones), the doctor's probes and verdicts. All of it octets, text and `now` in, values
out; what must read files or sockets itself (captures, logs, the watch's link) says so in its module. Does not: the
averted leaks' counters (`counters`, `answering`), what a resolver's configuration must say (`integrations`), the
doctor's sockets (`doctoring`), HTTP (`telemetry`), arguments and printing (`cli`).
Imports `reserved`, `wire`, msgspec and the standard library; dnstap alone imports protobuf.
"""
