"""What the operator asks for: typed settings and zone maps, YAML with line numbers, errors that say how to mend them.

Belongs here: the schema with its defaults, the settings file's loader, YAML with line numbers, the reading of scalars
and names, the shapes that zone maps are read into, digests of files, problems.
Does not: the reading of maps and their PTR data (`sources`), what zones become of them (`zones`).
Imports `reserved`, names, escapes and columns from `wire`, msgspec, PyYAML, idna and xxhash.
"""
