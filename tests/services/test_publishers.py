"""The table of what publishers offer."""

import pytest

from portal.errors import NotFound
from portal.services import publishers
from portal.services.publishers import PUBLISHED


def test_only_what_is_listed_can_be_fetched_and_only_by_https():
    for name, published in PUBLISHED.items():
        assert publishers.find(name) is published
        assert published.url.startswith("https://")
        assert published.sums_url.startswith("https://")
        assert published.folder.endswith("/")
    with pytest.raises(NotFound, match="There are: debian-13, debian-12"):
        publishers.find("http://169.254.169.254/")
