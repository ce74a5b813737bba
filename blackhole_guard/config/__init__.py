"""What the operator asks for: typed settings and zone maps, YAML with line numbers, and errors that say how to mend them.

Belongs here: the schema, its defaults, the loader of the settings file, the shapes that a zone map is read into, problems.
Does not: the reading of maps and their PTR data (`sources`), what zones become of them (`zones`).
Imports `reserved`, msgspec and PyYAML.
"""
