"""The observer's API: what it shows as JSON, of what shape, and how one asks for it.

Belongs here: the documents (msgspec structs, of which the OpenAPI description is made), the resources and their
parameters, what is wrong with a request, who may ask. Does not: HTTP itself (`telemetry`), where the facts come from
(`app` hands them over), what they mean (`leaks`, `counters`), the commands that print the same documents (`cli`).
Imports `counters`, `leaks`, `reserved`, `wire` and msgspec; nothing of it is imported in a worker.
"""
