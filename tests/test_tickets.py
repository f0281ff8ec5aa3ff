"""Tickets, wherever they are presented."""

import pytest

from portal import db, tickets


@pytest.mark.parametrize("days", [-3, 3], ids=["later", "earlier"])
def test_a_ticket_is_good_once_on_a_machine_that_booted_at_another_time(
    cloud, monkeypatch, tmp_path, days
):
    """Seen: with pages served by two machines, no console opened where the other was asked."""
    ticket, of_the_other = tickets.mint({"for": "one"}), tmp_path / "boot_id"
    of_the_other.write_text("another\n")
    monkeypatch.setattr(db, "BOOT_ID", of_the_other)
    cloud.clock.forward(days=days)
    assert tickets.redeem(ticket) == {"for": "one"}
    assert tickets.redeem(ticket) is None
