"""Who there is, for tests of what programs do with them."""

from sqlalchemy import select

from portal.api import roles
from portal.db import session
from portal.models import Role, User

V3 = "/identity/v3"
NEW_PASSWORD = "lantern 7 gravel orchid moth"
THIRD_PASSWORD = "window 31 pebble oboe"


def id_of(name: str) -> str:
    return session.scalar(select(User.id).where(User.name == name)).hex


def names(answer, noun: str) -> list[str]:
    return [each["name"] for each in answer.json[noun]]


def granted(cloud, user: str, role: str, project: str = "red") -> str:
    there = cloud.project(project).id.hex
    return f"{V3}/projects/{there}/users/{id_of(user)}/roles/{roles.IDS[role].hex}"


def role_of(cloud, user: str, project: str = "red") -> Role | None:
    session.rollback()
    held = cloud.actor(user).projects
    return held.get(cloud.project(project).id)


def in_cloud(user: str, role: str) -> str:
    return f"{V3}/system/users/{id_of(user)}/roles/{roles.IDS[role].hex}"


def assignments(answer) -> set[tuple]:
    return {
        (
            each["user"]["name"],
            each["role"]["name"],
            each["scope"].get("project", {}).get("name", "system"),
        )
        for each in answer.json["role_assignments"]
    }
