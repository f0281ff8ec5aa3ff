"""Faults as they happen to an installation, and what an operator does about them."""

import dataclasses
import os
import shutil
import sqlite3
import time

from alembic import command
from sqlalchemy import select, text, update

from portal import config, migrations
from portal.conductor.lead import Leader
from portal.db import now, session, transaction
from portal.models import Activity, Image
from portal.models.lease import LASTS
from portal.services import flavors, hosts, seals, strangers
from tests.cloud import host_row
from tests.ward import Ward
from workers.specs import NO_SPACE


def execute(*statements) -> None:
    with transaction():
        for each in statements:
            session.execute(each)


def overwrite_a_page(ward: Ward) -> None:
    ward.back_up()
    with sqlite3.connect(ward.database) as connection:
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        root = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'activities'"
        ).fetchone()[0]
    connection.close()
    with open(ward.database, "r+b") as file:
        file.seek((root - 1) * page)
        file.write(os.urandom(page))


def replace_the_database(ward: Ward) -> None:
    ward.back_up()
    ward.database.write_text("This is no database. " * 300)


def downgrade(ward: Ward) -> None:
    ward.rest()
    command.downgrade(migrations.settings(config.current().database), "-1")


def set_version(version: str) -> None:
    execute(text("UPDATE alembic_version SET version_num = :version").bindparams(version=version))


def change_settings(**changes) -> None:
    config.use(dataclasses.replace(config.current(), **changes))


def stop_all(ward: Ward, **after) -> None:
    ward.cloud.silent.add("kvm-1")
    ward.cloud.clock.forward(**after)


def start_all(ward: Ward) -> None:
    ward.cloud.silent.clear()
    ward.be_there()


def stop_the_worker(ward: Ward) -> None:
    ward.cloud.clock.forward(minutes=4)
    ward.cloud.beat()
    ward.cloud.ear.listen()
    ward.leader.leads()


def lead_anew(ward: Ward) -> None:
    another = Leader("another")
    another.leads()
    ward.cloud.clock.forward(seconds=LASTS.total_seconds() + 1)
    ward.cloud.observe()
    assert another.leads()


def set_back(ward: Ward) -> None:
    ward.cloud.clock.set_forward(hours=-1)
    ward.cloud.observe()


def alter_the_image(ward: Ward) -> None:
    ward.back_up()
    ward.image.chmod(0o644)
    with open(ward.image, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xa5")
    ward.image.chmod(0o444)


def cut_the_image_short(ward: Ward) -> None:
    ward.back_up()
    ward.image.chmod(0o644)
    os.truncate(ward.image, 512)


def remove_the_image(ward: Ward) -> None:
    ward.back_up()
    ward.image.unlink()


def delete_images(ward: Ward) -> None:
    shutil.copy(ward.image, ward.directory.parent / "FILE")
    ward.image.unlink()
    execute(update(Image).values(deleted_at=now()))


def leave_a_file(ward: Ward) -> None:
    file = config.current().image_store / ("e" * 64)
    file.write_bytes(b"nobody's")
    os.utime(file, (time.time() - 7200,) * 2)


def put(ward: Ward, kind: str, thing_id: str, value: dict) -> None:
    ward.cloud.hosts["kvm-1"].put(kind, thing_id, value)
    ward.cloud.look()


def drop(ward: Ward, kind: str, thing_id: str) -> None:
    ward.cloud.hosts["kvm-1"].drop(kind, thing_id)
    ward.cloud.look()


def starve_a_guest(ward: Ward) -> None:
    instance = ward.cloud.running()
    guest = ward.cloud.hosts["kvm-1"].get("guest", str(instance.id))
    put(ward, "guest", str(instance.id), guest | {"reason": NO_SPACE})


def feed_guests(ward: Ward) -> None:
    for guest_id, guest in ward.cloud.hosts["kvm-1"].every("guest").items():
        put(ward, "guest", guest_id, guest | {"reason": ""})


def leave_a_change_behind(ward: Ward) -> None:
    ward.cloud.create()
    stop_all(ward, minutes=40)


def settle(ward: Ward) -> None:
    ward.cloud.silent.clear()
    ward.cloud.settle()


def clean(ward: Ward) -> None:
    strangers.remove(ward.cloud.actor("ada"), host_row().id, strangers.on(host_row()))
    ward.cloud.settle()


def write_unsealed(ward: Ward) -> None:
    hosts.enable(ward.cloud.actor("ada"), host_row().id, enabled=True)
    ward.cloud.clock.forward(minutes=20)
    ward.leader.leads()
    ward.cloud.observe()


def seal(_ward: Ward) -> None:
    while seals.seal(everything=True):
        continue


def alter_the_record(_ward: Ward) -> None:
    name = select(Activity.id).order_by(Activity.created_at).limit(1).scalar_subquery()
    execute(update(Activity).where(Activity.id == name).values(description=Activity.user_name))
    execute(update(Activity).where(Activity.id == name).values(user_name="mallory"))


def restore_the_record(_ward: Ward) -> None:
    altered = Activity.user_name == "mallory"
    execute(update(Activity).where(altered).values(user_name=Activity.description))
    execute(update(Activity).values(description=""))


def open_a_flavor(ward: Ward) -> None:
    new = flavors.NewFlavor(name="tiny", vcpus=1, memory_mib=128, disk_gib=1)
    flavors.create(ward.cloud.actor("ada"), new)
