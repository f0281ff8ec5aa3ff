"""Images: disks to start from."""

import hashlib
import os
import shutil
import struct
from pathlib import Path

from portal import config
from portal.db import session, transaction
from portal.models import Image, Visibility


def register(
    path: Path, *, name: str, min_disk_gib: int = 0, min_memory_mib: int = 0, login_user: str = ""
) -> Image:
    """There is a public image with the content of `path`."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    target = config.current().image_store / digest
    shutil.copyfile(path, target.with_suffix(".new"))
    os.replace(target.with_suffix(".new"), target)
    with open(path, "rb") as file:
        head = file.read(32)
    qcow2 = head[:4] == b"QFI\xfb"
    size = path.stat().st_size
    with transaction():
        image = Image(
            name=name,
            visibility=Visibility.PUBLIC,
            format="qcow2" if qcow2 else "raw",
            sha256=digest,
            size_bytes=size,
            virtual_size_bytes=struct.unpack(">Q", head[24:32])[0] if qcow2 else size,
            min_disk_gib=min_disk_gib,
            min_memory_mib=min_memory_mib,
            login_user=login_user,
        )
        session.add(image)
    return image
