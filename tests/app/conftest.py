"""What the tests of the whole server share."""

import os
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def open_folder():
    """A directory that every user can read; pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)
