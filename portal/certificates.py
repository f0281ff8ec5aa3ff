"""The certificate by which people know the portal: one of its own from the first day, or a given
one. It lies in one file, with its key before it and those that stand for it behind.

One's own stands under an authority of this installation, which is kept, so that whoever trusts
that (`openstack --os-cacert`) goes on when the certificate is renewed.
"""

import dataclasses
import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 10 * 365
DAYS = 397  # longer ones are refused by some clients
RENEWED_BEFORE = timedelta(days=30)
SLACK = timedelta(hours=1)  # clocks differ: it counts from before it was made
TITLE = "Portico"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a file holds."""

    path: Path
    names: list[str]
    ends_at: datetime
    fingerprint: str  # SHA-256, as browsers show it
    own: bool  # whether it stands under the authority of this installation


def shown_by(directory: Path) -> Path:
    """Where the certificate lies that the portal of this data directory shows."""
    return directory / "tls" / "portal.pem"


def authority_of(directory: Path) -> Path:
    """Where the authority lies that whoever trusts this installation is given."""
    return directory / "tls" / "authority.pem"


def ensure(directory: Path, names: Sequence[str], *, now: datetime) -> Certificate:
    """There is a certificate: a given one as it is, or one of our own, which is for these names
    and is not about to end. Raises ValueError for a file that holds none."""
    path = shown_by(directory)
    if path.exists():
        found = read(directory)
        if not found.own or (set(found.names) == set(names) and not _due(found, now)):
            return found
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _issue(directory, names, now)
    return read(directory)


def renew(directory: Path, *, now: datetime) -> None:
    """One of our own that is about to end has been replaced by one for the same names. Raises
    ValueError, OSError."""
    if shown_by(directory).exists():
        found = read(directory)
        if found.own and _due(found, now):
            _issue(directory, found.names, now)


def read(directory: Path) -> Certificate:
    """The certificate that the portal of this data directory shows. Raises ValueError."""
    path = shown_by(directory)
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return Certificate(
        path,
        _names(certificate),
        certificate.not_valid_after_utc,
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        _stands_under(certificate, authority_of(directory)),
    )


def _due(found: Certificate, now: datetime) -> bool:
    return found.ends_at - now < RENEWED_BEFORE


def _issue(directory: Path, names: Sequence[str], now: datetime) -> None:
    authority, authority_key = _authority(directory, now)
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([_general(each) for each in names])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _builder(names[0], authority.subject, key, now, timedelta(days=DAYS))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(_identifier(authority_key), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(shown_by(directory), _pem_key(key) + _pem(certificate) + _pem(authority))


def _authority(directory: Path, now: datetime):
    """The authority of this installation and its key; a new one where there is none that lasts."""
    path, key_path = authority_of(directory), authority_of(directory).with_suffix(".key")
    if path.exists() and key_path.exists():
        found = x509.load_pem_x509_certificate(path.read_bytes())
        if found.not_valid_after_utc - now > timedelta(days=DAYS):
            return found, serialization.load_pem_private_key(key_path.read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    title = f"{TITLE} {os.urandom(4).hex()}"  # no two installations have one of the same name
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "encipher_only"),
            *("data_encipherment", "key_agreement", "decipher_only"),
        ),
        False,
    )
    made = (
        _builder(title, _name(title), key, now, timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _pem_key(key))
    _write(path, _pem(made), mode=0o644)
    return made, key


def _builder(title: str, issuer: x509.Name, key, now: datetime, lasts: timedelta):
    return (
        x509.CertificateBuilder()
        .subject_name(_name(title))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - SLACK)
        .not_valid_after(now.astimezone(UTC) + lasts)
    )


def _name(title: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title[:64])])


def _identifier(authority_key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [_said(each.value) for each in found.value]


def _said(value) -> str:
    """As a URL has it: with brackets around what has colons."""
    return f"[{value}]" if isinstance(value, ipaddress.IPv6Address) else str(value)


def _stands_under(certificate: x509.Certificate, authority: Path) -> bool:
    if not authority.exists():
        return False
    held = x509.load_pem_x509_certificate(authority.read_bytes())
    return certificate.issuer == held.subject


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """The file holds all of it, or what it held before."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
