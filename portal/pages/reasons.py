"""Why a change failed, or what it waits for, as whoever reads it may hear it.

What goes on between hosts and publishers is for administrators of the cloud; everybody else is told
whom to ask, and by which number the cause is found.
"""

from collections.abc import Iterable

from flask_login import current_user

from portal.models import Operation, TaskLine
from portal.services import waits


def whole(operation: Operation) -> bool:
    """Whether this person hears the cause itself, the steps and the log."""
    return operation.action != "fetch" or current_user.may("images:publish")


def told(operation: Operation) -> str:
    """The reason why it ended so; empty where there is none to tell."""
    if whole(operation) or not operation.reason:
        return operation.reason
    named = f", and name the request {operation.request_id}" if operation.request_id else ""
    return (
        f"{operation.target_name} could not be fetched. Ask an administrator of the cloud why"
        f"{named}."
    )


def waiting(
    operation: Operation | None, lines: Iterable[TaskLine] | None = None
) -> list[waits.Wait]:
    """What it waits for; nothing once it has ended. `lines` as for `waits.of`."""
    return waits.of(
        operation,
        see_hosts=current_user.may("hosts:read"),
        whole=operation is None or whole(operation),
        lines=lines,
    )
