"""`flask doctor` finds what is wrong, and says what mends it."""

from datetime import timedelta

import pytest

from portal import certificates, config, doctor
from portal.db import now
from tests.strangers import leave

MEND = "nft 'insert rule ip filter FORWARD iifname \"pout*\" accept'"
WHAT = "the chain FORWARD of the table ip filter drops what guests send"


@pytest.fixture
def findings(cloud):
    """What the doctor says: each sentence with what mends it, by whether it is well."""

    def examine(*, ok: bool) -> dict[str, str]:
        found = doctor.examine(config.current())
        return {each.what: each.mend for each in found if each.ok is ok}

    return examine


def test_a_firewall_of_others_in_the_way_of_guests_is_found_with_what_mends_it(cloud, findings):
    well = "No other firewall on kvm-1 drops what guests send"
    assert well in findings(ok=True)
    cloud.hosts["kvm-1"].put("obstacle", WHAT, {"mend": MEND})
    cloud.look()
    mend = findings(ok=False)[f"On kvm-1 {WHAT}"]
    assert mend.startswith(f"Run as root on kvm-1: {MEND} (and put the same rule where")
    cloud.hosts["kvm-1"].drop("obstacle", WHAT)
    cloud.look()
    assert well in findings(ok=True)


def test_a_redis_that_answers_and_takes_nothing_is_found(cloud, findings):
    assert "Redis takes what is written" in findings(ok=True)
    cloud.redis.config_set("maxmemory", 1)
    try:
        found = findings(ok=False)
    finally:
        cloud.redis.config_set("maxmemory", 0)
    [what] = [each for each in found if each.startswith("Redis takes what is written: ")]
    assert "maxmemory" in what
    assert "Redis takes what is written" in findings(ok=True)


def test_what_belongs_to_nothing_is_found_with_the_command_that_removes_it(cloud, findings):
    leave(cloud.hosts["kvm-1"], "bridge pbr9", "9")
    cloud.look()
    mend = findings(ok=False)["Things on kvm-1 that belong to no instance: 1"]
    assert "flask strangers --remove" in mend


def test_a_certificate_that_is_about_to_end_is_found(cloud, findings):
    directory = config.current().data_directory
    certificates.ensure(directory, ["localhost"], now=now() - timedelta(days=390))
    path = certificates.shown_by(directory)
    [(what, mend)] = [each for each in findings(ok=False).items() if "is good until" in each[0]]
    assert str(path) in what
    assert mend.startswith("It is renewed by itself")
    certificates.renew(directory, now=now())
    assert any("is good until" in each for each in findings(ok=True))
    path.chmod(0o644)
    assert findings(ok=False)[f"The key in {path} is its owner's alone"] == f"chmod 600 {path}"


def test_a_certificate_whose_key_is_another_ones_is_found(cloud, findings, tmp_path):
    directory = config.current().data_directory
    certificates.ensure(directory, ["localhost"], now=now())
    other = tmp_path / "other"
    other.mkdir()
    certificates.ensure(other, ["localhost"], now=now())
    key, _, _ = certificates.shown_by(other).read_text().partition("-----BEGIN CERTIFICATE")
    path = certificates.shown_by(directory)
    _, mark, rest = path.read_text().partition("-----BEGIN CERTIFICATE")
    path.write_text(key + mark + rest)
    assert any(
        each.startswith(f"The certificate {path} can be shown: ") for each in findings(ok=False)
    )
