"""What somebody sees who listens on the wire: with keys, not one sample."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.lab.processes import LONG, ROOT

IN_A_NETWORK_OF_ITS_OWN = """
ip link set lo up
tcpdump -i lo -s 0 -B 32768 -U --immediate-mode -w "$1/wire.pcap" 2>"$1/tcpdump.txt" &
while ! grep -q listening "$1/tcpdump.txt"; do sleep 0.05; kill -0 $! || exit 9; done
"$2" -m tests.support.capture "$1" $3 >"$1/samples.txt"
code=$?
sleep 0.5
kill -INT $!
wait $!
exit $code
"""


def why_not() -> str:
    """Why no packet can be captured here, or ""."""
    for tool in ("unshare", "ip", "tcpdump"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "no network namespaces without root"


def captured(folder: Path, *mode: str) -> tuple[list[bytes], bytes]:
    """(samples that were trained on, all that went over the wire)."""
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)  # tcpdump gives up root before it writes
    shell = ["unshare", "--net", "bash", "-c", IN_A_NETWORK_OF_ITS_OWN, "bash"]
    process = subprocess.Popen(
        [*shell, str(folder), sys.executable, *mode], cwd=ROOT, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=LONG)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, said
    lines = (folder / "samples.txt").read_text().split()
    assert "0 packets dropped by kernel" in (folder / "tcpdump.txt").read_text()
    return [bytes.fromhex(line) for line in lines], (folder / "wire.pcap").read_bytes()


@pytest.mark.slow
def test_no_sample_can_be_read_off_the_wire_with_keys_and_all_can_without(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    tmp_path.chmod(0o755)
    samples, wire = captured(tmp_path / "plain")
    assert len(samples) == 2 * (36 + 3)
    assert sum(sample in wire for sample in samples) == len(samples)  # so this test can fail
    assert b"train" in wire and b"heartbeat" in wire
    samples, wire = captured(tmp_path / "encrypted", "keys")
    assert len(samples) == 2 * (36 + 3)
    assert not any(sample in wire for sample in samples)
    assert not any(sample[:8] in wire for sample in samples)
    assert b"train" not in wire and b"heartbeat" not in wire and b"CURVE" in wire
