"""Lamps: lit, kept lit, removed."""

import uuid

from portal.changes.lamps import GONE, LIT
from portal.db import now, session, transaction
from portal.models import Lamp
from portal.policies import Actor, authorize
from portal.services import finding
from portal.services.operations import Part, open_operation


def create(actor: Actor, project_id: uuid.UUID, name: str, colour: str, host_id: uuid.UUID) -> Lamp:
    """A lamp of this colour shall be lit on the host."""
    authorize(actor, "lamps:create", project_id)
    with transaction():
        lamp = Lamp(name=name, colour=colour, project_id=project_id, host_id=host_id)
        session.add(lamp)
        session.flush()
        _open(actor, lamp, "create")
    return lamp


def delete(actor: Actor, project_id: uuid.UUID, lamp_id: uuid.UUID) -> None:
    """The lamp shall be gone."""
    authorize(actor, "lamps:delete", project_id)
    with transaction():
        lamp = finding.find(actor, Lamp, lamp_id, project_id=project_id)
        session.refresh(lamp, with_for_update=True)
        lamp.colour, lamp.generation = "", lamp.generation + 1
        _open(actor, lamp, "delete")


def repair(lamp: Lamp) -> None:
    """The host is doing again what it lost. Called by the conductor, inside its transaction."""
    _open(None, lamp, "repair" if lamp.colour else "delete")


def bury(lamp: Lamp) -> None:
    """The host has reported it gone. Called by the conductor, inside its transaction."""
    lamp.deleted_at = now()


def _open(actor: Actor | None, lamp: Lamp, action: str) -> None:
    part = Part(lamp.host_id, lamp.id)
    open_operation(actor, lamp, action, {LIT.job: [part], GONE.job: [part]})
