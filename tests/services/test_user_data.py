"""What cloud-init would ignore is said before anything exists, at little cost."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from portal.errors import Refused
from portal.services import user_data
from tests.services.user_data_texts import BOMBS, CONFIG, DOUBTED, MENDED, REFUSED, TAKEN

CPU_SECONDS = 0.3
MEMORY_MIB = 64
OTHERS_SECONDS = 0.05
TRIES = 25  # on a machine that has other things to do too


@pytest.mark.parametrize("name", TAKEN)
def test_every_kind_that_cloud_init_knows_is_taken_as_it_is(name):
    assert user_data.checked(TAKEN[name]) == TAKEN[name]


@pytest.mark.parametrize("name", MENDED)
def test_marks_and_line_ends_are_mended_silently(name):
    sent, kept = MENDED[name]
    assert user_data.checked(sent) == kept


@pytest.mark.parametrize("name", DOUBTED)
def test_what_cloud_init_would_ignore_is_asked_and_taken_when_it_is_meant(name):
    sent, sentence = DOUBTED[name]
    with pytest.raises(Refused, match=sentence) as refusal:
        user_data.checked(sent)
    assert refusal.value.field == "user_data"
    assert "Use it as it is" in str(refusal.value)
    assert user_data.checked(sent, as_it_is=True) == sent


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused_with_its_line_also_when_it_is_meant(name):
    sent, sentence = REFUSED[name]
    with pytest.raises(Refused, match=sentence) as refusal:
        user_data.checked(sent, as_it_is=True)
    assert refusal.value.field == "user_data"
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("name", TAKEN)
def test_a_configuration_that_is_taken_is_one_that_cloud_init_reads(name):
    if TAKEN[name].lstrip().lower().startswith("#cloud-config\n"):
        assert isinstance(yaml.load(TAKEN[name], yaml.SafeLoader), dict | None)


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("digits", "deep list")])
def test_a_configuration_that_is_refused_is_one_that_cloud_init_does_not_read(name):
    """But for what is too long or too deep, by less than cloud-init would bear."""
    sent, _ = REFUSED[name]
    if not sent.startswith(CONFIG) or "&a [*a]" in sent:
        return
    with pytest.raises((yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError,
                        ValueError, RecursionError, AssertionError)):  # fmt: skip
        assert isinstance(yaml.load(sent, yaml.SafeLoader), dict | None)


@pytest.fixture(scope="module")
def spent():
    """Seconds of CPU for each of BOMBS, the least of three, as [said, meant as it is].

    Of a process of its own: what other tests left in memory is looked through as often as judging
    makes many objects.
    """
    script = (
        "import json\n"
        "from tests.services.test_user_data import BOMBS, _spent\n"
        "print(json.dumps({name: [min(_spent(text, as_it_is=meant) for _ in range(3))\n"
        "    for meant in (False, True)] for name, text in BOMBS.items()}))\n"
    )
    return json.loads(_said(script))


@pytest.mark.parametrize("name", BOMBS)
def test_whatever_is_sent_is_judged_at_once(name, spent):
    assert max(spent[name]) <= CPU_SECONDS


def test_whatever_is_sent_others_hardly_wait():
    """All threads of the web process share one lock, and libyaml does not let go of it."""
    slow = {
        name
        for name, text in BOMBS.items()
        if not any(_longest_wait(text) <= OTHERS_SECONDS for _ in range(TRIES))
    }
    assert not slow


def test_whatever_is_sent_takes_little_memory():
    """Of a process of its own, since what others took before is never given back."""
    script = (
        "import resource, sys\n"
        "from tests.services.test_user_data import BOMBS, _judge\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for text in BOMBS.values(): _judge(text, as_it_is=True)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    assert int(_said(script)) <= MEMORY_MIB * 1024


def _said(script: str) -> str:
    """What `script` prints, run by a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _spent(text: str, *, as_it_is: bool) -> float:
    began = time.thread_time()
    _judge(text, as_it_is=as_it_is)
    return time.thread_time() - began


def _judge(text: str, *, as_it_is: bool) -> None:
    with contextlib.suppress(Refused):
        user_data.checked(text, as_it_is=as_it_is)


def _longest_wait(text: str) -> float:
    """For how long another thread was kept from running while `text` was judged."""
    gaps, over = [], threading.Event()

    def run() -> None:
        last = time.perf_counter()
        while not over.is_set():
            time.sleep(0)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    other = threading.Thread(target=run)
    other.start()
    _judge(text, as_it_is=True)
    over.set()
    other.join()
    return max(gaps, default=0.0)
