"""What somebody did and what it altered, as the record shows them to people.

The record names actions as permissions do ("instances:create"); what a page refused, by the page
("images.change"). Here every one of them has words, and so has every field that may have changed.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping

from portal import words
from portal.models import Activity
from portal.services import quotas

NOUNS = {
    "access_keys": "access key",
    "key_pairs": "SSH key",
}  # where it is not the table's name in the singular
VERBS = {  # when it was done, and when it was refused
    "accept": ("Accepted", "Accept"),
    "cancel": ("Canceled", "Cancel"),
    "change": ("Changed", "Change"),
    "create": ("Created", "Create"),
    "deactivate": ("Deactivated", "Deactivate"),
    "delete": ("Deleted", "Delete"),
    "describe": ("Described", "Describe"),
    "disable": ("Disabled", "Disable"),
    "enable": ("Enabled", "Enable"),
    "fetch": ("Fetched", "Fetch"),
    "force_stop": ("Force-stopped", "Force stop"),
    "lock": ("Locked", "Lock"),
    "protect": ("Protected", "Protect"),
    "reactivate": ("Reactivated", "Reactivate"),
    "reboot": ("Rebooted", "Reboot"),
    "reject": ("Left out", "Leave out"),
    "rename": ("Renamed", "Rename"),
    "resume": ("Resumed", "Resume"),
    "retry": ("Retried", "Retry"),
    "share": ("Shared", "Share"),
    "drop_tags": ("Took all tags from", "Take all tags from"),
    "set_tags": ("Set the tags of", "Set the tags of"),
    "start": ("Started", "Start"),
    "stop": ("Stopped", "Stop"),
    "tag": ("Tagged", "Tag"),
    "unlock": ("Unlocked", "Unlock"),
    "unshare": ("No longer shares", "Stop sharing"),
    "untag": ("Took a tag from", "Take a tag from"),
    "update": ("Changed", "Change"),
    "unprotect": ("Ended the protection of", "End the protection of"),
}
OF_DETAILS = {  # which are changed all together, and one by one
    "metadata": ("Changed the properties of instance", "Change the properties of instance"),
    "tags": ("Changed the tags of instance", "Change the tags of instance"),
}
WHOLE = {  # where verb and noun do not make the sentence
    "cloud_roles:give_role": ("Gave a role in the cloud", "Give a role in the cloud"),
    "cloud_roles:take_role": ("Took a role in the cloud", "Take a role in the cloud"),
    "domains:create": ("Created a domain", "Create a domain"),
    "domains:change": ("Changed the domain", "Change the domain"),
    "groups:add": ("Put somebody into group", "Put somebody into group"),
    "groups:add_member": ("Put somebody into group", "Put somebody into group"),
    "groups:change_role": ("Changed the role of group", "Change the role of group"),
    "groups:remove": ("Took somebody out of group", "Take somebody out of group"),
    "groups:remove_member": ("Took somebody out of group", "Take somebody out of group"),
    "members:add_group": ("Let a group into project", "Let a group into project"),
    "members:change_group_role": ("Changed a role in project", "Change a role in project"),
    "members:delete_group": ("Removed a group from project", "Remove a group from project"),
    "projects:add_tag": ("Tagged project", "Tag project"),
    "projects:delete_tags": ("Took the tags of project", "Take the tags of project"),
    "projects:remove_tag": ("Took a tag of project", "Take a tag of project"),
    "projects:set_tags": ("Tagged project", "Tag project"),
    "account:change_password": ("Changed their password", "Change their password"),
    "account:end_sessions": ("Signed out everywhere", "Sign out everywhere"),
    "account:theme": ("Changed their theme", "Change their theme"),
    "aggregates:act": ("Changed aggregate", "Change aggregate"),
    "aggregates:add_host": ("Added a host to aggregate", "Add a host to aggregate"),
    "aggregates:remove_host": ("Took a host out of aggregate", "Take a host out of aggregate"),
    "aggregates:update": ("Changed aggregate", "Change aggregate"),
    "auth:revoke": ("Ended a token", "End a token"),
    "boot_logs:ask": ("Asked for the boot log of instance", "Read the boot log of instance"),
    "consoles:create": ("Opened the screen of instance", "Open the screen of instance"),
    "consoles:ticket": ("Opened the screen of instance", "Open the screen of instance"),
    **{
        f"extra_specs:{verb}": (
            "Changed the extra specs of a flavor",
            "Change the extra specs of a flavor",
        )
        for verb in ("add", "set_one", "delete")
    },
    "flavors:act": ("Gave or took a flavor", "Give or take a flavor"),
    "flavors:disable": ("No longer offers flavor", "Stop offering flavor"),
    "flavors:enable": ("Offers flavor", "Offer flavor"),
    "flavors:give": ("Gave to a project flavor", "Give to a project flavor"),
    "flavors:specify": ("Changed the extra specs of flavor", "Change the extra specs of flavor"),
    "flavors:take": ("Took from a project flavor", "Take from a project flavor"),
    "hosts:clean": ("Removed strangers from host", "Remove strangers from host"),
    "hosts:create": ("Added host", "Add host"),
    "hosts:disable": ("Took into maintenance host", "Take into maintenance host"),
    "hosts:enable": ("Took out of maintenance host", "Take out of maintenance host"),
    "hosts:disable_log_reason": ("Took into maintenance host", "Take into maintenance host"),
    "hosts:force_down": ("Declared dead host", "Declare dead host"),
    "hosts:put_into_zone": ("Put into a zone host", "Put into a zone host"),
    "hosts:report": ("Reported of host", "Report of host"),
    "hosts:switch": ("Changed the maintenance of host", "Change the maintenance of host"),
    "hosts:update": ("Changed the maintenance of host", "Change the maintenance of host"),
    "images:accept": ("Answered to the sharing of image", "Answer to the sharing of image"),
    "images:announce": ("Announced image", "Announce image"),
    "images:check": ("Uploaded image", "Upload image"),
    "images:create": ("Uploaded image", "Upload image"),
    "images:fill": ("Uploaded the file of image", "Upload the file of image"),
    "images:replace": ("Uploaded the file of image", "Upload the file of image"),
    "images:start": ("Imported image", "Import image"),
    "instances:console": ("Opened the screen of instance", "Open the screen of instance"),
    "instances:recalculate": ("Filled in the form for instance", "Create instance"),
    "key_pairs:create": ("Added SSH key", "Add SSH key"),
    "login:create": ("Signed in", "Sign in"),
    "login:delete": ("Signed out", "Sign out"),
    "members:add": ("Added somebody to project", "Add somebody to project"),
    "members:change": ("Changed a role in project", "Change a role in project"),
    "members:change_role": ("Changed a role in project", "Change a role in project"),
    "members:create": ("Added somebody to project", "Add somebody to project"),
    "members:delete": ("Removed somebody from project", "Remove somebody from project"),
    "members:remove": ("Removed somebody from project", "Remove somebody from project"),
    "networks:add_subnet": ("Gave a range to network", "Give a range to network"),
    "networks:change_subnet": ("Changed a range of network", "Change a range of network"),
    "networks:remove_subnet": ("Took a range from network", "Take a range from network"),
    "password:change": ("Changed their password", "Change their password"),
    "ports:create": ("Made a port on a network", "Make a port on a network"),
    "ports:delete": ("Removed a port from a network", "Remove a port from a network"),
    "projects:change_quotas": ("Changed the quota of project", "Change the quota of project"),
    "projects:give_role": ("Gave a role in project", "Give a role in project"),
    "projects:retry": ("Tried again to delete project", "Try again to delete project"),
    "projects:take_role": ("Took a role in project", "Take a role in project"),
    "quotas:change": ("Changed the quota of project", "Change the quota of project"),
    "quotas:reset": ("Reset the quota of project", "Reset the quota of project"),
    "sessions:revoke": ("Signed out everywhere", "Was not signed out"),
    "sessions:sign_in": ("Signed in", "Was not let in"),
    "sessions:sign_out": ("Signed out", "Was not signed out"),
    "security_group_rules:create": (
        "Added a rule to a security group",
        "Add a rule to a security group",
    ),
    "security_group_rules:delete": (
        "Removed a rule from a security group",
        "Remove a rule from a security group",
    ),
    "security_groups:add_rule": ("Added a rule to security group", "Add a rule to security group"),
    "security_groups:remove_rule": (
        "Removed a rule from security group",
        "Remove a rule from security group",
    ),
    "instances:act": ("Did something to instance", "Do something to instance"),
    "instances:change_groups": (
        "Changed the security groups of instance",
        "Change the security groups of instance",
    ),
    "subnets:create": ("Gave a range to a network", "Give a range to a network"),
    "subnets:change": ("Changed a range of a network", "Change a range of a network"),
    "subnets:delete": ("Took a range from a network", "Take a range from a network"),
    "users:change_password": ("Changed the password of user", "Change the password of user"),
    "users:change_role": ("Changed the role of user", "Change the role of user"),
    "users:reset_password": ("Reset the password of user", "Reset the password of user"),
}
WHOLE |= {
    f"{noun}:{verb}": words
    for noun, words in OF_DETAILS.items()
    for verb in ("add", "replace", "set_one", "clear", "delete")
}
FIELDS = {
    "access": "Access key",
    "access_ipv4": "Address for access",
    "access_ipv6": "IPv6 address for access",
    "address": "Address",
    "answer": "Answer",
    "advice": "What mends it",
    "cidr": "Range",
    "deactivated": "Deactivated",
    "description": "Description",
    "admin_up": "Switched on",
    "dhcp": "DHCP",
    "disk_gib": "Disk",
    "dns_nameservers": "Name servers",
    "driver": "Driver",
    "email": "E-mail",
    "enabled": "Enabled",
    "expires_at": "Expires",
    "extra_specs": "Extra specs",
    "fingerprint": "Fingerprint",
    "flavor": "Flavor",
    "format": "Format",
    "found": "Found",
    "gateway": "Gateway",
    "groups": "Security groups",
    "host": "Host",
    "hidden": "Hidden",
    "host_routes": "Routes",
    "image": "Image",
    "image_gib": "Image store",
    "images": "Images",
    "instances": "Instances",
    "key": "SSH key",
    "keys": "SSH keys",
    "locked": "Locked",
    "locked_reason": "Reason",
    "login_user": "Login user",
    "memory_mib": "Memory",
    "members": "Members",
    "most_per_host": "Most on a host",
    "min_disk_gib": "Least disk",
    "min_memory_mib": "Least memory",
    "name": "Name",
    "nat": "Way out",
    "network": "Network",
    "networks": "Networks",
    "offered": "Offered",
    "password": "Password",
    "placement_group": "Placement group",
    "placement_group_members": "Instances of a placement group",
    "placement_groups": "Placement groups",
    "policy": "Policy",
    "project_note": "Noted project",
    "pools": "Pools",
    "project": "Project",
    "properties": "Properties",
    "protected": "Protected",
    "reason": "Reason",
    "role": "Role in the cloud",
    "roles": "Roles",
    "rule": "Rule",
    "security_group_rules": "Rules of security groups",
    "security_groups": "Security groups",
    "sha256": "SHA-256",
    "size": "Size",
    "strangers": "Removed",
    "tags": "Tags",
    "url": "From",
    "user_groups": "Groups",
    "vcpus": "vCPUs",
    "visibility": "For whom",
    "zone": "Zone",
}
UNSAID = {"boots", "desired", "grace_seconds"}  # an instance's intent: the verb has said it
TOLD = {  # what a verb says of a field, so that nobody reads it twice
    "create": {"name"},
    "disable": {"enabled", "offered"},
    "enable": {"enabled", "offered"},
    "lock": {"locked"},
    "protect": {"protected"},
    "reset_password": {"password"},
    "unlock": {"locked"},
    "unprotect": {"protected"},
}
OWN = {"sessions", "password", "account", "login"}  # what people do to nobody but themselves
WORDS = {"visibility", "role"}  # fields whose value is one word of a few


@dataclasses.dataclass(frozen=True)
class Deed:
    """What was done, or refused, and the name of what it was done to."""

    phrase: str
    name: str


@dataclasses.dataclass(frozen=True)
class Change:
    """One field that is now other than it was; None where it was, or is, not there at all."""

    field: str
    before: str | None
    after: str | None


def phrases(action: str) -> tuple[str, str]:
    """What the action is called when it was done, and when it was refused. Raises KeyError for
    one that has no words."""
    noun, _, verb = action.replace(".", ":").partition(":")
    if whole := WHOLE.get(f"{noun}:{verb}"):
        return whole
    thing = NOUNS.get(noun) or noun.removesuffix("s").replace("_", " ")
    done, refused = VERBS[verb]
    return f"{done} {thing}", f"{refused} {thing}"


def wish(action: str) -> str:
    """What the action is called before it was done; one that has no words is named as it is."""
    with contextlib.suppress(KeyError):
        return phrases(action)[1]
    noun, _, verb = action.replace(".", ":").replace("_", " ").partition(":")
    return f"{verb} {noun.removesuffix('s')}".strip().capitalize()


def deed(entry: Activity) -> Deed:
    """The entry in words. An action of another release, which has none, is named as it is."""
    try:
        done, refused = phrases(entry.action)
    except KeyError:
        done = refused = wish(entry.action)
    own = entry.action.replace(".", ":").partition(":")[0] in OWN
    name = "" if own and entry.target_name == entry.user_name else entry.target_name
    phrase = refused if entry.refused else done
    return Deed(f"{phrase} as" if own and name else phrase, name)


def changes(entry: Activity) -> Iterator[Change]:
    """What the entry altered, field by field: what is new, and what was."""
    before, after = entry.before or {}, entry.after or {}
    if entry.action.startswith("members:"):
        yield from _roles(before, after)
        return
    left_out = UNSAID | TOLD.get(entry.action.partition(":")[2], set())
    for name in [*after, *(each for each in before if each not in after)]:
        new, old = after.get(name), before.get(name)
        if name in left_out or new == old:
            continue
        if name not in before and new in (None, "", []):
            continue
        yield Change(
            FIELDS.get(name) or name.replace("_", " ").capitalize(),
            _said(name, old) if name in before else None,
            _said(name, new) if name in after else None,
        )


def _roles(before: Mapping, after: Mapping) -> Iterator[Change]:
    """Who is in a project as what: people may be called like any field."""
    for name in [*after, *(each for each in before if each not in after)]:
        if after.get(name) != before.get(name):
            yield Change(name, before.get(name), after.get(name))


def _said(name: str, value) -> str:
    """A value as people say it."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{each} = {text}" for each, text in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if name in quotas.RESOURCES and value == quotas.NO_LIMIT:
        return "no limit"
    if name.endswith("_mib"):
        return words.memory(value)
    if name.endswith("_gib"):
        return words.disk(value)
    return str(value).capitalize() if name in WORDS else str(value)
