"""From what a host said to rows: facts, ends of tasks, ends of operations.

Facts have an order: each observation bears a number that its host took before looking, and of
each thing only the newest is written. Everything here runs inside the conductor's transaction.
"""

import uuid

from sqlalchemy import delete, func, select, update

from portal.db import now, session
from portal.models import (
    Claim,
    Host,
    Image,
    Instance,
    Network,
    Operation,
    Outcome,
    Port,
    Power,
    Scope,
    Subnet,
    Task,
)
from portal.models.network import port_groups
from portal.services import boot_logs, instances, operations, orphans, scopes
from workers import specs
from workers.specs import Fetched, Guest, Observation, Stranger


def take(host: Host, observation: Observation) -> None:
    """The facts that a host reported are written where they are newer than what was known."""
    if observation.everything:
        _take_sweep(host, observation)
        return
    _take_guests(observation, {guest.id: guest for guest in observation.guests})
    for absent in observation.absent:
        _take_absence(host, uuid.UUID(absent), observation)
    for held in observation.held:
        scope = _scope(host, held.kind, uuid.UUID(held.id))
        _take_held(scope, held.generation, observation.sequence)
    for fetched in observation.fetches:
        _take_fetched(fetched)
    if new := set(observation.images) - set(host.images):
        host.images = sorted({*host.images, *new})


def fulfilled(task: Task) -> str:
    """Empty when what the task was for is now so; else what is not, for the record."""
    match task.job:
        case "instances.apply":
            instance = session.get_one(Instance, task.target_id)
            if not instance.settled:
                return (
                    f"the host reports it {instance.observed} at revision "
                    f"{instance.observed_generation} of {instance.generation}"
                )
        case "instances.remove":
            if session.get_one(Instance, task.target_id).observed is not Power.ABSENT:
                return "the host still reports the guest"
        case "fetches.apply":
            if not session.get_one(Image, task.target_id).ready:
                return "the host does not report the file"
        case "images.apply":
            image = session.get_one(Image, task.target_id)
            if image.sha256 not in task.host.images:
                return "the host does not report the image"
        case "networks.apply" | "firewall.apply":
            held = session.get_one(Scope, task.scope_id).held
            if held < task.revision:
                return f"the host holds revision {held} of {task.revision}"
        case "strangers.remove":
            there = orphans.on(task.host)
            left = [str(each) for each in orphans.named(task.operation) if each in there]
            if left:
                return f"the host still reports {', '.join(left)}"
    return ""


def end_task(task: Task, outcome: Outcome, reason: str = "") -> None:
    """The task has ended, and with it its stage or its operation if it was the last."""
    task.finished_at, task.outcome, task.reason = now(), outcome, reason
    session.flush()
    if outcome is Outcome.FAILED:
        end_operation(task.operation, Outcome.FAILED, reason)


def advance(idle: list[Operation]) -> int:
    """Each operation, all of whose tasks of the present stage have ended, is at its next stage
    that has something to do, or has ended. Returns how many go on."""
    if not idle:
        return 0
    later = dict(
        session.execute(
            select(Task.operation_id, func.min(Task.stage))
            .where(Task.operation_id.in_([each.id for each in idle]), Task.finished_at.is_(None))
            .group_by(Task.operation_id)
        ).all()
    )
    for operation in idle:
        if operation.id in later:
            operation.stage = later[operation.id]
        else:
            end_operation(operation, Outcome.DONE)
    return len(later)


def end_operation(operation: Operation, outcome: Outcome, reason: str = "") -> None:
    """The operation has ended. What a failed one replaced is wanted again."""
    operations.finish(operation, outcome, reason)
    match operation.target_type:
        case "instances":
            _end_for_instance(session.get_one(Instance, operation.target_id), operation)
        case "images" if operation.action == "fetch":
            session.get_one(Image, operation.target_id).fault = operation.reason
        case "networks" if operation.action == "delete" and outcome is Outcome.DONE:
            _bury_network(operation.target_id)
        case "networks" | "hosts" if operation.action == "update" and outcome is Outcome.DONE:
            _forgive(operation)


def _end_for_instance(instance: Instance, operation: Operation) -> None:
    if operation.outcome is Outcome.FAILED:
        instances.failed(instance, operation, operation.reason)
    elif operation.action != "delete":
        instance.fault = ""
        if instance.launched_at is None:
            boot_logs.want(instance.id, after=boot_logs.BOOTED)
        instance.launched_at = instance.launched_at or now()


def _take_guests(observation: Observation, guests: dict[str, Guest]) -> None:
    rows = session.scalars(
        select(Instance).where(Instance.id.in_([uuid.UUID(each) for each in guests]))
    )
    for instance in rows:
        if instance.observed_sequence >= observation.sequence:
            continue
        guest = guests[str(instance.id)]
        fact = (Power(guest.power), guest.generation, guest.boots, guest.reason)
        if fact != _fact(instance):
            if fact[0] is Power.STOPPED and instance.observed is Power.RUNNING:
                boot_logs.want(instance.id)
            (
                instance.observed,
                instance.observed_generation,
                instance.observed_boots,
                instance.observed_reason,
            ) = fact
            instance.observed_at = now()
        instance.observed_boot_id = observation.boot_id
        instance.observed_sequence = observation.sequence


def _fact(instance: Instance) -> tuple:
    return (
        instance.observed,
        instance.observed_generation,
        instance.observed_boots,
        instance.observed_reason,
    )


def _take_absence(host: Host, thing_id: uuid.UUID, observation: Observation) -> None:
    instance = session.get(Instance, thing_id)
    if instance is not None:
        _not_there(instance, observation)
        return
    _take_held(_scope(host, scopes.NETWORK, thing_id), 0, observation.sequence)


def _not_there(instance: Instance, observation: Observation) -> None:
    if instance.observed_sequence >= observation.sequence:
        return
    if instance.observed is not Power.ABSENT:
        instance.observed, instance.observed_at = Power.ABSENT, now()
        instance.observed_generation = instance.observed_boots = 0
        instance.observed_reason = ""
    instance.observed_sequence = observation.sequence
    if instance.desired is Power.ABSENT and instance.deleted_at is None:
        _bury(instance)


def _bury(instance: Instance) -> None:
    """The guest is gone, so what it held of its host and its networks is free."""
    instance.deleted_at = now()
    ports = select(Port.id).where(Port.instance_id == instance.id)
    session.execute(delete(port_groups).where(port_groups.c.port_id.in_(ports)))
    session.execute(delete(Port).where(Port.instance_id == instance.id))
    session.execute(delete(Claim).where(Claim.instance_id == instance.id))
    boot_logs.forget(instance.id)


def _forgive(operation: Operation) -> None:
    """The hosts hold what they were sent: if they lose it, it is mended at once."""
    tables = select(Task.scope_id).where(Task.operation_id == operation.id)
    session.execute(update(Scope).where(Scope.id.in_(tables)).values(repairs=0, repair_at=None))


def _bury_network(network_id: uuid.UUID) -> None:
    """Nothing is left of it, and nobody waits for its tables."""
    tables = select(Scope.id).where(Scope.kind == scopes.NETWORK, Scope.target_id == network_id)
    waiting = update(Task).where(Task.scope_id.in_(tables), Task.finished_at.is_(None))
    session.execute(waiting.values(finished_at=now(), outcome=Outcome.SUPERSEDED))
    session.execute(update(Task).where(Task.scope_id.in_(tables)).values(scope_id=None))
    session.execute(delete(Scope).where(Scope.id.in_(tables)))
    session.execute(delete(Subnet).where(Subnet.network_id == network_id))
    session.execute(delete(Network).where(Network.id == network_id))


def _take_fetched(fetched: Fetched) -> None:
    """The bytes of an image are there. They never change, so only the first news counts."""
    image = session.get(Image, uuid.UUID(fetched.id))
    if image is None or image.ready or image.deleted_at:
        return
    image.format, image.sha256 = fetched.format, fetched.sha256
    image.size_bytes = fetched.size_bytes
    image.virtual_size_bytes = fetched.virtual_size_bytes


def _scope(host: Host, kind: str, target_id: uuid.UUID) -> Scope | None:
    return session.scalar(
        select(Scope).where(
            Scope.host_id == host.id, Scope.kind == kind, Scope.target_id == target_id
        )
    )


def _take_held(scope: Scope | None, generation: int, sequence: int) -> None:
    if scope is None or scope.held_sequence >= sequence:
        return
    scope.held, scope.held_sequence = generation, sequence
    scope.wanted = max(scope.wanted, generation)  # after a restore of an older database


def _take_sweep(host: Host, observation: Observation) -> None:
    """Everything a host holds. Of a thing with an open change the change itself will tell."""
    if observation.sequence <= host.sequence:
        return
    host.sequence, host.boot_id, host.observed_at = (
        observation.sequence,
        observation.boot_id,
        now(),
    )
    if observation.host:
        _take_host(host, observation)
    changing = set(
        session.scalars(select(Operation.target_id).where(Operation.finished_at.is_(None)))
    )
    guests = {
        guest.id: guest for guest in observation.guests if uuid.UUID(guest.id) not in changing
    }
    _take_guests(observation, guests)
    for instance in session.scalars(
        select(Instance).where(
            Instance.host_id == host.id,
            Instance.deleted_at.is_(None),
            Instance.observed != Power.ABSENT,
        )
    ):
        if str(instance.id) not in guests and instance.id not in changing:
            _not_there(instance, observation)
    held = {(each.kind, each.id): each.generation for each in observation.held}
    for scope in scopes.of_host(host):
        generation = held.get((scope.kind, str(scope.target_id)), 0)
        _take_held(scope, generation, observation.sequence)


def _take_host(host: Host, observation: Observation) -> None:
    facts = observation.host
    host.vcpus, host.memory_mib = facts.vcpus, facts.memory_mib
    host.disk_gib, host.disk_free_gib = facts.disk_gib, facts.disk_free_gib
    host.accelerator, host.accelerator_reason = facts.accelerator, facts.accelerator_reason
    host.versions = dict(facts.versions)
    host.console_address = facts.console_address
    host.strangers = _strangers(observation)
    host.obstacles = [list(each) for each in facts.obstacles]
    host.images = sorted(observation.images)


def _strangers(observation: Observation) -> list[dict]:
    """Everything that a host names, but for what it holds for those who want it."""
    unwanted = orphans.unwanted(
        [
            *(Stranger(kind="guest", name=each.id, owner=each.id) for each in observation.guests),
            *(
                Stranger(kind="network", name=each.id, owner=each.id)
                for each in observation.held
                if each.kind == scopes.NETWORK
            ),
            *observation.host.strangers,
        ]
    )
    return [specs.dump(each) for each in unwanted]
