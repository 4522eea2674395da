"""Defaults of this site for the digits task: any setting, or any parameter of the task.

They stand over those that the task brings, and under the table of hosts in base.py;
`pushfit config --task digits` shows them all, with their origin.
"""

from __future__ import annotations

ROW: dict[str, object] = {
    # "rotation": 20,
}
