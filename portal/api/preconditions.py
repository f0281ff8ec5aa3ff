"""The guard against lost updates: an ETag with everything that is looked at by itself, and changes
that are made only if it is still so.

https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

from flask import request

from portal.api import faults
from portal.db import session
from portal.models import Image, Instance, Network, Port, Project, SecurityGroup, Subnet, User
from portal.services import marks

THINGS = {  # arguments of paths that name what has a mark
    "server_id": Instance,
    "image_id": Image,
    "network_id": Network,
    "subnet_id": Subnet,
    "port_id": Port,
    "security_group_id": SecurityGroup,
    "chosen_id": Project,
    "user_id": User,
}


def heed() -> None:
    """What is about to be changed is changed only if it is as `If-Match` has it. Raises Fault, 400,
    where nothing has a mark by which to tell."""
    if request.method in ("GET", "HEAD", "OPTIONS") or not request.if_match:
        return
    if request.if_match.star_tag:  # it has to be there, which it has to be anyway
        return
    name = _named()
    if name is None:
        raise faults.bad("Nothing here bears an ETag: leave If-Match out.")
    marks.change_only(THINGS[name], request.view_args[name], set(request.if_match.as_set()))


def tell(response) -> None:
    """Who is shown one thing, as it is or as they have changed it, is told its mark."""
    name = _named()
    whole = name is not None and request.url_rule.rule.endswith(f":{name}>")
    if not whole or response.status_code != 200 or request.method == "DELETE":
        return
    thing = session.get(THINGS[name], request.view_args[name])
    if thing is not None:
        response.set_etag(marks.mark(thing))


def _named() -> str | None:
    """The argument of the path that names the thing: the first that has a mark."""
    given = request.view_args or {}
    return next((name for name in given if name in THINGS), None)
