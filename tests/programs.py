"""A program that speaks to the API, as a client library does."""

from tests.cloud import PASSWORD

TOKENS = "/identity/v3/auth/tokens"
DOMAIN = {"id": "default"}


class Program:
    """Sends a token with all that it asks."""

    def __init__(self, app, token: str = ""):
        self.client = app.test_client(use_cookies=False)
        self.token = token

    def sign_in(self, name: str, scope: str = "", password: str = PASSWORD) -> "Program":
        """By password, for the project of this name, for the whole cloud ("system"), or for
        nothing ("")."""
        answer = self.client.post(TOKENS, json=by_password(name, scope, password))
        assert answer.status_code == 201, answer.text
        self.token = answer.headers["X-Subject-Token"]
        return self

    def ask(self, method: str, path: str, **more):
        headers = {"X-Auth-Token": self.token} if self.token else {}
        headers |= more.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, **more)

    def get(self, path: str, **more):
        return self.ask("GET", path, **more)

    def post(self, path: str, body: dict | None = None, **more):
        return self.ask("POST", path, **({"json": body} | more))

    def put(self, path: str, body: dict | None = None, **more):
        return self.ask("PUT", path, **({"json": body} if body is not None else {}) | more)

    def patch(self, path: str, body: dict, **more):
        return self.ask("PATCH", path, **({"json": body} | more))

    def delete(self, path: str, **more):
        return self.ask("DELETE", path, **more)


def by_password(name: str, scope: str = "", password: str = PASSWORD) -> dict:
    """The body of a request for a token."""
    user = {"name": name, "domain": DOMAIN, "password": password}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity} | _scope(scope)}


def _scope(scope: str) -> dict:
    if not scope:
        return {}
    if scope == "system":
        return {"scope": {"system": {"all": True}}}
    return {"scope": {"project": {"name": scope, "domain": DOMAIN}}}
