"""docs/neighbours.md: the lines on the page are those that `integrate` prints for the page's own configuration."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import blackhole_guard
from blackhole_guard.cli.main import main
from blackhole_guard.integrations.programs import PROGRAMS

PAGE = (Path(blackhole_guard.__file__).parent.parent / "docs" / "neighbours.md").read_text()
HEADINGS = {
    "bind": "BIND",
    "unbound": "Unbound",
    "dnsmasq": "dnsmasq",
    "knot-resolver": "Knot Resolver",
    "pdns-recursor": "PowerDNS Recursor",
    "coredns": "CoreDNS",
    "resolved": "systemd-resolved",
}


def code_blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_lines_on_the_page_are_those_that_the_command_prints(program, tmp_path):
    (configuration,) = code_blocks(PAGE.partition("## As a sidecar")[2], "yaml")
    (tmp_path / "config.yaml").write_text(configuration)
    printed = CliRunner().invoke(main, ["integrate", program, "--config", str(tmp_path / "config.yaml")])
    section = PAGE.partition(f"\n### {HEADINGS[program]}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    assert printed.exit_code == 0, printed.output
    assert code_blocks(section) == [printed.output]


def test_the_page_names_each_program():
    assert all(program in PAGE for program in PROGRAMS)
