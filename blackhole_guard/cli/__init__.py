"""The command line: one module a command, argument parsing and printing only.

Belongs here: options, tables, JSON, exit codes (0 good, 1 found something wrong, 2 used wrongly, or it could not be
written), standard files however they are found, the escape of what strangers chose before a terminal sees it.
Does not: any decision about DNS, files or processes, which the rooms below make.
May import anything; `main` imports a command's module only when that command runs.
"""
