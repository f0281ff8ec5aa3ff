"""The screen of an instance: a page, a ticket, and the WebSocket that the ticket opens."""

import base64
import contextlib
import functools
from collections.abc import Callable

from flask import Blueprint, Response, abort, make_response, render_template, request
from flask_login import current_user
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import NotImplemented as NotSupported

from portal import agents, config
from portal.db import session
from portal.errors import Refused, Unavailable
from portal.models import Instance
from portal.pages import CONTENT_SECURITY_POLICY, remember_refusal
from portal.places import Places
from portal.policies import Actor, authorize
from portal.relay import OVER, Browser, Relay
from portal.sentences import Sentence
from portal.services import consoles, instances

TICKET = "ticket."  # begins the subprotocol that carries it
VERSION, KEY_BYTES = "13", 16  # of WebSocket, and of what a handshake is told by
FULL_SECONDS = 30  # until somebody may have closed one

pages = Blueprint(
    "consoles",
    __name__,
    url_prefix="/projects/<uuid:project_id>/instances/<uuid:instance_id>/console",
)


class Spoken(Response):
    """What a view gives back that has spoken on the socket itself: nothing more is to be written.

    gunicorn's threads take StopIteration for a connection that is over.
    """

    def __call__(self, environ, start_response):
        raise StopIteration


@pages.get("")
def show(project_id, instance_id):
    instance = instances.find(current_user.actor, project_id, instance_id)
    authorize(current_user.actor, "instances:console", project_id)
    return with_a_socket(render_template("consoles/show.html", instance=instance))


@pages.post("/ticket")
def ticket(project_id, instance_id):
    """For the page's script: the ticket, or the sentence that says why there is none."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    try:
        with _room(current_user.actor, project_id):
            minted = consoles.ticket(
                current_user.actor,
                project_id,
                instance_id,
                session_id=current_user.session.id,
                origin=_origin(),
            )
    except Refused as refused:
        remember_refusal(refused)
        if refused.retry_after:
            headers["Retry-After"] = str(refused.retry_after)
        return str(refused), refused.status, headers
    return minted, headers


@pages.route("/socket", websocket=True)
def socket(project_id, instance_id):
    require_a_handshake()
    session_id = current_user.session.id
    instance = consoles.admit(
        current_user.actor,
        project_id,
        instance_id,
        presented(),
        session_id=session_id,
        origin=request.headers.get("Origin", ""),
    )
    place = session_id, project_id, instance_id
    return relay(current_user.actor, instance, lambda: consoles.reason_to_close(*place))


def with_a_socket(page: str) -> Response:
    """The page may open a WebSocket to where it comes from."""
    answer = make_response(page)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
        "connect-src 'self'", f"connect-src 'self' {_web_socket_origin()}"
    )
    return answer


def relay(actor: Actor, instance: Instance, reason_to_close: Callable[[], str]) -> Spoken:
    """The screen of the instance was shown to the browser of this request, until there was a
    reason to close it."""
    with _room(actor, instance.project_id):
        try:
            screen = agents.open_screen(instance)
        except Unavailable as unavailable:  # a refusal before the upgrade is hidden from scripts
            with contextlib.suppress(OSError):
                _browser().dismiss(OVER, str(unavailable))
            return Spoken()
        with screen:
            consoles.opened(actor, instance)
            Relay(_browser(), screen).run(lambda: _said(reason_to_close))
    return Spoken()


def require_a_handshake() -> None:
    """RFC 6455, 4.2.1 and 4.4. Raises what is answered to any other."""
    if "gunicorn.socket" not in request.environ:
        raise NotSupported
    if request.headers.get("Sec-WebSocket-Version") != VERSION:
        answer = Response("This speaks version 13 of WebSocket.\n", 426, mimetype="text/plain")
        answer.headers.update({"Sec-WebSocket-Version": VERSION, "Upgrade": "websocket"})
        abort(answer)
    try:
        key = base64.b64decode(request.headers.get("Sec-WebSocket-Key", ""), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadRequest("The WebSocket's key is malformed.")


def _browser() -> Browser:
    return Browser(request.environ["gunicorn.socket"], request.headers)


def _said(reason_to_close: Callable[[], str]) -> str:
    try:
        return reason_to_close()
    except DBAPIError:
        return "The portal cannot look whether you still may see it."
    finally:
        session.remove()  # nothing of the database is held between two looks


def _room(actor: Actor, project_id) -> contextlib.AbstractContextManager:
    """Within it there is one console more of this person in this project. Raises Busy when there
    are as many as may be."""
    places = _places(config.current().consoles_at_once)
    return places.one(actor.user_id, project_id)


@functools.cache
def _places(consoles_at_once: int) -> Places:
    return Places(
        consoles_at_once,
        full=Sentence("As many consoles are open as may be at a time."),
        each="consoles open",
        retry_after=FULL_SECONDS,
    )


def presented() -> str:
    """The ticket among the subprotocols that the browser offers: no log writes those down."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    tickets = [each.strip().removeprefix(TICKET) for each in offered if TICKET in each]
    return tickets[0] if tickets else ""


def _origin() -> str:
    return request.host_url.rstrip("/")


def _web_socket_origin() -> str:
    return _origin().replace("http", "ws", 1)
