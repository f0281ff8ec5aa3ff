"""Tables. States live here, with what each state allows; nothing here knows Flask or Redis."""

from portal.models.activity import Activity, Idempotency, Seal
from portal.models.aggregate import Aggregate, AggregateHost
from portal.models.boot_log import BootLog
from portal.models.event import Event, EventKind
from portal.models.host import Claim, Host, Resource
from portal.models.identity import (
    Domain,
    Group,
    GroupMember,
    KeyPair,
    PasswordUsed,
    Project,
    Quota,
    Role,
    RoleAssignment,
    Session,
    User,
    held_by,
)
from portal.models.image import (
    Acceptance,
    Flavor,
    FlavorGrant,
    Image,
    ImageMember,
    Visibility,
)
from portal.models.instance import Instance
from portal.models.lease import Lease
from portal.models.network import (
    Network,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from portal.models.operation import Operation, Outcome
from portal.models.placement_group import PlacementGroup, Policy
from portal.models.port import FixedIp, Port
from portal.models.scope import Scope
from portal.models.status import ImageStatus, Power, ProjectStatus, Status, Tone
from portal.models.task import Task, TaskLine
from portal.models.token import AccessKey, ApplicationCredential, Token
from portal.models.usage import UsageInterval

__all__ = [
    "Acceptance",
    "AccessKey",
    "Activity",
    "Aggregate",
    "AggregateHost",
    "ApplicationCredential",
    "BootLog",
    "Claim",
    "Domain",
    "Event",
    "EventKind",
    "FixedIp",
    "Flavor",
    "FlavorGrant",
    "Group",
    "GroupMember",
    "Host",
    "Idempotency",
    "Image",
    "ImageMember",
    "ImageStatus",
    "Instance",
    "KeyPair",
    "Lease",
    "Network",
    "Operation",
    "Outcome",
    "PasswordUsed",
    "PlacementGroup",
    "Policy",
    "Port",
    "Power",
    "Project",
    "ProjectStatus",
    "Quota",
    "Resource",
    "Role",
    "RoleAssignment",
    "Scope",
    "Seal",
    "SecurityGroup",
    "SecurityGroupRule",
    "Session",
    "Status",
    "Subnet",
    "Task",
    "TaskLine",
    "Token",
    "Tone",
    "UsageInterval",
    "User",
    "Visibility",
    "held_by",
]
