# SPDX-License-Identifier: MIT
"""`tangram run`: boot a cluster, run one program, power off."""

import json
import os
import signal
import sys
import time

from . import balance, image, nodes
from .cluster import Cluster, ClusterFailed, new_log_dir
from .host import TangramError
from .options import check_cluster
from .program import Program, report_result

TIMEOUT_STATUS = 124
GRACE_SECONDS = 5.0             # after a failure, for each node: to write back what it has


class TimedOut(BaseException):
    pass


class Interrupted(BaseException):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


class Reporter:
    """The tool's own lines on stderr, and on a terminal the line that shows what is going on."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.live = not quiet and sys.stderr.isatty()
        self._shown = ""

    def say(self, text):
        if not self.quiet:
            self.clear()
            print("tangram: %s" % text, file=sys.stderr, flush=True)

    def error(self, text):
        self.clear()
        print("tangram: %s" % text, file=sys.stderr, flush=True)

    def progress(self, text):
        if self.live and text != self._shown:
            sys.stderr.write("\r\033[Ktangram: " + text)
            sys.stderr.flush()
            self._shown = text

    def clear(self):
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._shown = ""


def catch_signals():
    """SIGINT, SIGTERM and SIGHUP become Interrupted, SIGALRM becomes TimedOut, wherever we are."""
    def interrupted(number, _):
        raise Interrupted(number)

    def timed_out(_, __):
        raise TimedOut()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    signal.signal(signal.SIGALRM, timed_out)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def ignore_signals():
    """While things are taken down nothing may come between; it takes a few seconds at most."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


class Run:
    def __init__(self, config):
        self.config = config
        self.report = Reporter(config.quiet)
        self.log_dir = new_log_dir(config.log_dir)
        self.cluster = self.program = self.result = None
        self.facts = {"command": config.program, "exit_status": None, "error": None, "guest_seconds": None,
                      "boot_seconds": None, "footprint": None, "log_dir": self.log_dir,
                      "nodes": {role: {"parameters": {name: value for name, value in nodes.parameters(config, role)},
                                       "accounting": {}, "counters": {}} for role in nodes.ROLES}}

    def main(self):
        """Returns the status for the shell. Nothing of the run is left when it returns, but logs and what was asked for."""
        started = time.monotonic()
        try:
            status = self._guarded()
        finally:
            ignore_signals()
            if self.program is not None:
                self.program.restore_tty()
            self.report.clear()
        get_error = None
        try:
            if self.cluster is not None:
                self.cluster.kill()
                get_error = self._get_files()
        finally:
            if self.cluster is not None:
                self.cluster.remove()
        if get_error and status == 0:
            status = 125
        self.facts["exit_status"] = status
        self.facts["wall_seconds"] = round(time.monotonic() - started, 3)
        if not self._write_facts() and status == 0:
            status = 125
        self.report.say("logs: %s" % self.log_dir)
        return status

    def _guarded(self):
        try:
            catch_signals()
            if self.config.timeout:
                signal.setitimer(signal.ITIMER_REAL, self.config.timeout)
            return self._run()
        except TimedOut:
            ignore_signals()
            self._fail("timeout: not done after %g s" % self.config.timeout)
            self._look_at_it()
            self._end_softly()
            return TIMEOUT_STATUS
        except Interrupted as error:
            ignore_signals()
            self._fail("interrupted by %s" % signal.Signals(error.number).name)
            self._end_softly()
            return 128 + error.number
        except (TangramError, OSError) as error:
            ignore_signals()
            self._fail(str(error))
            self._end_softly()
            return getattr(error, "status", 125)

    def _fail(self, text):
        self.facts["error"] = text
        if self.program is not None:
            self.program.restore_tty()
        self.report.error(text)

    def _look_at_it(self):
        """Counters and accounting of a run that does not end, for whoever asks why; a node that does not answer has none."""
        for role in nodes.ROLES if self.program is not None else ():
            for what in ("counters", "acct"):
                try:
                    facts = self.cluster.ask(role, what, seconds=1)
                    self.facts["nodes"][role]["accounting" if what == "acct" else what] = facts
                except (TangramError, OSError):
                    break

    def _end_softly(self):
        """So that --get and --disk have what was written; quick, for what is wrong may be anything."""
        try:
            if self.cluster is not None and (self.config.get or self.config.disks):
                self.cluster.save_disks(GRACE_SECONDS)
        except (TangramError, OSError):
            pass

    def _run(self):
        config, report = self.config, self.report
        for role in nodes.ROLES:
            if config.boot == "direct":
                nodes.kernel_path(role)
        if config.stdin and not os.path.exists(config.stdin):
            raise TangramError("--stdin: %s does not exist" % config.stdin)
        report.progress("starting")
        self.cluster = cluster = Cluster(config, self.log_dir, report.say)
        cluster.start()
        cluster.wait_ready(lambda text: report.progress("booting: " + text))
        self.facts["boot_seconds"] = round(cluster.ready_time - cluster.start_time, 3)
        report.progress("running " + config.program[0])
        self.program = Program(cluster.loop, cluster.nodes["processor"].control, cluster.ports, cluster.exits, config,
                               report.clear)
        self.program.start()
        cluster.wait(lambda: self.program.ended() or cluster.leaving and cluster.all_gone())
        if not self.program.ended():
            raise ClusterFailed("powered off by a program, and how %s ended was not told" % config.program[0])
        result = self.result = self.program.finish()
        report.clear()
        report_result(report.say, config, result)
        self.facts["guest_seconds"] = result.number("seconds")
        self.facts["footprint"] = result.number("footprint")
        if cluster.leaving:
            report.say("powered off by a program")
            cluster.wait_gone()
            return result.status
        cluster.tell("processor", "end-programs")      # what it has left running
        wrong = self._collect()
        report.progress("powering off")
        cluster.power_off()
        if wrong:
            raise ClusterFailed("not given back at exit: %s" % "; ".join(wrong))
        return result.status

    def _collect(self):
        """Counters and accounting into the facts; returns what does not balance."""
        facts, wrong = balance.gather(self.cluster)
        for role in nodes.ROLES:
            self.facts["nodes"][role].update(facts[role])
        for name, value in self.facts["nodes"]["processor"]["counters"].items():
            if value:
                self.report.say("%s: %s" % (name, value))
        return wrong

    def _get_files(self):
        failed = False
        for guest, host in self.config.get:
            try:
                if not os.path.exists(self.cluster.root_disk):
                    raise TangramError("--get: %s: there is no disk yet" % guest)
                image.get_file(self.cluster.root_disk, guest, host)
            except (TangramError, OSError) as error:
                self.report.error(str(error))
                failed = True
        return failed

    def _write_facts(self):
        text = json.dumps(self.facts, indent=1) + "\n"
        try:
            with open(os.path.join(self.log_dir, "run.json"), "w") as file:
                file.write(text)
            if self.config.json:
                with open(self.config.json, "w") as file:
                    file.write(text)
        except OSError as error:
            self.report.error("--json: %s" % error)
            return False
        return True


def main(config):
    check_cluster(config)
    return Run(config).main()
