"""The config disk: what a guest is told of itself at boot, in the layout of OpenStack.

https://docs.openstack.org/nova/latest/user/metadata.html (keys of `meta_data.json`),
https://docs.openstack.org/nova/latest/user/config-drive.html (label and paths), and
https://cloudinit.readthedocs.io/en/latest/reference/datasources/configdrive.html, whose reader
takes the newest dated folder that it knows and needs `uuid` in `meta_data.json`.
"""

import hashlib
import io
import json

import pycdlib

from workers.specs import InstanceSpec, PortSpec

LABEL = "config-2"
VERSIONS = ("2018-08-27", "latest")
LINK_TYPE = "phy"  # what cloud-init configures as a plain Ethernet device

_SECTOR = 2048
_PREPARER = slice(16 * _SECTOR + 446, 16 * _SECTOR + 574)  # ECMA-119, section 8.4.22


def config_disk(spec: InstanceSpec) -> bytes:
    """An ISO 9660 volume with Joliet and Rock Ridge names, labelled `config-2`.

    Two volumes of one spec differ by the time they were made; `digest` tells whether they say
    the same.
    """
    documents = _documents(spec)
    iso = pycdlib.PyCdlib()
    iso.new(
        interchange_level=3,
        joliet=3,
        rock_ridge="1.09",
        vol_ident=LABEL,
        preparer_ident_str=_digest(documents),
    )
    for number, folder in enumerate(("openstack", *(f"openstack/{each}" for each in VERSIONS))):
        parent = "/D0" if number else ""
        iso.add_directory(
            f"{parent}/D{number}", rr_name=folder.rpartition("/")[2], joliet_path=f"/{folder}"
        )
    for place, version in enumerate(VERSIONS, start=1):
        for number, (name, content) in enumerate(documents.items()):
            iso.add_fp(
                io.BytesIO(content),
                len(content),
                f"/D0/D{place}/F{number}.;1",
                rr_name=name,
                joliet_path=f"/openstack/{version}/{name}",
            )
    volume = io.BytesIO()
    iso.write_fp(volume)
    iso.close()
    return volume.getvalue()


def digest(spec: InstanceSpec) -> str:
    """Names what a config disk of `spec` says."""
    return _digest(_documents(spec))


def read_digest(volume: bytes) -> str:
    """The digest of what a config disk says; "" when it is none of ours. The first 34 KiB do."""
    return volume[_PREPARER].decode("ascii", errors="replace").strip(" \0")


def _documents(spec: InstanceSpec) -> dict[str, bytes]:
    documents = {
        "meta_data.json": _json(_meta_data(spec)),
        "network_data.json": _json(_network_data(spec.ports)),
        "vendor_data.json": _json({}),
    }
    if spec.user_data:
        documents["user_data"] = spec.user_data.encode()
    return documents


def _meta_data(spec: InstanceSpec) -> dict:
    return {
        "uuid": spec.id,
        "name": spec.name,
        "hostname": spec.hostname,
        "local-hostname": spec.hostname,
        "launch_index": 0,
        "project_id": spec.project_id,
        "availability_zone": "nova",
        "public_keys": dict(spec.public_keys),
        "keys": [{"name": name, "type": "ssh", "data": key} for name, key in spec.public_keys],
        "meta": {},
    }


def _network_data(ports: tuple[PortSpec, ...]) -> dict:
    """https://docs.openstack.org/nova/latest/_downloads/network_data.json: all by DHCP."""
    return {
        "links": [
            {
                "id": f"link{number}",
                "type": LINK_TYPE,
                "ethernet_mac_address": port.mac,
                "mtu": port.mtu,
                "vif_id": port.id,
            }
            for number, port in enumerate(ports)
        ],
        "networks": [
            {
                "id": f"network{number}",
                "type": "ipv4_dhcp",
                "link": f"link{number}",
                "network_id": port.network_id,
            }
            for number, port in enumerate(ports)
        ],
        "services": [],
    }


def _json(value: dict) -> bytes:
    return json.dumps(value, indent=1).encode()


def _digest(documents: dict[str, bytes]) -> str:
    sums = [name + hashlib.sha256(content).hexdigest() for name, content in documents.items()]
    return hashlib.sha256("".join(sums).encode()).hexdigest()
