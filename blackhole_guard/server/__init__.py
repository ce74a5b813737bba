"""From the wire to the engine and back: sockets, datapaths, TCP, the worker that runs them, the supervisor above it.

Belongs here: which sockets there are and who reads them, receiving and sending with their limits, processes, signals,
systemd. Does not: what a message says (`wire`), what to answer (`answering`), what a counter is called outside
(`telemetry`). What a worker runs is handed to it by `app`, in the shapes of `roles`. Imports `answering` and `config`;
of its modules `system` and `mmsg` alone have ctypes.
"""
