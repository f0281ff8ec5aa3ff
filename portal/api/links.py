"""Absolute URLs of this API, by the scheme and the host that the request came to."""

from urllib.parse import quote, urlencode

from flask import request


def to(path: str) -> str:
    """The URL of `path`, which begins with a slash. Proxies are taken into account as everywhere:
    Werkzeug's ProxyFix has set what the request says of itself."""
    return f"{request.root_url.rstrip('/')}{path}"


def here(**changes) -> str:
    """The URL of this request with its query, in which `changes` replace what is there; None
    takes it away."""
    query = request.args.copy()
    for name, value in changes.items():
        query.poplist(name)
        if value is not None:
            query.add(name, str(value))
    return to(path_with(query))


def path_with(query) -> str:
    """The path of this request with this query."""
    path = quote(request.path)
    return f"{path}?{urlencode(list(query.items(multi=True)))}" if query else path
