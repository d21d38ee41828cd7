"""What makes each alert fire, and what ends it: exporters, organizations and the troubles they get."""

import json
import re
import resource
import shlex
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Callable

from exporter import BINARY, ROOT, require, until
from fakes import BrokenExporter, Service
from servers import Exporter, Simulator

STEADY = "csp-invitations-steady"
DAY = 86400


def invitation(username="jane@example.com", *, generated=0.5, expires=6.5, status="AVAILABLE", roles=("org_member",), **more):
    """One invitation, `generated` days ago, which expires in `expires` days."""
    now = time.time()
    return {
        "username": username, "status": status, "generatedAt": int((now - generated * DAY) * 1000), "expirationTime": int((now + expires * DAY) * 1000),
        "refLink": f"/csp/gateway/am/api/invitations/{username}-{generated}-{expires}", "orgRoleNames": list(roles), **more,
    }


# The list that brings an alert about one organization, whose name is the key.
LISTS = {
    "CSPInvitationsPendingTooLong": lambda: [invitation(generated=4, expires=3)],
    "CSPInvitationsExpiringSoon": lambda: [invitation(generated=6.5, expires=0.5)],
    "CSPInvitationsLapsed": lambda: [invitation(generated=9, expires=-2)],
    "CSPInvitationsPrivilegedPending": lambda: [invitation(roles=["org_owner"])],
    "CSPInvitationsExternalPending": lambda: [invitation("jane@elsewhere.example")],
    "CSPInvitationsDuplicated": lambda: [invitation(generated=0.1), invitation(generated=0.2)],
    "CSPUnknownStatus": lambda: [invitation(status="POSTPONED")],
    "CSPMalformedData": lambda: [invitation(orgRoleNames="org_member")],
    "CSPValuesFolded": lambda: [invitation(roles=["org_member", "developer", "support_user"])],
}


@dataclass
class Case:
    """Alerts with the labels that name them, what brings them and what ends them."""

    alerts: list[tuple[str, dict]]
    trigger: Callable[[], object]
    repair: Callable[[], object]
    # Why the signal does not come from the real binary, or from the simulated API.
    fake: str = ""
    # What whoever is alerted does next; it fails if that leads nowhere.
    look: Callable[[], object] = lambda: None


@dataclass
class Bench:
    """Everything that Prometheus scrapes. Jobs are apart, so that what is meant for one does not touch another."""

    stack: ExitStack
    exporters: list = field(default_factory=list)

    def __post_init__(self):
        enter = self.stack.enter_context
        self.simulator = enter(Simulator("alerts", 40))
        self.slow_simulator = enter(Simulator("alerts-slow", 1))
        self.service, self.broken = enter(Service()), enter(BrokenExporter())
        self._free = iter(self.simulator.ids)
        self.ids = {}

    def organization(self, name):
        """An organization of the simulated API for this name alone."""
        if name not in self.ids:
            self.ids[name] = next(self._free)
        return self.ids[name]

    def configuration(self, names, simulator=None, *, interval="1s", poll=(), metrics=(), tokens=()):
        """A configuration for these organizations, with the simulator's OAuth app, or an API token where `tokens` has a file."""
        api = simulator or self.simulator
        ids = {name: api.ids[0] if simulator else self.organization(name) for name in names}
        return {
            "api": {"url": api.url, "requests_per_second": 0},
            "poll": {"interval": interval, **dict(poll)},
            "metrics": dict(metrics),
            "credentials": {"app": {"client_id": api.client_id, "client_secret_file": str(api.client_secret_file)},
                            **{name: {"api_token_file": str(token)} for name, token in dict(tokens).items()}},
            "organizations": [{"id": ids[name], "name": name, "credentials": name if name in dict(tokens) else "app"} for name in names],
        }

    def exporter(self, job, configuration, *flags, name=None):
        """A running exporter that belongs to a job."""
        exporter = self.stack.enter_context(Exporter(job, configuration, flags, name))
        self.exporters.append(exporter)
        return exporter


def people(exporter, name, rows):
    """Runs the command in which the runbook of an alert ends, which has to list so many people."""
    page = (ROOT / f"docs/runbooks/{name}.md").read_text()
    command = re.search(r"(?m)^csp-invitations-exporter (list .*)$", page)
    if not name.startswith("CSPInvitations") and not command:
        return
    words = shlex.split(command[1].replace("config.yaml", f"{exporter.folder}/config.yaml").replace("acme", name))
    done = subprocess.run([BINARY, *words, "--format", "json"], capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"{words} exits with {done.returncode}: {done.stderr}")
    found = json.loads(done.stdout)
    require(len(found) == rows and all(one["organization"] == name for one in found), f"{words} lists {len(found)} people, not {rows}")


def lists(bench):
    """Alerts about what is in an organization's list."""
    metrics = {"trusted_domains": ["example.com"], "max_roles": 2}
    exporter = bench.exporter("csp-invitations-lists", bench.configuration([*LISTS, "CSPInvitationsAcceptanceDropped"], metrics=metrics))
    for name, make in LISTS.items():
        labels, organization = {"organization": name}, bench.ids[name]
        yield Case([(name, labels)], lambda o=organization, m=make: bench.simulator.put_list(o, m()),
                   lambda o=organization: bench.simulator.put_list(o, []), look=lambda n=name: people(exporter, n, 1))

    name = "CSPInvitationsAcceptanceDropped"

    def end(first, **fields):
        """Thirty people whose invitation is there in one poll and has ended in a later one."""
        invited = [invitation(f"number-{first + number}@example.com") for number in range(30)]
        bench.simulator.put_list(bench.ids[name], invited)
        time.sleep(4)
        bench.simulator.put_list(bench.ids[name], [{**one, **fields} for one in invited])

    yield Case([(name, {"organization": name})], lambda: end(0, expirationTime=int(time.time() * 1000)),
               lambda: end(30, status="REDEEMED", redeemedAt=int(time.time() * 1000)), look=lambda: people(exporter, name, 30))


def history(factor):
    """What Prometheus would have recorded of an organization of which three of four redeemed in the 90 days before the last week, as OpenMetrics."""
    now, name = time.time(), "target_organization_event:csp_invitation_events:total"
    start, end, steps = now - 90 * DAY // factor, now - 8 * DAY // factor, 200
    labels = 'organization="CSPInvitationsAcceptanceDropped",job="csp-invitations-lists",instance="before"'
    lines = [f'{name}{{{labels},event="{event}"}} {rate * step} {start + step * (end - start) / steps:.3f}'
             for event, rate in (("redeemed", 3), ("expired", 1)) for step in range(steps + 1)]
    return "\n".join([f"# TYPE {name} unknown", *lines, "# EOF", ""])


def polls(bench):
    """Organizations that cannot be polled, each for another reason, and what that does to the whole job."""
    job, names = "csp-invitations-polls", ["outage", "rejected", "forbidden"]
    foreign = bench.simulator.api_token_files[bench.organization("owner of the token")]

    def configuration(tokens=()):
        return bench.configuration(names, poll={"stale_after": "24s"}, tokens=tokens)

    exporter = bench.exporter(job, configuration())

    def reload(tokens=()):
        exporter.configure(configuration(tokens))
        require(exporter.reload() == 200, "the configuration is not taken")

    def trigger():
        bench.simulator.scenario(bench.ids["outage"], "outage")
        bench.simulator.scenario(bench.ids["rejected"], "credentials-revoked")
        reload({"forbidden": foreign})

    def repair():
        for name in ("outage", "rejected"):
            bench.simulator.scenario(bench.ids[name], "steady")
        reload()

    outage = {"organization": "outage"}
    yield Case([("CSPPollsFailing", outage), ("CSPDataHeld", outage), ("CSPDataWithdrawn", outage),
                ("CSPCredentialsRejected", {"organization": "rejected"}), ("CSPForbidden", {"organization": "forbidden"}),
                ("CSPApiErrorsElevated", {"job": job}), ("CSPApiErrorsHigh", {"job": job})], trigger, repair)


def upstream(bench):
    """A service that asks to slow down, and one that is slow."""
    job = "csp-invitations-storm"
    bench.exporter(job, bench.configuration(["storm"]))
    storm = bench.ids["storm"]
    yield Case([("CSPRateLimited", {"job": job})], lambda: bench.simulator.scenario(storm, "rate-limit-storm"),
               lambda: bench.simulator.scenario(storm, "steady"))

    job = "csp-invitations-slow"
    bench.exporter(job, bench.configuration(["slow"], bench.slow_simulator, interval="3s", poll={"deadline": "2900ms"}))
    yield Case([("CSPPollSlow", {"organization": "slow"}), ("CSPApiLatencyHigh", {"job": job})],
               lambda: bench.slow_simulator.put("/latency", "2200"), lambda: bench.slow_simulator.put("/latency", "0"))


def tokens(bench, factor):
    """API tokens that run out; a new one is written to the secret file."""
    job, names = "csp-invitations-tokens", ["soon", "today"]
    bench.service.expirations = {"young": int(time.time()) + 100 * DAY, "soon": int(time.time()) + 7 * DAY // factor,
                                 "today": int(time.time()) + DAY // factor}
    exporter = bench.exporter(job, {
        "api": {"url": f"http://{bench.service.address}"},
        "poll": {"interval": "1s"},
        "credentials": {name: {"api_token_file": name} for name in names},
        "organizations": [{"id": bench.organization(name), "name": name, "credentials": name} for name in names],
    })

    def write(token=None):
        # The end of a token is asked for at the start and every hour: nobody waits here.
        exporter.end()
        for name in names:
            (exporter.folder / name).write_text(token or name)
        exporter.start()

    write("young")
    yield Case([("CSPApiTokenExpiring", {"job": job, "credentials": "soon"}), ("CSPApiTokenAboutToExpire", {"job": job, "credentials": "today"})],
               write, lambda: write("young"), fake="a small fake service, because the simulated API's tokens have days to run")


def instances(bench):
    """Exporters that are killed, and shards that do not fit together."""
    job = "csp-invitations-killed"
    killed = bench.exporter(job, bench.configuration(["killed"]))
    yield Case([("CSPExporterDown", {"job": job})], lambda: killed.end(kill=True), killed.start)

    names = [f"sharded-{number}" for number in range(12)]
    job = "csp-invitations-shards"
    shards = [bench.exporter(job, bench.configuration(names), f"--shard={index}/2", name=f"{job}-{index}") for index in (1, 2)]
    yield Case([("CSPExporterShardMissing", {"job": job}), ("CSPExporterScrapesFailing", {"job": job})],
               lambda: shards[1].end(kill=True), shards[1].start)

    job = "csp-invitations-resharded"
    shards_of = bench.configuration(names)
    resharded = [bench.exporter(job, shards_of, f"--shard={index}/2", name=f"{job}-{index}") for index in (1, 2)]

    def reshard(shard):
        resharded[1].end()
        resharded[1].flags = [f"--shard={shard}"]
        resharded[1].start()

    # A third shard takes from both others; one that stays only loses, and could not poll what another polls.
    yield Case([("CSPExporterShardsDisagree", {"job": job}), ("CSPExporterShardDoubled", {"job": job})],
               lambda: reshard("3/3"), lambda: reshard("2/2"))


def upkeep(bench):
    """A configuration that is not valid, and a disk that is full."""
    job = "csp-invitations-upkeep"
    good = bench.configuration(["upkeep"])
    exporter = Exporter(job, good)
    exporter.flags = [f"--state.dir={exporter.folder}/state"]
    bench.exporters.append(bench.stack.enter_context(exporter))

    def break_configuration():
        exporter.configure("organizations: 5\n")
        require(exporter.reload() == 500, "a bad configuration is taken")

    def mend_configuration():
        exporter.configure(good)
        require(exporter.reload() == 200, "a good configuration is not taken")

    yield Case([("CSPExporterReloadFailed", {"job": job})], break_configuration, mend_configuration)

    # New invitations until the end, so that there is always something to write.
    over = threading.Event()
    bench.stack.callback(over.set)

    def invite():
        number = 0
        while not over.wait(1):
            number += 1
            bench.simulator.put_list(bench.ids["upkeep"], [invitation(f"number-{number}@example.com")])

    def room(size):
        # What a full disk does to whoever writes, for this process alone: writes past the first `size` bytes of a file fail.
        resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def fill():
        threading.Thread(target=invite, daemon=True).start()
        room(4096)

    yield Case([("CSPExporterStateNotDurable", {"job": job})], fill, lambda: room(resource.RLIM_INFINITY))

    job = "csp-invitations-aside"
    damaged = bench.exporter(job, bench.configuration(["aside"]))

    def damage():
        damaged.end()
        state = damaged.folder / "state"
        state.mkdir()
        (state / "state.redb").write_text("from the future\n" * 1000)
        damaged.flags = [f"--state.dir={state}"]
        damaged.start()

    # The exporter has begun anew: there is nothing to repair.
    yield Case([("CSPExporterStateSetAside", {"job": job})], damage, lambda: None)


def broken(bench):
    """What only a defect brings."""
    labels = {"job": bench.broken.job}

    def set_stalled(since):
        bench.broken.stalled_at = since

    def panic():
        bench.broken.panics += 1

    yield Case([("CSPExporterSchedulerStalled", labels)], lambda: set_stalled(time.time()), lambda: set_stalled(None),
               fake="a small fake exporter, because nothing from outside stops the real scheduler alone")
    yield Case([("CSPExporterPanicked", labels)], panic, lambda: None,
               fake="a small fake exporter, because no input is known that makes a task panic")


def all_cases(bench, factor):
    """Every case but that of CSPExporterAbsent, which needs that there is no other."""
    bench.exporter(STEADY, bench.configuration(["steady"], interval="2s"))
    bench.simulator.put_list(bench.ids["steady"], [invitation()])
    found = [*polls(bench), *lists(bench), *upstream(bench), *tokens(bench, factor), *instances(bench), *upkeep(bench), *broken(bench)]
    for exporter in bench.exporters:
        until(f"{exporter.log.stem}: readiness", lambda: exporter.answers("/readyz"), 60)
    return found


def targets(bench):
    """What Prometheus is to scrape, for its file_sd."""
    own = [{"targets": [exporter.address], "labels": {"job": exporter.job}} for exporter in bench.exporters]
    return [*own, {"targets": [bench.broken.address], "labels": {"job": bench.broken.job}}]
