"""Calls to addresses that others chose: https, to the public internet alone, to the very address that was looked at.

A name is resolved once, every address it has is vetted, and the connection goes to one of them, so that a name which
answers differently a moment later leads nowhere. Nothing is followed, nothing is read but the head of the answer.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext_noop as _

from hitl.conf import conf
from hitl.exceptions import BadInput
from hitl.notifications.channels.errors import Undelivered

CONNECT, WHOLE = 5.0, 15.0  # seconds
_LARGEST = 64 * 1024
_PORTS = {443, 8443}
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_.])?")
_URL = re.compile(r"[!-\[\]-~]{1,500}")  # no space, no backslash, nothing beyond ASCII
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
# What this Python's tables call global although it is not, or no place to send anything to.
_NOT = [
    ipaddress.ip_network(block)
    for block in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20")
]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer."""

    status: int
    headers: Message


def check_url(url: str) -> SplitResult:
    """The parts of an address that may be called as far as its letters tell; raises BadInput. Where its name leads to
    is looked at when it is called."""
    try:
        parts = urlsplit(url) if _URL.fullmatch(url) else None
        port = parts.port if parts else None
    except ValueError:
        parts = port = None
    if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
        raise BadInput(_("this is no https address of at most 500 characters"))
    if "@" in parts.netloc or "#" in url:
        raise BadInput(_("an address has no user, password or fragment here"))
    host = parts.hostname
    literal = _literal(host)
    if literal is None and ("[" in parts.netloc or not _NAME.fullmatch(host)):
        raise BadInput(_("this is no name of a host"))
    if _listed(host, [literal] if literal else []):
        return parts
    if literal is not None and not is_public(literal):
        raise BadInput(_("this is no public address"))
    if parts.scheme != "https" or (port or 443) not in _PORTS:
        raise BadInput(_("https alone is called, at port 443 or 8443"))
    return parts


def is_public(address: Address) -> bool:
    """Whether this address is one of the public internet, and none that leads on to another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    found = address.is_global and not address.is_multicast and not address.is_reserved
    return found and not any(address.version == block.version and address in block for block in _NOT)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send a body and read the head of the answer, within 15 seconds altogether. Raises Undelivered, for good where the
    address may not be called, and OSError."""
    until = time.monotonic() + WHOLE
    try:
        parts = check_url(url)
    except BadInput as error:
        raise Undelivered(error.message, permanent=True) from error
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with _secured(parts, _dial(parts, port, until), until) as sock:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "User-Agent: hitl"]
        lines += [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(body))}.items()]
        _send(sock, "\r\n".join([*lines, "", ""]).encode("ascii") + body, until)
        return _head(sock, until)


def _dial(parts: SplitResult, port: int, until: float) -> socket.socket:
    """A connection to a vetted address, or through the proxy, which does the vetting of names then."""
    host = str(parts.hostname)
    if conf.WEBHOOK_PROXY:
        proxy = urlsplit(conf.WEBHOOK_PROXY)
        sock = _first(socket.getaddrinfo(proxy.hostname, proxy.port or 3128, type=socket.SOCK_STREAM), until)
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            _send(sock, f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode("ascii"), until)
            answer = _head(sock, until)
            if answer.status // 100 != 2:
                raise Undelivered(f"the proxy answered {answer.status}")
        except BaseException:
            sock.close()
            raise
        return sock
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    if not _listed(host, addresses) and not all(is_public(address) for address in addresses):
        raise Undelivered("this name leads to an address that is not public", permanent=True)
    return _first(found, until)


def _first(found: list[Any], until: float) -> socket.socket:
    """A connection to the first of these addresses that takes one."""
    last: OSError = OSError("this name has no address")
    for family, kind, protocol, _canonical, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT, _left(until)))
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            last = error
    raise last


def _secured(parts: SplitResult, sock: socket.socket, until: float) -> socket.socket:
    """The connection with TLS, for the name that was asked for and nothing else."""
    if parts.scheme != "https":
        return sock
    try:
        sock.settimeout(_left(until))
        return ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
    except BaseException:
        sock.close()
        raise


def _send(sock: socket.socket, data: bytes, until: float) -> None:
    sock.settimeout(_left(until))
    sock.sendall(data)


def _head(sock: socket.socket, until: float) -> Answer:
    """The status and the headers; what comes after them is left unread."""
    data = b""
    while b"\r\n\r\n" not in data:
        sock.settimeout(_left(until))
        more = sock.recv(4096)
        data += more
        if not more or len(data) > _LARGEST:
            raise Undelivered("the answer is no HTTP" if more else "the connection ended without an answer")
    status = re.match(rb"HTTP/1\.[01] ([1-5]\d\d)[ \r]", data)
    if status is None:
        raise Undelivered("the answer is no HTTP")
    head = io.BytesIO(data.partition(b"\r\n")[2])
    try:
        return Answer(int(status[1]), http.client.parse_headers(head))
    except http.client.HTTPException as error:
        raise Undelivered("the answer is no HTTP") from error


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left


def _literal(host: str) -> Address | None:
    """The address that stands in the place of a name, also in the forms that only systems read: 127.1, 0x7f000001."""
    try:
        return ipaddress.ip_address(host if ":" in host else socket.inet_ntoa(socket.inet_aton(host)))
    except (OSError, ValueError):
        return None


def _listed(host: str, addresses: list[Address]) -> bool:
    """Whether the project allows this name, or the networks of all its addresses."""
    names = {str(one).lower() for one in conf.WEBHOOK_ALLOW}
    networks = [network for one in names if (network := _network(one)) is not None]
    inside = [any(one.version == block.version and one in block for block in networks) for one in addresses]
    return host in names or (bool(inside) and all(inside))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
