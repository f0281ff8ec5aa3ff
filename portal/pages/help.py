"""What the portal explains about itself, to everybody: nobody has to sign in to read a promise."""

from flask import Blueprint, abort, render_template
from flask_login import current_user

from portal import config
from portal.changes import CHANGES, TABLE_DEADLINE

TOPICS = {  # as its URL names it: title, what it is about, template
    "security": (
        "Security",
        "What is promised, to whom, against what, and the test that holds each line.",
        "help/security.html",
    ),
    "api": (
        "Programs",
        "How the openstack command line, Terraform and scripts sign in, and what they find.",
        "help/api.html",
    ),
    "operating": (
        "Operating",
        "When each change ends, what belongs to nothing, the doctor, backup and upgrade.",
        "help/operating.html",
    ),
}

pages = Blueprint("help", __name__, url_prefix="/help")


@pages.get("")
def index():
    return _page("help/index.html", topics=TOPICS)


@pages.get("/<topic>")
def show(topic):
    if topic not in TOPICS:
        abort(404)
    title, about, template = TOPICS[topic]
    return _page(
        template,
        title=title,
        about=about,
        settings=config.current(),
        changes=[
            {"action": f"{noun}:{action}", "deadline": change.deadline}
            for (noun, action), change in CHANGES.items()
        ],
        table_deadline=TABLE_DEADLINE,
    )


def _page(template: str, **values) -> str:
    """Within the frame of whoever is signed in, and plainly for everybody else."""
    shell = "base.html" if current_user.is_authenticated else None
    return render_template(template, shell=shell, **values)
