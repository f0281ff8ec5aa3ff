"""What a host reads of itself: every setting is known, only the first have to be there."""

import pytest

from workers import config, consoles

FIRST = """[host]
name = kvm-1
key = eyCCFmyLMxUQzIWdFfEsWbUBZYZ0TtIGOO8rcqWYTmU=
redis_url = unix:///run/redis.sock
state_directory = {state}
driver = fake
image_store = /srv/images
accelerator = auto
"""


@pytest.fixture
def path(tmp_path):
    """The settings of the first installation that there was."""
    path = tmp_path / "host.ini"
    path.write_text(FIRST.format(state=tmp_path / "state"))
    return path


def test_settings_of_an_older_installation_are_enough_to_start(path, tmp_path):
    with path.open("a") as file:
        file.write(f"runtime_directory = {tmp_path}\n")
    settings = config.read(path)
    assert (settings.console_group, settings.short_workers) == ("", 2)
    with consoles.listen(settings):
        assert (tmp_path / "agent.sock").stat().st_mode & 0o777 == 0o600


def test_a_setting_that_is_added_at_the_end_is_read(path):
    with path.open("a") as file:
        file.write("console_group = portico\n")
    assert config.read(path).console_group == "portico"


def test_a_setting_that_nobody_knows_is_named(path):
    with path.open("a") as file:
        file.write("colour = blue\n")
    with pytest.raises(ValueError, match="unknown setting colour"):
        config.read(path)


def test_a_setting_that_is_missing_is_named(path):
    path.write_text(path.read_text().replace("key = ", "# "))
    with pytest.raises(ValueError, match="'key'"):
        config.read(path)
