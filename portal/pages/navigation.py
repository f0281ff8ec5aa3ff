"""The frame around every page: where one can go from here."""

import uuid

from flask import Response, request, url_for

from portal import bell, config
from portal.auth.browser import Person
from portal.db import session
from portal.models import Project
from portal.services import operations, projects

PROJECT = (  # label, icon, endpoint, shortcut
    ("Overview", "layout-dashboard", "projects.show", "g o"),
    ("Instances", "server", "instances.index", "g i"),
    ("Images", "disc", "images.index", "g m"),
    ("Networks", "network", "networks.index", "g n"),
    ("Placement groups", "layers", "placement_groups.index", None),
    ("Operations", "list-checks", "operations.index", "g p"),
)
PROJECT_PEOPLE = (
    ("Members", "users", "members.index", None),
    ("Activity", "history", "activities.index", None),
)
ADMIN = (
    ("Hosts", "hard-drive", "admin.hosts.index", "g h"),
    ("Aggregates", "boxes", "admin.aggregates.index", None),
    ("Flavors", "sliders-horizontal", "admin.flavors.index", None),
    ("Projects", "folder", "admin.projects.index", None),
    ("Users", "user", "admin.users.index", None),
    ("Groups", "users", "admin.groups.index", None),
    ("Operations", "list-checks", "admin.operations.index", None),
    ("Audit log", "scroll-text", "admin.audit.index", None),
)
PARTS = {"consoles": "instances", "boot_logs": "instances"}  # nouns without an entry of their own
LAST_PROJECT = "project"  # a cookie
ACCOUNT = (
    ("SSH keys", "key-round", "key_pairs.index"),
    ("Application credentials", "square-terminal", "application_credentials.index"),
    ("Access keys", "key-round", "access_keys.index"),
    ("Password", "shield", "account.password"),
    ("Sessions", "monitor", "account.session_list"),
    ("Help", "circle-help", "help.index"),
)


def shell(person: Person) -> dict:
    """What base.html wants to know."""
    project_id = (request.view_args or {}).get("project_id")
    mine = projects.of_actor(person.actor)
    current = _current(person, project_id)
    framed = current or (None if person.user.must_change_password else last_of(mine))
    groups = []
    if framed:
        groups = [
            _group(framed.name, PROJECT, project_id=framed.id),
            _group("", PROJECT_PEOPLE, project_id=framed.id),
        ]
    if person.may("cloud:read"):
        groups.append(_group("Administration", ADMIN))
    return {
        "navigation": groups,
        "projects": [
            {
                "name": each.name,
                "url": url_for("projects.show", project_id=each.id),
                "current": each is framed,
            }
            for each in mine
        ],
        "project": current,
        "framed_project": framed,
        "why_changes_wait": bell.why_changes_wait(),
        "running_operations": framed
        and (running(person, framed.id) if current else _running(framed)),
        "account": [
            {"label": label, "icon": icon, "url": url_for(endpoint)}
            for label, icon, endpoint in ACCOUNT
        ],
        "theme_url": url_for("account.theme"),
        "sign_out_url": url_for("login.delete"),
    }


def last_of(mine: list[Project]) -> Project | None:
    """Of one's projects the one that this browser opened last, or the first one."""
    last = request.cookies.get(LAST_PROJECT)
    return next((each for each in mine if str(each.id) == last), mine[0] if mine else None)


def remember_project(response: Response) -> None:
    """The browser knows from now on which project was opened in it last, if this is a page of
    one. Its word is taken for nothing but a choice among the person's own projects."""
    project_id = str((request.view_args or {}).get("project_id", ""))
    whole = request.method == "GET" and response.mimetype == "text/html"
    if not project_id or not whole or response.status_code != 200:
        return
    if request.cookies.get(LAST_PROJECT) != project_id:
        response.set_cookie(
            LAST_PROJECT,
            project_id,
            secure=config.current().secure_cookies,
            httponly=True,
            samesite="Lax",
        )


def forget_project(response: Response) -> Response:
    """The browser does not know any more which project was opened in it."""
    response.delete_cookie(LAST_PROJECT)
    return response


def _current(person: Person, project_id: uuid.UUID | None) -> Project | None:
    """The project whose page this is; administrators may open one that is disabled."""
    if project_id is None or person.actor.role(project_id) is None:
        return None
    found = session.get(Project, project_id)
    return None if found is None or found.deleted_at else found


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
    return _told(project_id, operations.under_way(person.actor, project_id))


def _running(mine: Project) -> dict:
    """`running`, of one of the projects of whoever looks at a page that is of none."""
    return _told(mine.id, operations.count_under_way(mine.id))


def _told(project_id: uuid.UUID, count: int) -> dict:
    return {
        "count": count,
        "url": url_for("operations.index", project_id=project_id),
        "news": url_for("operations.under_way", project_id=project_id),
    }
