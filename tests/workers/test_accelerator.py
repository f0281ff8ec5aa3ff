"""Whether KVM is used is found out by running a guest."""

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from workers.config import HostConfig
from workers.drivers.libvirt import accelerator

EMULATOR = "/usr/bin/qemu-system-x86_64"


@pytest.fixture
def config(tmp_path):
    return HostConfig(
        name="kvm-1", key="", redis_url="", state_directory=tmp_path / "state", emulator=EMULATOR
    )


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize("choice", ["kvm", "qemu"])
def test_what_the_administrator_sets_is_used(config, choice):
    chosen, reason = accelerator.choose(dataclasses.replace(config, accelerator=choice))
    assert chosen == choice
    assert reason == f"{choice} is set in the configuration of the host"


@pytest.mark.real
def test_the_guest_of_one_sector_comes_to_its_end_where_64_bit_code_runs():
    assert accelerator.probe(EMULATOR, "tcg", cpu="max") == ""


@pytest.mark.real
def test_a_machine_without_64_bits_fails_the_probe(monkeypatch):
    monkeypatch.setattr(accelerator, "PROBE_SECONDS", 2)
    failure = accelerator.probe(EMULATOR, "tcg", cpu="qemu32")
    assert failure  # it resets, or hangs: by no means does it report success


@pytest.mark.real
def test_kvm_is_chosen_only_if_its_guest_came_to_its_end(config):
    chosen, reason = accelerator.choose(config)
    if not Path("/dev/kvm").exists():
        assert (chosen, "no /dev/kvm" in reason) == ("qemu", True)
        return
    failure = accelerator.probe(EMULATOR, "kvm", cpu="host")
    assert chosen == ("qemu" if failure else "kvm")
    assert failure in reason


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="what follows asks a QEMU about KVM")
class TestWhatQemuAnswers:
    def test_a_qemu_that_fails_is_quoted(self, config, tmp_path):
        emulator = program(tmp_path / "qemu", "echo 'error: no MSR for you' >&2; exit 1")
        chosen, reason = accelerator.choose(dataclasses.replace(config, emulator=emulator))
        assert chosen == "qemu"
        assert "no MSR for you" in reason

    def test_a_guest_that_hangs_is_no_proof(self, config, tmp_path, monkeypatch):
        monkeypatch.setattr(accelerator, "PROBE_SECONDS", 0.2)
        emulator = program(tmp_path / "qemu", "exec tail -f /dev/null")
        chosen, reason = accelerator.choose(dataclasses.replace(config, emulator=emulator))
        assert (chosen, "did not get through" in reason) == ("qemu", True)

    def test_the_finding_is_kept_until_qemu_or_the_boot_is_another(self, config, tmp_path):
        emulator = program(tmp_path / "qemu", f"echo run >>{tmp_path}/runs; exit 85")
        config = dataclasses.replace(config, emulator=emulator)
        assert accelerator.choose(config) == accelerator.choose(config)
        assert accelerator.choose(config)[0] == "kvm"
        assert (tmp_path / "runs").read_text() == "run\n"

        program(tmp_path / "qemu", f"echo run >>{tmp_path}/runs; exit 1")
        assert accelerator.choose(config)[0] == "qemu"

        known = config.state_directory / "accelerator.json"
        finding = json.loads(known.read_text())
        finding["seen"][0] = "an earlier boot"
        known.write_text(json.dumps(finding))
        accelerator.choose(config)
        assert (tmp_path / "runs").read_text() == "run\nrun\nrun\n"

    def test_a_damaged_note_is_found_out_again(self, config, tmp_path):
        emulator = program(tmp_path / "qemu", "exit 85")
        config = dataclasses.replace(config, emulator=emulator)
        config.state_directory.mkdir()
        (config.state_directory / "accelerator.json").write_text("{")
        assert accelerator.choose(config)[0] == "kvm"
