"""The one place that puts the parts together for `serve`: an engine and its snapshot, a worker and its page, a start.

Belongs here: what fulfils one room's Protocol with another room's parts, the order of a start. Does not: anything that
could be said without naming two rooms; arguments and printing (`cli`). Imports anything but `cli`; the loader's rooms
and the observer's libraries are imported in their own processes alone.
"""
