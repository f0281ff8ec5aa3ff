"""The `openstack` command, as it comes from PyPI: a walk through all that there is.

Each command is one that people use, and ends well; what it prints is what is there.
"""

import contextlib
import io
import shlex
import subprocess
import time

import pytest
from openstackclient import shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("interop"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

WALK = """
token issue
catalog list
endpoint list
service list
region list
domain list
project list
project create cliproj
project show cliproj
project set --description ours cliproj
user list
user create --project cliproj --password "lantern 7 gravel" cliuser
user show cliuser
user set --password "orchid 9 moth river" cliuser
role list
role add --project cliproj --user cliuser member
role assignment list --project cliproj --names
role remove --project cliproj --user cliuser member
group create cligroup
group add user cligroup cliuser
group list
role add --project cliproj --group cligroup reader
group remove user cligroup cliuser
group delete cligroup
application credential create cliapp
application credential list
application credential delete cliapp
ec2 credentials create
ec2 credentials list
flavor list
flavor create --ram 64 --vcpus 1 --disk 1 cliflavor
flavor show cliflavor
flavor set --property kind=small cliflavor
image list
image create --file {disk} --disk-format raw --container-format bare cliimage
image show cliimage
image save --file {saved} cliimage
image set --property foo=bar cliimage
network list
network create clinet
network set --description ours clinet
network show clinet
subnet create --network clinet --subnet-range 10.77.0.0/24 clisub
subnet set --name clisub2 clisub
subnet list
port create --network clinet cliport
port list --network clinet
port show cliport
security group create clisg
security group rule create --proto tcp --dst-port 22 clisg
security group rule list clisg
security group list
keypair create --public-key {key} clikey
keypair list
keypair show clikey
server create --image "Fake Linux" --flavor small --network clinet --key-name clikey \
  --security-group clisg --property role=web --wait clisrv
server list
server list --long --name clisrv
server show clisrv
console url show clisrv
console log show clisrv
server reboot --hard --wait clisrv
server stop clisrv
server start clisrv
server set --property k=v clisrv
server unset --property k clisrv
server set --name clisrv2 clisrv
server set --name clisrv clisrv2
server add security group clisrv default
server remove security group clisrv default
--os-compute-api-version 2.26 server set --tag blue clisrv
server event list clisrv
server lock clisrv
server unlock clisrv
--os-compute-api-version 2.37 server create --image "Fake Linux" --flavor small --nic none \
  --wait clinone
--os-compute-api-version 2.37 server create --image "Fake Linux" --flavor small --nic none \
  --min 2 --max 2 --wait climulti
server create --image "Fake Linux" --flavor small --port cliport --wait cliported
quota show
quota show --default
quota set --instances 50 cliproj
quota set --networks 50 cliproj
limits show --absolute
usage show
usage list
hypervisor list
hypervisor stats show
compute service list
availability zone list --compute
availability zone list --network
aggregate create --zone west cliaggregate
aggregate list
aggregate delete cliaggregate
server group create --policy anti-affinity cligrp
server group list
server group delete cligrp
extension list --network
versions show
server delete --wait clinone climulti-1 climulti-2 cliported clisrv
port delete cliport
image delete cliimage
subnet delete clisub2
network delete clinet
security group delete clisg
keypair delete clikey
flavor delete cliflavor
user delete cliuser
project delete cliproj
"""
WAIT, PATIENCE_SECONDS = "Wait for it", 60


class Client:
    """The command, in this process, where it starts in no time."""

    def __init__(self, caplog):
        self._caplog = caplog

    def run(self, line: str) -> str:
        """What is wrong with how this line ended; "" if nothing. What has to be waited for is
        asked for again, as a person does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (wrong := self._run(line)) and WAIT in wrong and time.monotonic() < deadline:
            time.sleep(0.2)
        return wrong

    def _run(self, line: str) -> str:
        self._caplog.clear()
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = shell.OpenStackShell().run(shlex.split(line))
            except SystemExit as end:
                code = end.code
        if not code:
            return ""
        errors = [each.getMessage() for each in self._caplog.records if each.levelname == "ERROR"]
        return f"{line}: {' '.join(errors) or said.getvalue()[-300:]}"


def test_a_walk_through_all_that_there_is(environment, monkeypatch, caplog, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    disk, key = tmp_path / "blank.raw", tmp_path / "key.pub"
    disk.write_bytes(bytes(2**20))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key.with_suffix("")])
    walk = WALK.format(disk=disk, saved=tmp_path / "saved.raw", key=key).replace("\\\n", "")
    client = Client(caplog)
    failed = list(filter(None, map(client.run, walk.strip().splitlines())))
    assert not failed, "\n".join(failed)
    assert (tmp_path / "saved.raw").read_bytes() == disk.read_bytes()
