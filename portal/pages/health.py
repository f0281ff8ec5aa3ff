"""Whether the portal answers, for whatever watches it."""

from flask import Blueprint
from sqlalchemy import text

from portal.db import session

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def show():
    """200 and "ok" when the database answers too."""
    session.execute(text("SELECT 1"))
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}
