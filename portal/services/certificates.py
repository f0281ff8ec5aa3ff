"""X.509 certificates that people keep beside their SSH keys, as guests of Windows take them.

The same field of a key pair holds either: a certificate in PEM, or a line of OpenSSH's format.
https://docs.openstack.org/api-ref/compute/#keypairs-keypairs
"""

import dataclasses
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from portal.db import now
from portal.errors import Refused
from portal.models import KeyPair

BITS = 2048
LASTS = datetime.timedelta(days=3650)
COMMON_NAME_LONGEST = 64  # RFC 5280, ub-common-name


@dataclasses.dataclass(frozen=True)
class Certificate:
    """One certificate, parsed."""

    line: str  # in PEM

    @property
    def fingerprint(self) -> str:
        """SHA-1, in pairs of digits with colons between them."""
        found = x509.load_pem_x509_certificate(self.line.encode())
        return found.fingerprint(hashes.SHA1()).hex(":")


def parse(text: str) -> Certificate:
    """The certificate that a text in PEM holds. Raises Refused."""
    try:
        found = x509.load_pem_x509_certificate(text.strip().encode())
    except ValueError:
        raise Refused(
            "This is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----.",
            field="public_key",
        ) from None
    return Certificate(found.public_bytes(Encoding.PEM).decode())


def make(name: str) -> tuple[Certificate, str]:
    """A new certificate for somebody of this name, which its own key has signed, and that key in
    PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:COMMON_NAME_LONGEST])])
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now())
        .not_valid_after(now() + LASTS)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Certificate(signed.public_bytes(Encoding.PEM).decode()), private.decode()


def is_one(key_pair: KeyPair) -> bool:
    """Whether a key pair holds a certificate instead of an SSH key."""
    return key_pair.public_key.startswith("-----")
