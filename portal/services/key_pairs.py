"""Public SSH keys, as their owners paste them."""

import base64
import contextlib
import dataclasses
import functools
import hashlib
import re
import unicodedata
import uuid

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from sqlalchemy import func, select

from portal.db import session, transaction
from portal.errors import Conflict, NotFound, Refused
from portal.models import KeyPair, User
from portal.policies import Actor, authorize
from portal.sentences import Sentence
from portal.services import activities, certificates, finding, names
from portal.services.certificates import Certificate
from portal.services.listing import Stretch, stretch

KINDS = {  # what sshd(8) takes by default, and what people call it
    "ssh-ed25519": "Ed25519",
    "ecdsa-sha2-nistp256": "ECDSA P-256",
    "ecdsa-sha2-nistp384": "ECDSA P-384",
    "ecdsa-sha2-nistp521": "ECDSA P-521",
    "ssh-rsa": "RSA",
    "sk-ssh-ed25519@openssh.com": "Ed25519 on a security key",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA on a security key",
}
RSA_LEAST, RSA_MOST = 2048, 16_384  # bits; ssh-keygen makes none larger
LONGEST = 16_384  # characters of what is pasted
COMMENT_LONGEST = 255
MOST = 100  # keys of one user
MOST_PIECES = 400  # words that a key was broken into
QUOTES = "\"'`\u2018\u2019\u201c\u201d,; "
OPTION = re.compile(  # sshd(8), AUTHORIZED_KEYS FILE FORMAT
    r"(?:[a-z0-9-]+=|(?:no-)?(?:agent-forwarding|port-forwarding|pty|user-rc|x11-forwarding)\b"
    r"|cert-authority|restrict\b|(?:no-)?touch-required|verify-required)",
    re.IGNORECASE,
)
_refused = functools.partial(Refused, field="public_key")
PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|PuTTY-User-Key-File", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class PublicKey:
    """One key, parsed."""

    kind: str  # a key of KINDS
    blob: bytes  # RFC 4253, section 6.6
    comment: str

    @property
    def line(self) -> str:
        """The key as it stands in an authorized_keys file."""
        return " ".join(
            filter(None, (self.kind, base64.b64encode(self.blob).decode(), self.comment))
        )

    @property
    def fingerprint(self) -> str:
        """The sum of the key, as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def of_actor(actor: Actor) -> list[KeyPair]:
    """The actor's own keys, oldest first."""
    authorize(actor, "key_pairs:change")
    return list(
        session.scalars(
            select(KeyPair)
            .where(KeyPair.user_id == actor.user_id)
            .order_by(KeyPair.created_at, KeyPair.id)
        )
    )


def find(actor: Actor, name_or_id: uuid.UUID | str) -> KeyPair:
    """The actor's own key. Raises NotFound."""
    return finding.find(actor, KeyPair, name_or_id)


def listed(
    actor: Actor, owner_id: uuid.UUID | None = None, *, limit: int, after: uuid.UUID | None = None
) -> tuple[list[KeyPair], bool]:
    """Somebody's keys, or else the actor's own, by their names; from behind that one on; and
    whether there are more."""
    owner_id = _owner(actor, owner_id, "users:read")
    query = select(KeyPair).where(KeyPair.user_id == owner_id)
    wanted = Stretch(order=(("name", False),), after=after, limit=limit)
    return stretch(query, wanted, {"name": KeyPair.name, "id": KeyPair.id})


def named(actor: Actor, name: str, *, owner_id: uuid.UUID | None = None) -> KeyPair:
    """Somebody's key, or else the actor's own, of this name, to the letter. Raises NotFound."""
    owner_id = _owner(actor, owner_id, "users:read")
    same = (KeyPair.user_id == owner_id, KeyPair.name == name)
    found = session.scalar(select(KeyPair).where(*same))
    if found is None:
        raise NotFound.saying(finding.KINDS[KeyPair].missing)
    return found


def create(
    actor: Actor,
    name: str,
    text: str,
    *,
    owner_id: uuid.UUID | None = None,
    certificate: bool = False,
) -> KeyPair:
    """The owner, who is the actor unless said otherwise, can choose this key for instances.
    Without a name it bears its comment. A `certificate` is kept for clients alone."""
    owner_id = _owner(actor, owner_id, "users:change")
    if certificate:
        key, label = certificates.parse(text), names.label(name)
    else:
        key = parse(text)
        label = _label(key, name)
    with transaction():
        return _add(actor, owner_id, key, label)


def make(
    actor: Actor, name: str, *, owner_id: uuid.UUID | None = None, certificate: bool = False
) -> tuple[KeyPair, str]:
    """The owner can choose a new Ed25519 key for instances, or has a new `certificate`. Returns
    its private half, in OpenSSH's format or in PEM; it is shown only here."""
    owner_id = _owner(actor, owner_id, "users:change")
    if certificate:
        made, private_text = certificates.make(actor.user_name)
        more = {"owner_id": owner_id, "certificate": True}
        return create(actor, name, made.line, **more), private_text
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    key_pair = create(actor, name, public.decode(), owner_id=owner_id)
    text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return key_pair, text.decode()


def keep(actor: Actor, name: str, text: str) -> KeyPair:
    """The actor can choose this key for instances: the one that they have already, whatever it is
    called, or else a new one."""
    authorize(actor, "key_pairs:change")
    key = parse(text)
    label = _label(key, name)
    with transaction():
        same = select(KeyPair).where(
            KeyPair.user_id == actor.user_id, KeyPair.fingerprint == key.fingerprint
        )
        return session.scalar(same) or _add(actor, actor.user_id, key, label)


def delete(actor: Actor, key_pair_id: uuid.UUID) -> None:
    """The key is offered no longer. Instances that have it keep it."""
    with transaction():
        _delete(actor, find(actor, key_pair_id))


def delete_named(actor: Actor, name: str, *, owner_id: uuid.UUID | None = None) -> None:
    """The key of this name is offered no longer, somebody's, or else the actor's own. Raises
    NotFound."""
    owner_id = _owner(actor, owner_id, "users:change")
    with transaction():
        _delete(actor, named(actor, name, owner_id=owner_id))


def parse(text: str) -> PublicKey:
    """The key in one line of OpenSSH's format (sshd(8), AUTHORIZED_KEYS FILE FORMAT), without
    options. What only line breaks, blanks, quotes, remarks or what cannot be seen distinguish from
    it is mended. Raises Refused and says what it is instead."""
    words = _words(text)
    if words[0] not in KINDS:
        raise Refused.saying(_what_else(words), field="public_key")
    kind, blob, comment = _fields(words)
    if len(comment) > COMMENT_LONGEST:
        raise _refused(
            "The comment behind the key has more than {most} characters.",
            most=COMMENT_LONGEST,
        )
    key = _load(kind, blob)
    if isinstance(key, RSAPublicKey) and not RSA_LEAST <= key.key_size <= RSA_MOST:
        raise _refused(
            "An RSA key has from {least} to {most} bits; this one has {bits}. "
            "Make another one: ssh-keygen -t ed25519",
            least=RSA_LEAST,
            most=RSA_MOST,
            bits=key.key_size,
        )
    return PublicKey(kind, blob, comment)


def kind_of(key_pair: KeyPair) -> str:
    """What people call the kind of a key."""
    if certificates.is_one(key_pair):
        return "X.509 certificate"
    return KINDS[key_pair.public_key.partition(" ")[0]]


def _label(key: PublicKey, name: str) -> str:
    return names.label(name.strip() or key.comment or KINDS[key.kind])


def _owner(actor: Actor, owner_id: uuid.UUID | None, permission: str) -> uuid.UUID:
    """Whose keys are meant: the actor's own, or, with this permission, somebody else's."""
    if owner_id in (None, actor.user_id):
        authorize(actor, "key_pairs:change")
        return actor.user_id
    authorize(actor, permission)
    return owner_id


def _add(actor: Actor, owner_id: uuid.UUID, key: PublicKey | Certificate, label: str) -> KeyPair:
    owner = select(User.id).where(User.id == owner_id, User.deleted_at.is_(None))
    if session.scalar(owner.with_for_update(key_share=True)) is None:
        raise NotFound(
            "You were deleted meanwhile, so this key is not kept."
            if owner_id == actor.user_id
            else "There is no such user, so this key is not kept."
        )
    own = select(KeyPair.name).where(KeyPair.user_id == owner_id)
    if session.scalar(own.where(KeyPair.name == label)):
        raise Conflict("You have a key named {name} already.", name=label, field="name")
    same = session.scalar(own.where(KeyPair.fingerprint == key.fingerprint))
    if same:
        raise Conflict("You have added this key already, as {name}.", name=same, field="public_key")
    if session.scalar(select(func.count()).select_from(own.subquery())) >= MOST:
        raise Refused("You have {most} keys, more are not kept. Delete one first.", most=MOST)
    key_pair = KeyPair(
        user_id=owner_id, name=label, public_key=key.line, fingerprint=key.fingerprint
    )
    session.add(key_pair)
    session.flush()
    activities.record(actor, "key_pairs:create", key_pair, after={"fingerprint": key.fingerprint})
    return key_pair


def _delete(actor: Actor, key_pair: KeyPair) -> None:
    session.delete(key_pair)
    before = {"fingerprint": key_pair.fingerprint}
    activities.record(actor, "key_pairs:delete", key_pair, before=before)


def _words(text: str) -> list[str]:
    """The one line that is meant, in words."""
    if len(text) > LONGEST:
        raise _refused("This is too long to be a public key.")
    if PRIVATE.search(text):
        raise _refused(
            "This is a private key, which you should never give away. It was not kept; paste the "
            "public one, from the file that ends in .pub."
        )
    if "BEGIN SSH2 PUBLIC KEY" in text or "BEGIN PUBLIC KEY" in text:
        raise _refused(
            "This is not OpenSSH's format. Convert it: ssh-keygen -i -f FILE (PEM: with -m PKCS8)."
        )
    if any(unicodedata.category(each) == "Cc" and each not in "\t\r\n" for each in text):
        raise _refused("A public key is one line of text without control characters.")
    bare = [_bare(line) for line in names.seen(text).splitlines()]
    lines = list(dict.fromkeys(line for line in bare if line and not line.startswith("#")))
    if not lines:
        raise _refused("Paste a public key: the line in ~/.ssh/id_ed25519.pub, for example.")
    if sum(line.partition(" ")[0] in KINDS for line in lines) > 1:
        raise _refused("One key at a time: this has {count} lines.", count=len(lines))
    return " ".join(lines).split()


def _bare(line: str) -> str:
    """A line without what belongs to the file that it was copied from."""
    return " ".join(line.split()).strip(QUOTES).removeprefix("- ").strip(QUOTES)


def _fields(words: list[str]) -> tuple[str, bytes, str]:
    """Kind, key and comment. A terminal may have broken the key into several words."""
    kind, *rest = words
    for count in range(1, min(len(rest), MOST_PIECES) + 1):
        with contextlib.suppress(ValueError, UnsupportedAlgorithm):
            blob = base64.b64decode("".join(rest[:count]), validate=True)
            _load(kind, blob)
            return kind, blob, " ".join(rest[count:])
    raise _refused("This key is damaged: copy the whole line once more.")


def _load(kind: str, blob: bytes):
    return load_ssh_public_key(f"{kind} {base64.b64encode(blob).decode()}".encode())


def _what_else(words: list[str]) -> Sentence:
    """Why a text that begins with these words is no key for us."""
    first = words[0]
    if any(word in KINDS for word in words):
        if OPTION.match(first):
            return Sentence(
                "There are options before the key. Leave them out: the line begins with the key's "
                "kind, such as ssh-ed25519."
            )
        return Sentence(
            "There is “{first}” before the key. In known_hosts stand the keys of machines; yours "
            "is in a file that ends in .pub, and begins with its kind, such as ssh-ed25519.",
            first=first[:40],
        )
    if any(word.startswith(("SHA256:", "MD5:")) for word in words[:2]):
        return Sentence(
            "This is the fingerprint of a key. Paste the key itself, from a file in .pub."
        )
    if first == "ssh-dss":
        return Sentence(
            "DSA keys are no longer accepted by SSH. Make another one: ssh-keygen -t ed25519"
        )
    if "-cert-v01@openssh.com" in first:
        return Sentence("This is a certificate. Paste the key that it was made for.")
    return Sentence(
        "This is no public key in OpenSSH's format: a line that begins with ssh-ed25519, "
        "ecdsa-sha2-nistp256 or ssh-rsa."
    )
