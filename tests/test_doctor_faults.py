"""Each fault is planted, named in a sentence with what mends it, and gone when that is done."""

import dataclasses
import re
import sys
import time
from collections.abc import Callable

import pytest
from sqlalchemy import update

from portal import config, migrations
from portal.db import session
from portal.models import Flavor, User
from portal.services import hosts
from tests import faults
from tests.cloud import host_row
from tests.conftest import install
from tests.servers import RedisServer
from tests.strangers import leave
from tests.ward import Ward
from workers import consoles, wire

MEND = "nft 'insert rule ip filter FORWARD iifname \"pout*\" accept'"


@pytest.fixture
def ward(tmp_path, clock):
    server = RedisServer(tmp_path)
    server.start()
    data = tmp_path / "data"
    data.mkdir()
    cloud = install(data, server.url, clock, f"sqlite:///{data}/portico.db")
    yield Ward(cloud, server)
    session.remove()
    server.stop()


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that goes wrong: how, what is said of it, what is said to mend it, and how that
    is done. What is typed needs no `done`."""

    plant: Callable[[Ward], object]
    says: str
    mend: str
    done: Callable[[Ward], object] | None = None


FAULTS = {
    "the data directory is gone": Fault(
        lambda ward: (ward.rest(), ward.directory.rename(ward.backup)),
        "The data directory .* can be written",
        "mkdir -m 750 -p ",
    ),
    "the secret is gone": Fault(
        lambda ward: ward.directory.joinpath("secret.key").unlink(),
        "The secret .* is there",
        "flask prepare",
    ),
    "the secret is another": Fault(
        lambda ward: (
            ward.back_up(),
            (ward.directory / "secret.key").unlink(),
            ward.type("flask prepare"),
        ),
        "The secret of the portal opens the key of kvm-1",
        "Put .*secret.key back from a backup",
        lambda ward: ward.put_back(ward.directory / "secret.key"),
    ),
    "others read the secret": Fault(
        lambda ward: ward.directory.joinpath("secret.key").chmod(0o644),
        "The secret .* is its owner's alone",
        "chmod 600 ",
    ),
    "others look into the data directory": Fault(
        lambda ward: ward.directory.chmod(0o755), "Nobody else looks into ", "chmod o-rwx "
    ),
    "the database is something else": Fault(
        faults.replace_the_database,
        "The database answers: file is not a database",
        "put .*portico.db back from a backup",
        lambda ward: ward.put_back(ward.database),
    ),
    "the database is damaged": Fault(
        faults.overwrite_a_page,
        "The database is whole: |The database answers: .*malformed",
        "put .*portico.db back from a backup",
        lambda ward: ward.put_back(ward.database),
    ),
    "the database has an older shape": Fault(
        faults.downgrade, "The database has the newest shape", "flask prepare"
    ),
    "the database has a newer shape": Fault(
        lambda _: faults.set_version("ffffffffffff"),
        "it has ffffffffffff, of a newer one",
        "Start the release again that the database was last used by",
        lambda _: faults.set_version(migrations.newest(config.current().database)),
    ),
    "passwords cross the network": Fault(
        lambda _: faults.change_settings(listen="0.0.0.0:8080"),
        "The portal is reached by https, or only from this machine",
        "Start it by scripts/up --listen ADDRESS, which speaks https",
        lambda _: faults.change_settings(listen="127.0.0.1:8080", secure_cookies=True),
    ),
    "Redis does not run": Fault(
        lambda ward: ward.redis_server.stop(),
        "Redis answers: ",
        "Start it",
        lambda ward: (ward.redis_server.start(), ward.be_there()),
    ),
    "Redis takes nothing": Fault(
        lambda ward: ward.cloud.redis.config_set("maxmemory", 1),
        "Redis takes what is written: .*maxmemory",
        "Give it memory",
        lambda ward: ward.cloud.redis.config_set("maxmemory", 0),
    ),
    "Redis forgets jobs": Fault(
        lambda ward: ward.cloud.redis.config_set("maxmemory-policy", "allkeys-lru"),
        "Redis forgets nothing to make room .*allkeys-lru",
        "redis-cli CONFIG SET maxmemory-policy noeviction",
    ),
    "no conductor runs": Fault(
        lambda ward: ward.leader.resign(),
        "A conductor leads$",
        "Start one",
        lambda ward: ward.leader.leads(),
    ),
    "the clock was set back, and the conductor died": Fault(
        faults.set_back,
        "A conductor leads: the last that did wrote down",
        "clock",
        faults.lead_anew,
    ),
    "nobody administers": Fault(
        lambda _: faults.execute(update(User).where(User.name == "ada").values(enabled=False)),
        "Administrators who can sign in: 0",
        "flask create-admin NAME",
    ),
    "there is no flavor": Fault(
        lambda _: faults.execute(update(Flavor).values(enabled=False)),
        "Flavors on offer: 0",
        "Make one under Flavors",
        faults.open_a_flavor,
    ),
    "there is no image": Fault(
        faults.delete_images,
        "Images: 0",
        "flask add-image FILE",
        lambda ward: ward.type(f"flask add-image {ward.directory.parent}/FILE --name Demo"),
    ),
    "an image's file is gone": Fault(
        faults.remove_the_image,
        "The file of the image Demo Linux is whole: it is not there",
        "Put back .* from a backup",
        lambda ward: ward.put_back(ward.image),
    ),
    "an image's file is cut short": Fault(
        faults.cut_the_image_short,
        "The file of the image Demo Linux is whole: it has 512 bytes of",
        "Put back .* from a backup",
        lambda ward: ward.put_back(ward.image),
    ),
    "an image was altered": Fault(
        faults.alter_the_image,
        "The file of the image Demo Linux is whole: its content was altered",
        "Put back .* from a backup",
        lambda ward: ward.put_back(ward.image),
    ),
    "an image can be altered": Fault(
        lambda ward: ward.image.chmod(0o666),
        "Nobody can write to the file of the image Demo Linux",
        "chmod a-w ",
    ),
    "a file in the store belongs to nothing": Fault(
        faults.leave_a_file,
        "Files in the image store that no image names: 1",
        "flask strangers --remove",
        lambda ward: ward.type("flask strangers --remove"),
    ),
    "a host does not answer": Fault(
        lambda ward: (faults.stop_all(ward, minutes=2), ward.leader.leads()),
        "kvm-1 was last heard [0-9]+ min ago",
        "See whether the machine is on",
        faults.start_all,
    ),
    "a host's worker does not answer": Fault(
        faults.stop_the_worker,
        "kvm-1 is heard, and has not said for",
        "Its worker does not run",
        faults.start_all,
    ),
    "a host is in maintenance": Fault(
        lambda ward: hosts.enable(
            ward.cloud.actor("ada"), host_row().id, enabled=False, reason="new memory"
        ),
        r"kvm-1 is in maintenance \(new memory\)",
        "Take it out of maintenance",
        lambda ward: hosts.enable(ward.cloud.actor("ada"), host_row().id, enabled=True),
    ),
    "a host's clock is wrong": Fault(
        lambda ward: ward.cloud.redis.hset(
            wire.beat("kvm-1"), wire.BEAT_TIME, repr(time.time() + 3600)
        ),
        "The clock of kvm-1 is right: it is 3[56][0-9]{2} s ahead of the portal's",
        "Set the clock of kvm-1",
        lambda ward: ward.cloud.beat(),
    ),
    "the socket of an agent is gone": Fault(
        lambda ward: (ward.cloud.host_config("kvm-1").runtime_directory / "agent.sock").unlink(),
        "Consoles of kvm-1 can be reached at .*: No such file",
        "start the agent",
        lambda ward: consoles.serve(ward.cloud.host_config("kvm-1")),
    ),
    "a host is nearly full": Fault(
        lambda ward: faults.put(ward, "host", "full", {"free_gib": 1}),
        "kvm-1 has 1 GiB free on its disk, and gets nothing new",
        "Make room on kvm-1",
        lambda ward: faults.drop(ward, "host", "full"),
    ),
    "a guest has no space": Fault(
        faults.starve_a_guest,
        "On kvm-1 the guest .* has no space left",
        "Make room",
        faults.feed_guests,
    ),
    "a firewall is in the way of guests": Fault(
        lambda ward: faults.put(ward, "obstacle", "a chain drops what guests send", {"mend": MEND}),
        "On kvm-1 a chain drops what guests send",
        "Run as root on kvm-1: nft ",
        lambda ward: faults.drop(ward, "obstacle", "a chain drops what guests send"),
    ),
    "something on a host belongs to nothing": Fault(
        lambda ward: (leave(ward.cloud.hosts["kvm-1"], "bridge pbr9", "9"), ward.cloud.look()),
        "Things on kvm-1 that belong to no instance: 1",
        "flask strangers --remove",
        faults.clean,
    ),
    "a change was left behind": Fault(
        faults.leave_a_change_behind,
        "Changes open beyond their deadline: 1",
        "The conductor ends them",
        faults.settle,
    ),
    "the record was altered": Fault(
        faults.alter_the_record,
        "The record is whole: entry .* was altered",
        "Compare the record with that of a backup",
        faults.restore_the_record,
    ),
    "the record is not sealed": Fault(
        faults.write_unsealed,
        "The record is whole: entries are not sealed",
        "start it",
        faults.seal,
    ),
}


def named(fault: Fault, found: dict[str, str]) -> list[tuple[str, str]]:
    return [(what, mend) for what, mend in found.items() if re.search(fault.says, what)]


def test_an_installation_that_is_well_needs_no_mending(ward):
    assert ward.wrong() == {}


@pytest.mark.parametrize("name", FAULTS)
def test_the_doctor_names_it_and_what_mends_it_does(ward, name):
    fault = FAULTS[name]
    assert not named(fault, ward.wrong())
    fault.plant(ward)
    [(_, mend)] = named(fault, ward.wrong())
    assert re.search(fault.mend, mend)
    if fault.done:
        fault.done(ward)
    else:
        ward.type(mend)
    assert not named(fault, ward.wrong())


@pytest.mark.parametrize("setting", ["NONSENSE=1", "WEB_THREADS=2", "LOGIN_ATTEMPTS_PER_MINUTE=a"])
def test_a_setting_that_is_wrong_is_named_and_not_traced(ward, setting):
    name, _, value = setting.partition("=")
    words = (sys.executable, "-m", "flask", "--app", "portal.wsgi", "doctor")
    said = ward.run(*words, **{f"PORTICO_{name}": value})
    assert name.lower() in said
    assert "Correct that" in said
    assert "Traceback" not in said
    assert "Correct that" not in ward.run(*words)
