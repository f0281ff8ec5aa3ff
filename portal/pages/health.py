"""Whether the portal answers, for whatever watches it."""

from flask import Blueprint
from sqlalchemy import select, text

from portal.db import session
from portal.models import Host

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def show():
    """200 and "ok" when the database answers too."""
    session.execute(text("SELECT 1"))
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}


@pages.get("/healthz/hosts")
def hosts():
    """Says "ok" when a host answers and has said what it has, so that it can take instances; else
    "none"."""
    known = session.scalars(select(Host).where(Host.observed_at.is_not(None)))
    words = "ok" if any(host.placeable for host in known) else "none"
    return f"{words}\n", {"Content-Type": "text/plain; charset=utf-8"}
