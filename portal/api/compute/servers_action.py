"""What can be done to a server. A body names one action and what it needs."""

from flask import Response, g, jsonify

from portal.api import bodies, faults, microversions, schemas
from portal.api.compute import servers_remote_consoles
from portal.api.compute.places import project_of
from portal.api.routes import Routes
from portal.auth import tokens
from portal.services import instances
from portal.services.instances import boot_logs, groups

ABSENT = {  # what Nova has too, and is switched off here
    "addFixedIp",
    "removeFixedIp",
    "addFloatingIp",
    "removeFloatingIp",
    "changePassword",
    "confirmResize",
    "revertResize",
    "createBackup",
    "createImage",
    "evacuate",
    "injectNetworkInfo",
    "migrate",
    "os-migrateLive",
    "os-getRDPConsole",
    "os-getSPICEConsole",
    "os-getSerialConsole",
    "os-resetState",
    "pause",
    "unpause",
    "rebuild",
    "rescue",
    "unrescue",
    "resetNetwork",
    "resize",
    "restore",
    "resume",
    "suspend",
    "shelve",
    "shelveOffload",
    "unshelve",
    "trigger_crash_dump",
}
REBOOT = schemas.fields({"type": {"type": "string", "enum": ["SOFT", "HARD", "soft", "hard"]}})
LENGTH = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$", "minimum": -1}
GROUP = schemas.fields({"name": schemas.text(1)})
CONSOLE = {"type": "string", "enum": ["novnc", "xvpvnc"]}
LOCK = schemas.fields(locked_reason=schemas.text(1))
NOTHING = {"type": ["object", "null", "string"]}

routes = Routes(__name__, "/v2.1/servers/<id:server_id>/action")


@routes.post("", body=lambda: {"anyOf": [schemas.fields({n: s}) for n, (s, _) in ACTIONS.items()]})
def act(server_id):
    """Does to a server what the body names: one action, with what it needs."""
    body = bodies.read()
    if len(body) != 1:
        raise faults.bad("Name one action.")
    [(name, wish)] = body.items()
    if name in ENDS and microversions.agreed() >= ENDS[name]:
        raise faults.Fault(404, f"There is no {name} in this version any more.")
    g.deed = f"instances.{DEEDS.get(name, 'act')}"
    if name in ABSENT:
        instances.find(tokens.actor(), project_of(server_id), server_id)
        if name in CONSOLES:
            servers_remote_consoles.refuse(CONSOLES[name])
        raise faults.Fault(501, f"{name} is not there in this cloud.")
    if name not in ACTIONS:
        raise faults.bad(f"There is no such action: {name[:80]}")
    schema, carry_out = ACTIONS[name]
    if wrong := schemas.mistake(body, schemas.fields({name: schema})):
        raise faults.bad(wrong)
    said = carry_out(tokens.actor(), project_of(server_id), server_id, wish)
    return Response(status=202) if said is None else jsonify(said)


def _reboot(actor, project_id, server_id, wish) -> None:
    hard = wish["type"].upper() == "HARD"
    instances.reboot(actor, project_id, server_id, hard=hard)


def _start(actor, project_id, server_id, _wish) -> None:
    instances.start(actor, project_id, server_id)


def _stop(actor, project_id, server_id, _wish) -> None:
    instances.stop(actor, project_id, server_id)


def _delete(actor, project_id, server_id, _wish) -> None:
    instances.delete(actor, project_id, server_id)


def _lock(actor, project_id, server_id, wish) -> None:
    """Why, is read since 2.73."""
    said = wish if microversions.agreed() >= (2, 73) and wish else {}
    if wrong := schemas.mistake(said, LOCK):
        raise faults.bad(wrong)
    instances.lock(actor, project_id, server_id, reason=said.get("locked_reason", ""))


def _unlock(actor, project_id, server_id, _wish) -> None:
    instances.lock(actor, project_id, server_id, locked=False)


def _console_output(actor, project_id, server_id, wish) -> dict:
    """What the guest has written, as far as it was fetched; its host is asked for what is newer."""
    log = boot_logs.find(actor, project_id, server_id)
    if log is None or not log.awaited:
        boot_logs.ask(actor, project_id, server_id)
    lines = (log.text if log else "").splitlines(keepends=True)
    length = int((wish or {}).get("length") or -1)
    return {"output": "".join(lines if length < 0 else lines[max(0, len(lines) - length) :])}


def _add_group(actor, project_id, server_id, wish) -> None:
    groups.add_group(actor, project_id, server_id, wish["name"])


def _remove_group(actor, project_id, server_id, wish) -> None:
    groups.remove_group(actor, project_id, server_id, wish["name"])


def _console_url(actor, project_id, server_id, wish) -> dict:
    url = servers_remote_consoles.url_of(actor, project_id, server_id, wish["type"])
    return {"console": {"type": wish["type"], "url": url}}


ACTIONS = {
    "reboot": (REBOOT, _reboot),
    "os-start": (NOTHING, _start),
    "os-stop": (NOTHING, _stop),
    "lock": (NOTHING, _lock),
    "unlock": (NOTHING, _unlock),
    "os-getConsoleOutput": (schemas.maybe(schemas.fields(length=LENGTH)), _console_output),
    "forceDelete": (NOTHING, _delete),
    "addSecurityGroup": (GROUP, _add_group),
    "removeSecurityGroup": (GROUP, _remove_group),
    "os-getVNCConsole": (schemas.fields({"type": CONSOLE}), _console_url),
}
CONSOLES = {  # other screens than there are, and what they are called
    "os-getRDPConsole": "rdp-html5",
    "os-getSPICEConsole": "spice-html5",
    "os-getSerialConsole": "serial",
}
ENDS = dict.fromkeys(["os-getVNCConsole", *CONSOLES], (2, 6)) | dict.fromkeys(
    ["addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp"], (2, 44)
)  # from which version an action is there no longer
DEEDS = {  # what the record calls them, where it does not say "act"
    "reboot": "reboot",
    "os-start": "start",
    "os-stop": "stop",
    "lock": "lock",
    "unlock": "unlock",
    "forceDelete": "delete",
    "addSecurityGroup": "change_groups",
    "removeSecurityGroup": "change_groups",
    "os-getVNCConsole": "console",
}
