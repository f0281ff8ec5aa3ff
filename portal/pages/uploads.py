"""Forms with a large file in them, read as they come in.

The file never lies in memory nor in a temporary file of the framework: whoever takes it gets its
chunks. The fields come first, so that token and answers are judged before the first byte of it;
hence the file is the last field of such a form.
"""

from collections.abc import Iterator

from flask import Blueprint, Request
from flask_wtf.csrf import CSRFError, validate_csrf
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.sansio.multipart import NEED_DATA, Data, Event, Field, File, MultipartDecoder
from wtforms import ValidationError

CHUNK = 2**18  # bytes
FIELDS_LARGEST = 2**16  # bytes of all fields but the file
PARTS_MOST = 100


def takes_uploads(pages: Blueprint, view) -> None:
    """`view` reads its form by `fields_and_file`, which checks the token by itself: the check of
    all other POSTs would read the whole file first."""
    pages.record_once(lambda state: state.app.extensions["csrf"].exempt(view))


def fields_and_file(request: Request, *, most_bytes: int) -> tuple[MultiDict, Iterator[bytes]]:
    """The fields of the form, whose token is right, and the content of the file behind them, yet
    to be read: nothing when there is none. `most_bytes`: of the file."""
    request.max_content_length = most_bytes + 2 * FIELDS_LARGEST
    events = _events(request)
    fields, file = MultiDict(), iter(())
    for event in events:
        if isinstance(event, Field):
            fields.add(event.name, _text(events))
        if isinstance(event, File):
            file = _content(events)
            break
    try:
        validate_csrf(fields.get("csrf_token") or request.headers.get("X-CSRFToken"))
    except ValidationError as error:
        raise CSRFError(error.args[0]) from None
    return fields, file


def _events(request: Request) -> Iterator[Event]:
    """What the body is made of (RFC 7578), as far as it has come in."""
    if request.mimetype != "multipart/form-data":
        return
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    decoder = MultipartDecoder(boundary, max_parts=PARTS_MOST)
    try:
        while True:
            chunk = request.stream.read(CHUNK)
            decoder.receive_data(chunk or None)
            while (event := decoder.next_event()) is not NEED_DATA:
                yield event
                if decoder.complete and not decoder.buffer:
                    return
            if len(decoder.buffer) > CHUNK + FIELDS_LARGEST:
                raise RequestEntityTooLarge
    except ValueError:
        raise BadRequest("The form is malformed, or it ended before its time.") from None


def _text(events: Iterator[Event]) -> str:
    text = bytearray()
    for data in _content(events):
        text += data
        if len(text) > FIELDS_LARGEST:
            raise RequestEntityTooLarge
    return text.decode("utf-8", "replace")


def _content(events: Iterator[Event]) -> Iterator[bytes]:
    """The data of one part."""
    for event in events:
        if isinstance(event, Data):
            if event.data:
                yield event.data
            if not event.more_data:
                return
