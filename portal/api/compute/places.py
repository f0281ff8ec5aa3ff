"""In which project it is that a program asks for something."""

import hashlib
import uuid

from portal.api import faults
from portal.auth import tokens
from portal.services import instances


def current_project() -> uuid.UUID:
    """The project that the token is for. Raises Fault, 400, where it is for none."""
    project_id = tokens.actor().project_id
    if project_id is None:
        raise faults.bad("This token is for no project. Sign in for one, and nothing else changes.")
    return project_id


def project_of(server_id: uuid.UUID) -> uuid.UUID:
    """The project that the token is for, or, where it is for the whole cloud, that of the server.
    Raises NotFound."""
    actor = tokens.actor()
    return actor.project_id or instances.find(actor, None, server_id).project_id


def host_id(project_id: uuid.UUID, host_id: uuid.UUID) -> str:
    """Tells hosts apart within one project, and says nothing of the host itself."""
    return hashlib.sha224(f"{project_id}{host_id}".encode()).hexdigest()
