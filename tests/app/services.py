"""`blackhole-guard serve` as a process of its own, in a directory of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import dns.reversename
from supervised import children_of
from supervisors import wait_until

PROGRAM = (sys.executable, "-m", "blackhole_guard")
MAP = "zone: 10.0.0.0/8\nptr:\n  10.0.0.3: web.example.com\n"


# Connects as another user, and says whether it was sent away.
CONNECT_AS = """
import os, socket, sys
os.setresuid(*[int(sys.argv[2])] * 3)
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.settimeout(1)
try:
    print(len(sock.recv(1)))
except TimeoutError:
    print("waits")
"""


class Service:
    """A server that a test starts, asks and ends. Ports are free ones, told by its log."""

    def __init__(self, folder: Path, *words, maps=MAP, config="", workers=2, environ=None, metrics=True, prefix=()):
        self.folder = folder
        self.maps = folder / "maps"
        self.maps.mkdir(exist_ok=True)
        if maps is not None:
            self.write_map(maps)
        self.config = folder / "config.yaml"
        self.config.write_text(config or "{}")
        self.words = [
            *("--config", str(self.config), "--listen", "127.0.0.1:0", "--workers", str(workers)),
            *(("--zones", str(self.maps / "*.yaml")) if maps is not None else ()),
            *(("--metrics", "127.0.0.1:0") if metrics else ("--no-metrics",)),
            *words,
        ]
        self.environ = {**os.environ, **(environ or {})}
        self.prefix = prefix
        self.address = self.metrics = self.state_dir = None
        self.process = None
        self.log_path = folder / "log"
        self.keep = {}  # further arguments of Popen

    def write_map(self, text, name="map.yaml"):
        new = self.folder / "new"
        new.write_text(text)
        new.rename(self.maps / name)

    def start(self, seconds=20.0):
        """Start, and wait until it serves."""
        self.spawn()
        self.await_serving(seconds)
        return self

    def spawn(self):
        before = len(self.log())
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *PROGRAM, "serve", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environ,
                cwd=self.folder,
                **self.keep,
            )
        self.before = before

    def await_serving(self, seconds=20.0):
        def is_serving():
            assert self.process.poll() is None, self.log_path.read_text()
            return self.lines(" info     serving ")

        try:
            wait_until(is_serving, seconds)
        except AssertionError as error:
            error.add_note(self.log_path.read_text())
            raise
        (line,) = self.lines(" info     starting ")
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        host, _, port = fields["listen"].rstrip(",").rpartition(":")
        self.address = (host, int(port))
        self.metrics = fields["metrics"].rstrip(",")
        self.state_dir = fields["state_dir"]

    def log(self):
        try:
            return self.log_path.read_text().splitlines()
        except FileNotFoundError:
            return []

    def lines(self, part):
        """Log lines of this run that hold a text."""
        return [line for line in self.log()[self.before :] if part in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def send(self, number):
        os.kill(self.process.pid, number)

    def stop(self, number=signal.SIGTERM):
        """End it; returns the exit code."""
        self.send(number)
        return self.process.wait(10)

    def children(self):
        return children_of(self.process.pid)

    def query(self, address, *, rtype="PTR", tcp=False, seconds=10.0):
        """Ask for an address; returns the response."""
        query = dns.message.make_query(dns.reversename.from_address(address), rtype)
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(query, self.address[0], timeout=seconds, port=self.address[1])

    def names(self, address, **how):
        """The names of an address, as text; empty: there are none."""
        response = self.query(address, **how)
        return [str(rdata) for rrset in response.answer for rdata in rrset]

    def serial(self, address="10.0.0.0"):
        response = self.query(address)
        (soa,) = (rdata for rrset in (*response.answer, *response.authority) for rdata in rrset)
        return soa.serial

    def read(self, path="/metrics"):
        """GET from the observer; returns status and text."""
        try:
            with urllib.request.urlopen(f"http://{self.metrics}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name):
        """The value of a series, 0 if it is not there."""
        _, text = self.read()
        return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} ")), 0)

    def sample(self, name):
        """A series; None: it is not there."""
        _, text = self.read()
        return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} ")), None)

    def run(self, *words, seconds=30):
        """Run another command of the program to its end."""
        return subprocess.run(
            [*PROGRAM, *words], capture_output=True, text=True, timeout=seconds, cwd=self.folder, env=self.environ
        )

    def reload(self, *words):
        """`reload`: exit code, and the outcome."""
        done = self.run("reload", "--state-dir", self.state_dir, "--json", *words)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def holders(path):
    """Processes that have the listening socket."""
    with open("/proc/net/unix") as file:
        inode = next(line.split()[6] for line in file if line.rstrip().endswith(path) and line.split()[5] == "01")
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if f"socket:[{inode}]" in links:
            found.append(int(pid))
    return found


class Storm:
    """Asks over UDP all the time, in a process of its own, and counts what is lost."""

    def __init__(self, address, per_second=400, ports=32):
        self.address, self.per_second, self.ports = address, per_second, ports

    def __enter__(self):
        reader, self._stop = os.pipe()
        self._result, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._stop)
                os.set_blocking(reader, False)
                os.write(writer, json.dumps(self._ask(reader)).encode())
            finally:
                os._exit(0)
        os.close(reader)
        os.close(writer)
        return self

    def _ask(self, stop):
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(self.ports)]
        for client in clients:
            client.connect(self.address)
            client.setblocking(False)
        query = dns.message.make_query(dns.reversename.from_address("10.0.0.3"), "PTR").to_wire()
        sent, got, start = 0, 0, time.monotonic()
        while True:
            with contextlib.suppress(BlockingIOError):
                if os.read(stop, 1) == b"":
                    break
            while sent < (time.monotonic() - start) * self.per_second:
                clients[sent % self.ports].send(query)
                sent += 1
            got += self._drain(clients)
            time.sleep(0.002)
        deadline = time.monotonic() + 1
        while got < sent and time.monotonic() < deadline:
            got += self._drain(clients)
            time.sleep(0.01)
        return sent, got

    @staticmethod
    def _drain(clients):
        got = 0
        for client in clients:
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                while client.recv(4096):
                    got += 1
        return got

    def finish(self):
        """Stop asking; returns how many were sent, and how many of them were lost."""
        os.close(self._stop)
        with os.fdopen(self._result) as result:
            sent, got = json.loads(result.read())
        os.waitpid(self._pid, 0)
        self._pid = 0
        return sent, sent - got

    def __exit__(self, *_):
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._stop)
            os.close(self._result)
