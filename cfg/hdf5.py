"""Defaults of this site for the hdf5 task: any setting, or any parameter of the task.

They stand over those that the task brings, and under the table of hosts in base.py;
`pushfit config --task hdf5` shows them all, with their origin.
"""

from __future__ import annotations

ROW: dict[str, object] = {
    # "batch_size": 256,
}
