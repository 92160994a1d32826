"""bench/RESULTS.md, of which a run may replace one section."""

import os


def replace_section(path, lines):
    """Puts the section in the place of the one with the same title, or at the end; what else the file says stays."""
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
    start = text.find(lines[0])
    end = text.find("\n## ", start) + 1 if start >= 0 else 0
    before = text[:start] if start >= 0 else text.rstrip("\n") + "\n\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + "\n".join(lines).rstrip("\n") + "\n" + ("\n" + text[end:] if end else ""))
