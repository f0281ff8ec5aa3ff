"""The bytes of images.

https://docs.openstack.org/api-ref/image/v2/#image-data
"""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from flask import Response, request

from portal import config, places
from portal.api import faults
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import images

CHUNK = 2**18  # bytes
BYTES = "application/octet-stream"

routes = Routes(__name__, "/v2/images")


@routes.put("/<id:image_id>/file")
def replace(image_id):
    """What comes in is judged while it does, and neither lies in memory nor twice on the disk."""
    actor = tokens.actor()
    images.awaiting(actor, actor.project_id, image_id)
    if request.mimetype != BYTES:
        raise faults.Fault(415, f"Send the file with the header Content-Type: {BYTES}.")
    request.max_content_length = config.current().image_max_gib * 2**30 + 1
    with places.for_a_file(actor.user_id, actor.project_id):
        chunks = iter(lambda: request.stream.read(CHUNK), b"")
        images.fill(actor, actor.project_id, image_id, chunks)
    return Response(status=204)


@routes.get("/<id:image_id>/file")
def show(image_id):
    """A part of it, too, by the header Range."""
    actor = tokens.actor()
    with contextlib.ExitStack() as held:
        held.enter_context(places.for_a_file(actor.user_id, actor.project_id))
        image, file = images.bytes_of(actor, actor.project_id, image_id)
        if file is None:
            return Response(status=204)
        held.enter_context(file)
        kept = held.pop_all()
        answer = Response(_chunks(file, kept), mimetype=BYTES, direct_passthrough=True)
        answer.call_on_close(kept.close)
    answer.content_length = image.size_bytes
    if image.md5:
        answer.headers["Content-MD5"] = image.md5
    answer.make_conditional(request, accept_ranges=True, complete_length=image.size_bytes)
    return answer


def _chunks(file: BinaryIO, held: contextlib.ExitStack) -> Iterator[bytes]:
    """The content, after which its place is free again; also if nobody reads to the end."""
    with held:
        while chunk := file.read(CHUNK):
            yield chunk
