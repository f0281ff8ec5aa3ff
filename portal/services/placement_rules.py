"""What a wish says about hosts beside room: a zone, a host by its name, a placement group. Pure
but for `of_wish`, which reads what it takes to judge a host.

A host is ruled out by the first of these that it does not keep; of those that are left,
`portal.services.placement` takes the one that the group likes best, and then the roomiest.
"""

import dataclasses
import uuid

from sqlalchemy import select

from portal.db import session
from portal.errors import Refused
from portal.models import Host, Policy
from portal.models.host import DEFAULT_ZONE
from portal.policies import Actor
from portal.sentences import Sentence
from portal.services import placement_groups
from portal.services.no_room import No
from portal.services.placement_groups import Members


@dataclasses.dataclass(frozen=True)
class Rules:
    """Which hosts may take what is wanted, and which of these rather than others."""

    zone: str = ""
    host: str = ""
    members: Members | None = None

    def __bool__(self) -> bool:
        return bool(self.zone or self.host or self.members)

    @property
    def policy(self) -> Policy | None:
        """That of the group, if there is one."""
        return self.members and self.members.group.policy

    def against(self, host: Host) -> No | None:
        """Why the host is ruled out; None if it is not."""
        if self.host and host.name != self.host:
            return No(
                host.name,
                "not the one that was asked for",
                Sentence("{host} was not asked for", host=host.name),
            )
        if self.zone and host.zone != self.zone:
            return No(
                host.name,
                "in another zone",
                Sentence("{host} is in the zone {zone}", host=host.name, zone=host.zone),
            )
        return self._against_members(host)

    def _against_members(self, host: Host) -> No | None:
        if self.policy is Policy.APART and self.members.full(host.id):
            group = self.members.group.name
            return No(
                host.name,
                Sentence("taken by others of the group {group}", group=group),
                Sentence(
                    "{host} has {held} of the group {group}",
                    host=host.name,
                    held=self.members.held[host.id],
                    group=group,
                ),
            )
        staying = self.members.staying if self.policy is Policy.TOGETHER else None
        if staying and host.id not in staying:
            group = self.members.group.name
            return No(
                host.name,
                Sentence("without the others of the group {group}", group=group),
                Sentence("{host} has none of the group {group}", host=host.name, group=group),
            )
        return None

    def liking(self, host: Host) -> int:
        """How much the group would like the host; more is better."""
        return self.members.liking(host.id) if self.members else 0

    def taking(self, host: Host) -> "Rules":
        """The rules for whatever comes after one more that this host takes."""
        if self.members is None:
            return self
        held = self.members.held.copy()
        held[host.id] += 1
        staying = self.members.staying | {host.id}
        members = dataclasses.replace(self.members, held=held, staying=staying)
        return dataclasses.replace(self, members=members)

    @property
    def head(self) -> Sentence | None:
        """What there is none of, as the beginning of a sentence; None without rules."""
        if self.policy is Policy.APART:
            name = self.members.group.name
            return Sentence("No host without another of the group {group} has room", group=name)
        if self.policy is Policy.TOGETHER and self.members.staying:
            name = self.members.group.name
            return Sentence("The host of the group {group} has no room", group=name)
        if self.host:
            return Sentence("The host {host} has no room", host=self.host)
        if self.zone:
            return Sentence("No host in the zone {zone} has room", zone=self.zone)
        return None

    @property
    def way_out(self) -> Sentence:
        """What one might choose instead, as the beginning of a sentence."""
        if self.members:
            return Sentence("Choose another placement group or none")
        return Sentence("Choose another zone" if self.zone else "Choose a smaller flavor")


NONE = Rules()


def zone_names() -> list[str]:
    """The zones that there are, by name."""
    rows = session.scalars(select(Host.zone).distinct().order_by(Host.zone))
    return list(rows) or [DEFAULT_ZONE]


def of_wish(
    actor: Actor,
    project_id: uuid.UUID,
    *,
    zone: str,
    group_id: uuid.UUID | None,
    count: int,
) -> Rules:
    """The rules for `count` instances in this zone and this group. Administrators of the cloud may
    name a host too, as `zone:host`. Raises Refused for what there is not, and OverQuota. Call it
    under the lock of the project."""
    if not zone and group_id is None:
        return NONE
    zone, _, host = zone.partition(":") if actor.may("hosts:change") else (zone, "", "")
    there = zone_names()
    if zone and zone not in there:
        raise Refused(
            "There is no zone {zone}. There is {there:all}.", zone=zone, there=there, field="zone"
        )
    if host and not session.scalar(select(Host.id).where(Host.name == host)):
        raise Refused("There is no host {host}.", host=host, field="zone")
    members = placement_groups.joined(project_id, group_id, count) if group_id else None
    return Rules(zone, host, members)
