"""Asking hosts what they hold."""

from portal.conductor import sweeps
from portal.models import Power


def test_a_host_is_asked_every_half_minute_though_nothing_has_happened(cloud, monkeypatch):
    instance = cloud.running()
    cloud.hosts["kvm-1"].drop("guest", str(instance.id))
    cloud.observe()
    assert cloud.see(instance).observed is Power.RUNNING, "not yet"
    assert sweeps.SWEEP_SECONDS == 30
    monkeypatch.setattr(sweeps, "SWEEP_SECONDS", 0)
    cloud.observe()
    assert cloud.see(instance).observed is Power.ABSENT
