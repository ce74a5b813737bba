"""Where PTR data comes from: zone maps in YAML, the files that include one another, each record with its file and line.

Belongs here: following `include`, reading maps into the shapes of `config.maps`, what the files' contents are known by.
Does not: YAML, names and scalars as such (`config`), what maps of one zone mean together (`zones`).
Imports `config`, `reserved`, and names, columns and packed records from `wire`.
"""
