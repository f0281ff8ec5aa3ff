"""What publishers of images serve over https: lists of sums, and the files that they name."""

import hashlib
import ipaddress
import re
import socket
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError

from workers.drivers import Progress
from workers.errors import Failed, Permanent

CHUNK_BYTES = 2**16
SUMS_LARGEST = 2**20  # bytes
TIMEOUT_SECONDS = (10, 60)  # to connect; between two pieces
REDIRECTS_MOST = 3
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
GNU_LINE = re.compile(r"^([0-9a-f]{64}|[0-9a-f]{128}) [ *](?:\./)?(\S+)$", re.MULTILINE)
BSD_LINE = re.compile(r"^SHA(?:256|512) \((\S+)\) = ([0-9a-f]{64}|[0-9a-f]{128})$", re.MULTILINE)
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: ends with an address of IPv4
DIGESTS = {64: hashlib.sha256, 128: hashlib.sha512}  # by the length of the sum


def _unwatched(done: int, total: int) -> None: ...


class Publisher:
    """Publishers as they are reached from the host of this name: on the Internet, and in private
    networks if `private_too`. What cannot be reached raises `Failed`, what is not there or leads
    astray `Permanent`."""

    def __init__(self, host: str, *, private_too: bool = False):
        self._host, self._private_too = host, private_too

    def sum(self, sums_url: str, file: str, progress: Progress = _unwatched) -> str:
        """What the list at this URL says of `file`: SHA-256 or SHA-512, in hexadecimal digits."""
        sums = bytearray()
        for chunk in self.content(sums_url, progress):
            sums += chunk
            if len(sums) > SUMS_LARGEST:
                raise Permanent(f"{sums_url} is no list of sums")
        found = sum_of(file, sums.decode("utf-8", "replace"))
        if found is None:
            raise Permanent(f"{sums_url} does not name {file}, so nothing was fetched")
        return found

    def content(self, url: str, progress: Progress = _unwatched) -> Iterator[bytes]:
        """What is served at this URL. `progress` is told the bytes that have come and those
        there are, 0 where the publisher does not say."""
        done = 0
        with requests.Session() as web:
            web.headers["Accept-Encoding"] = "identity"
            if not self._private_too:
                web.mount("https://", _PublicAdapter())
            try:
                answer = self._answer(web, url)
                length = answer.headers.get("Content-Length", "")
                total = int(length) if length.isdecimal() else 0
                for chunk in answer.iter_content(CHUNK_BYTES):
                    done += len(chunk)
                    progress(done, total)
                    yield chunk
            except requests.RequestException as error:
                raise Failed(self._unreached(url, error, done)) from error

    def _answer(self, web: requests.Session, url: str) -> requests.Response:
        """The answer at the end of a few redirects, all of them over https."""
        for _ in range(1 + REDIRECTS_MOST):
            if urlsplit(url).scheme != "https":
                raise Permanent(f"{url} is not fetched: images come by https alone")
            answer = web.get(url, stream=True, timeout=TIMEOUT_SECONDS, allow_redirects=False)
            if answer.status_code == HTTPStatus.OK:
                return answer
            if not answer.is_redirect:
                said = f"{url} answered {answer.status_code} {answer.reason}"
                raise (Permanent if answer.status_code in GONE else Failed)(said)
            url = urljoin(url, answer.headers["Location"])
        raise Permanent(f"{url} was not fetched: one redirect followed another")

    def _unreached(self, url: str, error: requests.RequestException, done: int) -> str:
        name = urlsplit(error.request.url if error.request else url).hostname
        if done:
            return f"the connection of host {self._host} to {name} broke off"
        return (
            f"{name} cannot be reached from host {self._host}: {_cause(error)}. Check its way to "
            "the Internet; a proxy is taken from HTTPS_PROXY."
        )


class _PublicConnection(HTTPSConnection):
    """Reaches public addresses alone, and those that it looked at: a name may have others by the
    time that it is asked for again."""

    def _new_conn(self) -> socket.socket:
        name, unreached = self.host, None
        try:
            for address in self._public_addresses():
                self.host = address
                try:
                    return super()._new_conn()
                except ConnectTimeoutError as error:
                    unreached = error
            raise unreached
        finally:
            self.host = name  # which the certificate is to bear

    def _public_addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        addresses = [place[0] for *_, place in found]
        for address in addresses:
            if not _public(address):
                raise Permanent(
                    f"{self.host} was not asked for anything: its address {address} is not "
                    "on the Internet, where images come from"
                )
        return addresses


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicAdapter(HTTPAdapter):
    """What a proxy is asked for has other pools: only the proxy can know its addresses."""

    def init_poolmanager(self, *args, **kwargs) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}


def _public(address: str) -> bool:
    place = ipaddress.ip_address(address)
    if place in NAT64:
        place = ipaddress.ip_address(place.packed[-4:])
    place = getattr(place, "ipv4_mapped", None) or place
    return place.is_global and not (place.is_multicast or getattr(place, "is_site_local", False))


def sum_of(file: str, sums: str) -> str | None:
    """The sum that a list names for a file: lines of sha256sum, or of sha256 --tag, whatever
    stands around them."""
    known = {name: value for value, name in GNU_LINE.findall(sums)}
    known |= dict(BSD_LINE.findall(sums))
    return known.get(file)


def _cause(error: requests.RequestException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NameResolutionError):
        return "its name is not known there"
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not to be trusted"
        case requests.exceptions.ProxyError():
            return "the proxy does not let it through"
        case requests.exceptions.Timeout():
            return "it does not answer"
    return "no connection to it can be made"
