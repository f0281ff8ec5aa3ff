"""What is no longer as it was settled, and what is done about it.

Three rules: (1) it was settled and no longer is, or its host came back: a repair, which is the
same job once more; (2) the guest shut itself down: intent follows; (3) something is there that
nobody wants: it is shown to the operator, and goes only when asked for (`flask orphans`).
"""

from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select, text
from sqlalchemy.orm import joinedload

from portal.db import now, session, transaction
from portal.errors import Conflict
from portal.models import Host, Instance, Network, Operation, Power, Project, Scope, Task
from portal.models.host import PLACED_UNTIL
from portal.models.instance import UNSETTLED
from portal.services import instances, operations

BACKOFF = [timedelta(minutes=minutes) for minutes in (0.5, 2, 8, 32, 60)]
CALM = timedelta(hours=1)  # after so long without a repair the back-off begins anew
STAYS_OFF = timedelta(minutes=1)  # before a guest that shut itself down is believed
MOST_AT_A_TIME = 100


def mend() -> int:
    """Every unsettled thing whose host answers has a repair under way, or a time for its next
    one. Returns how many changes were opened."""
    if not (_unsettled() or _unheld()):
        return 0
    with transaction():
        opened = sum(_mend_instance(instance) for instance in _unsettled())
        return opened + sum(_mend_scope(scope) for scope in _unheld())


def backoff(repairs: int) -> timedelta:
    """How long to wait after repair number `repairs` before the next one."""
    return BACKOFF[min(repairs, len(BACKOFF)) - 1]


def shut_itself_down(instance: Instance) -> bool:
    """Whether the guest went down by its own decision, as far as can be known."""
    return (
        instance.desired is Power.RUNNING
        and instance.observed is Power.STOPPED
        and instance.observed_generation == instance.generation
        and instance.observed_boots >= instance.boots
        and instance.observed_reason == "shutdown"
        and instance.observed_boot_id == instance.host.boot_id
    )


def _unsettled() -> list[Instance]:
    moment = now()
    return list(
        session.scalars(
            select(Instance)
            .join(Instance.host)
            .where(
                text(UNSETTLED),
                or_(Instance.fault == "", Instance.launched_at.is_not(None)),
                or_(Instance.repair_at.is_(None), Instance.repair_at <= moment),
                _answers(moment),
                ~_changing(Instance.id),
            )
            .options(joinedload(Instance.host))
            .limit(MOST_AT_A_TIME)
            .with_for_update(of=Instance, skip_locked=True)  # whoever changes it now comes first
        )
    )


def _unheld() -> list[Scope]:
    moment = now()
    return list(
        session.scalars(
            select(Scope)
            .join(Scope.host)
            .where(
                Scope.held < Scope.wanted,
                or_(Scope.repair_at.is_(None), Scope.repair_at <= moment),
                _answers(moment),
                ~_changing(Scope.target_id),
                ~exists().where(Task.scope_id == Scope.id, Task.finished_at.is_(None)),
            )
            .limit(MOST_AT_A_TIME)
        )
    )


def _answers(moment: datetime):
    return and_(Host.heard_at > moment - PLACED_UNTIL, Host.observed_at.is_not(None))


def _changing(target_id):
    return exists().where(Operation.target_id == target_id, Operation.finished_at.is_(None))


def _mend_instance(instance: Instance) -> bool:
    if shut_itself_down(instance):
        if now() - instance.observed_at >= STAYS_OFF:
            instances.stopped_itself(instance)
        return False
    action = "delete" if instance.desired is Power.ABSENT else "repair"
    _count_repair(instance)
    operations.open_operation(None, instance, action)
    return True


def _mend_scope(scope: Scope) -> bool:
    target = _target(scope)
    if target is None or operations.open_of(target.id):
        return False
    deleted = isinstance(target, Network) and target.deleted_at
    try:
        operations.open_operation(None, target, "delete" if deleted else "repair")
    except Conflict:
        return False  # somebody has begun to change it at this moment
    _count_repair(scope)
    return True


def _target(scope: Scope) -> Network | Host | None:
    """What the table is about.

    A network is read once whoever deletes it has ended: they hold its project, which a repair
    refers to, and to wait for that with the repair already written is to wait in a circle."""
    if scope.kind != "network":
        return session.get(Host, scope.target_id)
    network = session.get(Network, scope.target_id)
    if network is None:
        return None
    project = select(Project.id).where(Project.id == network.project_id)
    session.execute(project.with_for_update(key_share=True))
    return session.get(Network, scope.target_id, populate_existing=True)


def _count_repair(thing: Instance | Scope) -> None:
    moment = now()
    if thing.repair_at and moment - thing.repair_at > CALM:
        thing.repairs = 0
    thing.repairs += 1
    thing.repair_at = moment + backoff(thing.repairs)
