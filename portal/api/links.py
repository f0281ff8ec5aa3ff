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
    path = quote(request.path)
    return to(f"{path}?{urlencode(list(query.items(multi=True)))}" if query else path)


def of_list(following: str | None = None) -> dict:
    """What Keystone says beside a list: where it is, and where it goes on, if it does."""
    return {"self": here(), "previous": None, "next": following}
