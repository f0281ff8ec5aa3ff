"""What is taken for a public key, and what is said about everything else."""

import base64
import subprocess
import time

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


RSA = line_of(rsa.generate_private_key(65537, 4096)) + " field test"
KIND, BLOB = ED25519.split()
RSA_80 = [RSA[at : at + 80] for at in range(0, len(RSA), 80)]


@pytest.mark.parametrize(
    ("pasted", "line"),
    {
        "broken by a terminal": ("\n".join(RSA_80) + "\n", RSA),
        "broken by a terminal of Windows": ("\r\n".join(RSA_80), RSA),
        "broken where a blank is": (RSA.replace(" ", "\n", 1), RSA),
        "a field a line": (f"{KIND}\n{BLOB}\nfield test\n", f"{ED25519} field test"),
        "tabs": (f"{KIND}\t{BLOB}\tfield\ttest\n", f"{ED25519} field test"),
        "several blanks": (f"  {KIND}   {BLOB}   field   test ", f"{ED25519} field test"),
        "a byte order mark": (f"\ufeff{ED25519}\r\n", ED25519),
        "no-break spaces": (f"{KIND}\u00a0{BLOB}\u00a0field\u00a0test", f"{ED25519} field test"),
        "unseen at the end": (f"{ED25519} field\u200b\n", f"{ED25519} field"),
        "unseen inside": (f"{KIND} {BLOB[:30]}\u200b{BLOB[30:]}", ED25519),
        "a direction in the comment": (f"{ED25519} a\u202eb", f"{ED25519} ab"),
        "a remark above": (f"# my laptop\n\n{ED25519} field\n# end", f"{ED25519} field"),
        "quotes": (f'"{ED25519} field test",\n', f"{ED25519} field test"),
        "typographic quotes": (f"\u201c{ED25519}\u201d", ED25519),
        "an item of a list": (f"  - {ED25519} field\n", f"{ED25519} field"),
        "a quoted item of a list": (f'  - "{ED25519} field"\n', f"{ED25519} field"),
        "a comment in any script": (f"{ED25519} Zoë ☕ дом <x@y>", f"{ED25519} Zoë ☕ дом <x@y>"),
        "a decomposed comment": (f"{ED25519} Zoe\u0308", f"{ED25519} Zoë"),
        "the same line twice": (f"{ED25519} x\n{ED25519} x\n", f"{ED25519} x"),
    }.values(),
)
def test_a_key_is_taken_as_clipboards_give_it(pasted, line):
    assert key_pairs.parse(pasted).line == line


def test_no_text_takes_long_to_be_no_key():
    for text in (
        "ssh-rsa " + "A " * 8000,
        "ssh-rsa " + "AAAA\n" * 3000,
        "a=" * 8000,
        "# \n" * 5000,
    ):
        began = time.thread_time()
        with pytest.raises(Refused):
            key_pairs.parse(text)
        assert time.thread_time() - began < 0.3


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
        (f"example.org,192.0.2.1 {ED25519}", "There is “example.org,192.0.2.1” before the key"),
        (f"[example.org]:2222 {ED25519}", "In known_hosts stand the keys of machines"),
        (f"verify-required {ED25519}", "options before the key"),
        ("256 SHA256:0000000000 field (ED25519)", "This is the fingerprint of a key"),
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
