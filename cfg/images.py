"""Defaults of this site for the images task: any setting, or any parameter of the task.

They override the defaults of the task itself, and the table of hosts in base.py overrides them.
`pushfit config --task images` shows all values, with their origin.
"""

from __future__ import annotations

ROW: dict[str, object] = {
    # "policy": "trivialaugment",
}
