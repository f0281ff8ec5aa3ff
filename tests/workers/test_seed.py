"""The config disk, read back as a guest reads it."""

import dataclasses
import io
import json

import pycdlib
import pytest

from workers import specs
from workers.drivers.disks import seed

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfakefakefake alice@laptop"


@pytest.fixture
def spec(new_instance):
    return new_instance(
        name='Wéb "1" <script>',
        hostname="web-1",
        public_keys=(("laptop", KEY),),
        user_data="#!/bin/sh\necho 'hällo'\n",
        ports=(
            specs.PortSpec(
                id="11111111-2222-3333-4444-555555555555",
                network_id="n-1",
                segment_id=4001,
                mac="52:54:00:00:00:01",
                mtu=1450,
                addresses=(
                    specs.AddressSpec(address="10.0.0.5", prefix_length=24, gateway="10.0.0.1"),
                ),
            ),
        ),
    )


def read(volume: bytes, path: str, *, names: str) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(volume))
    content = io.BytesIO()
    iso.get_file_from_iso_fp(content, **{f"{names}_path": path})
    iso.close()
    return content.getvalue()


@pytest.mark.parametrize("names", ["rr", "joliet"])
@pytest.mark.parametrize("version", ["latest", "2018-08-27"])
def test_a_guest_learns_who_it_is(spec, names, version):
    volume = seed.config_disk(spec)
    meta_data = json.loads(read(volume, f"/openstack/{version}/meta_data.json", names=names))
    assert meta_data["uuid"] == spec.id
    assert meta_data["name"] == spec.name
    assert meta_data["hostname"] == meta_data["local-hostname"] == "web-1"
    assert meta_data["project_id"] == spec.project_id
    assert meta_data["public_keys"] == {"laptop": KEY}
    assert meta_data["keys"] == [{"name": "laptop", "type": "ssh", "data": KEY}]
    user_data = read(volume, f"/openstack/{version}/user_data", names=names)
    assert user_data == spec.user_data.encode()


def test_a_guest_learns_that_its_ports_ask_dhcp(spec):
    network = json.loads(
        read(seed.config_disk(spec), "/openstack/latest/network_data.json", names="rr")
    )
    (link,), (address,) = network["links"], network["networks"]
    assert (link["ethernet_mac_address"], link["mtu"]) == ("52:54:00:00:00:01", 1450)
    assert (address["type"], address["link"]) == ("ipv4_dhcp", link["id"])


def test_the_volume_bears_the_label_that_guests_look_for(spec):
    volume = seed.config_disk(spec)
    assert volume[32808:32840].rstrip(b" \0") == b"config-2"  # ECMA-119, section 8.4.7


def test_without_user_data_there_is_no_such_file(spec):
    volume = seed.config_disk(dataclasses.replace(spec, user_data=""))
    with pytest.raises(pycdlib.pycdlibexception.PyCdlibInvalidInput):
        read(volume, "/openstack/latest/user_data", names="rr")


def test_a_volume_says_what_it_says(spec):
    assert seed.read_digest(seed.config_disk(spec)) == seed.digest(spec)
    for change in ({"hostname": "web-2"}, {"user_data": ""}, {"public_keys": ()}, {"ports": ()}):
        assert seed.digest(dataclasses.replace(spec, **change)) != seed.digest(spec)
    other_power = dataclasses.replace(spec, power=specs.STOPPED, boots=9, generation=9)
    assert seed.digest(other_power) == seed.digest(spec)
    assert seed.read_digest(b"no volume at all") == ""


def test_user_data_of_a_mebibyte_fits(spec):
    user_data = "#!/bin/sh\n" + "# x\n" * 250_000
    volume = seed.config_disk(dataclasses.replace(spec, user_data=user_data))
    assert read(volume, "/openstack/latest/user_data", names="joliet") == user_data.encode()
