"""`flask prepare` makes a beginning once, and keeps what people made of it."""

import pytest
from sqlalchemy import func, select

from portal import config, create_app, db
from portal.db import session
from portal.models import Flavor, Image, User
from portal.policies import COMMAND_LINE
from portal.services import images
from tests.cloud import settings
from tests.services.image_files import qcow2


@pytest.fixture
def prepare(tmp_path, redis_url):
    """Runs `flask prepare` with an image at hand, on an installation of its own."""
    settings_ = settings(tmp_path, redis_url)
    config.use(settings_)
    settings_.image_store.mkdir()
    image = tmp_path / "demo.qcow2"
    image.write_bytes(qcow2())
    runner = create_app(settings_).test_cli_runner()

    def run() -> str:
        answer = runner.invoke(args=["prepare", "--first-image", str(image)])
        assert answer.exit_code == 0, answer.output
        return answer.output

    yield run
    db.session.remove()


def counted() -> tuple[int, ...]:
    return tuple(session.scalar(select(func.count()).select_from(t)) for t in (User, Flavor, Image))


def test_run_again_it_changes_nothing_and_says_nothing(prepare):
    assert "Image: Demo Linux" in prepare()
    before = counted()
    assert prepare() == ""
    assert counted() == before == (1, 3, 1)


def test_a_demo_image_that_was_deleted_stays_deleted(prepare):
    """Seen: each start put it back."""
    prepare()
    image = session.scalar(select(Image))
    images.delete(COMMAND_LINE, None, image.id)
    assert prepare() == ""
    assert session.scalar(select(func.count(Image.id)).where(Image.deleted_at.is_(None))) == 0
