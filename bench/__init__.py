"""Measurements: `python -m bench` sets the server beside BIND, Knot DNS and NSD on this machine and writes what it saw.

Belongs here: data and queries to measure with, the peers as processes, loads, tables, pictures, and what shows where
time and memory go. A module a question (`throughput`, `latency`, `tcp`, ...), each with `measure(...) -> Table`; what
they share is `data`, `queries`, `peers`, `processes`, `programs` and `tables`. Some look inside and are run by
themselves: `load`, `hot_path`, `cold_path`, `slots`, `tcp_reading`. C programs, which gcc makes at each run, are the
kernel's floor, a client that is never the limit, one that keeps time, and one that connects for each query.
Does not: whether an answer is right beyond what a figure needs to be believed (`tests`), and what the server needs.
Starts the server as a process; imports of it only what those that look inside must. The server never imports this.
"""
