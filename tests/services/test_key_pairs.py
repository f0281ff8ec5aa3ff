"""What is taken for a public key, and what is said about everything else."""

import base64
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.errors import Refused
from portal.services import key_pairs

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF6R2NnWTfWfyWO4FVn1bZ9dgUWHCt5wVP2CjsFYkfsG"


def line_of(private_key) -> str:
    return private_key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (line_of(ed25519.Ed25519PrivateKey.generate()), "Ed25519"),
        (line_of(ec.generate_private_key(ec.SECP256R1())), "ECDSA P-256"),
        (line_of(ec.generate_private_key(ec.SECP521R1())), "ECDSA P-521"),
        (line_of(rsa.generate_private_key(65537, 2048)), "RSA"),
    ],
    ids=lambda value: value if value[:1].isupper() or value[:2] == "FI" else "line",
)
def test_every_common_kind_is_taken_and_kept_as_one_line(line, words):
    key = key_pairs.parse(f"\r\n  {line}   alice@laptop  (work) \r\n\r\n")
    assert key.line == f"{line} alice@laptop (work)"
    assert key.comment == "alice@laptop (work)"
    assert key_pairs.KINDS[key.kind] == words


def test_a_security_keys_key_is_taken():
    kind = "sk-ssh-ed25519@openssh.com"
    public = base64.b64decode(ED25519.split()[1])[-32:]
    blob = string(kind.encode()) + string(public) + string(b"ssh:")
    line = f"{kind} {base64.b64encode(blob).decode()}"
    assert key_pairs.parse(line).line == line


def test_the_fingerprint_is_the_one_that_ssh_keygen_prints(tmp_path):
    path = tmp_path / "key.pub"
    path.write_text(ED25519 + " alice\n")
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert key_pairs.parse(path.read_text()).fingerprint == printed.split()[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Paste a public key"),
        (" \n\t\n", "Paste a public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==", "never give away"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII", "never give away"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "never give away"),
        ('---- BEGIN SSH2 PUBLIC KEY ----\nComment: "x"', "ssh-keygen -i"),
        (f"{ED25519} a\n{ED25519} b", "One key at a time: this has 2 lines"),
        (f'command="rm -rf /" {ED25519}', "options before the key"),
        (f"no-pty,from=10.0.0.1 {ED25519}", "options before the key"),
        ("ssh-dss AAAAB3NzaC1kc3M=", "DSA keys are no longer accepted"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "This is a certificate"),
        ("hello", "no public key in OpenSSH's format"),
        ("ssh-ed25519", "damaged"),
        ("ssh-ed25519 !!!", "damaged"),
        (ED25519[:-8], "damaged"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "damaged"),
        (f"{ED25519} a\0b", "control characters"),
        (f"{ED25519} {'x' * 256}", "more than 255 characters"),
        ("x" * 20_000, "too long"),
        (line_of(rsa.generate_private_key(65537, 1024)), "this one has 1024"),
    ],
)
def test_what_is_no_public_key_is_refused_by_name(text, sentence):
    with pytest.raises(Refused, match=sentence) as refusal:
        key_pairs.parse(text)
    assert refusal.value.field == "public_key"
