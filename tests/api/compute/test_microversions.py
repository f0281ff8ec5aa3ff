"""Every answer, in every version, is what the schemas of OpenStack's own test suite say."""

import importlib
import pkgutil
import re
from types import SimpleNamespace

import pytest
from tempest.lib.api_schema.response import compute as schemas
from tempest.lib.common.rest_client import RestClient

from portal.db import session
from tests.api.bodies import an_ordinary_server
from tests.api.compute.test_os_keypairs import PUBLIC
from tests.api.shapes import assert_fault

MOST = 96
VERSIONS = [f"2.{minor}" for minor in range(1, MOST + 1)]
SERVERS, FLAVORS, KEYS = (f"/compute/v2.1/{each}" for each in ("servers", "flavors", "os-keypairs"))
LIMITS = "/compute/v2.1/limits"


def published() -> list[int]:
    """The versions in which some schema changed."""
    names = [each.name for each in pkgutil.iter_modules(schemas.__path__)]
    return sorted(int(found[1]) for name in names if (found := re.fullmatch(r"v2_(\d+)", name)))


def schema(version: str, noun: str, name: str) -> dict:
    """The newest at or below this version."""
    for minor in reversed([each for each in published() if each <= int(version[2:])]):
        module = f"{schemas.__name__}.v2_{minor}.{noun}"
        if importlib.util.find_spec(module):
            found = getattr(importlib.import_module(module), name, None)
            if found is not None:
                return found
    raise LookupError(name)


class Speaker:
    """A program that speaks one version, and judges what it is answered."""

    def __init__(self, program, version: str):
        self.program, self.version = program, version
        self.headers = {"OpenStack-API-Version": f"compute {version}"}

    def ask(self, method: str, path: str, body: dict | None = None):
        given = {"json": body} if body is not None else {}
        return self.program.ask(method, path, headers=self.headers, **given)

    def judged(self, noun: str, name: str, method: str, path: str, body: dict | None = None):
        answer = self.ask(method, path, body)
        wanted = schema(self.version, noun, name)
        assert answer.status_code in wanted["status_code"], (self.version, answer.text)
        said = answer.json if answer.text.strip() else ""
        RestClient.validate_response(wanted, SimpleNamespace(status=answer.status_code), said)
        return answer.json


@pytest.fixture(params=["alice", "ada"])
def speakers(cloud, program, request):
    """Of every version, for a member and for the administrator of the cloud, whose guest runs."""
    who = program(request.param, "red")
    who.server = who.post(SERVERS, {"server": an_ordinary_server()}).json["server"]["id"]
    cloud.settle()
    session.rollback()
    return [Speaker(who, version) for version in VERSIONS]


def test_servers_are_told_in_every_version(speakers):
    for speaker in speakers:
        path = f"{SERVERS}/{speaker.program.server}"
        shown = speaker.judged("servers", "get_server", "GET", path)["server"]
        speaker.judged("servers", "list_servers", "GET", f"{SERVERS}?limit=1")
        [listed] = speaker.judged("servers", "list_servers_detail", "GET", f"{SERVERS}/detail")[
            "servers"
        ]
        alone = {"OS-EXT-SRV-ATTR:user_data", "server_groups"}
        assert set(shown) - set(listed) <= alone, speaker.version
        body = {"server": {"name": "web"}}
        speaker.judged("servers", "update_server", "PUT", path, body)


def test_servers_are_made_in_every_version(cloud, program):
    alice = program("alice", "red")
    for version in VERSIONS:
        speaker = Speaker(alice, version)
        body = {"server": an_ordinary_server(networks=of_network(cloud))}
        name = "create_server_with_admin_pass"
        made = speaker.judged("servers", name, "POST", SERVERS, body)["server"]
        speaker.judged("servers", "delete_server", "DELETE", f"{SERVERS}/{made['id']}")
        if speaker.version.endswith("0"):  # hosts have room again
            cloud.settle()


def test_flavors_are_told_in_every_version(speakers):
    for speaker in speakers:
        first = speaker.judged("flavors", "list_flavors", "GET", FLAVORS)["flavors"][0]
        speaker.judged("flavors", "list_flavors_details", "GET", f"{FLAVORS}/detail")
        path = f"{FLAVORS}/{first['id']}"
        speaker.judged("flavors", "create_update_get_flavor_details", "GET", path)


def test_flavors_are_kept_in_every_version(program):
    ada = program("ada", "system")
    wish = {"name": "tiny", "ram": 256, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    for version in VERSIONS:
        speaker, name = Speaker(ada, version), "create_update_get_flavor_details"
        made = speaker.judged("flavors", name, "POST", FLAVORS, {"flavor": wish})["flavor"]
        path = f"{FLAVORS}/{made['id']}"
        if int(version[2:]) >= 55:
            body = {"flavor": {"description": "small"}}
            told = speaker.judged("flavors", name, "PUT", path, body)["flavor"]
            assert told["description"] == "small"
        specs, of_specs = {"extra_specs": {"hw:numa_nodes": "1"}}, "flavors_extra_specs"
        all_specs, one_spec = "set_get_flavor_extra_specs", "set_get_flavor_extra_specs_key"
        speaker.judged(of_specs, all_specs, "POST", f"{path}/os-extra_specs", specs)
        speaker.judged(of_specs, all_specs, "GET", f"{path}/os-extra_specs")
        of_spec = f"{path}/os-extra_specs/hw:numa_nodes"
        speaker.judged(of_specs, one_spec, "GET", of_spec)
        speaker.judged(of_specs, "unset_flavor_extra_specs", "DELETE", of_spec)
        name = "add_remove_list_flavor_access"
        speaker.judged("flavors_access", name, "GET", f"{path}/os-flavor-access")
        speaker.judged("flavors", "delete_flavor", "DELETE", path)


def test_keys_are_told_in_every_version(program):
    alice = program("alice", "red")
    for version in VERSIONS:
        speaker, wish = Speaker(alice, version), {"name": "laptop", "public_key": PUBLIC}
        speaker.judged("keypairs", "create_keypair", "POST", KEYS, {"keypair": wish})
        speaker.judged("keypairs", "list_keypairs", "GET", KEYS)
        speaker.judged("keypairs", "get_keypair", "GET", f"{KEYS}/laptop")
        speaker.judged("keypairs", "delete_keypair", "DELETE", f"{KEYS}/laptop")


def test_the_ports_and_addresses_of_a_server_are_told_in_every_version(speakers):
    for speaker in speakers:
        path = f"{SERVERS}/{speaker.program.server}"
        speaker.judged("interfaces", "list_interfaces", "GET", f"{path}/os-interface")
        speaker.judged("servers", "list_addresses", "GET", f"{path}/ips")
        speaker.judged("servers", "list_server_metadata", "GET", f"{path}/metadata")


def test_since_2_75_nothing_is_asked_for_that_is_not_known(alice):
    for path in (SERVERS, FLAVORS, KEYS, LIMITS):
        asked = f"{path}?colour=red"
        assert Speaker(alice, "2.74").ask("GET", asked).status_code == 200
        assert_fault(Speaker(alice, "2.75").ask("GET", asked), 400)


def test_limits_are_told_in_every_version(speakers):
    for speaker in speakers:
        speaker.judged("limits", "get_limit", "GET", LIMITS)


@pytest.mark.parametrize(
    ("changes", "refused", "understood"),
    [
        ({"description": "x"}, "2.18", "2.19"),
        ({"networks": "auto"}, "2.36", "2.37"),
        ({"networks": None}, "2.37", "2.36"),
        ({"tags": ["a"]}, "2.51", "2.52"),
        ({"personality": []}, "2.57", "2.56"),
        ({"trusted_image_certificates": None}, "2.62", "2.63"),
        ({"hostname": "db"}, "2.89", "2.90"),
    ],
)
def test_a_wish_may_hold_what_its_version_knows(cloud, alice, changes, refused, understood):
    body = {"server": an_ordinary_server(networks=of_network(cloud)) | changes}
    if body["server"]["networks"] is None:
        del body["server"]["networks"]
    assert_fault(Speaker(alice, refused).ask("POST", SERVERS, body), 400)
    answer = Speaker(alice, understood).ask("POST", SERVERS, body)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"personality": [{"path": "/etc/motd", "contents": ""}]},
        {"block_device_mapping": [{"device_name": "vda"}]},
        {"block_device_mapping_v2": [{"source_type": "volume", "destination_type": "volume"}]},
        {"networks": [{"uuid": None, "tag": "nic"}]},
        {"trusted_image_certificates": ["x"]},
        {"host": "kvm-1"},
        {"hostname": "db.example.org"},
        {"hostname": "db", "max_count": 2},
        {"accessIPv4": "1.1.1.256"},
        {"accessIPv6": "fe80::1%eth0"},
    ],
)
def test_what_servers_do_not_have_here_is_refused(cloud, alice, changes):
    [network] = of_network(cloud)
    if isinstance(changes.get("networks"), list):
        changes = {"networks": [{**changes["networks"][0], **network}]}
    body = {"server": an_ordinary_server(networks=[network]) | changes}
    version = "2.50" if "personality" in changes else VERSIONS[-1]
    assert_fault(Speaker(alice, version).ask("POST", SERVERS, body), 400)


def of_network(cloud) -> list[dict]:
    return [{"uuid": str(cloud.new_instance().network_id)}]
