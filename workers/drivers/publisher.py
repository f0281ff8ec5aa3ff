"""What publishers of images serve over https: lists of sums, and the files that they name."""

import hashlib
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import NameResolutionError

from workers.errors import Failed, Permanent

CHUNK_BYTES = 2**16
SUMS_LARGEST = 2**20  # bytes
TIMEOUT_SECONDS = (10, 60)  # to connect; between two pieces
REDIRECTS_MOST = 3
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
GNU_LINE = re.compile(r"^([0-9a-f]{64}|[0-9a-f]{128}) [ *](?:\./)?(\S+)$", re.MULTILINE)
BSD_LINE = re.compile(r"^SHA(?:256|512) \((\S+)\) = ([0-9a-f]{64}|[0-9a-f]{128})$", re.MULTILINE)
DIGESTS = {64: hashlib.sha256, 128: hashlib.sha512}  # by the length of the sum


class Publisher:
    """Publishers as they are reached from the host of this name. What cannot be reached raises
    `Failed`, what is not there or leads astray `Permanent`."""

    def __init__(self, host: str):
        self._host = host

    def sum(self, sums_url: str, file: str) -> str:
        """What the list at this URL says of `file`: SHA-256 or SHA-512, in hexadecimal digits."""
        sums = bytearray()
        for chunk in self.content(sums_url):
            sums += chunk
            if len(sums) > SUMS_LARGEST:
                raise Permanent(f"{sums_url} is no list of sums")
        found = sum_of(file, sums.decode("utf-8", "replace"))
        if found is None:
            raise Permanent(f"{sums_url} does not name {file}, so nothing was fetched")
        return found

    def content(
        self, url: str, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[bytes]:
        """What is served at this URL. `progress` is told the bytes that have come and those
        there are, 0 where the publisher does not say."""
        done = 0
        with requests.Session() as web:
            web.headers["Accept-Encoding"] = "identity"
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
