"""The options that say which settings count, and what replaces parts of them: the same for all commands."""

import os
from collections.abc import Sequence

import click

from blackhole_guard.wire.names import escape_text

DEFAULT_CONFIG = "/etc/blackhole-guard/config.yaml"


def find_config(config: str | None) -> str | None:
    """Name the settings file: the one given, else the machine's if it is there, else None."""
    if config is not None:
        return config
    return DEFAULT_CONFIG if os.path.exists(DEFAULT_CONFIG) else None


def make_overrides(**given: str | Sequence[str] | int | bool | None) -> dict[str, str | Sequence[str]]:
    """Turn options into overrides of settings.

    Args:
        given: `server__port=5300`: a setting's dotted name with two underscores for each dot, and its value; None or
            an empty list: not given.
    """
    overrides: dict[str, str | Sequence[str]] = {}
    for name, value in given.items():
        if value is None or value == ():
            continue
        text = str(value).lower() if isinstance(value, bool) else value
        overrides[name.replace("__", ".")] = str(text) if isinstance(text, int) else text
    return overrides


def refuse_words(words: Sequence[str], zones: Sequence[str]) -> None:
    """Refuse words that a command has no place for; who let the shell expand a pattern of `--zones` is told so."""
    shown = escape_text(words[0], limit=80)
    hint = "; put patterns in quotes: --zones 'zones/*.yaml'" if zones else "; name map files with --zones"
    raise click.UsageError(f"`{shown}` has no place here{hint}")
