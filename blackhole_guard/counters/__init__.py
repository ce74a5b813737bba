"""What the processes count, in memory that they share: 64-bit cells that one process writes and any may read.

Belongs here: which cells there are, a page of them for each worker, a worker's writer, the page that the supervisor
writes. Does not: what a counter is called outside and how it is shown (`telemetry`), what is counted (`answering`,
`server`). Imports nothing of ours: names and labels are handed over.
"""
