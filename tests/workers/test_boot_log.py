"""What a guest wrote to its serial port, and how much of it is shown."""

from workers.drivers.disks.files import FileDisks
from workers.drivers.libvirt import boot_log


def test_the_boot_log_holds_this_boot_and_the_last(tmp_path):
    log = tmp_path / "boot.log"
    for number in (1, 2, 3):
        boot_log.begin(log)
        boot_log.begin(log)  # a job killed before the guest ran
        log.write_text(f"boot {number}\n")
    assert boot_log.read(log) == "boot 2\nboot 3\n"


def test_the_boot_log_shows_the_newest_256_kib_and_goes_on_where_virtlogd_began_anew(tmp_path):
    log = tmp_path / "boot.log"
    (tmp_path / "boot.log.0").write_bytes(b"a" * (2 << 20))
    log.write_bytes(b"b" * 1000)
    assert boot_log.read(log) == "a" * (256 * 1024 - 1000) + "b" * 1000


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path):
    log = tmp_path / "boot.log"
    log.write_bytes(b"\x1b[2J\xff ok\r\n")
    assert boot_log.read(log) == "\x1b[2J\ufffd ok\r\n"


def test_a_guest_that_never_booted_has_none(config, new_instance):
    assert boot_log.read(FileDisks(config).boot_log(new_instance().id)) == ""
