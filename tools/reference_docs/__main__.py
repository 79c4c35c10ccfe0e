"""`python -m graphwright.tools.reference_docs FOLDER`: writes the reference pages."""

from __future__ import annotations

import sys
from pathlib import Path

from .pages import pages


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
