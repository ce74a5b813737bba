"""The stanzas of docs/dnstap.md: what is written there is what is tested."""

from pathlib import Path

from peer_programs import ROOT

PAGE = ROOT / "docs" / "dnstap.md"


def stanzas(heading: str, page: Path = PAGE) -> list[str]:
    """The code blocks below `## heading` or `### heading`, in their order, each with its last line feed."""
    section = page.read_text().partition(f"## {heading}\n")[2].partition("\n#")[0]
    blocks = section.split("```\n")[1::2]
    assert blocks, f"{page} has no stanza for {heading}"
    return blocks
