"""A publisher of our own on 127.0.0.1, over real TLS by a certificate of its own."""

import datetime
import hashlib
import http.server
import ipaddress
import ssl
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from workers.specs import FetchSpec

NAME = "mirror.example"
IMAGE_ID = "66666666-6666-6666-6666-666666666666"


class PublisherServer(http.server.ThreadingHTTPServer):
    """Serves what a test puts into `files`; a str is where to go instead. Who trusts `bundle`
    trusts it."""

    def __init__(self, directory: Path, address: str = "127.0.0.1"):
        super().__init__((address, 0), _Handler)
        self.files: dict[str, bytes | str] = {}
        self.asked: list[str] = []
        self.cut = False  # whether to break off in the middle of each file
        self.held: threading.Event | None = None  # what each file waits for in its middle
        self.begun = threading.Event()  # half of a file has been sent
        self.bundle = directory / "publisher.pem"
        _certify(self.bundle, address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.bundle)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def folder(self) -> str:
        return f"https://{self.server_address[0]}:{self.server_address[1]}/images/"

    def offer(self, file: bytes, *, sums: str | None = None, **changes) -> FetchSpec:
        """It publishes `file`."""
        self.files["/images/disk.qcow2"] = file
        listed = f"{hashlib.sha512(file).hexdigest()}  disk.qcow2\n" if sums is None else sums
        self.files["/images/SHA512SUMS"] = listed.encode()
        fields = {
            "id": IMAGE_ID,
            "generation": 1,
            "url": f"{self.folder}disk.qcow2",
            "file": "disk.qcow2",
            "sums_url": f"{self.folder}SHA512SUMS",
            "most_bytes": 2**30,
            "most_virtual_bytes": 2**30,
        }
        return FetchSpec(**(fields | changes))

    def stop(self) -> None:
        if self.held:
            self.held.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Whoever breaks off or trusts nobody is not this server's mistake."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
        elif isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
            self.end_headers()
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self._send(content)

    def _send(self, content: bytes) -> None:
        half = len(content) // 2
        self.wfile.write(content[:half])
        if len(content) > 1000:
            self.server.begun.set()
            if self.server.cut:
                return
            if self.server.held:
                self.server.held.wait()
        self.wfile.write(content[half:])

    def log_message(self, *_):
        pass


def _certify(bundle: Path, address: str) -> None:
    """A key and a certificate for this address and for `NAME` are in this file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "publisher")])
    today = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName(NAME)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    bundle.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(pem)
    )
