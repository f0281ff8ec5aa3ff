"""What was asked to be done to a server, by the numbers of the requests.

https://docs.openstack.org/api-ref/compute/#servers-actions-servers-os-instance-actions
"""

from flask import jsonify, request

from portal.api import faults, links, lists, microversions, wire
from portal.api.compute import places
from portal.api.routes import Routes
from portal.auth import tokens
from portal.models import Operation, Outcome, Task
from portal.policies import Actor
from portal.services import instances
from portal.services.instances import actions

NAMES = {"force_stop": "stop"}  # where Nova calls it otherwise
ALSO_OF_THE_GONE, PAGED, BEFORE = (2, 21), (2, 58), (2, 66)
EVENTS_FOR_ALL = (2, 51)
CHANGES = {
    "updated_at": (PAGED, None),
    "hostId": ((2, 62), None),
    "host": ((2, 62), None),
    "details": ((2, 84), None),
}

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/os-instance-actions")


@routes.get("")
def index(server_id):
    actor, instance = _found(server_id)
    paged = microversions.agreed() >= PAGED
    found, more = actions.actions(
        actor,
        instance,
        after=lists.text(request.args.get("marker", "")) if paged else "",
        limit=_limit() if paged else lists.MOST,
        filters=_filters() if paged else {},
    )
    body = {"instanceActions": [_shown(each) for each in found]}
    if paged and more and found:
        href = links.here(marker=found[-1].request_id)
        body["links"] = [{"rel": "next", "href": href}]
    return jsonify(body)


@routes.get("/<request_id>")
def show(server_id, request_id):
    actor, instance = _found(server_id)
    operation = actions.action(actor, instance, lists.text(request_id))
    shown = _shown(operation)
    if actor.may("hosts:read") or microversions.agreed() >= EVENTS_FOR_ALL:
        shown["events"] = [_event(actor, operation, each) for each in actions.steps(operation)]
    return jsonify(instanceAction=shown)


def _found(server_id):
    actor = tokens.actor()
    find = actions.ever if microversions.agreed() >= ALSO_OF_THE_GONE else instances.find
    return actor, find(actor, actor.project_id, server_id)


def _limit() -> int:
    limit = lists.whole(request.args.get("limit", str(lists.MOST)))
    if limit < 0:
        raise faults.bad(f"A limit is 0 or more, and not {limit}.")
    return min(limit, lists.MOST) or lists.MOST


def _filters() -> dict:
    """Raises Fault for what is no moment."""
    named = {"changes-since": "changed_since"}
    if microversions.agreed() >= BEFORE:
        named["changes-before"] = "changed_before"
    return {
        ours: [lists.moment(request.args[name])]
        for name, ours in named.items()
        if name in request.args
    }


def _shown(operation: Operation) -> dict:
    return microversions.fitting(
        {
            "action": NAMES.get(operation.action, operation.action),
            "instance_uuid": str(operation.target_id),
            "request_id": operation.request_id,
            "user_id": wire.short(operation.user_id),
            "project_id": wire.short(operation.project_id),
            "start_time": wire.zoneless(operation.created_at),
            "updated_at": wire.zoneless(operation.finished_at or operation.created_at),
            "message": "Error" if operation.outcome is Outcome.FAILED else None,
        },
        CHANGES,
    )


def _event(actor: Actor, operation: Operation, task: Task) -> dict:
    result = "Success" if task.outcome is Outcome.DONE else "Error"
    event = {
        "event": task.job,
        "start_time": wire.zoneless(task.created_at),
        "finish_time": wire.zoneless(task.finished_at),
        "result": result if task.finished_at else None,
        "hostId": places.host_id(operation.project_id, task.host_id),
        "details": task.reason or None,
    }
    if actor.may("hosts:read"):
        event |= {"traceback": task.reason or None, "host": task.host.name}
    return microversions.fitting(event, CHANGES)
