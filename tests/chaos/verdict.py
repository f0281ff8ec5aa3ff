"""The judge: whether portal, database, hosts and wishes agree. Each rule answers with what is
wrong, in words; an empty list is a pass."""

import dataclasses
from collections import Counter
from datetime import timedelta

from tests.chaos import fake_reality, reality
from tests.chaos.ledger import INSTANCES, PORTS, SCOPES, moment
from tests.chaos.reality import Reality
from tests.chaos.story import Story
from tests.stack import Stack

LATE = timedelta(seconds=60)  # after its deadline, at the most, an operation has ended
FAILED_SHARE = 0.01  # of operations: five attempts may meet five accidents
WORDS = {"running": "Running", "stopped": "Stopped"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """A rule, how much it was held against, and what breaks it."""

    rule: str
    looked_at: int
    wrong: list[str]


class Verdict:
    """Everything that has to agree, read once."""

    def __init__(self, stack: Stack, story: Story):
        self._story = story
        ledger = story.ledger
        self._ledger = ledger
        self.instances = ledger.rows(INSTANCES)
        self.live = {row["id"]: row for row in self.instances if not row["deleted_at"]}
        self.ports = ledger.rows(PORTS)
        self.shown = story.person.shown()
        self.held = {host: self._look(stack, host) for host in stack.hosts}

    def findings(self) -> list[Finding]:
        return [
            self._operations(),
            self._failures(),
            self._pages(),
            self._guests(),
            self._disks(),
            self._networks(),
            self._leases(),
            self._filters(),
            self._strange(),
            self._addresses(),
            self._claims(),
            self._quota(),
            self._keys(),
            self._boots(),
            self._dangling(),
        ]

    def _look(self, stack: Stack, host: str) -> Reality:
        if not stack.real:
            return fake_reality.look(stack, host)
        scopes = [row for row in self._ledger.rows(SCOPES) if row["kind"] == "networks"]
        return reality.look(
            stack,
            host,
            segments={row["target_id"]: row["segment_id"] for row in scopes},
            taps={reality.tap(row["id"]) for row in self.ports},
        )

    def _operations(self) -> Finding:
        wrong = []
        rows = self._ledger.rows("SELECT * FROM operations")
        for row in rows:
            name = f"{row['action']} of {row['target_name']}"
            if not row["finished_at"] or not row["outcome"]:
                wrong.append(f"{name} is open")
            elif moment(row["finished_at"]) > moment(row["deadline"]) + LATE:
                wrong.append(f"{name} ended at {row['finished_at']}, due {row['deadline']}")
            elif row["outcome"] != "done" and not row["reason"]:
                wrong.append(f"{name} {row['outcome']} without a reason")
        wrong += [
            f"task {row['job']} of a finished operation is open"
            for row in self._ledger.rows("SELECT * FROM tasks WHERE finished_at IS NULL")
        ]
        return Finding("operations are final, in time, with a reason", len(rows), wrong)

    def _failures(self) -> Finding:
        """Whatever is killed is back within seconds, so hardly a change has a reason to fail."""
        rows = self._ledger.rows("SELECT * FROM operations")
        failed = [row for row in rows if row["outcome"] == "failed"]
        most = FAILED_SHARE * len(rows)
        wrong = [f"{row['action']} of {row['target_name']}: {row['reason']}" for row in failed]
        return Finding("hardly a change failed", len(rows), wrong if len(failed) > most else [])

    def _pages(self) -> Finding:
        """What a person sees is what the hosts run."""
        expected = {
            instance_id: "Error" if row["fault"] else WORDS.get(self._power(row), "?")
            for instance_id, row in self.live.items()
        }
        wrong = [
            f"{self._name(each)}: the page says {self.shown.get(each)}, it is {expected.get(each)}"
            for each in expected.keys() | self.shown.keys()
            if expected.get(each) != self.shown.get(each)
        ]
        return Finding("pages show what hosts run", len(expected), wrong)

    def _guests(self) -> Finding:
        wrong = []
        for host, held in self.held.items():
            wanted = {each for each, row in self.live.items() if row["host"] == host}
            wrong += [f"{host} runs {each}, nobody's" for each in held.guests.keys() - wanted]
            for each in wanted:
                row, guest = self.live[each], held.guests.get(each)
                if guest is None:
                    if not row["fault"]:
                        wrong.append(f"{row['name']} is not on {host}")
                    continue
                failed = row["fault"] and not row["launched_at"]  # its owner retries or deletes
                if not failed and (guest.power, guest.generation) != (
                    row["desired"],
                    row["generation"],
                ):
                    wrong.append(
                        f"{row['name']} is {guest.power} at revision {guest.generation}, wanted "
                        f"{row['desired']} at {row['generation']}"
                    )
                macs = {port["mac"] for port in self.ports if port["instance_id"] == each}
                if guest.macs is not None and guest.macs != macs:
                    wrong.append(f"{row['name']} has {sorted(guest.macs)}, wanted {sorted(macs)}")
        return Finding("hosts run what is wanted", len(self.live), wrong)

    def _disks(self) -> Finding:
        wrong = []
        for host, held in self.held.items():
            wanted = {each for each, row in self.live.items() if row["host"] == host}
            failed = {each for each in wanted if self.live[each]["fault"]}
            wrong += [f"{host}: disk of {self._name(each)}" for each in held.disks - wanted]
            wrong += [f"no disk of {self._name(each)}" for each in wanted - held.disks - failed]
        return Finding("disks are those of instances", len(self.live), wrong)

    def _networks(self) -> Finding:
        wrong, looked_at = [], 0
        for host, held in self.held.items():
            rows = [row for row in self._ledger.rows(SCOPES) if row["host"] == host]
            looked_at += len(rows)
            wanted = {row["target_id"] for row in rows if row["kind"] == "networks"}
            if held.networks != wanted:
                wrong.append(f"{host} holds {sorted(held.networks)}, wanted {sorted(wanted)}")
            wrong += [
                f"{host}: {row['kind']} {row['target_id']} at {row['held']} of {row['wanted']}"
                for row in rows
                if row["held"] != row["wanted"]
            ]
        return Finding("hosts hold the newest tables", looked_at, wrong)

    def _leases(self) -> Finding:
        wrong = []
        for host, held in self.held.items():
            wanted = {
                (port["mac"], port["address"], port["hostname"])
                for port in self.ports
                if port["host"] == host
            }
            wrong += [f"{host}: lease of nobody: {each}" for each in held.leases - wanted]
            wrong += [f"{host}: no lease for {each}" for each in wanted - held.leases]
        return Finding("DHCP knows every port and no other", len(self.ports), wrong)

    def _filters(self) -> Finding:
        wrong = []
        for host, held in self.held.items():
            wanted = {(port["mac"], port["address"]) for port in self.ports if port["host"] == host}
            wrong += [f"{host} lets {each} speak, nobody's" for each in held.filtered - wanted]
            wrong += [f"{host} keeps {each} silent" for each in wanted - held.filtered]
        return Finding("filters know every port and no other", len(self.ports), wrong)

    def _strange(self) -> Finding:
        wrong = [f"{host}: {each}" for host, held in self.held.items() for each in held.strange]
        wrong += [
            f"{row['name']} reports a stranger: {row['strangers']}"
            for row in self._ledger.rows("SELECT name, strangers FROM hosts")
            if row["strangers"] != "[]"
        ]
        return Finding("nothing lies about that belongs to nothing", len(self.held), wrong)

    def _addresses(self) -> Finding:
        wrong = []
        for column in ("mac", "address"):
            counted = Counter((port["network_id"], port[column]) for port in self.ports)
            wrong += [f"{key[1]} is held {n} times" for key, n in counted.items() if n > 1]
        owners = Counter(port["instance_id"] for port in self.ports)
        wrong += [f"port of {self._name(each)}, gone" for each in owners if each not in self.live]
        wrong += [f"{self._name(each)} has {owners[each]} ports" for each in self.live
                  if owners[each] != 1]  # fmt: skip
        return Finding("one port an instance, no address twice", len(self.ports), wrong)

    def _claims(self) -> Finding:
        claims = self._ledger.rows("SELECT * FROM claims")
        seen = {(row["host_id"], row["holder_id"], row["resource"]): row["amount"]
                for row in claims}  # fmt: skip
        wanted = {
            (row["host_id"], row["id"], resource): row[column]
            for row in self.live.values()
            for resource, column in
            (("vcpu", "vcpus"), ("memory_mib", "memory_mib"), ("disk_gib", "disk_gib"))
        }  # fmt: skip
        wrong = [f"claim {each} is {seen.get(each)}, not {wanted.get(each)}"
                 for each in seen.keys() | wanted.keys()
                 if seen.get(each) != wanted.get(each)]  # fmt: skip
        return Finding("claims equal a recount", len(claims), wrong)

    def _quota(self) -> Finding:
        counted = [row for row in self.instances if row["desired"] != "absent"]
        expected = {
            "Instances": len(counted),
            "vCPUs": sum(row["vcpus"] for row in counted),
            "Memory": sum(row["memory_mib"] for row in counted),
            "Disk": sum(row["disk_gib"] for row in counted),
        }
        shown = self._story.person.quota()
        wrong = [f"{name}: the page says {shown[name][0]}, a recount {used}"
                 for name, used in expected.items() if shown[name][0] != used]  # fmt: skip
        wrong += [f"{name}: {used} of {limit}" for name, (used, limit) in shown.items()
                  if used > limit]  # fmt: skip
        return Finding("quota equals a recount", len(expected), wrong)

    def _keys(self) -> Finding:
        """One form, however often it was sent, made its instances once."""
        made = Counter(
            row["name"] if row["name"].count("-") == 1 else row["name"].rpartition("-")[0]
            for row in self.instances
        )
        wrong = [
            f"{each.name} was asked for {each.count} times and made {made[each.name]} times"
            for each in self._story.creations
            if made[each.name] != (each.count if each.accepted else 0)
        ]
        return Finding("one form makes its instances once", len(self._story.creations), wrong)

    def _boots(self) -> Finding:
        """What was to happen once happened once: the counters agree, and a guest was started no
        more often than was asked for or an accident explains."""
        wrong, looked_at = [], 0
        counted = Counter(
            row["target_id"]
            for row in self._ledger.rows(
                "SELECT target_id FROM operations WHERE target_type = 'instances' "
                "AND action IN ('create', 'start', 'reboot', 'repair')"
            )
        )
        taken_back = Counter(
            row["target_id"]
            for row in self._ledger.rows(
                "SELECT target_id FROM operations WHERE target_type = 'instances' "
                "AND action = 'reboot' AND outcome <> 'done'"
            )
        )
        happened = self._story.accidents
        for held in self.held.values():
            for each, guest in held.guests.items():
                if each not in self.live:
                    continue
                looked_at += 1
                wanted = self.live[each]["boots"]
                if not wanted <= guest.boots <= wanted + taken_back[each]:
                    wrong.append(f"{self._name(each)}: {guest.boots} boots, wanted {wanted}")
                excused = happened.guests_killed[each] + happened.libvirt_killed
                if guest.starts is not None and guest.starts > counted[each] + excused:
                    wrong.append(
                        f"{self._name(each)} was started {guest.starts} times for "
                        f"{counted[each]} changes and {excused} accidents"
                    )
        return Finding("nothing was done twice", looked_at, wrong)

    def _dangling(self) -> Finding:
        """Rows that point to what is gone."""
        wrong = [
            f"{what}: {row['n']}"
            for what, query in {
                "port groups without a port": "SELECT count(*) AS n FROM port_groups "
                "WHERE port_id NOT IN (SELECT id FROM ports)",
                "scopes of a network that is gone": "SELECT count(*) AS n FROM scopes "
                "WHERE kind = 'networks' AND target_id NOT IN (SELECT id FROM networks)",
                "instances that wait to be gone": "SELECT count(*) AS n FROM instances "
                "WHERE desired = 'absent' AND deleted_at IS NULL",
            }.items()
            for row in self._ledger.rows(query)
            if row["n"]
        ]
        return Finding("no row points to what is gone", 3, wrong)

    def _power(self, row: dict) -> str:
        guest = self.held[row["host"]].guests.get(row["id"])
        return guest.power if guest else "absent"

    def _name(self, instance_id: str) -> str:
        return next(
            (row["name"] for row in self.instances if row["id"] == instance_id), instance_id
        )
