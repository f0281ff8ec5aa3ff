"""Settings of Horizon, OpenStack's own web pages, as a client of the cloud at PORTICO_URL."""

import os
import tempfile

from openstack_dashboard.settings import *  # noqa: F403

_PLACE = os.environ["HORIZON_PLACE"]
DEBUG = True  # so that it serves its own static files
SECRET_KEY = "only for a test, on the loopback address"
ALLOWED_HOSTS = ["*"]
OPENSTACK_HOST = "127.0.0.1"
OPENSTACK_KEYSTONE_URL = os.environ["PORTICO_URL"] + "/identity/v3"
OPENSTACK_KEYSTONE_DEFAULT_DOMAIN = "Default"
COMPRESS_ENABLED = COMPRESS_OFFLINE = False
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STATIC_ROOT = os.path.join(_PLACE, "static")
LOCAL_PATH = _PLACE
tempfile.tempdir = _PLACE
