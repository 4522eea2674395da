"""The public keys that are in a folder now; every other entry of it is reported in the log.

During a run others may put anything there: names of any bytes, folders, pipes, dangling links, a
hundred thousand files. None of it may end the run, and only a key file gives a name to anybody.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pushfit.errors import ConfigError
from pushfit.text import shown
from pushfit.wire.keys import IS_TEMPORARY, KeyFolder, is_name

MOST_KEYS = 10_000  # most keys that are read: all are read again whenever one of them changes
NAMED = "a key's file is called NAME.pub, with a NAME of letters, digits, '.', '_' and '-'"
LINES = 10  # most lines about single files that are not keys; further files are counted

log = logging.getLogger("pushfit.trainer")


class ListedKeys:
    """The public keys in `folder`. Call `refresh` before use.

    names: {public key (32 bytes): the name of the key}.
    """

    def __init__(self, keys: KeyFolder, folder: Path) -> None:
        self.names: dict[bytes, str] = {}
        self._keys, self._folder = keys, folder
        self._seen: tuple[int, set[str]] | None = None  # (time, names) of the folder as last read
        self._told: set[str] = set()

    def refresh(self) -> None:
        """Read the folder again if it has changed."""
        try:
            # The time alone is too coarse to show each change. It is read before the names, so that
            # a change between the two is found by the next call.
            seen = self._folder.stat().st_mtime_ns, set(os.listdir(self._folder))  # noqa: PTH208
        except FileNotFoundError:
            seen = 0, set[str]()  # a missing folder counts as an empty one
        except OSError as error:  # any of the keys may be revoked by now, so none is admitted
            self._tell({"": f"it cannot be read ({error.strerror})"})
            self.names, self._seen = {}, None
            return
        if seen != self._seen:
            self._seen = seen
            self.names, wrong = self._read(seen[1])
            self._tell(wrong)

    def _read(self, files: set[str]) -> tuple[dict[bytes, str], dict[str, str]]:
        """({public key: name}, {file that is not a key: the reason}) of `files`."""
        names: dict[bytes, str] = {}
        wrong: dict[str, str] = {}
        for file in sorted(files):
            name = file.removesuffix(".pub")
            if IS_TEMPORARY.fullmatch(file):
                continue  # it will become a key
            if name == file or not is_name(name):
                wrong[file] = NAMED
            elif len(names) >= MOST_KEYS:
                wrong[file] = f"there are more than {MOST_KEYS:,} keys: revoke some"
            else:
                try:
                    key = self._keys.public(name, self._folder)
                except FileNotFoundError:
                    if os.path.lexists(self._folder / file):  # else it was revoked at this moment
                        wrong[file] = "it is a dangling link"
                except (ConfigError, OSError) as error:
                    wrong[file] = str(error)
                else:
                    if names.setdefault(key, name) != name:
                        wrong[file] = f"it is the key of {names[key]} once more"
        return names, wrong

    def _tell(self, wrong: dict[str, str]) -> None:
        """Report each wrong file once: the first LINES of them one by one, then their number."""
        new = [file for file in wrong if file not in self._told]
        lines = max(0, LINES - len(self._told))
        self._told.update(new)
        for file in new[:lines]:
            log.warning("%s is not a key: %s", shown(str(self._folder / file)), wrong[file])
        if (more := len(new) - lines) > 0:
            log.warning("%s more in %s are not keys", f"{more:,}", shown(str(self._folder)))
