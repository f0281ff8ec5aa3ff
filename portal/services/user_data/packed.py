"""Texts that were packed for another cloud: taken as they are, nothing of them would run."""

import base64
import binascii
import re

from portal.services.user_data.wrong import wrong

BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
SHORTEST = 16  # characters; a shorter text is a word
GZIP = b"\x1f\x8b"


def check(text: str, known: tuple[str, ...]) -> None:
    """Raises Refused for what is base64 of something that cloud-init would know."""
    if not BASE64.fullmatch(text):
        return
    compact = "".join(text.split())
    if len(compact) < SHORTEST or len(compact) % 4:
        return
    try:
        inside = base64.b64decode(compact, validate=True)
    except binascii.Error:
        return
    if inside.startswith(GZIP):
        raise wrong(
            "This is base64 of something that gzip compressed. Paste what it was made from; "
            "Terraform's cloudinit_config has gzip = false and base64_encode = false for it."
        )
    beginning = inside[:4096].decode("utf-8", "replace").removeprefix("\ufeff").lstrip().lower()
    if beginning.startswith(known) or "mime-version:" in beginning:
        raise wrong("This is base64: paste what it was made from.")
