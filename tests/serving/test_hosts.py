"""By which names the server may be asked, and by which not."""

from __future__ import annotations

import socket

import pytest

from pushfit.errors import ConfigError
from pushfit.serving import hosts
from tests.support.clients import client


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "192.168.1.9:8000", "10.0.0.1",
     "serve:8000", "digits.default.svc.cluster.local:8000", "gpu.local:8000", "a.localhost:8000",
     "digits.example.org", "digits.example.org:443", "x.herokuapp.com", "example.org:8080", "",
     f"{socket.gethostname()}:8000"],
)  # fmt: skip
def test_addresses_proxies_and_containers_are_taken_as_they_come(host: str) -> None:
    assert hosts.is_taken(host, 8000, ())


@pytest.mark.parametrize(
    "host",
    ["evil.example:8000", "evil.example.:8000", "EVIL.example:08000", "127.0.0.1.evil.example:8000",
     "localhost.evil.example:8000", "a b", "evil.example:8000:8000", "[evil.example]:8000",
     "user@127.0.0.1:8000", "1.2.3.4/x", "evil.example:-1"],
)  # fmt: skip
def test_a_name_that_strangers_may_own_with_our_port_is_not(host: str) -> None:
    assert not hosts.is_taken(host, 8000, ())


@pytest.mark.parametrize(
    ("host", "taken"),
    [("digits.example.org", True), ("Digits.Example.org:8000", True), ("a.b.example.com:1", True),
     ("127.0.0.1:8000", True), ("localhost", True), ("example.com", False), ("serve:8000", False),
     ("evil.org", False), ("xexample.com", False), ("gpu.local", False)],
)  # fmt: skip
def test_where_names_are_given_they_alone_are_taken(host: str, taken: bool) -> None:
    names = hosts.parse(["digits.example.ORG", "*.example.com"])
    assert hosts.is_taken(host, 8000, names) == taken
    assert hosts.is_taken(host, 8000, hosts.parse(["*"]))


@pytest.mark.parametrize("name", ["http://x.org", "x.org:80", "a b", "", "*.*.org", "x/y", "\x1b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--allowed-host .* is not the name of a host"):
        hosts.parse([name])


def test_every_path_refuses_a_foreign_name_and_says_how_to_allow_it() -> None:
    with client(allowed_host=("digits.example.org",)) as opened:
        for path in ("/", "/healthz", "/docs", "/metrics", "/nowhere", "/page.js"):
            response = opened.get(path, headers={"Host": "evil.example"})
            assert response.status_code == response.json()["status"] == 421
            assert "--allowed-host" in response.json()["error"]
            assert opened.get(path, headers={"Host": "digits.example.org"}).status_code != 421
        assert opened.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
