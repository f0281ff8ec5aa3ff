"""The screen of an instance for whoever holds a ticket: what programs were given the address of.

The address bears the ticket behind a `#`, which browsers send to nobody: no log and no other site
learns of it. The page's script shows it once, as a subprotocol.
"""

from flask import Blueprint, g, render_template, request

from portal.pages import consoles as pages_of_consoles
from portal.services import consoles

pages = Blueprint("screens", __name__, url_prefix="/screen")


@pages.get("")
def show():
    return pages_of_consoles.with_a_socket(render_template("screens/show.html"))


@pages.route("/socket", websocket=True)
def socket():
    pages_of_consoles.require_a_handshake()
    actor, instance, token_id = consoles.admit_bearer(
        pages_of_consoles.presented(),
        origin=request.headers.get("Origin", ""),
        address=request.remote_addr or "",
        request_id=g.request_id,
    )
    place = token_id, instance.project_id, instance.id
    return pages_of_consoles.relay(
        actor, instance, lambda: consoles.reason_to_close_to_bearer(*place)
    )
