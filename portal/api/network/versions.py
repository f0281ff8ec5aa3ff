"""What versions of the API there are, and what is served in it."""

from flask import current_app, jsonify

from portal.api import links
from portal.api.routes import Routes

routes = Routes(__name__, "")


@routes.get("")
def index():
    link = {"rel": "self", "href": links.to("/network/v2.0/")}
    return jsonify(versions=[{"id": "v2.0", "status": "CURRENT", "links": [link]}])


@routes.get("/v2.0")
def show():
    return jsonify(
        resources=[
            {
                "name": noun.removesuffix("s"),
                "collection": noun,
                "links": [{"rel": "self", "href": links.to(f"/network/v2.0/{noun}")}],
            }
            for noun in _collections()
        ]
    )


def _collections() -> list[str]:
    """What can be listed below the version."""
    root = "/network/v2.0/"
    paths = (
        rule.rule.removeprefix(root)
        for rule in current_app.url_map.iter_rules()
        if rule.rule.startswith(root) and "GET" in (rule.methods or ())
    )
    return sorted({path for path in paths if path.replace("-", "_").isidentifier()})
