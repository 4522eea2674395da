"""Defaults of this site for the camera task: any setting, or any parameter of the task.

They stand over those that the task brings, and under the table of hosts in base.py;
`pushfit config --task camera` shows them all, with their origin.
"""

from __future__ import annotations

ROW: dict[str, object] = {
    # "patch": 128,
}
