"""What the portal explains about itself, to everybody: nobody has to sign in to read a promise."""

from flask import Blueprint, abort, current_app, jsonify, render_template, request
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

FOLLOW = """\
import os, requests

url = os.environ["PORTICO_URL"] + "/portico/v1/events"
headers = {"X-Auth-Token": os.environ["TOKEN"]}
query = {"after": requests.get(url, headers=headers).json()["after"], "wait": 30}
while answer := requests.get(url, headers=headers, params=query):
    for event in answer.json()["events"]:
        what = event[event["type"]]
        print(event["at"], what["action"], what["target_name"], flush=True)
    query["after"] = answer.json()["after"]
"""
FOUND = {  # at which service, in people's words
    "identity": "Keystone v3: tokens and the catalog; projects, users, groups and roles; "
    "application credentials and access keys.",
    "compute": "Nova v2.1: instances, called servers, and their screens; flavors, SSH keys, "
    "placement groups, called server groups; quotas and usage; hosts, zones and aggregates.",
    "network": "Neutron v2.0: networks, subnets, ports, security groups and their rules, quotas.",
    "image": "Glance v2: images, their files, tags and properties, and whom they are shared with.",
    "portico": "What happens in a project, as it happens. It is in no catalog.",
}
SERVED = "portico reference"  # in `app.extensions`: what the API serves, read off its routes

pages = Blueprint("help", __name__, url_prefix="/help")


@pages.get("")
def index():
    return _page("help/index.html", topics=TOPICS)


@pages.get("/api/reference")
def reference():
    return _page(
        "help/reference.html",
        title="What programs find",
        about="Every request that the API takes, and what it does.",
        services=current_app.extensions[SERVED].services,
    )


@pages.get("/api/openapi.json")
def openapi():
    return jsonify(current_app.extensions[SERVED].document(request.url_root))


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
        example=FOLLOW,
        found=FOUND,
        offered=current_app.extensions[SERVED].offered,
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
