"""What libvirt is told of a guest."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.workers.conftest import other_disk, root_disk
from workers import specs
from workers.drivers.libvirt import places
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


def define(spec=SPEC, *, accelerator="qemu", files=FILES, known=None) -> etree._Element:
    return etree.fromstring(
        domain_xml(
            spec,
            files,
            accelerator=accelerator,
            emulator="/usr/bin/qemu-system-x86_64",
            vnc=Path("/run/portico/vnc/1.sock"),
            places_known=known,
        )
    )


def with_disks(*numbers: int) -> specs.InstanceSpec:
    return dataclasses.replace(SPEC, disks=(SPEC.root, *map(other_disk, numbers)))


BARE = dataclasses.replace(SPEC, disks=(root_disk(None),))
BARE_FILES = dataclasses.replace(FILES, image=None)


def targets(domain: etree._Element) -> dict[str, str]:
    """The names of the disks that come and go, by their id."""
    return {
        key: device.find("target").get("dev")
        for key, device in places.changing(domain).items()
        if device.tag == "disk"
    }


def shape(domain: etree._Element) -> list[tuple[str, tuple[str, ...]]]:
    return [(element.tag, tuple(element.attrib)) for element in domain.iter()]


@pytest.mark.parametrize("accelerator", ["kvm", "qemu"])
def test_libvirts_own_schema_knows_every_element(accelerator):
    if not SCHEMA.exists():
        pytest.fail(f"{SCHEMA} is not there: apt-get install libvirt-daemon-system")
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    schema.assertValid(define(accelerator=accelerator))
    schema.assertValid(define(with_disks(1, 2), accelerator=accelerator))
    schema.assertValid(define(BARE, files=BARE_FILES, accelerator=accelerator))


def test_a_guest_is_recognised_without_a_database():
    domain = define()
    guest = domain.find(f"metadata/{{{NAMESPACE}}}guest")
    assert domain.findtext("name") == f"instance-{SPEC.id}"
    assert domain.findtext("uuid") == SPEC.id
    assert guest.get("name") == "web-1"
    mark = definition_mark(etree.tostring(domain, encoding="unicode"))
    assert (mark.generation, mark.boots) == (7, 3)


def test_every_change_of_a_spec_changes_the_mark():
    disks = with_disks(1).disks
    changes = (
        *({"memory_mib": 512}, {"vcpus": 1}, {"name": "web-2"}, {"ports": ()}),
        *({"disks": disks}, {"disks": disks[::-1]}, {"disks": (disks[0], other_disk(2))}),
    )
    marks = {
        definition_mark(etree.tostring(define(dataclasses.replace(SPEC, **each)))).digest
        for each in ({}, *changes)
    }
    assert len(marks) == 8
    assert define().get("type") != define(accelerator="kvm").get("type")


def test_no_format_is_left_for_anyone_to_guess():
    root, seed = define().findall("devices/disk")
    assert root.find("driver").get("type") == "qcow2"
    assert root.find("backingStore/format").get("type") == "raw"
    assert root.find("backingStore/backingStore") is not None, "the chain would be probed"
    assert seed.find("driver").get("type") == "raw"


def test_a_root_disk_without_an_image_stands_on_nothing_and_is_booted_like_any_other():
    root = define(BARE, files=BARE_FILES).find("devices/disk")
    assert [each.tag for each in root.iterdescendants("backingStore")] == ["backingStore"]
    assert len(root.find("backingStore")) == 0, "the chain would be probed"
    assert root.find("target").get("dev") == "vda"
    assert root.find("boot").get("order") == "1"


def test_disks_are_named_in_their_order_and_only_the_root_disk_is_booted():
    domain = define(with_disks(1, 2))
    assert targets(domain) == {other_disk(1).id: "vdb", other_disk(2).id: "vdc"}
    assert len(domain.findall("devices/disk/boot")) == 1


def test_a_disk_keeps_its_name_and_a_device_its_slot_when_others_go():
    before = define(with_disks(1, 2, 3))
    for slot, device in enumerate(before.iterfind("devices/*"), start=1):
        if device.tag in ("disk", "interface", "rng"):
            etree.SubElement(device, "address", type="pci", bus=str(slot))
    known = places.read(before)
    fewer = dataclasses.replace(with_disks(4, 3), ports=SPEC.ports[1:])
    after = define(fewer, known=known)
    assert targets(after) == {other_disk(3).id: "vdd", other_disk(4).id: "vde"}
    again = places.read(after)
    assert {key: again[key] for key in again.keys() & known.keys()} == {
        key: known[key] for key in again.keys() & known.keys()
    }
    assert again[places.alias(other_disk(4).id)].slot == (), "libvirt finds one"
    slots = [place.slot for place in again.values() if place.slot]
    assert len(slots) == len(set(slots)) == 5, "root, config disk, one other, one port, the rng"


def test_where_a_device_is_does_not_change_the_mark():
    """Else a guest would be defined anew whenever it is looked at."""
    spec = with_disks(1, 2)
    known = places.read(define(with_disks(2)))
    marks = [definition_mark(etree.tostring(define(spec, known=each))) for each in ({}, known)]
    assert marks[0] == marks[1]
    assert targets(define(spec, known=known)) == {other_disk(1).id: "vdc", other_disk(2).id: "vdb"}


def test_a_guest_reads_the_serial_number_of_its_disk():
    spec = dataclasses.replace(SPEC, disks=(SPEC.root, other_disk(1, serial="backup")))
    assert define(spec).findtext("devices/disk[serial]/serial") == "backup"


def test_only_what_we_plugged_in_is_ours_to_pull_out():
    domain = define(with_disks(1))
    for xml in (
        "<disk><alias name='virtio-disk7'/><target dev='vdx'/></disk>",
        "<disk><target dev='vdy'/></disk>",
        "<interface><target dev='vnet3'/></interface>",
        "<interface/>",
    ):
        domain.find("devices").append(etree.fromstring(xml))
    assert set(places.changing(domain)) == {
        other_disk(1).id,
        "ptap11111111222",
        "ptap21111111222",
    }


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


def test_a_guest_stands_still_when_its_host_cannot_write_and_hears_what_cannot_be_read():
    root, config_disk = define().findall("devices/disk")
    driver = root.find("driver")
    assert (driver.get("error_policy"), driver.get("rerror_policy")) == ("stop", "report")
    assert config_disk.find("driver").get("error_policy") is None, "nothing is written to it"
