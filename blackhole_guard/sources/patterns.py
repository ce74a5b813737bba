"""The patterns of `include`: which files they name, and where they may not look.

Left out: reading the files, and which file a pattern stands in; see `load`.
"""

import glob
import os
import stat


def match_pattern(pattern: str) -> tuple[str, ...]:
    """Find the files that a pattern of `include` names, in the order of their paths.

    A path without wildcards names itself, whether it is there or not. Wildcards match no name that begins with a dot:
    editors and Kubernetes keep what is no map in such files.
    """
    if not glob.has_magic(pattern):
        return (pattern,)
    return tuple(sorted(path for path in glob.glob(pattern) if not os.path.basename(path).startswith(".")))


def find_closed_folders(pattern: str) -> tuple[str, ...]:
    """Find the folders that a pattern's wildcards may not look into.

    glob takes them for empty, so the maps in them would be lost without a word.
    """
    found: dict[str, None] = {}
    folder, name = os.path.split(pattern.rstrip("/"))
    while name:
        if glob.has_magic(name):
            found.update(
                dict.fromkeys(each for each in _match_folders(folder) if not _is_open(each, os.R_OK | os.X_OK))
            )
        elif glob.has_magic(folder):
            found.update(dict.fromkeys(each for each in _match_folders(folder) if not _is_open(each, os.X_OK)))
        folder, name = os.path.split(folder)
    return tuple(sorted(found))


def make_absolute(pattern: str) -> str:
    """Make a pattern absolute; it stays as it is where the working directory was removed, and then matches nothing."""
    try:
        return os.path.abspath(pattern)
    except FileNotFoundError:
        return pattern


def _match_folders(folder: str) -> tuple[str, ...]:
    return match_pattern(folder) if folder else (".",)


def _is_open(folder: str, mode: int) -> bool:
    """Whether a folder may be looked into; what is no folder, or is not there, holds nothing that could be lost."""
    try:
        return not stat.S_ISDIR(os.stat(folder).st_mode) or os.access(folder, mode)
    except PermissionError:
        return False
    except OSError:
        return True
