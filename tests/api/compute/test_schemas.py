"""What is answered about acts of servers, quotas, groups and usage is as Tempest's own schemas have
it, in every version."""

import functools
import importlib
import re
from pathlib import Path

import jsonschema
import pytest
from tempest.lib.api_schema.response import compute
from tempest.lib.common import jsonschema_validator

from tests.api.compute.test_servers import running

VERSIONS = [1, 3, 6, 21, 26, 35, 36, 40, 50, 51, 57, 58, 62, 66, 84, 96]


@functools.cache
def schema(noun: str, name: str, minor: int) -> dict | None:
    """The newest of Tempest's schemas of this name that is no newer than the version."""
    found = {}
    for folder in compute.__path__:
        for each in Path(folder).glob(f"v2_*/{noun}.py"):
            found[int(re.fullmatch("v2_([0-9]+)", each.parent.name)[1])] = each.parent.name
    newest = max(number for number in found if number <= minor)
    module = importlib.import_module(f"{compute.__name__}.{found[newest]}.{noun}")
    return getattr(module, name, None)


def assert_valid(answer, noun: str, name: str, minor: int) -> None:
    wanted = schema(noun, name, minor)
    assert wanted is not None, (noun, name)
    assert answer.status_code in wanted["status_code"], answer.text
    if "response_body" in wanted:
        jsonschema.validate(
            answer.json,
            wanted["response_body"],
            cls=jsonschema_validator.JSONSCHEMA_VALIDATOR,
            format_checker=jsonschema_validator.FORMAT_CHECKER,
        )


@pytest.mark.parametrize("minor", VERSIONS)
def test_every_answer_is_as_the_schema_of_its_version_has_it(cloud, alice, program, minor):
    headers = {"headers": {"OpenStack-API-Version": f"compute 2.{minor}"}}
    path, red = running(cloud, alice), cloud.project("red").id.hex
    ada, root = program("ada", "red"), "/compute/v2.1"

    def check(answer, noun: str, name: str) -> None:
        assert_valid(answer, noun, name, minor)

    def get(where: str, noun: str, name: str) -> None:
        check(ada.get(where, **headers), noun, name)

    actions = f"{path}/os-instance-actions"
    get(actions, "servers", "list_instance_actions")
    [action] = ada.get(actions, **headers).json["instanceActions"]
    get(f"{actions}/{action['request_id']}", "servers", "show_instance_action")
    quotas = f"{root}/os-quota-sets/{red}"
    get(quotas, "quotas", "get_quota_set")
    get(f"{quotas}/defaults", "quotas", "get_quota_set")
    get(f"{quotas}/detail", "quotas", "get_quota_set_details")
    wish = {"quota_set": {"instances": 9}}
    check(ada.put(quotas, wish, **headers), "quotas", "update_quota_set")
    check(ada.delete(quotas, **headers), "quotas", "delete_quota")
    get(f"{root}/os-simple-tenant-usage?detailed=1", "tenant_usages", "list_tenant_usage")
    get(f"{root}/os-simple-tenant-usage/{red}", "tenant_usages", "get_tenant_usage")
    if minor >= 6:
        vnc = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        answer = ada.post(f"{path}/remote-consoles", vnc, **headers)
        check(answer, "servers", "get_remote_consoles")
    else:
        answer = ada.post(f"{path}/action", {"os-getVNCConsole": {"type": "novnc"}}, **headers)
        assert_valid(answer, "servers", "get_vnc_console", 1)  # no newer one knows it
    if minor >= 26:
        tags = f"{path}/tags"
        check(ada.put(f"{tags}/web", **headers), "servers", "update_tag")
        check(ada.get(f"{tags}/web", **headers), "servers", "check_tag_existence")
        get(tags, "servers", "list_tags")
        check(ada.put(tags, {"tags": ["a"]}, **headers), "servers", "update_all_tags")
        check(ada.delete(tags, **headers), "servers", "delete_all_tags")
    if minor < 36:
        groups, rules = f"{root}/os-security-groups", f"{root}/os-security-group-rules"
        wish = {"security_group": {"name": "web", "description": ""}}
        made = ada.post(groups, wish, **headers)
        check(made, "security_groups", "create_security_group")
        group_id = made.json["security_group"]["id"]
        for remote in (None, group_id):
            rule = {"parent_group_id": group_id, "ip_protocol": "tcp", "from_port": 1, "to_port": 2}
            wish = {"security_group_rule": rule | ({"group_id": remote} if remote else {})}
            told = ada.post(rules, wish, **headers)
            check(told, "security_groups", "create_security_group_rule")
        get(groups, "security_groups", "list_security_groups")
        get(f"{groups}/{group_id}", "security_groups", "get_security_group")
        check(
            ada.delete(f"{groups}/{group_id}", **headers),
            "security_groups",
            "delete_security_group",
        )
