"""What becomes of an instance by what its host reports. Called by the conductor, inside its
transaction."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from sqlalchemy import delete, select, update

from portal.db import now, session
from portal.models import Claim, FixedIp, Instance, Network, Operation, Outcome, Port, Power
from portal.models.port import port_groups
from portal.services import usage
from portal.services.instances import boot_logs

STAYS_OFF = timedelta(minutes=1)  # before a guest that shut itself down is believed
HEEDS_LATE = timedelta(minutes=5)  # a guest that was asked to shut down, and is no longer
ASK_DOWN = ("stop", "reboot")  # by the power button


def ended(changes: Iterable[tuple[Instance, Operation]]) -> None:
    """Changes of these instances have ended. What a failed one replaced is wanted again, or, for
    a creation, its owner is told; one that succeeded leaves no fault."""
    launched = []
    for instance, operation in changes:
        if operation.outcome is Outcome.FAILED:
            _failed(instance, operation)
        elif operation.action != "delete":
            instance.fault = ""
            if instance.launched_at is None:
                instance.launched_at = now()
                launched.append(instance)
    usage.begin(launched)
    boot_logs.want([each.id for each in launched], after=boot_logs.BOOTED)


def went_down(instances: Collection[Instance]) -> None:
    """These guests no longer run: what they wrote last is worth knowing."""
    session.flush()  # locks the instances first, as whoever asks for a log does
    boot_logs.want([each.id for each in instances])


def shut_itself_down(instance: Instance) -> bool:
    """Whether the guest went down by its own decision, as far as can be known: not because it was
    asked to by a change that was taken back while it was on its way."""
    return (
        instance.desired is Power.RUNNING
        and instance.observed is Power.STOPPED
        and instance.observed_generation == instance.generation
        and instance.observed_boots >= instance.boots
        and instance.observed_reason == "shutdown"
        and instance.observed_boot_id == instance.host.boot_id
        and not _heeds_what_was_taken_back(instance)
    )


def may_come_back(instance: Instance) -> bool:
    """Whether the guest shut itself down so lately that it may be on its way up again."""
    return shut_itself_down(instance) and now() - instance.observed_at < STAYS_OFF


def stopped_itself(instance: Instance) -> None:
    """The guest shut itself down, so its owner wants it off: intent follows fact."""
    instance.desired = Power.STOPPED
    instance.generation = max(instance.generation, instance.observed_generation)


def take_back(instance: Instance, operation: Operation) -> None:
    """What the operation replaced is wanted again, and due at once. What that takes is no repair
    of something that fails again and again."""
    instance.desired = Power(operation.before["desired"])
    instance.grace_seconds = operation.before["grace_seconds"]
    instance.boots = operation.before["boots"]
    instance.generation += 1
    instance.repairs, instance.repair_at = 0, now()


def bury(instance: Instance) -> None:
    """The guest is gone, so what it held of its host and its networks is free."""
    instance.deleted_at = now()
    mine = Port.owner_id == instance.id
    gone = select(Network.id).where(Network.deleted_at.is_not(None))  # with its project
    free = {"owner_type": "", "owner_id": None, "dns_name": ""}
    stays = (mine, Port.stays, Port.network_id.not_in(gone))
    session.execute(update(Port).where(*stays).values(free))
    ports = select(Port.id).where(mine)
    session.execute(delete(port_groups).where(port_groups.c.port_id.in_(ports)))
    session.execute(delete(FixedIp).where(FixedIp.port_id.in_(ports)))
    session.execute(delete(Port).where(mine))
    session.execute(delete(Claim).where(Claim.holder_id == instance.id))
    boot_logs.forget(instance.id)
    usage.end(instance.id)


def _heeds_what_was_taken_back(instance: Instance) -> bool:
    """Whether a stop or reboot ended early, or failed, just before the guest went down, and nobody
    has asked for anything since."""
    last = session.scalar(
        select(Operation)
        .where(Operation.target_id == instance.id, Operation.action != "repair")
        .order_by(Operation.created_at.desc())
        .limit(1)
    )
    return (
        last is not None
        and last.action in ASK_DOWN
        and last.outcome in (Outcome.SUPERSEDED, Outcome.FAILED)
        and timedelta() <= instance.observed_at - last.finished_at < HEEDS_LATE
    )


def _failed(instance: Instance, operation: Operation) -> None:
    if operation.before is not None:
        take_back(instance, operation)
    elif operation.action in ("create", "repair"):
        instance.fault = operation.reason
