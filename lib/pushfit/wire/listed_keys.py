"""The public keys in a folder, as of now: what lies there is a key, or a line in the log.

Others may put there what they like, while a run goes on: names of any bytes, folders, pipes, links
that lead nowhere, a hundred thousand files. None of it may end the run, and no name but that of a
key file names anybody.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pushfit.errors import ConfigError
from pushfit.text import shown
from pushfit.wire.keys import IS_TEMPORARY, KeyFolder, is_name

MOST_KEYS = 10_000  # that are read: each costs a file, whenever one of them changes
NAMED = "a key's file is called NAME.pub, of letters, digits, '.', '_' and '-'"
LINES = 10  # about files that are no keys; the others are counted

log = logging.getLogger("pushfit.trainer")


class ListedKeys:
    """names: public key (32 bytes) → whose it is. `refresh` it before use."""

    def __init__(self, keys: KeyFolder, folder: Path) -> None:
        self.names: dict[bytes, str] = {}
        self._keys, self._folder = keys, folder
        self._seen: tuple[int, set[str]] | None = None  # the folder as of the last look
        self._told: set[str] = set()

    def refresh(self) -> None:
        """Read the folder again, if it changed."""
        try:
            # A clock alone is too coarse. The time comes first: what changes meanwhile is seen.
            seen = self._folder.stat().st_mtime_ns, set(os.listdir(self._folder))  # noqa: PTH208
        except FileNotFoundError:
            seen = 0, set[str]()  # as if it were empty
        except OSError as error:  # closed rather than open: who is in stays out from now on
            self._tell({"": f"it cannot be read ({error.strerror})"})
            self.names, self._seen = {}, None
            return
        if seen != self._seen:
            self._seen = seen
            self.names, wrong = self._read(seen[1])
            self._tell(wrong)

    def _read(self, files: set[str]) -> tuple[dict[bytes, str], dict[str, str]]:
        """The keys among `files`; and why each of the others is none."""
        names: dict[bytes, str] = {}
        wrong: dict[str, str] = {}
        for file in sorted(files):
            name = file.removesuffix(".pub")
            if IS_TEMPORARY.fullmatch(file):
                continue  # about to be a key
            if name == file or not is_name(name):
                wrong[file] = NAMED
            elif len(names) >= MOST_KEYS:
                wrong[file] = f"there are more than {MOST_KEYS:,} keys: revoke some"
            else:
                try:
                    key = self._keys.public(name, self._folder)
                except FileNotFoundError:
                    if os.path.lexists(self._folder / file):  # else: revoked at this moment
                        wrong[file] = "it is a link that leads nowhere"
                except (ConfigError, OSError) as error:
                    wrong[file] = str(error)
                else:
                    if names.setdefault(key, name) != name:
                        wrong[file] = f"it is the key of {names[key]} once more"
        return names, wrong

    def _tell(self, wrong: dict[str, str]) -> None:
        """Each once, and no more than LINES of them one by one."""
        new = [file for file in wrong if file not in self._told]
        lines = max(0, LINES - len(self._told))
        self._told.update(new)
        for file in new[:lines]:
            log.warning("%s is not a key: %s", shown(str(self._folder / file)), wrong[file])
        if (more := len(new) - lines) > 0:
            log.warning("%s more in %s are not keys", f"{more:,}", shown(str(self._folder)))
