"""Run as a script: kill programs that build, run and close Lava networks, say what was left.

    kill_networks.py RUNTIME KILLS SEED

A program works in its main thread, in another thread or in a forked child. It is killed (SIGKILL,
SIGTERM, SIGINT) at a random moment of building, running or closing; or one of the OS processes of
its network is, on the runtime that has such. Then no process of its session may live on, no
file of shared memory that nobody uses may be left; and whoever called must be told within
`TOLD` seconds: the program ends, or an error is raised in it, or what it did succeeds all the same.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sessions
from parity_cases import random_events, two_hidden_layers

from onchip.deploy.backends.table import build
from onchip.execution import PROCESSES

TOLD = 10.0
"""Seconds within which the caller must know."""

MOMENTS = {"b": 0.4, "r": 0.3, "c": 0.1}
"""The letter that a program writes before it builds, runs or closes -> the longest wait then."""

PLACES = ("main", "thread", "fork")
ENDINGS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
INPUTS = (2, 3, 3)

Say = Callable[[str], object]


def work(runtime: str, say: Say, stopped: Callable[[], bool]) -> None:
    """Build, run and close networks until `stopped`; a letter before each, a dot after a round.

    An error of the network's, or an output that is not the engine's, is said and ends it.
    """
    faulthandler.register(signal.SIGUSR1)  # says where it waits
    spec = two_hidden_layers(np.random.default_rng(0), INPUTS)
    frames, _ = random_events(np.random.default_rng(1), 3, INPUTS)
    expected = build(spec).run(frames).outputs
    for backend in itertools.cycle(["lava-fused", "lava-fast"]):
        if stopped():
            return
        try:
            say("b")
            with build(spec, backend, runtime=runtime) as network:
                say("r")
                outputs = network.run(frames).outputs
                say("c")
        except Exception as error:
            say("E")
            print(f"  told: {type(error).__name__}: {error}", flush=True)
            return
        say("." if np.abs(outputs - expected).max() < 1e-9 else "W")


def program(runtime: str, place: str, say: Say) -> None:
    """Work at a place; says "P", the process id of whoever works and a space first."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = threading.Event()
    if place == "thread":
        thread = threading.Thread(target=work, args=(runtime, say, stop.is_set))
        say(f"P{os.getpid()} ")
        thread.start()
        try:
            thread.join()
        finally:
            stop.set()
        return
    worker = os.fork() if place == "fork" else 0
    if worker:
        os.waitpid(worker, 0)
        return
    say(f"P{os.getpid()} ")
    work(runtime, say, stop.is_set)


class Watched:
    """A program in a session of its own: its `leader`, its `worker` and what it says."""

    def __init__(self, runtime: str, place: str) -> None:
        self._reading, writing = os.pipe()
        self.leader = os.fork()
        if self.leader == 0:
            os.setsid()
            os.close(self._reading)
            program(runtime, place, lambda text: os.write(writing, text.encode()))
            sys.exit(0)  # with all that is done at Python's end
        os.close(writing)
        self.heard = ""
        first = self.wait_for(" ", 60)
        self.worker = int(first[1:-1])

    def wait_for(self, letters: str, seconds: float) -> str:
        """What it said up to the first of `letters`; "" if none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            for at, letter in enumerate(self.heard):
                if letter in letters:
                    said, self.heard = self.heard[: at + 1], self.heard[at + 1 :]
                    return said
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._reading], [], [], left)[0]:
                return ""
            more = os.read(self._reading, 1000).decode()
            if not more:
                return ""
            self.heard += more

    def forget(self) -> None:
        """Listen only to what comes now."""
        while select.select([self._reading], [], [], 0)[0] and os.read(self._reading, 1000):
            pass
        self.heard = ""

    def ends(self, seconds: float) -> bool:
        """Whether the leader ends in time; it is ended if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if os.waitpid(self.leader, os.WNOHANG)[0]:
                os.close(self._reading)
                return True
            time.sleep(0.01)
        sessions.end(sessions.living_of_session(self.leader))
        os.waitpid(self.leader, 0)
        os.close(self._reading)
        return False


def kill_program(watched: Watched, rng: np.random.Generator) -> tuple[str, str]:
    """(what was done, the fault or ""): the program must end in time."""
    ending = ENDINGS[rng.integers(len(ENDINGS))]
    done = f"program {ending.name}"
    try:
        os.kill(watched.worker, ending)
    except ProcessLookupError:
        watched.ends(0)
        return done, "it was over already"
    return done, "" if watched.ends(TOLD) else f"it did not end within {TOLD:.0f} s"


def kill_model(watched: Watched, rng: np.random.Generator) -> tuple[str, str]:
    """The same for an OS process of the network: the caller must be told, or all goes well."""
    deadline = time.monotonic() + TOLD
    while not (lived := kill_one_child(watched, rng)):  # between two networks there are none
        if time.monotonic() > deadline:
            watched.ends(0)
            return "model", "the program has no network any more"
    said = watched.wait_for(".EW", TOLD)
    if said.endswith("."):  # it may have been over already; the next round tells
        said = watched.wait_for(".EW", TOLD)
    if not said:
        with contextlib.suppress(ProcessLookupError):
            os.kill(watched.worker, signal.SIGUSR1)
        time.sleep(0.5)
    fault = {"": f"nobody was told within {TOLD:.0f} s", "W": "wrong outputs"}.get(said[-1:], "")
    done = f"model, {lived} lived, " + ("told" if said.endswith("E") else "it went well")
    if not said.endswith("E"):
        sessions.end([watched.worker])
    if not watched.ends(TOLD) and not fault:
        fault = f"the program did not end within {TOLD:.0f} s"
    return done, fault


def kill_one_child(watched: Watched, rng: np.random.Generator) -> int:
    """How many OS processes the network had when one of them was killed; 0 if none was."""
    time.sleep(0.3 * rng.random())  # the manager of shared memory comes first
    children = sessions.children_of(watched.worker)
    victims = [pid for pid in children if not sessions.is_tracker(pid)]
    watched.forget()
    try:
        if victims:
            os.kill(victims[rng.integers(len(victims))], signal.SIGKILL)
    except ProcessLookupError:  # it ended meanwhile
        return 0
    return len(victims)


def leavings(leader: int, before: set[str], folder: Path) -> str:
    """What a program left behind, "" if nothing; processes and temporary files of it are ended."""
    left = sessions.left_of(leader)
    sessions.end(left)
    deadline = time.monotonic() + TOLD
    while (files := sessions.stale(sessions.shared_files() - before)) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    orphans = f"orphans {left}" if left else ""
    names = sorted(files) + sorted(entry.name for entry in folder.iterdir())
    for entry in folder.iterdir():
        shutil.rmtree(entry)
    return ", ".join(filter(None, [orphans, f"stale files {names}" if names else ""]))


def main(runtime: str, kills: str, seed: str) -> int:
    rng, faults = np.random.default_rng(int(seed)), 0
    victims = [kill_program, kill_model] if runtime == PROCESSES else [kill_program]
    kinds = list(itertools.product(PLACES, victims))
    folder = Path(tempfile.mkdtemp())
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    for number in range(int(kills)):
        place, victim = kinds[number % len(kinds)]
        before, moment = sessions.shared_files(), str(rng.choice(list(MOMENTS)))
        watched = Watched(runtime, place)
        failed = False
        for _ in range(rng.integers(1, 3)):  # in the first round or the second
            failed = failed or "E" in watched.wait_for(f"{moment}E", 60)
        time.sleep(MOMENTS[moment] * rng.random())
        done, fault = victim(watched, rng)
        fault = "it failed by itself" if failed else fault
        fault = ", ".join(filter(None, [fault, leavings(watched.leader, before, folder)]))
        faults += bool(fault)
        print(f"{number} {place} {moment} {done}{fault and f' FAULT: {fault}'}", flush=True)
    shutil.rmtree(folder)
    print(f"{runtime}: {kills} kills, {faults} faults", flush=True)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
