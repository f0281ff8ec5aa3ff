"""What went wrong, in the shape of the service that was asked.

One table of shapes, one of statuses: a refusal of `portal.errors` becomes what clients of that
service know. https://docs.openstack.org/api-guide/compute/faults.html
"""

import dataclasses
import html
import json
import logging

from flask import Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, default_exceptions

from portal.api import links
from portal.errors import InUse, NotFound, OverQuota, Refused
from portal.models import Network
from portal.services import finding, ports, subnets

BROKEN = "Something broke here. Whoever administers this cloud finds it in the log by the number."
SAID_AS_400 = {"os_security_groups", "os_security_group_rules"}  # by Nova, where Neutron says 409
OF_ONE_THING = {"PUT", "PATCH", "DELETE"}  # methods that are about one thing
OVER_QUOTA = {"compute": 403, "network": 409, "image": 413, "volume": 413}

log = logging.getLogger(__name__)


@dataclasses.dataclass
class Fault(Exception):
    """An answer that is none of what was wanted. `kind` is its name in services that have names
    for faults, where it is another than its status says."""

    status: int
    sentence: str
    kind: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def title(self) -> str:
        """What HTTP calls its status: "Not Found"."""
        error = default_exceptions.get(self.status)
        return error().name if error else "Error"


def bad(sentence: str) -> Fault:
    """400: what was sent is not what can be understood."""
    return Fault(400, sentence)


def nobody() -> Fault:
    """401: whoever asks shows no token that is good for anything."""
    return Fault(401, "The request you have made requires authentication.")


def answer(error: Exception, service: str) -> Response:
    """The response that says so. What nobody thought of is in the log, by the request's number."""
    fault = _fault(error, service)
    content, kind = SHAPES[service](fault)
    response = Response(content, fault.status, content_type=kind)
    response.headers.extend(fault.headers)
    if fault.status == 401:
        response.headers["WWW-Authenticate"] = f'Keystone uri="{links.to("/identity")}"'
    return response


def _fault(error: Exception, service: str) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, Refused):
        return _of_refusal(error, service)
    names_nothing = request.path.endswith("/") and request.method in OF_ONE_THING
    if isinstance(error, MethodNotAllowed) and names_nothing:  # its id is empty
        return _of_refusal(NotFound("The resource could not be found."), service)
    if isinstance(error, HTTPException) and (error.code or 0) >= 400:
        kept = ("Allow", "Retry-After", "Content-Range")
        given = dict(error.get_headers())
        return Fault(
            error.code,
            error.description or error.name,
            headers={name: given[name] for name in kept if name in given},
        )
    if isinstance(error, HTTPException):  # it would send a client elsewhere
        return _of_refusal(NotFound("There is nothing at this path."), service)
    log.error("%s %s %s", g.get("request_id"), request.method, request.path)
    log.error("it broke", exc_info=error)
    return Fault(500, BROKEN)


def _of_refusal(refused: Refused, service: str) -> Fault:
    status = 400 if refused.status == 422 else refused.status
    sentence = " ".join(map(str, refused.mistakes))
    fault = Fault(status, sentence)
    if status == 409 and {*(request.endpoint or "").split(".")} & SAID_AS_400:
        fault.status = 400
    if service == "network":
        fault.kind = _network_kind(refused)
    if isinstance(refused, OverQuota):
        fault.status, fault.kind = OVER_QUOTA.get(service, 403), "OverQuota"
    if refused.retry_after:
        fault.headers["Retry-After"] = str(refused.retry_after)
    return fault


def _network_kind(refused: Refused) -> str:
    """What Neutron calls it, "" for what its status says: of things by their own name, or by that
    of the routes that were asked."""
    noun = (request.endpoint or "").split(".")[1:2]
    asked = "".join(each.capitalize() for each in "".join(noun).removesuffix("s").split("_"))
    match refused:
        case NotFound() if asked:
            return f"{NAMED.get(refused.sentence, asked)}NotFound"
        case InUse():
            return FIELDS_IN_USE.get(refused.field or "", f"{asked}InUse")
    return "InvalidInput" if refused.status == 422 else ""


NAMED = {
    finding.KINDS[Network].missing.template: "Network",
    subnets.MISSING.template: "Subnet",
    ports.MISSING.template: "Port",
    ports.MISSING_GROUP.template: "SecurityGroup",
}
FIELDS_IN_USE = {
    "address": "IpAddressInUse",
    "mac": "MacAddressInUse",
    "gateway": "GatewayConflictWithAllocationPools",
}
COMPUTE_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
NETWORK_NAMES = {
    400: "HTTPBadRequest",
    401: "HTTPUnauthorized",
    403: "PolicyNotAuthorized",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    406: "HTTPNotAcceptable",
    409: "Conflict",
    412: "HTTPPreconditionFailed",
    413: "HTTPRequestEntityTooLarge",
    415: "HTTPUnsupportedMediaType",
    429: "HTTPTooManyRequests",
    503: "HTTPServiceUnavailable",
}


def _identity(fault: Fault) -> tuple[str, str]:
    error = {"code": fault.status, "title": fault.title, "message": fault.sentence}
    return json.dumps({"error": error}), "application/json"


def _compute(fault: Fault) -> tuple[str, str]:
    said = {"code": fault.status, "message": fault.sentence}
    if "Retry-After" in fault.headers:
        said["retryAfter"] = fault.headers["Retry-After"]
    name = COMPUTE_NAMES.get(fault.status, "computeFault")
    return json.dumps({name: said}), "application/json"


def _network(fault: Fault) -> tuple[str, str]:
    kind = fault.kind or NETWORK_NAMES.get(fault.status, "HTTPInternalServerError")
    said = {"type": kind, "message": fault.sentence, "detail": ""}
    return json.dumps({"NeutronError": said}), "application/json"


def _image(fault: Fault) -> tuple[str, str]:
    """As HTML, which clients of images expect: they take the tags away."""
    head = f"{fault.status} {fault.title}"
    page = (
        f"<html>\n <head>\n  <title>{head}</title>\n </head>\n <body>\n  <h1>{head}</h1>\n"
        f"  {html.escape(fault.sentence)}<br /><br />\n\n\n </body>\n</html>"
    )
    return page, "text/html; charset=UTF-8"


SHAPES = {
    "identity": _identity,
    "compute": _compute,
    "network": _network,
    "image": _image,
    "volume": _compute,
    "portico": _identity,
}
