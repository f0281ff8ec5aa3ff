"""Every route of the portal, with a path that leads somewhere: read off the URL map.

A new argument of a URL needs one line in MAKERS; everything else is derived.
"""

import dataclasses
import itertools
import re
import uuid
from collections.abc import Callable, Iterator

from flask import Flask
from sqlalchemy import select
from werkzeug.routing import AnyConverter, Rule

from portal import config, keys
from portal.api import catalog, roles, wire
from portal.db import session, transaction
from portal.doors import DOORS
from portal.models import (
    AccessKey,
    Aggregate,
    AggregateHost,
    ApplicationCredential,
    Flavor,
    Group,
    Host,
    Image,
    Instance,
    KeyPair,
    Network,
    Operation,
    PlacementGroup,
    Policy,
    Port,
    Project,
    Role,
    RoleAssignment,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    User,
    Visibility,
)
from portal.services import instances, networks, security_groups
from portal.services.images import store
from tests.cloud import Cloud

MAKERS: dict[str, Callable[[Cloud, Project], object]] = {
    # an argument of a URL: what it may be, of a project in a furnished cloud
    "project_id": lambda cloud, project: project.id,
    "chosen_id": lambda cloud, project: project.id,
    "instance_id": lambda cloud, project: _first(Instance, project),
    "server_id": lambda cloud, project: _first(Instance, project),
    "operation_id": lambda cloud, project: _first(Operation, project),
    "network_id": lambda cloud, project: _named(Network, f"of-{project.name}"),
    "subnet_id": lambda cloud, project: _on(Subnet, project),
    "port_id": lambda cloud, project: _on(Port, project),
    "security_group_id": lambda cloud, project: _named(SecurityGroup, f"of-{project.name}"),
    "rule_id": lambda cloud, project: _rule(project),
    "alias": lambda cloud, project: "quotas",
    "key_pair_id": lambda cloud, project: _named(KeyPair, f"of-{project.name}"),
    "image_id": lambda cloud, project: _named(Image, f"of-{project.name}"),
    "member_id": lambda cloud, project: project.id,  # with which nothing is shared
    "tag": lambda cloud, project: "of-all",
    "flavor_id": lambda cloud, project: _named(Flavor, f"of-{project.name}"),
    "user_id": lambda cloud, project: _named(User, MEMBERS[project.name]),
    "credential_id": lambda cloud, project: _credential(project, OWNERS[project.name]),
    "application_credential_id": lambda cloud, project: _credential(project, MEMBERS[project.name]),
    "placement_group_id": lambda cloud, project: _first(PlacementGroup, project),
    "server_group_id": lambda cloud, project: _first(PlacementGroup, project),
    "aggregate_id": lambda cloud, project: session.scalar(select(Aggregate.id)),
    "aggregate_number": lambda cloud, project: wire.number(session.scalar(select(Aggregate.id))),
    "hypervisor_id": lambda cloud, project: wire.number(session.scalar(select(Host.id))),
    "pattern": lambda cloud, project: "kvm",
    "host_id": lambda cloud, project: session.scalar(select(Host.id)),
    "topic": lambda cloud, project: "security",
    "domain_id": lambda cloud, project: "default",
    "region_id": lambda cloud, project: config.current().region,
    "role_id": lambda cloud, project: roles.IDS["reader"],
    "implied_id": lambda cloud, project: roles.IDS["reader"],
    "group_id": lambda cloud, project: _named(Group, f"of-{project.name}"),
    "project_tag": lambda cloud, project: "no-such-tag",
    "access": lambda cloud, project: "0" * 32,
    "access_key_id": lambda cloud, project: _first(AccessKey, project),
    "service_id": lambda cloud, project: catalog.id_of("identity"),
    "endpoint_id": lambda cloud, project: catalog.id_of("identity public"),
    "key_name": lambda cloud, project: f"of-{project.name}",
    "request_id": lambda cloud, project: f"req-of-{project.name}",
    "property_name": lambda cloud, project: "no-such-property",
    "spec_name": lambda cloud, project: "no-such-spec",
    "network_name": lambda cloud, project: "no-such-network",
    "filename": lambda cloud, project: "portal.css",
}

OWNERS = {"red": "alice", "blue": "charlie"}  # who made what a project has
MEMBERS = {"red": "rita", "blue": "charlie"}  # of whom things are asked in it
PERSONAL = {
    "key_pair_id",
    "credential_id",
    "access_key_id",
}  # things that are there for their owner alone, whatever the role

FIELDS = {  # what every form is sent: enough for each to be understood
    "confirm": "of-red",
    "name": "of-red",
    "cidr": "10.9.0.0/24",
    "user_name": "rita",
    "group_name": "of-red",
    "role": "reader",
    "visibility": "shared",
    "published_as": "debian-13",
    "project": "blue",
    **{"vcpus": 1, "memory_mib": 512, "disk_gib": 1},
}


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of one path; `choices` are the arguments that can have few values only."""

    endpoint: str
    method: str
    rule: Rule
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return " ".join([self.endpoint, *(value for _, value in self.choices)])

    @property
    def arguments(self) -> set[str]:
        """What has to be given to make a path of it."""
        return set(self.rule.arguments) - {name for name, _ in self.choices}

    @property
    def things(self) -> set[str]:
        """The ids among them but the project's."""
        return {each for each in self.arguments if each.endswith("_id")} - {"project_id"}

    @property
    def visitor(self) -> str:
        """Somebody who may go there, with things of the project red."""
        return OWNERS["red"] if self.things & PERSONAL else "ada"

    def path(self, app: Flask, values: dict) -> str:
        arguments = {name: values[name] for name in self.arguments} | dict(self.choices)
        return app.url_map.bind("localhost").build(self.endpoint, arguments, method=self.method)


def routes(app: Flask, *, of_api: bool = False) -> list[Route]:
    """Every method of every rule of the pages, or of the API, by name."""
    doors = app.extensions[DOORS].values()
    found = [
        Route(rule.endpoint, method, rule, choices)
        for rule in app.url_map.iter_rules()
        if not rule.websocket  # tests/pages/test_consoles.py
        and of_api == (rule.endpoint.partition(".")[0] in doors)
        for method in rule.methods - {"HEAD", "OPTIONS"}
        for choices in _choices(rule)
    ]
    return sorted(found, key=lambda route: (route.endpoint, route.choices, route.method))


def values(cloud: Cloud, project: Project, app: Flask) -> dict:
    """Something for every argument there is: things that exist and belong to `project`."""
    every = [*routes(app), *routes(app, of_api=True)]
    needed = set().union(*(route.arguments for route in every))
    missing = needed - MAKERS.keys()
    assert not missing, f"tests/routes.py knows nothing for {sorted(missing)}: add it to MAKERS"
    return {name: MAKERS[name](cloud, project) for name in needed}


def unknown(names: set[str]) -> dict:
    """Ids of these names that nothing has."""
    return {name: uuid.uuid4() for name in names}


def plain(text: str) -> str:
    """A page without what differs each time: numbers of requests, form tokens, ids, ages."""
    without = re.sub(r"req-[0-9a-f]+", "REQUEST", text)
    without = re.sub(r'(csrf_token" value=|"X-CSRFToken": )"[^"]*"', "TOKEN", without)
    without = re.sub(r"<time[^>]*>[^<]*</time>", "TIME", without)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", without)


def furnish(cloud: Cloud) -> Cloud:
    """Each project has an instance that runs and one of everything else, named after it."""
    for number, (name, owner) in enumerate(OWNERS.items()):
        actor, project = cloud.actor(owner), cloud.project(name)
        actor = dataclasses.replace(actor, request_id=f"req-of-{name}")
        label = f"of-{name}"
        instances.create(actor, cloud.new_instance(label, name))
        networks.create(actor, project.id, label, f"10.8.{number}.0/24", nat=True)
        security_groups.create(actor, project.id, label)
        with transaction():
            members = [session.get_one(User, cloud.actor(MEMBERS[name]).user_id)]
            held = [RoleAssignment(project_id=project.id, role=Role.READER)]
            about = {"domain_id": project.domain_id, "name": label}
            session.add(Group(**about, users=members, assignments=held))
            session.add(Flavor(name=label, vcpus=1, memory_mib=512 + number, disk_gib=1))
            session.add(
                Image(
                    name=label,
                    project_id=project.id,
                    user_id=actor.user_id,
                    visibility=Visibility.SHARED,
                    format="raw",
                    sha256=str(number) * 64,
                    size_bytes=2**20,
                    virtual_size_bytes=2**20,
                )
            )
            owned = {"project_id": project.id, "user_id": actor.user_id}
            session.add(PlacementGroup(name=label, policy=Policy.RATHER_APART, **owned))
            key = {"public_key": f"ssh-ed25519 {label}", "fingerprint": f"SHA256:{label}"}
            session.add(KeyPair(name=label, user_id=actor.user_id, **key))
            session.add(
                AccessKey(
                    user_id=actor.user_id,
                    project_id=project.id,
                    access=f"{number + 1}" * 32,
                    sealed_secret=keys.sealed("of " + label),
                )
            )
            for each in {owner, MEMBERS[name]}:
                session.add(
                    ApplicationCredential(
                        name=label,
                        user_id=cloud.actor(each).user_id,
                        project_id=project.id,
                        secret_hash="",
                        role=Role.READER,
                    )
                )
    with transaction():
        aggregate = Aggregate(name="rack 7")
        session.add(aggregate)
        session.flush()
        host_id = session.scalar(select(Host.id))
        session.add(AggregateHost(aggregate_id=aggregate.id, host_id=host_id))
    lay_files()
    cloud.settle()
    return cloud


def lay_files() -> None:
    """The images of a furnished cloud have their files."""
    store.prepare()
    for number in range(len(OWNERS)):
        if not (path := store.place(str(number) * 64)).exists():
            path.write_bytes(bytes(2**20))


def _first(model, project: Project):
    return session.scalar(select(model.id).where(model.project_id == project.id))


def _on(model, project: Project):
    """Something on a network of the project."""
    return session.scalar(select(model.id).join(Network).where(Network.project_id == project.id))


def _rule(project: Project):
    of_group = SecurityGroupRule.group_id == _first(SecurityGroup, project)
    return session.scalar(select(SecurityGroupRule.id).where(of_group))


def _named(model, name: str):
    return session.scalar(select(model.id).where(model.name == name))


def _credential(project: Project, name: str):
    return session.scalar(
        select(ApplicationCredential.id)
        .join(ApplicationCredential.user)
        .where(ApplicationCredential.project_id == project.id, User.name == name)
    )


def _choices(rule: Rule) -> Iterator[tuple[tuple[str, str], ...]]:
    few = {
        name: sorted(converter.items)
        for name, converter in rule._converters.items()
        if isinstance(converter, AnyConverter)
    }
    for values in itertools.product(*few.values()):
        yield tuple(zip(few, values, strict=True))
