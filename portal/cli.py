"""What an operator types: `flask prepare`, `add-host`, `doctor`, `strangers` and the few others."""

import hashlib
import os
import secrets
import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import click
from flask import Flask
from sqlalchemy import select

from portal import certificates, config, doctor, migrations
from portal.changes import CHANGES
from portal.db import now, session, transaction
from portal.errors import Refused
from portal.models import (
    Flavor,
    Host,
    Image,
    Operation,
    Outcome,
    Role,
    RoleAssignment,
    User,
    Visibility,
)
from portal.policies import COMMAND_LINE
from portal.services import hosts, images, projects, strangers, users
from workers.specs import Stranger

FIRST_FLAVORS = (("small", 1, 512, 5), ("medium", 2, 2048, 20), ("large", 4, 8192, 80))
FIRST_PROJECT = "home"
FIRST_IMAGE = "Demo Linux"
LOOK_SECONDS = 0.5  # between two looks at what is waited for
LOOKED_AT_WITHIN = timedelta(minutes=1)  # a host that answers, or the end of an operation


def install(app: Flask) -> None:
    """The commands are there. Each says a refusal in one line and ends with 1."""
    for command in (
        prepare,
        add_host,
        add_fake_image,
        add_image,
        create_admin,
        certificate_,
        deadlines,
        doctor_,
        strangers_,
    ):
        app.cli.add_command(command)
    app.cli.add_command(strangers_, "orphans")  # as it was called first


@click.command("prepare")
@click.option("--admin", default="admin", show_default=True, help="Name of the administrator.")
@click.option(
    "--first-image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A disk image for a catalogue that never had the demo image.",
)
def prepare(admin: str, first_image: Path | None) -> None:
    """Bring the database to the newest shape, and, into an empty one, put a beginning.

    The beginning is an administrator, a project, and flavors. The password is taken from
    PORTICO_ADMIN_PASSWORD, or made up and printed this once. Run again it changes nothing, and a
    demo image that was deleted stays deleted.
    """
    migrations.upgrade(config.current().database)
    if not session.scalar(select(User.id).limit(1)):
        _begin(admin)
    known = (Image.name == FIRST_IMAGE) & (Image.visibility == Visibility.PUBLIC)
    if first_image is None or session.scalar(select(Image.id).where(known).limit(1)):
        return
    images.register(
        COMMAND_LINE, first_image, name=FIRST_IMAGE, min_memory_mib=128, login_user="root"
    )
    click.echo(f"Image: {FIRST_IMAGE}")


def _begin(admin: str) -> None:
    given = os.environ.pop("PORTICO_ADMIN_PASSWORD", None)  # no program started here is given it
    password = given or secrets.token_urlsafe(12)
    with transaction():
        user = users.make_administrator(admin, password, must_change=not given)
        project = projects.add(FIRST_PROJECT)
        session.add(RoleAssignment(user_id=user.id, project_id=project.id, role=Role.ADMIN))
        for name, vcpus, memory_mib, disk_gib in FIRST_FLAVORS:
            session.add(Flavor(name=name, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib))
    click.echo(f"Administrator: {admin}")
    click.echo("Password: as given" if given else f"Password: {password}  (shown only now)")


@click.command("add-host")
@click.argument("name")
@click.option("--driver", type=click.Choice(["libvirt", "fake"]), default="libvirt")
@click.option("--state", required=True, help="The directory that it keeps its things in.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    help="INI file to write; - prints the settings, and nothing else.",
)
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="More settings.")
def add_host(name: str, driver: str, state: str, output: Path, options: tuple[str, ...]) -> None:
    """Make a host known, and write the settings that its worker and agent need.

    The file holds the host's key, so it is readable by its owner alone. On a machine of its own
    the file is copied there.
    """
    if output.exists():
        raise click.ClickException(f"{output} is there already; remove it to make a new host.")
    try:
        key = hosts.add(COMMAND_LINE, name, driver=driver)
    except Refused as refused:
        raise click.ClickException(str(refused)) from None
    settings = config.current()
    lines = [
        "[host]",
        f"name = {name}",
        f"key = {key}",
        f"redis_url = {settings.redis}",
        f"state_directory = {state}",
        f"driver = {driver}",
        f"image_store = {settings.image_store}",
        *(option.replace("=", " = ", 1) for option in options),
    ]
    text = "\n".join(lines) + "\n"
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    click.echo(f"Host {name} is known; its settings are in {output}.")


@click.command("add-fake-image")
def add_fake_image() -> None:
    """Put an image that fake hosts can use into a catalogue that has none."""
    if session.scalar(select(Image.id).limit(1)):
        return
    with transaction():
        session.add(
            Image(
                name="Fake Linux",
                visibility=Visibility.PUBLIC,
                format="qcow2",
                sha256=hashlib.sha256(b"").hexdigest(),
                size_bytes=0,
                virtual_size_bytes=2**30,
                login_user="root",
            )
        )


@click.command("add-image")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True)
@click.option("--min-disk", type=int, default=0, help="GiB")
@click.option("--min-memory", type=int, default=0, help="MiB")
@click.option("--login-user", default="", help="Whom SSH keys are for.")
def add_image(file: Path, name: str, min_disk: int, min_memory: int, login_user: str) -> None:
    """Put a disk image (qcow2 or raw) into the catalogue of everybody."""
    try:
        image = images.register(
            COMMAND_LINE,
            file,
            name=name,
            min_disk_gib=min_disk,
            min_memory_mib=min_memory,
            login_user=login_user,
        )
    except Refused as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(f"{image.name}: {image.format}, {image.size_bytes} bytes, {image.sha256}")


@click.command("create-admin")
@click.argument("name")
def create_admin(name: str) -> None:
    """Make an administrator of the whole cloud, should none be able to sign in."""
    password = secrets.token_urlsafe(12)
    try:
        users.create_administrator(COMMAND_LINE, name, password)
    except Refused as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(f"Password: {password}  (to be changed at the first sign-in)")


@click.command("certificate")
def certificate_() -> None:
    """Have a certificate for `trusted_hosts`, and print by what it is known.

    A given one is kept as it is; so is our own, unless it is about to end or for other names."""
    settings = config.current()
    directory, names_ = settings.data_directory, settings.trusted_hosts.split()
    try:
        found = certificates.ensure(directory, names_, now=now())
    except ValueError as wrong:
        path = certificates.shown_by(directory)
        raise click.ClickException(f"{path} holds no certificate with its key: {wrong}") from None
    click.echo(f"Certificate: {found.path}, until {found.ends_at:%Y-%m-%d}")
    click.echo(f"SHA-256: {found.fingerprint}")
    if found.own:
        click.echo(
            f"Its authority, for whoever shall trust it: {certificates.authority_of(directory)}"
        )


@click.command("operations")
def deadlines() -> None:
    """Print how long each change may take until it has ended, whatever happens."""
    for (noun, action), change in CHANGES.items():
        minutes = int(change.deadline.total_seconds() // 60)
        click.echo(f"{noun:10} {action:12} {minutes:3} min")


@click.command("strangers")
@click.option("--remove", is_flag=True, help="Remove them, and say what became of each.")
def strangers_(remove: bool) -> None:
    """List what lies on hosts, or in the image store, and belongs to nothing.

    Without --remove nothing is removed. With it all that was listed goes which bears Portico's
    marks and is still a stranger at that moment. Ends with 1 if something that should go did not.
    """
    files = sorted(images.strangers())
    found = {
        host: strangers.on(host)
        for host in session.scalars(select(Host).order_by(Host.name))
        if host.strangers
    }
    for sha256 in files:
        click.echo(f"image store: {sha256}")
    for host, there in found.items():
        for stranger in there:
            click.echo(f"{host.name}: {stranger}")
    count = len(files) + sum(map(len, found.values()))
    if not count:
        click.echo("Nothing: hosts hold what is wanted, and no more.")
        return
    click.echo(f"{count} found.")
    if not remove:
        click.echo("Nothing was removed: that is what --remove is for.")
        return
    click.echo("Removing them.")
    _remove_files(files)
    if not _clean(found):
        raise SystemExit(1)


@click.command("doctor")
def doctor_() -> None:
    """Check this installation; every failure is printed with what mends it."""
    findings = doctor.examine(config.current())
    for finding in findings:
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}")
        if not finding.ok:
            click.echo(f"     {finding.mend}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


def _remove_files(files: list[str]) -> None:
    removed = images.remove_strangers(COMMAND_LINE, files)
    for sha256 in files:
        what = (
            "gone"
            if sha256 in removed
            else "left, it may be about to be named: less than an hour old"
        )
        click.echo(f"image store: {sha256}: {what}")


def _clean(found: dict[Host, list[Stranger]]) -> bool:
    """What was found on these hosts is gone, or the reason was printed. Returns whether all of
    it is that should be."""
    begun, clean = {}, True
    for host, there in found.items():
        for foreign in (each for each in there if not strangers.removable(each)):
            click.echo(f"{host.name}: {foreign}: left, it is not Portico's: see virsh undefine")
        if not any(map(strangers.removable, there)):
            continue
        try:
            begun[host.id] = strangers.remove(COMMAND_LINE, host.id, there).id
        except Refused as refused:
            click.echo(f"{host.name}: {refused}")
            clean = False
    _await(begun.values())
    for host_id, operation_id in begun.items():
        clean &= _tell(session.get_one(Host, host_id), session.get_one(Operation, operation_id))
    return clean


def _await(operation_ids: Iterable[uuid.UUID]) -> None:
    """The operations have ended, and what they failed at was looked at once more; or somebody
    who waited has had enough."""
    try:
        while any(_unsure(session.get_one(Operation, each)) for each in operation_ids):
            time.sleep(LOOK_SECONDS)
            session.rollback()
            session.expire_all()
    except KeyboardInterrupt:
        click.echo("It goes on by itself: see Operations, and flask strangers later.")
        raise click.Abort from None


def _unsure(operation: Operation) -> bool:
    """Whether it is worth waiting for the operation, or for the next look at its host."""
    if operation.busy:
        return now() < operation.deadline + LOOKED_AT_WITHIN
    host = session.get_one(Host, operation.target_id)
    return (
        operation.outcome is Outcome.FAILED
        and host.observed_at < operation.finished_at
        and now() < operation.finished_at + LOOKED_AT_WITHIN
    )


def _tell(host: Host, operation: Operation) -> bool:
    """Print what became of each thing. Returns whether none is there that should be gone."""
    named = strangers.named(operation)
    left = set(named) & set(strangers.on(host))
    still = strangers.among(named)
    for stranger in named:
        if stranger in left:
            what = f"still there: {operation.reason or 'no conductor has seen to it'}"
        else:
            what = "gone" if stranger in still else "left, it is wanted by now"
        click.echo(f"{host.name}: {stranger}: {what}")
    return not left and operation.outcome is Outcome.DONE
