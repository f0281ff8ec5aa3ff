"""The record speaks as people do: no action without words, no field without a word."""

import ast
import dataclasses

import pytest

from portal import api, config, create_app
from portal.api.compute import servers_action
from portal.models import Activity
from portal.pages import deeds
from portal.services import flavors, images, quotas, subnets
from portal.services.details import Details
from tests.routes import routes
from tests.test_architecture import name, sources

RECORDERS = {"record", "alter", "record_made"}
FIELDS_OF = {  # what is recorded by a name, and the fields that it has
    "numbers": set(flavors.LIMITS),
    "limits": set(quotas.RESOURCES),
    "before": set(quotas.RESOURCES),  # of quotas; of instances their intent, as below
    "fields": {each.name for each in dataclasses.fields(images.NewImage)},
    "checked(details)": {each.name for each in dataclasses.fields(Details)},
    "values": {"name", "description", "enabled", "tags", "email", "project_note"},
    "had": {
        "user_groups",
        "roles",
        "keys",
        "instances",
        "networks",
        "images",
        "members",
    },  # what was deleted
    "instance.intent": deeds.UNSAID,
    "[_told(parts, seats, number) for number in range(len(instances))]": {
        *("flavor", "image", "network", "address", "groups", "key")
    },
    "{name: getattr(flavor, name) for name in LIMITS}": set(flavors.LIMITS),
    "_told(aggregate)": {"name", "zone", "properties"},
    "told": {each.name for each in dataclasses.fields(Details)} | {"access_ipv4", "access_ipv6"},
    "said": {"locked", "locked_reason"},  # of a lock
    **{
        f"{{name: {when}[name] for name in altered}}": {
            each.name for each in dataclasses.fields(subnets.Wish)
        }
        for when in ("before", "after")
    },
    "altered": {each.name for each in dataclasses.fields(images.Edit)}
    | {"admin_up", "groups", "address"},
    "dict(values)": set(),  # what `alter` was given
}


def recording() -> list[tuple[str, ast.Call]]:
    """Every call that writes into the record, and the file where it stands."""
    return [
        (name(path), node)
        for path in sources("portal/services", "portal/conductor")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in RECORDERS
    ]


def actions_of(node: ast.expr) -> list[str]:
    """The actions that an expression may stand for; those of names are found where they are given
    a value."""
    match node:
        case ast.Constant():
            return [node.value]
        case ast.IfExp():
            return actions_of(node.body) + actions_of(node.orelse)
        case ast.JoinedStr(values=[ast.Constant(value=noun), ast.FormattedValue(value=verb)]):
            verbs = {
                "verb": ["enable", "disable", "lock", "unlock", "protect", "unprotect"],
                "action": ["start", "stop", "force_stop", "reboot"],
            }[verb.id]
            return [f"{noun}{each}" for each in verbs]
    return []


def test_everything_that_is_recorded_has_words():
    found = [each for _, call in recording() for each in actions_of(call.args[1])]
    assert {"instances:create", "sessions:revoke", "hosts:enable", "members:remove"} <= set(found)
    found += ["sessions:sign_in", "sessions:sign_out", "instances:console"]
    for action in found:
        assert all(deeds.phrases(action)), action


def test_whatever_a_page_may_refuse_has_words(cloud):
    from portal import config

    for route in routes(create_app(config.current())):
        if route.method == "POST":
            noun, verb = route.endpoint.split(".")[-2:]
            verb = dict(route.choices).get("action") or dict(route.choices).get("wish") or verb
            assert all(deeds.phrases(f"{noun}.{verb}")), route.name


def test_whatever_a_program_may_be_refused_has_words(cloud):
    """What a page calls otherwise has another name in OURS of `portal.api`."""
    from portal import api, config

    found = {f"instances.{verb}" for verb in servers_action.DEEDS.values()}
    for route in routes(create_app(config.current()), of_api=True):
        if route.method not in api.SAFE_METHODS and not api.is_open(route.endpoint):
            _, noun, verb = route.endpoint.split(".")
            found.add(f"{api.OURS.get(noun, noun)}.{verb}")
    silent = []
    for action in sorted(found):
        try:
            deeds.phrases(action)
        except KeyError:
            silent.append(action)
    assert not silent


def test_every_field_has_a_word():
    for where, call in recording():
        values = [each.value for each in call.keywords if each.arg in ("before", "after")]
        for value in [*values, *call.args[3:]]:
            if isinstance(value, ast.Dict):
                fields = {key.value for key in value.keys if isinstance(key, ast.Constant)}
            else:
                fields = FIELDS_OF[ast.unparse(value)]
            missing = fields - deeds.FIELDS.keys() - deeds.UNSAID
            assert not missing, f"{where}: {missing}"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"action": "projects:create", "target_name": "shop", "after": {"name": "shop"}},
         ("Created project", "shop", [])),
        ({"action": "sessions:sign_in", "user_name": "alice", "target_name": "alice"},
         ("Signed in", "", [])),
        ({"action": "sessions:sign_in", "user_name": "nobody", "target_name": "alice",
          "refused": "No."}, ("Was not let in as", "alice", [])),
        ({"action": "instances:stop", "target_name": "web",
          "before": {"desired": "running", "boots": 1, "grace_seconds": 60},
          "after": {"desired": "stopped", "boots": 1, "grace_seconds": 60}},
         ("Stopped instance", "web", [])),
        ({"action": "consoles.ticket", "refused": "It is off."},
         ("Open the screen of instance", "", [])),
        ({"action": "members:add", "target_name": "red", "before": {"bob": None},
          "after": {"bob": "member"}}, ("Added somebody to project", "red", ["bob: member"])),
        ({"action": "members:remove", "target_name": "red", "before": {"bob": "member"},
          "after": {"bob": None}}, ("Removed somebody from project", "red", ["bob: -member"])),
        ({"action": "members:add", "target_name": "red",
          "before": {"team_mib": None, "boots": None, "role": "reader"},
          "after": {"team_mib": "reader", "boots": "admin", "role": "member"}},
         ("Added somebody to project", "red",
          ["team_mib: reader", "boots: admin", "role: -reader member"])),
        ({"action": "quotas:change", "target_name": "red", "before": {"memory_mib": 1024},
          "after": {"memory_mib": 8192, "disk_gib": 10}},
         ("Changed the quota of project", "red", ["Memory: -1 GiB 8 GiB", "Disk: 10 GiB"])),
        ({"action": "quotas:change", "target_name": "red", "before": {"vcpus": 8, "disk_gib": -1},
          "after": {"vcpus": -1, "disk_gib": 10}},
         ("Changed the quota of project", "red",
          ["vCPUs: -8 no limit", "Disk: -no limit 10 GiB"])),
        ({"action": "toys:wind_up", "target_name": "car", "after": {"turns_left": 3}},
         ("Wind up toy", "car", ["Turns left: 3"])),
    ],
)  # fmt: skip
def test_an_entry_reads_like_a_sentence(entry, words):
    made = Activity(**{"user_name": "ada", "target_name": "", "refused": ""} | entry)
    changes = [
        f"{each.field}: {f'-{each.before}' if each.before else ''} {each.after or ''}"
        for each in deeds.changes(made)
    ]
    deed = deeds.deed(made)
    told = [" ".join(each.split()) for each in changes]
    assert (deed.phrase, deed.name, told) == words


def test_whatever_is_refused_of_flavors_and_keys_to_programs_has_words(cloud):
    nouns = ("flavors", "flavors_action", "flavors_os_extra_specs", "os_keypairs")
    for route in routes(create_app(config.current()), of_api=True):
        _, noun, verb = [*route.endpoint.split("."), "", ""][:3]
        if noun in nouns and route.method not in api.SAFE_METHODS:
            assert deeds.phrases(f"{api.OURS.get(noun, noun)}.{verb}"), route.name


@pytest.mark.parametrize("verb", sorted(deeds.VERBS))
def test_whatever_was_done_its_changes_are_told(verb):
    entry = Activity(action=f"images:{verb}", before={"size": "1"}, after={"size": "2"})
    assert [each.after for each in deeds.changes(entry)] == ["2"]
