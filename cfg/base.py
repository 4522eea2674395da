"""What a site edits: which hosts get which settings (`pushfit config --all` lists them)."""

from __future__ import annotations

from pushfit.settings.site import CONTAINER, Host

# As in ~/.ssh/config, the first row that matches and names a setting gives its value: put special
# rows above general ones. A pattern is one of a shell (* ? [ab]); CONTAINER is every container.
# A row may name any setting, e.g. for nodes that only run generators:
#     Host("node-*", {"links": "/scratch/links", "connect": "tcp://gpu-box:12001"}),
# (several trainers: ("tcp://gpu-box:12001", "tcp://other:12001"), or one text with a comma).
HOSTS = (
    Host(CONTAINER, {"links": "dockerlinks"}),
    Host("*", {"links": "nvmelinks"}),
)
