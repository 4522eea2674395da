"""Addresses: what is taken, what is refused, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushfit.endpoint import Endpoint, parse
from pushfit.errors import ConfigError


@given(
    host=st.sampled_from(["gpu-box", "10.0.0.7", "a.b.example", "[::1]", "[fe80::1%eth0]", "n_1"]),
    port=st.integers(1, 65_535),
)
def test_an_endpoint_survives_its_text(host: str, port: int) -> None:
    assert parse(str(Endpoint(host, port))) == Endpoint(host, port)


@pytest.mark.parametrize("text", ["tcp://*:0", "tcp://*:*", "tcp://*:12001", "tcp://0.0.0.0:*"])
def test_wildcards_are_for_binding_only(text: str) -> None:
    assert parse(str(parse(text, bind=True)), bind=True) == parse(text, bind=True)
    with pytest.raises(ConfigError, match="gpu-box:12001"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gpu:12001", "did you mean 'tcp://gpu:12001'"),
        ("gpu", "did you mean 'tcp://gpu:12001'"),
        ("tcp://gpu", "no port"),
        ("ipc:///tmp/x", "only tcp://"),
        ("tcp://gpu:70000", "above 65535"),
        ("tcp://0.0.0.0:12001", "listen"),
        ("tcp://gpu:12001/", "is not an address"),
        ("tcp://gpu:١٢", "is not an address"),
        ("", "is not an address"),
    ],
)
def test_what_cannot_be_connected_to_is_explained(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert says in str(caught.value)
