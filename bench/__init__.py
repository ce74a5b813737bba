"""Measurements: `python -m bench` sets the server beside BIND, Knot DNS and NSD on this machine and writes what it saw.

Belongs here: data and queries to measure with, the peers as processes, loads, tables, pictures, and what shows where
time and memory go. A module a question (`throughput`, `latency`, `tcp`, ...), each with `measure(...) -> Table`; what
they share is `data`, `queries`, `peers`, `processes`, `programs` and `tables`. C programs, which gcc makes at each run,
are the kernel's floor and a client that keeps time.
Does not: whether an answer is right beyond what a figure needs to be believed (`tests`), and what the server needs.
Starts the server as a process; imports of it only what `load`, which looks inside, must. The server never imports this.
"""
