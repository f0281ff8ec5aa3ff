import pytest

from portal.db import transaction
from tests.cloud import host_row


@pytest.fixture
def two_hosts(bare_cloud):
    """kvm-1 holds an instance of the group `default` and takes no more; kvm-2 takes the others."""
    bare_cloud.add_host("kvm-1")
    bare_cloud.first = bare_cloud.running("first", group_ids=(bare_cloud.default_group(),))
    bare_cloud.add_host("kvm-2")
    with transaction():
        host_row("kvm-1").enabled = False
    return bare_cloud
