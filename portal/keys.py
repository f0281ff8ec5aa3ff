"""The portal's own secret, and what it encrypts. The secret lies in a 0600 file, never in the
database; a key of a host lies in the database, encrypted with it."""

import base64
import hashlib
import os
from functools import cache
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

from portal import config


def make_secret(path: Path) -> None:
    """There is a secret at `path`, mode 0600. One that is there is kept."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")


def signing_key() -> str:
    """What signs cookies and form tokens; derived, so that it tells nothing of the secret."""
    first = _secrets(config.current().secret_key_file)[0]
    return hashlib.sha256(b"cookies" + first).hexdigest()


def digest(secret: str) -> str:
    """What is kept of 256 random bits, or of a text with as many, that somebody shows again:
    SHA-256, hexadecimal. A password needs another."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_host_key() -> tuple[str, str]:
    """A key for a host, and the same encrypted for the database."""
    key = Fernet.generate_key()
    return key.decode(), _cipher().encrypt(key).decode()


def sealed(secret: str) -> str:
    """A secret that has to be read again, encrypted for the database."""
    return _cipher().encrypt(secret.encode()).decode()


def opened(text: str) -> str:
    """The secret that was sealed. Raises InvalidToken for one of another portal."""
    return _cipher().decrypt(text.encode()).decode()


def host_cipher(sealed_key: str) -> Fernet:
    """What seals and opens the messages of the host whose encrypted key this is."""
    return _host_cipher(sealed_key)


@cache
def _host_cipher(sealed_key: str) -> Fernet:
    return Fernet(_cipher().decrypt(sealed_key.encode()))


def _cipher() -> MultiFernet:
    """The first line of the file encrypts, every line decrypts: that is how a secret is rotated."""
    return MultiFernet([Fernet(key) for key in _secrets(config.current().secret_key_file)])


@cache
def _secrets(path: Path) -> list[bytes]:
    keys = path.read_bytes().split()
    if not keys or len(base64.urlsafe_b64decode(keys[0])) != 32:
        raise ValueError(f"{path} holds no key: make a new one with `flask prepare`")
    return keys
