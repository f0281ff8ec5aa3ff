"""What gunicorn and the flask command load: the application with the settings in force."""

import sys

from portal import config, create_app, garbage, keys, relay

# Each time a thread comes back from the database, it waits so long for one that renders a page.
# https://docs.python.org/3/library/sys.html#sys.setswitchinterval (5 ms, unless told)
SWITCH_SECONDS = 0.0005

try:
    settings = config.read_in_force()
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o750)
    settings.image_store.mkdir(exist_ok=True, mode=0o750)
    keys.make_secret(settings.secret_key_file)
    app = create_app(settings)
except (ValueError, OSError) as wrong:  # a setting, or what it names
    raise SystemExit(f"Portico cannot start. {wrong}. Correct that, and start it again.") from None
relay.end_with_the_server()
sys.setswitchinterval(SWITCH_SECONDS)
garbage.spare_what_stays()
