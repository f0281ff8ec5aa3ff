"""Portico's control plane. `create_app()` is the one place where the web application is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.config import Settings

ROOT = Path(__file__).resolve().parent.parent
BODY_LARGEST = 2**20  # bytes; uploads have limits of their own
PARTS_MOST = 1000  # of a form
YEAR_SECONDS = 365 * 24 * 3600


def create_app(settings: Settings) -> Flask:
    """The web application with these settings, connected to their database.

    What it needs is imported here: the conductor imports this package too, and never Flask.
    """
    from flask import Flask
    from flask_compress import Compress
    from werkzeug.middleware.proxy_fix import ProxyFix

    from portal import api, cli, config, db, doors, keys, pages
    from portal.auth import browser

    config.use(settings)
    db.connect(settings.database)
    app = Flask("portal", static_folder=ROOT / "static", template_folder=ROOT / "templates")
    app.config.update(
        SECRET_KEY=keys.signing_key(),
        SESSION_COOKIE_NAME="__Host-portico" if settings.secure_cookies else "portico",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        TRUSTED_HOSTS=settings.trusted_hosts.split(),
        MAX_CONTENT_LENGTH=BODY_LARGEST,
        MAX_FORM_PARTS=PARTS_MOST,
        WTF_CSRF_CHECK_DEFAULT=False,  # `auth.browser` has it checked, where there are pages
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; it ends with it
        WTF_CSRF_SSL_STRICT=False,  # our header keeps browsers from sending a Referer
        SEND_FILE_MAX_AGE_DEFAULT=YEAR_SECONDS,
        COMPRESS_MIMETYPES=[
            "text/html",
            "text/css",
            "text/javascript",
            "application/json",
            "image/svg+xml",
        ],
        COMPRESS_ALGORITHM=["br", "gzip"],
    )
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies)
    Compress(app)
    doors.install(app)
    browser.install(app)
    pages.install(app)
    api.install(app)
    cli.install(app)
    app.teardown_appcontext(lambda _: db.session.remove())
    return app
