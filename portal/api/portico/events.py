"""What happens in a project, in order, and as it happens.

A request that finds nothing new waits for it, without holding anything but its connection
(`portal/server/waiting.py`).
"""

from flask import Response, jsonify, request

from portal.api import faults, lists, wire
from portal.api.routes import Routes
from portal.auth import tokens
from portal.doors import SPOT
from portal.models import Activity, EventKind, Operation
from portal.services import events
from portal.services.events import Told

PAGE = 100
LONGEST_SECONDS = 30

routes = Routes(__name__, "/v1/events")


@routes.get("")
def index():
    """Lists what has happened in a project after a mark, oldest first, or waits for it; without a
    mark says from which one to go on."""
    actor = tokens.actor()
    if actor.project_id is None:
        raise faults.bad("Events are of a project: take a token for one.")
    most = min(PAGE, max(1, lists.whole(request.args.get("limit", str(PAGE)))))
    seconds = min(LONGEST_SECONDS, max(0, lists.whole(request.args.get("wait", "0"))))
    mark = request.args.get("after")
    found, after = events.after(actor, actor.project_id, mark, most=most)
    spot = request.environ.get(SPOT)
    if not found and mark is not None and seconds and spot is not None and not spot.last:
        spot.wait(seconds, news_of=actor.project_id.hex, account=str(actor.user_id))
        return Response(status=204)  # that nobody sees: it is asked once more
    return jsonify(events=[_shown(each) for each in found], after=after)


def _shown(told: Told) -> dict:
    event = {"id": told.event.mark, "at": wire.exact(told.event.created_at)}
    if told.activity:
        return event | {"type": "activity", "activity": _activity(told.activity)}
    began = told.event.kind is EventKind.BEGAN
    return event | {"type": "operation", "operation": _operation(told.operation, began=began)}


def _activity(activity: Activity) -> dict:
    return {
        "id": str(activity.id),
        "at": wire.exact(activity.created_at),
        "action": activity.action,
        "user_id": wire.short(activity.user_id),
        "user_name": activity.user_name,
        "target_type": activity.target_type,
        "target_id": str(activity.target_id) if activity.target_id else None,
        "target_name": activity.target_name,
        "refused": activity.refused or None,
        "request_id": activity.request_id or None,
        "operation_id": str(activity.operation_id) if activity.operation_id else None,
    }


def _operation(operation: Operation, *, began: bool) -> dict:
    """A change as it was then: one that has ended since was under way when it began."""
    return {
        "id": str(operation.id),
        "action": operation.action,
        "target_type": operation.target_type,
        "target_id": str(operation.target_id),
        "target_name": operation.target_name,
        "state": "under way" if began or not operation.outcome else operation.outcome.value,
        "reason": None if began else operation.reason or None,
        "request_id": operation.request_id or None,
    }
