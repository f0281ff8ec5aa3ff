"""What an operator types: `flask prepare`, `add-host`, `doctor`, `orphans` and the few others."""

import hashlib
import os
import secrets
from pathlib import Path

import click
from flask import Flask
from sqlalchemy import select

from portal import config, doctor, migrations
from portal.conductor.plans import DEADLINES
from portal.db import session, transaction
from portal.errors import Refused
from portal.models import Flavor, Host, Image, Role, RoleAssignment, User, Visibility
from portal.services import hosts, images, projects, users

FIRST_FLAVORS = (("small", 1, 512, 5), ("medium", 2, 2048, 20), ("large", 4, 8192, 80))
FIRST_PROJECT = "home"


def install(app: Flask) -> None:
    """The commands are there. Each says a refusal in one line and ends with 1."""
    for command in (
        prepare,
        add_host,
        add_fake_image,
        has_image,
        add_image,
        create_admin,
        deadlines,
        doctor_,
        orphans,
    ):
        app.cli.add_command(command)


@click.command("prepare")
@click.option("--admin", default="admin", show_default=True, help="Name of the administrator.")
def prepare(admin: str) -> None:
    """Bring the database to the newest shape, and, into an empty one, put a beginning.

    The beginning is an administrator, a project, and flavors. The password is taken from
    PORTICO_ADMIN_PASSWORD, or made up and printed this once. Run again it changes nothing.
    """
    settings = config.current()
    migrations.upgrade(settings.database)
    if session.scalar(select(User.id).limit(1)):
        return
    given = os.environ.get("PORTICO_ADMIN_PASSWORD")
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
@click.option("--output", type=click.Path(path_type=Path), required=True, help="INI file to write.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="More settings.")
def add_host(name: str, driver: str, state: str, output: Path, options: tuple[str, ...]) -> None:
    """Make a host known, and write the settings that its worker and agent need.

    The file holds the host's key, so it is readable by its owner alone. On a machine of its own
    the file is copied there.
    """
    if output.exists():
        raise click.ClickException(f"{output} is there already; remove it to make a new host.")
    try:
        key = hosts.add(name, driver=driver)
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
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
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


@click.command("has-image")
@click.argument("name")
def has_image(name: str) -> None:
    """End with 0 if there is a public image of this name, else with 1."""
    query = select(Image.id).where(
        Image.name == name, Image.visibility == Visibility.PUBLIC, Image.deleted_at.is_(None)
    )
    raise SystemExit(0 if session.scalar(query.limit(1)) else 1)


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
    with transaction():
        if session.scalar(select(User.id).where(User.name == name)):
            raise click.ClickException(f"There is a user named {name} already.")
        users.make_administrator(name, password)
    click.echo(f"Password: {password}  (to be changed at the first sign-in)")


@click.command("operations")
def deadlines() -> None:
    """Print how long each change may take until it has ended, whatever happens."""
    for action, limit in DEADLINES.items():
        click.echo(f"{action:12} {int(limit.total_seconds() // 60):3} min")


@click.command("orphans")
def orphans() -> None:
    """List what lies on hosts, or in the image store, and belongs to nothing. Nothing is
    removed."""
    found = 0
    for sha256 in sorted(images.strays()):
        click.echo(f"image store: {sha256}")
        found += 1
    for host in session.scalars(select(Host).order_by(Host.name)):
        for stranger in host.strangers:
            click.echo(f"{host.name}: {stranger}")
            found += 1
    click.echo(f"{found} found." if found else "Nothing: hosts hold what is wanted, and no more.")


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
