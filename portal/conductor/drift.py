"""What is no longer as it was settled, and what is done about it.

Three rules: (1) it was settled and no longer is, or its host came back: a repair, which is the
same job once more, as is the update of a table that changes on other hosts have altered; (2) the
guest shut itself down: intent follows; (3) something is there that nobody wants: it is shown to
the operator, and goes only when asked for (`flask orphans`).
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, exists, func, or_, select, text
from sqlalchemy.orm import aliased, contains_eager

from portal.db import Base, now, session, transaction
from portal.errors import Conflict
from portal.models import (
    Host,
    Image,
    Instance,
    Network,
    Operation,
    Outcome,
    Power,
    Scope,
    Task,
)
from portal.models.host import PLACED_UNTIL
from portal.models.instance import UNSETTLED
from portal.services import instances, operations, quotas, scopes

BACKOFF = [timedelta(minutes=minutes) for minutes in (0.5, 2, 8, 32, 60)]
CALM = timedelta(hours=1)  # after so long without a repair the back-off begins anew
LONGEST_STALE = timedelta(minutes=8)  # between two updates of a table that fail
STAYS_OFF = timedelta(minutes=1)  # before a guest that shut itself down is believed
MOST_AT_A_TIME = 100


def mend() -> int:
    """Every unsettled thing whose host answers has a repair under way, or a time for its next
    one. Returns how many changes were opened.

    Each has a transaction of its own, so that nobody waits for more than one repair, and a repair
    waits for nobody with another one in its hands. When nothing is due there is none."""
    due = [(_mend_instance, each) for each in _instances_due()]
    due += [(_mend_scope, each) for each in _scopes_due()]
    due += [(_mend_fetch, each) for each in _fetches_due()]
    return sum(_alone(mend_it, thing_id) for mend_it, thing_id in due)


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


def _alone(mend_it: Callable[[uuid.UUID], bool], thing_id: uuid.UUID) -> bool:
    try:
        with transaction():
            return mend_it(thing_id)
    except Conflict:
        return False  # somebody has begun to change it at this moment


def _instances_due() -> list[uuid.UUID]:
    rows = session.scalars(_unsettled().limit(MOST_AT_A_TIME))
    return [instance.id for instance in rows if not _may_come_back(instance)]


def _scopes_due() -> list[uuid.UUID]:
    return list(session.scalars(_unheld().with_only_columns(Scope.id).limit(MOST_AT_A_TIME)))


def _fetches_due() -> list[uuid.UUID]:
    moment = now()
    return [
        image_id
        for image_id, failures, last in session.execute(_undeleted().limit(MOST_AT_A_TIME))
        if last + backoff(failures) <= moment
    ]


def _unsettled() -> Select:
    moment = now()
    return (
        select(Instance)
        .join(Instance.host)
        .where(
            text(UNSETTLED),
            or_(Instance.fault == "", Instance.launched_at.is_not(None)),
            or_(Instance.repair_at.is_(None), Instance.repair_at <= moment),
            _answers(moment),
            ~_changing(Instance.id),
        )
        .options(contains_eager(Instance.host))
        .execution_options(populate_existing=True)
    )


def _unheld() -> Select:
    moment = now()
    return (
        select(Scope)
        .join(Scope.host)
        .where(
            Scope.held < Scope.wanted,
            or_(Scope.repair_at.is_(None), Scope.repair_at <= moment),
            _answers(moment),
            ~_changing(Scope.target_id),
            ~exists().where(
                Task.scope_id == Scope.id,
                Task.finished_at.is_(None),
                Task.operation_id == Operation.id,
                Task.stage == Operation.stage,  # a later one may be long in coming
            ),
        )
        .order_by(Scope.updated_at)
    )


def _undeleted() -> Select:
    """Images whose fetching a host that answers was not told to end; how often that failed, and
    when the last time."""
    told, failed = aliased(Task), aliased(Operation)
    asked = (
        select(Task.id)
        .join(Task.host)
        .where(
            Task.target_id == Image.id,
            Task.job == "fetches.apply",
            _answers(now()),
            ~exists().where(
                told.target_id == Task.target_id,
                told.host_id == Task.host_id,
                told.job == "fetches.remove",
                told.outcome == Outcome.DONE,
            ),
        )
    )
    return (
        select(Image.id, func.count(failed.id), func.max(failed.finished_at))
        .join(failed, failed.target_id == Image.id)
        .where(
            Image.deleted_at.is_not(None),
            ~Image.ready,
            failed.action == "delete",
            failed.outcome == Outcome.FAILED,
            ~_changing(Image.id),
            asked.exists(),
        )
        .group_by(Image.id)
    )


def _answers(moment: datetime):
    return and_(Host.heard_at > moment - PLACED_UNTIL, Host.observed_at.is_not(None))


def _changing(target_id):
    return exists().where(Operation.target_id == target_id, Operation.finished_at.is_(None))


def _may_come_back(instance: Instance) -> bool:
    """Whether the guest shut itself down so lately that it may be on its way up again."""
    return shut_itself_down(instance) and now() - instance.observed_at < STAYS_OFF


def _mend_instance(instance_id: uuid.UUID) -> bool:
    instance = _still_due(_unsettled(), Instance, instance_id)
    if instance is None or _may_come_back(instance):
        return False
    if shut_itself_down(instance):
        instances.stopped_itself(instance)
        return False
    action = "delete" if instance.desired is Power.ABSENT else "repair"
    _count_repair(instance)
    operations.open_operation(None, instance, action)
    return True


def _mend_scope(scope_id: uuid.UUID) -> bool:
    """The project of a network comes first: who holds it may want the table next."""
    project_id = session.scalar(
        select(Network.project_id)
        .join(Scope, Scope.target_id == Network.id)
        .where(Scope.id == scope_id, Scope.kind == scopes.NETWORK)
    )
    if project_id:
        quotas.lock(project_id)
    scope = _still_due(_unheld(), Scope, scope_id)
    target = scope and session.get(Network if project_id else Host, scope.target_id)
    if target is None:
        return False
    deleted = isinstance(target, Network) and target.deleted_at
    _count_repair(scope)
    action = "repair" if scope.held == 0 else "update"  # what it lost, or what it does not know yet
    if action == "update":
        scope.repair_at = min(scope.repair_at, now() + LONGEST_STALE)
    operations.open_operation(None, target, "delete" if deleted else action)
    return True


def _mend_fetch(image_id: uuid.UUID) -> bool:
    image = session.scalar(
        select(Image).where(Image.id == image_id).with_for_update(of=Image, skip_locked=True)
    )
    if image is None or image_id not in _fetches_due():
        return False
    operations.open_operation(None, image, "delete")
    return True


def _still_due(due: Select, model: type[Base], thing_id: uuid.UUID):
    """The thing, its row locked. None when it is no longer due, or somebody is changing it: they
    come first."""
    return session.scalar(
        due.where(model.id == thing_id).with_for_update(of=model, key_share=True, skip_locked=True)
    )


def _count_repair(thing: Instance | Scope) -> None:
    moment = now()
    if thing.repair_at and moment - thing.repair_at > CALM:
        thing.repairs = 0
    thing.repairs += 1
    thing.repair_at = moment + backoff(thing.repairs)
