"""What libvirt is told of a guest."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.workers.conftest import other_disk, port, root_disk
from workers import specs
from workers.drivers.libvirt.domain_xml import (
    NAMESPACE,
    GuestFiles,
    Mark,
    definition_mark,
    domain_xml,
    read_mark,
)
from workers.errors import Permanent

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
FILES = GuestFiles(
    disks={
        "root": Path("/state/instances/1/root.qcow2"),
        **{other_disk(n).id: Path(f"/state/instances/1/{n}.qcow2") for n in range(1, 12)},
    },
    image=Path("/state/cache/abc"),
    seed=Path("/state/instances/1/seed.iso"),
    boot_log=Path("/state/instances/1/boot.log"),
)
SPEC = specs.InstanceSpec(
    id="0d4f34a1-1f3e-4b5c-9a64-7e1a4f0d2c11",
    generation=7,
    name="web-1",
    hostname="web-1",
    project_id="p",
    power=specs.RUNNING,
    boots=3,
    vcpus=2,
    memory_mib=256,
    disks=(
        root_disk(
            specs.ImageSpec(
                id="i",
                generation=1,
                sha256="a" * 64,
                format="raw",
                size_bytes=1,
                virtual_size_bytes=1,
            )
        ),
    ),
    ports=tuple(
        specs.PortSpec(
            id=f"{number}1111111-2222-3333-4444-555555555555",
            network_id="n",
            segment_id=4000 + number,
            mac=f"52:54:00:00:00:0{number}",
            mtu=1450,
            addresses=(
                specs.AddressSpec(address=f"10.0.0.{number}", prefix_length=24, gateway="10.0.0.1"),
            ),
        )
        for number in (1, 2)
    ),
)


def define(spec=SPEC, *, accelerator="qemu") -> etree._Element:
    return etree.fromstring(
        domain_xml(
            spec,
            FILES,
            accelerator=accelerator,
            emulator="/usr/bin/qemu-system-x86_64",
            vnc=Path("/run/portico/vnc/1.sock"),
        )
    )


def shape(domain: etree._Element) -> list[tuple[str, tuple[str, ...]]]:
    return [(element.tag, tuple(element.attrib)) for element in domain.iter()]


@pytest.mark.parametrize("accelerator", ["kvm", "qemu"])
def test_libvirts_own_schema_knows_every_element(accelerator):
    if not SCHEMA.exists():
        pytest.fail(f"{SCHEMA} is not there: apt-get install libvirt-daemon-system")
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    schema.assertValid(define(accelerator=accelerator))


def test_a_guest_is_recognised_without_a_database():
    domain = define()
    guest = domain.find(f"metadata/{{{NAMESPACE}}}guest")
    assert domain.findtext("name") == f"instance-{SPEC.id}"
    assert domain.findtext("uuid") == SPEC.id
    assert guest.get("name") == "web-1"
    mark = definition_mark(etree.tostring(domain, encoding="unicode"))
    assert (mark.generation, mark.boots) == (7, 3)


def test_every_change_of_a_spec_changes_the_mark():
    changes = ({"memory_mib": 512}, {"vcpus": 1}, {"name": "web-2"}, {"ports": ()})
    marks = {
        definition_mark(etree.tostring(define(dataclasses.replace(SPEC, **each)))).digest
        for each in ({}, *changes)
    }
    assert len(marks) == 5
    assert define().get("type") != define(accelerator="kvm").get("type")


def test_no_format_is_left_for_anyone_to_guess():
    root, seed = define().findall("devices/disk")
    assert root.find("driver").get("type") == "qcow2"
    assert root.find("backingStore/format").get("type") == "raw"
    assert root.find("backingStore/backingStore") is not None, "the chain would be probed"
    assert seed.find("driver").get("type") == "raw"


def test_the_config_disk_is_a_disk_that_nobody_writes():
    seed = define().findall("devices/disk")[1]
    assert (seed.get("device"), seed.find("target").get("bus")) == ("disk", "virtio")
    assert seed.find("readonly") is not None


def test_the_screen_is_a_socket_and_no_port():
    graphics = define().findall("devices/graphics")
    assert [each.attrib for each in graphics] == [{"type": "vnc"}]
    assert dict(graphics[0].find("listen").attrib) == {
        "type": "socket",
        "socket": "/run/portico/vnc/1.sock",
    }


def test_ports_keep_their_order_and_their_names():
    interfaces = define().findall("devices/interface")
    assert [each.find("mac").get("address")[-1] for each in interfaces] == ["1", "2"]
    assert [each.find("source").get("bridge") for each in interfaces] == ["pbr4001", "pbr4002"]
    assert [each.find("target").get("dev") for each in interfaces] == [
        "ptap11111111222",
        "ptap21111111222",
    ]
    assert {each.find("mtu").get("size") for each in interfaces} == {"1450"}


@given(st.text(st.characters(codec=None), max_size=40))
def test_no_name_changes_what_is_defined(name):
    try:
        domain = define(dataclasses.replace(SPEC, name=name))
    except Permanent:
        assert not name.isprintable()
        return
    assert shape(domain) == shape(define())
    assert domain.find(f"metadata/{{{NAMESPACE}}}guest").get("name") == name


@pytest.mark.parametrize("name", ["a\0b", "\x1b[2J", "bell\a", "\ud800"])
def test_control_characters_are_refused_with_a_sentence(name):
    with pytest.raises(Permanent, match="holds a control character"):
        define(dataclasses.replace(SPEC, name=name))


@pytest.mark.parametrize(
    "metadata", ["", "<x/>", "<x generation='1' boots='one' digest=''/>", "<!DOCTYPE x><x/>"]
)
def test_a_mark_that_is_not_ours_is_none(metadata):
    assert read_mark(metadata) is None


def test_an_entity_in_a_mark_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("canary")
    metadata = (
        f"<!DOCTYPE x [<!ENTITY e SYSTEM '{tmp_path}/secret'>]>"
        "<x generation='1' boots='1' digest='d'>&e;</x>"
    )
    assert read_mark(metadata) == Mark(generation=1, boots=1, digest="d")
