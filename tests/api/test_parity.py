"""Whatever a page can change, a program can change too, or it is said why not.

The table is printed: `REWRITE_GOLDEN=1 python -m pytest tests/api/test_parity.py` writes it anew.
"""

from tests import golden
from tests.routes import routes

TWINS = {  # what a page sends, and the route by which a program does the same
    "account.change_password": "identity.users.change_password",
    "access_keys.create": "identity.users_credentials_OS_EC2.create",
    "access_keys.delete": "identity.users_credentials_OS_EC2.delete",
    "admin.aggregates.add_host": "compute.os_aggregates.act",
    "admin.aggregates.change": "compute.os_aggregates.update",
    "admin.aggregates.create": "compute.os_aggregates.create",
    "admin.aggregates.delete": "compute.os_aggregates.delete",
    "admin.aggregates.remove_host": "compute.os_aggregates.act",
    "admin.flavors.create": "compute.flavors.create",
    "admin.flavors.delete": "compute.flavors.delete",
    "admin.groups.add_member": "identity.groups.add_member",
    "admin.groups.change_role": "identity.system.give_role",
    "admin.groups.create": "identity.groups.create",
    "admin.groups.delete": "identity.groups.delete",
    "admin.groups.remove_member": "identity.groups.remove_member",
    "admin.hosts.disable": "compute.os_services.update",
    "admin.hosts.enable": "compute.os_services.update",
    "admin.hosts.put_into_zone": "compute.os_aggregates.act",
    "admin.projects.change_quotas": "compute.os_quota_sets.change",
    "admin.projects.create": "identity.projects.create",
    "admin.projects.delete": "identity.projects.delete",
    "admin.projects.disable": "identity.projects.change",
    "admin.projects.enable": "identity.projects.change",
    "admin.users.change_role": "identity.system.give_role",
    "admin.users.create": "identity.users.create",
    "admin.users.delete": "identity.users.delete",
    "admin.users.disable": "identity.users.change",
    "admin.users.enable": "identity.users.change",
    "admin.users.reset_password": "identity.users.change",
    "application_credentials.create": "identity.users_application_credentials.create",
    "application_credentials.delete": "identity.users_application_credentials.delete",
    "boot_logs.ask": "compute.servers_action.act",
    "consoles.ticket": "compute.servers_remote_consoles.create",
    "images.accept accept": "image.images_members.accept",
    "images.accept reject": "image.images_members.accept",
    "images.change": "image.images.change",
    "images.create": "image.images.create",
    "images.delete": "image.images.delete",
    "images.fill": "image.images_file.replace",
    "images.protect protect": "image.images.change",
    "images.protect unprotect": "image.images.change",
    "images.reactivate": "image.images_actions.reactivate",
    "images.share": "image.images_members.share",
    "images.unshare": "image.images_members.unshare",
    "instances.act force_stop": "compute.servers_action.act",
    "instances.act reboot": "compute.servers_action.act",
    "instances.act start": "compute.servers_action.act",
    "instances.act stop": "compute.servers_action.act",
    "instances.create": "compute.servers.create",
    "instances.delete": "compute.servers.delete",
    "instances.describe": "compute.servers_metadata.replace",
    "instances.lock lock": "compute.servers_action.act",
    "instances.lock unlock": "compute.servers_action.act",
    "instances.rename": "compute.servers.update",
    "key_pairs.create": "compute.os_keypairs.create",
    "key_pairs.delete": "compute.os_keypairs.delete",
    "login.create": "identity.auth.issue",
    "login.delete": "identity.auth.revoke",
    "members.add_group": "identity.projects.give_role",
    "members.change_group_role": "identity.projects.give_role",
    "members.change_role": "identity.projects.give_role",
    "members.create": "identity.projects.give_role",
    "members.delete": "identity.projects.take_role",
    "members.delete_group": "identity.projects.take_role",
    "networks.create": "network.networks.create",
    "networks.delete": "network.networks.delete",
    "placement_groups.create": "compute.os_server_groups.create",
    "placement_groups.delete": "compute.os_server_groups.delete",
}
ALONE = {  # what a page alone can do, and why
    "account.end_sessions": "Sessions are of browsers: a program ends its own token.",
    "account.theme": "How a browser shows pages.",
    "admin.flavors.disable": "OpenStack takes a flavor from everybody by making it private.",
    "admin.flavors.enable": "OpenStack gives a flavor to everybody by making it public.",
    "admin.projects.retry": "Deleting it once more does the same.",
    "images.check": "It judges a form before its file is sent: a program is told with the file.",
    "images.fetch": "What publishers offer is a list of this portal: programs upload a file.",
    "images.retry": "As what publishers offer is.",
    "instances.act cancel": "OpenStack has no word for it: the opposite action comes after it.",
    "instances.act resume": "It goes on by itself once there is room; OpenStack has no word.",
    "instances.act retry": "Sending the action once more does the same.",
    "instances.recalculate": "It fills in a form, and changes nothing.",
}
NOT_YET = "not served yet"


def test_whatever_a_page_can_change_a_program_can_too(house):
    served = {each.endpoint for each in routes(house.app, of_api=True)}
    sent = [each.name for each in routes(house.app) if each.method == "POST"]
    assert set(sent) == TWINS.keys() | ALONE.keys(), "name its twin, or say why it has none"
    assert not TWINS.keys() & ALONE.keys()
    rows = [
        [name, twin, "" if not twin or twin in served else NOT_YET, ALONE.get(name, "")]
        for name in sent
        for twin in [TWINS.get(name, "")]
    ]
    heads = ["page", "twin", "", "why a page alone"]
    golden.assert_same("parity.txt", golden.table(heads, rows))


def test_whatever_stands_alone_says_why_in_a_sentence():
    assert all(why.endswith(".") and len(why) > 20 for why in ALONE.values())
