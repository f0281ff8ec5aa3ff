"""The one domain: every user and every project is in it."""

from flask import jsonify, request

from portal.api import links
from portal.api.routes import Routes
from portal.auth import tokens
from portal.errors import Forbidden, NotFound, Refused
from portal.policies import authorize

ID, NAME = "default", "Default"
BRIEF = {"id": ID, "name": NAME}

routes = Routes(__name__, "/v3/domains")


@routes.get("")
def index():
    found = [_domain()] if meant({"name": request.args.get("name", NAME)}) else []
    return jsonify(domains=found, links=links.of_list())


@routes.get("/<domain_id>")
def show(domain_id):
    if domain_id != ID:
        raise NotFound("There is no domain but {id}.", id=ID)
    return jsonify(domain=_domain())


@routes.post("")
def create():
    authorize(tokens.actor(), "projects:change")
    raise _fixed()


@routes.patch("/<domain_id>")
@routes.delete("/<domain_id>")
def change(domain_id):
    authorize(tokens.actor(), "projects:change")
    if domain_id != ID:
        raise NotFound("There is no domain but {id}.", id=ID)
    raise _fixed()


def meant(named: dict) -> bool:
    """Whether {"id": ...} or {"name": ...} is this domain, or nothing is said of any."""
    return named.get("id", ID) == ID and str(named.get("name", NAME)).lower() == NAME.lower()


def refuse_others(id_: str | None, parent_id: str | None = None) -> None:
    """Raises NotFound for the id of another domain than this one, and Refused for a project within
    another."""
    if id_ not in (None, ID):
        raise NotFound("There is no domain but {id}.", id=ID)
    if parent_id not in (None, ID):
        raise Refused("No project of this cloud is within another.")


def _fixed() -> Forbidden:
    return Forbidden("The domain {id} is the only one of this cloud, and stays as it is.", id=ID)


def _domain() -> dict:
    return {
        **BRIEF,
        "enabled": True,
        "description": "The default domain",
        "tags": [],
        "options": {},
        "links": {"self": links.to(f"/identity/v3/domains/{ID}")},
    }
