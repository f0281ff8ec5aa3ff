"""What gunicorn and the flask command load: the application with the settings in force."""

from portal import config, create_app, garbage, keys, relay

settings = config.read_in_force()
settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o750)
settings.image_store.mkdir(exist_ok=True, mode=0o750)
keys.make_secret(settings.secret_key_file)
app = create_app(settings)
relay.end_with_the_server()
garbage.spare_what_stays()
