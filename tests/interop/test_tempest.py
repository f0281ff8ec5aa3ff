"""OpenStack's own test suite passes, as far as what it tests is there."""

import pytest

from tests.interop import results, suite
from tests.interop.ground import Ground
from tests.stack import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("interop")]


@pytest.mark.timeout(1800)
def test_the_interop_list_passes(stack, tmp_path):
    Ground(stack.url, PASSWORD).describe(tmp_path, given=False)
    regexes = suite.required(now=True)
    found = results.read(suite.run(tmp_path, regexes, workers=2))
    missed = [f"{each.name}: {each.why}" for each in found if each.outcome is not results.PASS]
    assert not missed, "\n".join(missed)
    assert len(found) == len(regexes)


def test_what_is_left_out_is_on_the_list():
    assert set(suite.later()) < set(suite.required(now=False))
