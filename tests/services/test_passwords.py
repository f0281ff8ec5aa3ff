"""Which passwords are taken, and how long it takes to say so."""

import contextlib
import time

import pytest

from portal.errors import Refused
from portal.services import passwords

FOR_LETTERS = "4@8({[<369&#!1|0$5+7%2"
CPU_SECONDS = 0.3


@pytest.mark.parametrize(
    "password",
    ["tomato bicycle 93 quill", "violet anchor 27 maple", "x#9Lq!0vR$2k", "{[(<&#>)]} 7 lamps"],
)
def test_a_password_that_nobody_guesses_is_taken(password):
    passwords.check(password, "alice")


@pytest.mark.parametrize(
    "password",
    ["password1234", "p4$$w0rd1234", "alicealicealice", "qwertyuiop12", "aaaaaaaaaaaaaaaa"],
)
def test_a_password_that_is_soon_guessed_is_refused(password):
    with pytest.raises(Refused, match="soon be guessed"):
        passwords.check(password, "alice")


@pytest.mark.parametrize(
    "password",
    [FOR_LETTERS * 5, FOR_LETTERS[::-1] * 5, "xx".join(FOR_LETTERS), "a1" * 64, "\u0130" * 128],
)
def test_no_password_takes_long_to_be_judged(password):
    """Seen: 2.3 seconds for one that is made of all that may stand for letters."""
    passwords.check("warm these words 5", "alice")
    began = time.thread_time()
    with contextlib.suppress(Refused):
        passwords.check(password, "alice")
    assert time.thread_time() - began <= CPU_SECONDS
