"""The stanzas of docs/neighbours.md: what is written there is what is tested."""

from peer_programs import ROOT

PAGE = ROOT / "docs" / "neighbours.md"


def stanzas(heading: str) -> list[str]:
    """The code blocks below `### heading`, in their order, each with its last line feed."""
    section = PAGE.read_text().partition(f"### {heading}\n")[2].partition("\n#")[0]
    blocks = section.split("```\n")[1::2]
    assert blocks, f"{PAGE} has no stanza for {heading}"
    return blocks
