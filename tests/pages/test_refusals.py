"""Every kind of no has a headline of its own: what is wrong is never only "some answers"."""

import importlib
import pkgutil

import portal
from portal.errors import Refused
from portal.pages.forms import HEADLINES, headline


def _kinds(kind=Refused):
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def test_every_refusal_has_a_headline_that_says_what_it_is():
    for module in pkgutil.walk_packages(portal.__path__, "portal."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = set(_kinds())
    assert len(found) >= 10
    general = HEADLINES[Refused]
    for kind in found:
        refused = kind.__new__(kind)
        assert headline(refused) != general, kind


def test_a_special_no_is_not_called_by_the_general_one():
    kinds = list(HEADLINES)
    for number, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[number + 1 :]), kind
