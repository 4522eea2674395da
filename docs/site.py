"""What mkdocs needs besides docs/: README.md as the first page, files that pages link to.

Links in the pages lead to files, as GitHub and editors follow them. On the site, a file outside of
docs/ lies below repository/, and README.md is index.md.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "bench/README.md",
    *(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("examples/*.py"))),
)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def uri(path: str) -> str:
    """Where a file of the repository lies on the site, both as paths from the top."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for path in OUTSIDE:
        files.append(File.generated(config, uri(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files of the repository, as links between pages of the site."""
    path = Path(page.file.abs_src_path or "").relative_to(ROOT).as_posix()

    def led(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
        return posixpath.relpath(uri(target), posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(led, markdown)
