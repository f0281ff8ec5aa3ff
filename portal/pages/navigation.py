"""The frame around every page: where one can go from here, and how times and sizes are said."""

import uuid
from datetime import datetime

from flask import request, url_for

from portal import bell
from portal.auth.browser import Person
from portal.db import now, session
from portal.models import Project
from portal.services import operations, projects

PROJECT = (  # label, icon, endpoint, shortcut
    ("Overview", "layout-dashboard", "projects.show", "g o"),
    ("Instances", "server", "instances.index", "g i"),
    ("Images", "disc", "images.index", "g m"),
    ("Networks", "network", "networks.index", "g n"),
    ("Operations", "list-checks", "operations.index", "g p"),
)
PROJECT_PEOPLE = (
    ("Members", "users", "members.index", None),
    ("Activity", "history", "activities.index", None),
)
ADMIN = (
    ("Hosts", "hard-drive", "admin.hosts.index", "g h"),
    ("Flavors", "sliders-horizontal", "admin.flavors.index", None),
    ("Projects", "folder", "admin.projects.index", None),
    ("Users", "user", "admin.users.index", None),
    ("Operations", "list-checks", "admin.operations.index", None),
    ("Audit log", "scroll-text", "admin.audit.index", None),
)
PARTS = {"consoles": "instances", "boot_logs": "instances"}  # nouns without an entry of their own
ACCOUNT = (
    ("SSH keys", "key-round", "key_pairs.index"),
    ("Password", "shield", "account.password"),
    ("Sessions", "monitor", "account.session_list"),
    ("Help", "circle-help", "help.index"),
)


def shell(person: Person) -> dict:
    """What base.html wants to know."""
    project_id = (request.view_args or {}).get("project_id")
    mine = projects.of_actor(person.actor)
    current = _current(person, project_id)
    groups = []
    if current:
        groups = [
            _group(current.name, PROJECT, project_id=current.id),
            _group("", PROJECT_PEOPLE, project_id=current.id),
        ]
    if person.may("cloud:read"):
        groups.append(_group("Administration", ADMIN))
    return {
        "navigation": groups,
        "projects": [
            {
                "name": each.name,
                "url": url_for("projects.show", project_id=each.id),
                "current": each is current,
            }
            for each in mine
        ],
        "project": current,
        "why_changes_wait": bell.why_changes_wait(),
        "running_operations": current and running(person, current.id),
        "account": [
            {"label": label, "icon": icon, "url": url_for(endpoint)}
            for label, icon, endpoint in ACCOUNT
        ],
        "theme_url": url_for("account.theme"),
        "sign_out_url": url_for("login.delete"),
    }


def _current(person: Person, project_id: uuid.UUID | None) -> Project | None:
    """The project whose page this is; administrators may open one that is disabled."""
    if project_id is None or person.actor.role(project_id) is None:
        return None
    return session.get(Project, project_id)


def since(moment: datetime | None) -> str:
    """How long ago, in one unit: "3 min ago"."""
    if moment is None:
        return "never"
    seconds = max(0, int((now() - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago" if seconds else "just now"


def gib(mib: int) -> str:
    """Memory as people say it: 512 MiB, 1.5 GiB."""
    return f"{mib} MiB" if mib < 1024 else f"{round(mib / 1024, 2):g} GiB"


def size(count: int) -> str:
    """So many bytes, as people say it: 512 bytes, 16.2 MiB, 3 GiB."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 2**power:
            return f"{round(count / 2**power, 1):g} {unit}"
    return f"{count} bytes"


def _group(title: str, entries: tuple, **values) -> dict:
    noun = PARTS.get(request.blueprint, request.blueprint)
    return {
        "title": title,
        "entries": [
            {
                "label": label,
                "icon": icon,
                "url": url_for(endpoint, **values),
                "current": endpoint.rpartition(".")[0] == noun,
                "key": key,
            }
            for label, icon, endpoint, key in entries
        ],
    }


def running(person: Person, project_id: uuid.UUID) -> dict:
    """How many changes of a project are under way, and where they are listed."""
    return {
        "count": operations.under_way(person.actor, project_id),
        "url": url_for("operations.index", project_id=project_id),
        "news": url_for("operations.under_way", project_id=project_id),
    }
