"""Programs as another user: root, as which tests may run, sees no permission fault."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

UID = 23456  # of nobody: no passwd entry, no home
# Python may be installed where nobody else may look: it is shown to the other user in a namespace
# of mounts that ends with the program.
_SEEN = """
root=$1; shift
if [ -n "$root" ]; then
  mount --bind "$root" /mnt && mount -t tmpfs -o mode=755 tmpfs "$(dirname "$root")" \
    && mkdir -p "$root" && mount --bind /mnt "$root" || exit 99
fi
exec setpriv --reuid {uid} --regid {uid} --clear-groups -- "$@"
"""


def why_not() -> str:
    """What keeps this test run from being somebody else, or ``""``."""
    if os.geteuid() != 0:
        return "to run a program as another user needs root"
    missing = [tool for tool in ("unshare", "setpriv") if not shutil.which(tool)]
    return f"{', '.join(missing)} missing: apt install util-linux" if missing else ""


def somebody_else(**environment: str) -> tuple[str, ...]:
    """What to put before a command, to run it as UID without HOME, unless it is given."""
    base = Path(sys.base_prefix).resolve()
    root = str(base) if str(base).startswith("/root/") else ""
    for folder in (base, *base.parents):
        if root and folder.parent == Path("/root"):
            root = str(folder)
    env = ("env", "-u", "HOME", *(f"{name}={value}" for name, value in environment.items()))
    shell = ("bash", "-c", _SEEN.format(uid=UID), "as", root)
    return ("unshare", "--mount", "--propagation", "private", *shell, *env)
