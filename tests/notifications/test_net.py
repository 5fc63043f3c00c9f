"""Where webhooks may call: public addresses, and the very one that was looked at. A spy stands before `connect`."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl.exceptions import BadInput
from hitl.notifications.channels import net
from hitl.notifications.channels.errors import Undelivered
from tests.notifications import receivers
from tests.notifications.receivers import Receiver, receiver

PUBLIC4, PUBLIC6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
NOT_PUBLIC = [
    # this host, private networks, carriers, link-local and what clouds hide there
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1"),
    *("172.31.255.255", "192.168.0.1", "192.168.255.255", "100.64.0.1", "100.127.255.255", "100.100.100.200"),
    *("169.254.0.1", "169.254.169.254", "169.254.170.2", "168.63.129.16", "192.0.0.1", "192.0.0.8", "192.0.0.192"),
    # documentation, benchmarks, relays, multicast, reserved, broadcast
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    # the same in IPv6
    *("::", "::1", "fe80::1", "fe80::a9fe:a9fe", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fd12:3456::1"),
    *("ff02::1", "ff0e::1", "100::1", "2001:db8::1", "3fff::1", "2001::1", "2001:0:7f00:1::", "2001:10::1", "5f00::1"),
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64 of both kinds, 6to4
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::ffff:0:127.0.0.1"),
    *("::127.0.0.1", "::7f00:1", "::10.0.0.1", "::93.184.215.14", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b::10.0.0.1", "64:ff9b:1::1", "64:ff9b:1:7f00:0:100::", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    *("2002:5db8:d70e::1", "::ffff:0.0.0.0", "::ffff:100.64.0.1"),
]
PUBLIC = [PUBLIC4, PUBLIC6, "8.8.8.8", f"::ffff:{PUBLIC4}", f"64:ff9b::{PUBLIC4}", "2a00:1450:4001:81b::200e"]
NUMBERS = [
    *("2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0", "0x0"),
    *("3232235777", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "10.1", "0300.0250.1"),
]
WRONG = [
    *("http://example.com/", "https://example.com:22/", "https://example.com:80/", "https://example.com:6379/"),
    *("https://user@example.com/", "https://user:word@example.com/", "https://example.com@127.0.0.1/"),
    *("ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "https:///x", "https://", "//example.com/x"),
    *(
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: x",
        "https://ex\tample.com",
    ),
    *(
        "https://１２７.０.０.１/",
        "https://ⓛocalhost/",
        "https://example。com/",
        "https://[::1/",
        "https://[fe80::1%25lo]/",
    ),
    *("https://example.com:99999/", "https://example.com:x/", "https://example.com/#x", "https://-x.com/"),
    *("https://%31%32%37.0.0.1/", f"https://example.com/{'x' * 500}", "https://[v1.x]/"),
]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was connected to; nothing leaves the machine."""
    seen: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        seen.append(address)
        raise ConnectionRefusedError("there is no network in tests")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    return seen


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names lead to: the answers of the resolver, one after the other."""
    known: dict[str, list[list[str]]] = {}

    def resolve(host: str, port: Any, *args: Any, **options: Any) -> list[Any]:
        answers = known[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        kinds = [(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in found]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (one, port, 0, 0) if ":" in one else (one, port)) for kind, one in kinds
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def refused(url: str) -> None:
    with pytest.raises(Undelivered) as caught:
        net.post(url, b"{}", {})
    assert caught.value.permanent


def test_there_are_enough_of_them() -> None:
    assert len({*NOT_PUBLIC, *NUMBERS, *WRONG}) >= 110


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_never_called(
    address: str, connected: list[Any], names: dict[str, list[list[str]]]
) -> None:
    """Not by itself, and not behind a name."""
    assert not net.is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    names["inside.example.com"] = names[address] = [[address]]
    refused(f"https://{host}/hook")
    refused("https://inside.example.com/hook")
    assert connected == []


@pytest.mark.parametrize("number", NUMBERS)
def test_an_address_in_other_numbers_is_seen_through(number: str, connected: list[Any]) -> None:
    refused(f"https://{number}/hook")
    assert connected == []


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_plain_https_address_is_never_called(url: str, connected: list[Any]) -> None:
    with pytest.raises(BadInput):
        net.check_url(url)
    refused(url)
    assert connected == []


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_called(address: str, connected: list[Any], names: dict[str, list[list[str]]]) -> None:
    names["example.com"] = [[address]]
    with pytest.raises(OSError, match="no network"):
        net.post("https://example.com/hook", b"{}", {})
    assert [one[:2] for one in connected] == [(address, 443)]


@pytest.mark.parametrize(
    "mixed", [[PUBLIC4, "127.0.0.1"], [PUBLIC4, "::1"], [PUBLIC6, "10.0.0.1"], ["fe80::1", PUBLIC4]]
)
def test_one_address_that_is_not_public_spoils_the_name(
    mixed: list[str], connected: list[Any], names: dict[str, list[list[str]]]
) -> None:
    names["mixed.example.com"] = [mixed]
    refused("https://mixed.example.com/")
    assert connected == []


def test_a_name_that_answers_differently_a_moment_later_leads_nowhere(
    connected: list[Any], names: dict[str, list[list[str]]]
) -> None:
    names["rebind.example.com"] = [[PUBLIC4], ["127.0.0.1"]]
    with pytest.raises(OSError, match="no network"):
        net.post("https://rebind.example.com/", b"{}", {})
    assert connected == [(PUBLIC4, 443)]
    refused("https://rebind.example.com/")
    assert connected == [(PUBLIC4, 443)]


def test_what_the_project_allows_is_called(
    connected: list[Any], names: dict[str, list[list[str]]], settings: Any
) -> None:
    settings.HITL_WEBHOOK_ALLOW = ["hooks.internal", "10.2.0.0/16", "10.9.0.0/99", "fd00::/8"]
    names["hooks.internal"], names["other.internal"] = [["192.168.1.1"]], [["10.2.3.4", "10.9.0.1"]]
    for url in ("http://hooks.internal:8000/", "http://10.2.3.4/"):
        names.setdefault("10.2.3.4", [["10.2.3.4"]])
        with pytest.raises(OSError, match="no network"):
            net.post(url, b"{}", {})
    assert connected == [("192.168.1.1", 8000), ("10.2.3.4", 80)]
    refused("https://other.internal/")
    refused("http://10.9.0.1/")
    assert len(connected) == 2


def test_the_proxies_of_the_environment_are_not_used(
    connected: list[Any], names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    names["example.com"] = [[PUBLIC4]]
    with pytest.raises(OSError, match="no network"):
        net.post("https://example.com/", b"{}", {})
    assert connected == [(PUBLIC4, 443)]


# -- receivers on loopback, which the project allows ----------------------------------------------------


@pytest.fixture
def loopback(settings: Any) -> None:
    """Loopback is allowed, by its name."""
    settings.HITL_WEBHOOK_ALLOW = ["localhost"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits 15 s in a test."""
    monkeypatch.setattr(net, "WHOLE", 0.3)


@pytest.fixture
def there(loopback: None) -> Iterator[Receiver]:
    """A receiver."""
    with receiver() as one:
        yield one


def test_a_call_arrives_as_it_was_meant(there: Receiver) -> None:
    answer = net.post(f"{there.url}?key=1", b'{"a":1}', {"webhook-id": "x"})
    ((headers, body),) = there.got
    assert (answer.status, body, headers["webhook-id"]) == (204, b'{"a":1}', "x")
    assert headers["host"] == there.url.split("/")[2]


def test_a_redirect_is_not_followed(there: Receiver) -> None:
    there.status, there.headers = 302, {"Location": there.url}
    assert net.post(there.url, b"{}", {}).status == 302
    assert len(there.got) == 1


def test_a_huge_body_is_not_read(there: Receiver) -> None:
    there.status, there.body = 200, b"x" * 50_000_000
    assert net.post(there.url, b"{}", {}).status == 200


@pytest.mark.parametrize("talk", [receivers.hang, receivers.drip])
def test_who_takes_too_long_is_left(talk: Any, loopback: None, quick: None) -> None:
    with receivers.raw(talk) as url, pytest.raises(TimeoutError):
        net.post(url, b"{}", {})


def test_a_head_without_an_end_is_not_read_to_the_end(loopback: None) -> None:
    with receivers.raw(receivers.flood) as url, pytest.raises(Undelivered, match="no HTTP"):
        net.post(url, b"{}", {})


@pytest.mark.parametrize("said", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_what_is_no_answer_is_a_failure(said: bytes, loopback: None) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with receivers.raw(talk) as url, pytest.raises((Undelivered, ConnectionError)):
        net.post(url, b"{}", {})


def test_tls_is_checked_for_the_name(loopback: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, other = (receivers.certificate(tmp_path, name) for name in ("localhost", "elsewhere.example.com"))
    with receiver(tls=good) as one:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            net.post(one.url, b"{}", {})
        monkeypatch.setenv("SSL_CERT_FILE", str(good[0]))
        assert net.post(one.url, b"{}", {}).status == 204
    monkeypatch.setenv("SSL_CERT_FILE", str(other[0]))
    with receiver(tls=other) as one, pytest.raises(OSError, match="Hostname mismatch"):
        net.post(one.url, b"{}", {})


def test_a_tls_handshake_that_hangs_is_left(loopback: None, quick: None) -> None:
    with receivers.raw(receivers.hang) as url, pytest.raises(TimeoutError):
        net.post(url.replace("http:", "https:"), b"{}", {})


def test_a_proxy_of_the_project_is_gone_through(there: Receiver, settings: Any) -> None:
    asked: list[bytes] = []

    def proxy(connection: socket.socket, over: threading.Event) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", int(there.url.split(":")[2].split("/")[0]))) as inner:
            inner.sendall(connection.recv(65536))
            connection.sendall(inner.recv(65536))

    with receivers.raw(proxy) as url:
        settings.HITL_WEBHOOK_PROXY = url.removesuffix("/hook")
        assert net.post(there.url, b"{}", {}).status == 204
    assert asked[0].startswith(b"CONNECT localhost:")
    assert len(there.got) == 1


def test_a_proxy_that_refuses_is_a_failure(loopback: None, settings: Any) -> None:
    def proxy(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with receivers.raw(proxy) as url:
        settings.HITL_WEBHOOK_PROXY = url.removesuffix("/hook")
        with pytest.raises(Undelivered, match="403"):
            net.post("https://example.com/", b"{}", {})
