"""Guests that stand still go on, whatever becomes of the one beside them."""

import dataclasses
import uuid

import libvirt
import pytest

from workers.drivers.disks import backing
from workers.drivers.libvirt import standstill


class Domain:
    """A guest of libvirt's that stands still for want of space."""

    def __init__(self, *, answers: bool = True):
        self.answers, self.id, self.goes_on = answers, str(uuid.uuid4()), False

    def metadata(self, *_):
        return "<instance/>"

    def UUIDString(self):
        return self.id

    def name(self):
        return self.id

    def state(self):
        if self.goes_on:
            return libvirt.VIR_DOMAIN_RUNNING, 0
        return libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR

    def diskErrors(self):
        if not self.answers:
            raise libvirt.libvirtError("cannot acquire state change lock")
        return {"vda": libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE}

    def resume(self):
        self.goes_on = True


class Connection:
    def __init__(self, *domains: Domain):
        self._domains = domains

    def listAllDomains(self, _):
        return list(self._domains)


@pytest.fixture
def roomy(config):
    return dataclasses.replace(config, resume_free_mib=0)


def test_a_guest_whose_qemu_does_not_answer_keeps_no_other_paused(roomy, monkeypatch):
    monkeypatch.setattr(standstill, "PROVES_SECONDS", 0)
    first, hangs, last = Domain(), Domain(answers=False), Domain()
    for each in (first, hangs, last):
        (backing.folder(roomy) / each.id).mkdir(parents=True)
    standstill.let_go_on(Connection(first, hangs, last), roomy)
    assert [each.goes_on for each in (first, hangs, last)] == [True, False, True]
    hangs.answers = True
    standstill.let_go_on(Connection(hangs), roomy)
    assert hangs.goes_on
