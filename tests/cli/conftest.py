"""Commands run in this process, in a directory of their own."""

from typing import NamedTuple

import pytest

from blackhole_guard.cli import settings_options
from blackhole_guard.cli.main import main


class Run(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command; its words as on a command line. The machine's own settings file is out of sight."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_options, "DEFAULT_CONFIG", str(tmp_path / "etc" / "config.yaml"))

    def run(*words: str) -> Run:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        out, err = capsys.readouterr()
        return Run(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def write(tmp_path):
    """Write files below the working directory of the commands."""

    def write(**files: str) -> None:
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)

    return write
