"""Host names: known, unknown, and those that lead to IPv6 alone."""

from __future__ import annotations

import socket

import pytest

from pushfit.wire.names import HostName


def looked(host: str) -> HostName:
    name = HostName(host)
    name.look(100.0)
    name.settle(30.0)
    return name


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    name = looked("gpu-bx")
    assert name.trouble.startswith("the name gpu-bx is not known on this host (Name or service not")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 0, 0, "", ())])
    name.look(105.0)  # too early
    name.settle(30.0)
    assert name.trouble
    name.look(111.0)
    name.settle(30.0)
    assert not name.trouble and not name.only_ipv6


@pytest.mark.parametrize(
    ("families", "only"),
    [
        ([socket.AF_INET], False),
        ([socket.AF_INET6], True),
        ([socket.AF_INET6, socket.AF_INET], False),
    ],
)
def test_ipv6_where_a_name_has_nothing_else(
    families: list[int], only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(family, 0, 0, "", ()) for family in families]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert looked("gpu-box").only_ipv6 == only


def test_an_address_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")
    assert not looked("127.0.0.1").only_ipv6
    assert looked("[::1]").only_ipv6 and looked("[fe80::1%eth0]").only_ipv6


def test_localhost_is_known() -> None:
    assert not looked("localhost").trouble
