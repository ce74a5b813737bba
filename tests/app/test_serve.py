"""The real `blackhole-guard serve`: answers, reloads, deaths, ends."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import dns.flags
import dns.rcode
import pytest
from peer_processes import free_port
from services import MAP, PROGRAM, Service, Storm
from supervised import children_of
from supervisors import wait_until

BROKEN = "zone: 10.0.0.0/8\nptr:\n  192.168.7.9: web.example.com\n"


def named(name):
    return f"zone: 10.0.0.0/8\nptr:\n  10.0.0.3: {name}\n"


class TestAnswers:
    def test_over_udp_and_tcp_from_the_map_and_from_the_registry(self, tmp_path):
        with Service(tmp_path).start() as service:
            for tcp in (False, True):
                response = service.query("10.0.0.3", tcp=tcp)
                assert response.flags & dns.flags.AA
                assert not response.flags & dns.flags.RA
                assert service.names("10.0.0.3", tcp=tcp) == ["web.example.com."]
                assert service.query("192.168.1.1", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
                assert service.names("127.0.0.1", tcp=tcp) == ["localhost."]
                assert service.query("198.41.0.4", tcp=tcp).rcode() == dns.rcode.REFUSED

    def test_without_any_configuration(self, tmp_path):
        with Service(tmp_path, maps=None).start() as service:
            assert service.query("10.0.0.3").rcode() == dns.rcode.NXDOMAIN
            assert service.names("::1") == ["localhost."]

    def test_queries_are_counted(self, tmp_path):
        with Service(tmp_path).start() as service:
            service.query("10.0.0.3")
            service.query("10.9.9.9")
            labels = 'block="10.0.0.0/8",outcome="{}",shape="host",sink="as112"'

            def count(outcome):
                _, text = service.read()
                for line in text.splitlines():
                    if line.startswith("blackhole_guard_leaks_averted_total{"):
                        inside, value = line.partition("{")[2].rsplit("} ", 1)
                        if sorted(inside.split(",")) == labels.format(outcome).split(","):
                            return float(value)
                return 0

            wait_until(lambda: count("answered") == 1 and count("nxdomain") == 1)
            assert service.read("/healthz") == (200, "ok\n")
            assert service.read("/readyz") == (200, "ok\n")
            assert service.metric('blackhole_guard_reloads_total{result="loaded"}') == 1

    def test_the_policy_travels_with_the_snapshot(self, tmp_path):
        with Service(tmp_path, config="server: {identity: one, allow_query: [loopback]}").start() as service:
            generation = service.metric("blackhole_guard_snapshot_generation")
            service.config.write_text("server: {allow_query: [192.0.2.1]}")
            assert service.reload()[0] == 0
            assert service.query("10.0.0.3").rcode() == dns.rcode.REFUSED
            wait_until(lambda: service.metric("blackhole_guard_snapshot_generation") > generation)

    def test_without_metrics_there_is_no_observer(self, tmp_path):
        with Service(tmp_path, metrics=False).start() as service:
            assert set(service.children()) == {"guard-worker-0", "guard-worker-1"}
            assert service.metrics == "off"


class TestReloads:
    def test_good_broken_and_mended(self, tmp_path):
        with Service(tmp_path).start() as service:
            serial = service.serial()
            service.write_map(named("two.example.com"))
            code, outcome = service.reload()
            assert (code, outcome["result"]) == (0, "loaded")
            assert service.names("10.0.0.3") == ["two.example.com."]
            assert service.serial() > serial
            serial = service.serial()

            service.write_map(BROKEN)
            code, outcome = service.reload()
            assert (code, outcome["result"]) == (1, "failed")
            assert outcome["problems"][0]["place"] == {"file": str(service.maps / "map.yaml"), "line": 3}
            assert outcome["problems"][0]["hint"]
            assert service.names("10.0.0.3") == ["two.example.com."]
            wait_until(lambda: service.metric('blackhole_guard_reloads_total{result="failed"}') == 1)
            assert service.metric("blackhole_guard_sources_broken") == 1
            assert service.lines(f"{service.maps}/map.yaml:3: 192.168.7.9")

            service.write_map(named("three.example.com"))
            assert service.reload()[0] == 0
            assert service.names("10.0.0.3") == ["three.example.com."]
            wait_until(lambda: service.metric("blackhole_guard_sources_broken") == 0)  # a page is kept for a moment
            assert service.reload()[1]["result"] == "unchanged"

    def test_text_for_people(self, tmp_path):
        with Service(tmp_path).start() as service:
            service.write_map(BROKEN)
            done = service.run("reload", "--state-dir", service.state_dir)
            assert done.returncode == 1
            assert f"{service.maps}/map.yaml:3: " in done.stderr
            assert done.stdout.startswith("failed: 1 error in the sources")

    def test_a_load_that_would_lose_most_is_refused_but_by_force(self, tmp_path):
        ptr = "".join(f"  10.0.0.{number}: host{number}.example.com\n" for number in range(1, 101))
        with Service(tmp_path, maps=f"zone: 10.0.0.0/8\nptr:\n{ptr}").start() as service:
            service.write_map(MAP)
            code, outcome = service.reload()
            assert (code, outcome["result"]) == (1, "refused")
            assert service.names("10.0.0.7") == ["host7.example.com."]
            assert service.reload("--force")[0] == 0
            assert service.names("10.0.0.7") == []

    def test_by_signal(self, tmp_path):
        with Service(tmp_path).start() as service:
            service.write_map(named("two.example.com"))
            service.send(signal.SIGHUP)
            wait_until(lambda: service.names("10.0.0.3") == ["two.example.com."])

    def test_settings_that_need_a_restart_are_named(self, tmp_path):
        with Service(tmp_path, config="server: {port: 5353}").start() as service:
            service.config.write_text("server: {port: 5354, nsid: x}")
            assert "a restart is needed for server.port" in service.reload()[1]["text"]

    def test_a_loader_that_is_killed(self, tmp_path):
        with Service(tmp_path).start() as service:
            ptr = "".join(f"  10.{n >> 8}.{n & 255}.9: host{n}.example.com\n" for n in range(30_000))
            service.write_map(f"zone: 10.0.0.0/8\nptr:\n  10.0.0.3: web.example.com\n{ptr}")
            service.send(signal.SIGHUP)
            wait_until(lambda: "guard-loader" in service.children())
            os.kill(service.children()["guard-loader"], signal.SIGKILL)
            wait_until(lambda: service.lines("killed by SIGKILL"))
            assert service.names("10.0.0.3") == ["web.example.com."]
            assert service.names("10.1.1.9") == []
            assert service.reload()[0] == 0
            assert service.names("10.1.1.9") == ["host257.example.com."]

    def test_nothing_is_lost_and_each_answer_is_of_one_map(self, tmp_path):
        with Service(tmp_path).start() as service, Storm(service.address) as storm:
            for number in range(6):
                good = number % 2 == 0
                service.write_map(named(f"n{number}.example.com") if good else BROKEN)
                assert service.reload()[0] == (0 if good else 1)
                assert service.names("10.0.0.3") == [f"n{number // 2 * 2}.example.com."]
            sent, lost = storm.finish()
            assert sent > 100
            assert lost == 0


class TestWatch:
    def test_a_changed_file_and_a_new_one(self, tmp_path):
        with Service(tmp_path, "--watch").start() as service:
            wait_until(lambda: "guard-loader" in service.children())
            service.write_map(named("two.example.com"))
            wait_until(lambda: service.names("10.0.0.3") == ["two.example.com."])
            service.write_map("zone: 192.168.1.0/24\nptr:\n  1: gateway.example.com\n", "another.yaml")
            wait_until(lambda: service.names("192.168.1.1") == ["gateway.example.com."])

    def test_a_configmap_is_swapped_by_a_link(self, tmp_path):
        with Service(tmp_path, "--watch", maps=None) as service:
            volume = tmp_path / "volume"
            volume.mkdir()

            def publish(number, text):
                """As the kubelet does: a new directory, and `..data` becomes a link to it by rename."""
                folder = volume / f"..2026_{number}"
                folder.mkdir()
                (folder / "web.yaml").write_text(text)
                (volume / "..data_tmp").symlink_to(folder.name)
                (volume / "..data_tmp").rename(volume / "..data")

            publish(1, MAP)
            (volume / "web.yaml").symlink_to("..data/web.yaml")
            service.words += ["--zones", str(volume / "*.yaml")]
            service.start()
            assert service.names("10.0.0.3") == ["web.example.com."]
            for number, text in ((2, named("two.example.com")), (3, BROKEN), (4, named("four.example.com"))):
                wait_until(lambda: "guard-loader" in service.children())
                publish(number, text)
                if text is BROKEN:
                    wait_until(lambda: service.metric('blackhole_guard_reloads_total{result="failed"}') == 1)
                    assert service.names("10.0.0.3") == ["two.example.com."]
                else:
                    wanted = text.split()[-1] + "."
                    wait_until(lambda wanted=wanted: service.names("10.0.0.3") == [wanted])

    def test_what_changes_while_a_load_runs_is_not_missed(self, tmp_path):
        ptr = "".join(f"  10.{n >> 8}.{n & 255}.9: host{n}.example.com\n" for n in range(20_000))
        with Service(tmp_path, "--watch", maps=f"zone: 10.0.0.0/8\nptr:\n{ptr}") as service:
            service.spawn()
            wait_until(lambda: "guard-loader" in service.children())
            time.sleep(0.3)  # by now it reads, or has read, the map
            service.write_map(MAP + "\n", "zz.yaml")
            service.await_serving()
            wait_until(lambda: service.names("10.0.0.3") == ["web.example.com."], 30)

    def test_it_is_quiet_when_nothing_changes(self, tmp_path):
        with Service(tmp_path, "--watch").start() as service:
            time.sleep(3.5)
            assert len(service.lines("load ")) <= 2  # the map is so young that one look more is due


class TestStart:
    def test_all_errors_at_once_when_there_is_nothing_to_serve(self, tmp_path):
        with Service(tmp_path, maps=BROKEN + "  10.0.0.5: 1.2.3.4\n") as service:
            service.spawn()
            assert service.process.wait(20) == 1
            log = service.log()
            assert any(line.startswith(f"{service.maps}/map.yaml:3: ") and "; " in line for line in log)
            assert any(line.startswith(f"{service.maps}/map.yaml:4: ") for line in log)
            assert log[-1].startswith("nothing to serve: 2 errors")

    def test_who_collects_logs_gets_the_errors_as_log_lines(self, tmp_path):
        with Service(tmp_path, maps=BROKEN, config="log: {format: json}") as service:
            service.spawn()
            assert service.process.wait(20) == 1
            lines = [json.loads(line) for line in service.log()]
            reasons = [line["reason"] for line in lines if line["level"] == "error" and line["event"] == "cannot start"]
            assert reasons[0].startswith(f"{service.maps}/map.yaml:3: ")
            assert reasons[-1].startswith("nothing to serve: ")

    def test_a_taken_port_is_logged_with_its_priority_in_the_journal(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"127.0.0.1:{taken.getsockname()[1]}"
            with Service(tmp_path, "--listen", listen, config="log: {format: journald}") as service:
                service.spawn()
                assert service.process.wait(20) == 1
                assert service.log()[-1].startswith("<3>cannot start ") and listen in service.log()[-1]

    def test_broken_settings(self, tmp_path):
        with Service(tmp_path, config="server:\n  prot: 5\n  workers: 0\n") as service:
            service.spawn()
            assert service.process.wait(20) == 1
            assert any("config.yaml:2: unknown key `prot`" in line and "`port`" in line for line in service.log())
            assert any("config.yaml:3: " in line for line in service.log())

    def test_broken_sources_and_zones_from_before(self, tmp_path):
        with Service(tmp_path, "--state-dir", str(tmp_path / "state")) as service:
            service.start()
            serial = service.serial()
            assert service.stop() == 0
            service.write_map(BROKEN)
            service.start()
            assert service.names("10.0.0.3") == ["web.example.com."]
            assert service.serial() == serial
            assert service.metric("blackhole_guard_sources_broken") == 1
            assert service.lines("error") and service.lines("map.yaml:3")

    def test_a_second_server_on_the_same_state_directory(self, tmp_path):
        with Service(tmp_path, "--state-dir", str(tmp_path / "state")).start() as service:
            done = service.run("serve", *service.words, seconds=10)
            assert done.returncode == 1
            assert f"another blackhole-guard (pid {service.process.pid}) has the state directory" in done.stderr

    def test_a_taken_port_names_who_has_it(self, tmp_path):
        with Service(tmp_path).start() as service:
            address = "{}:{}".format(*service.address)
            done = service.run("serve", "--no-metrics", "--listen", address, seconds=10)
            assert done.returncode == 1
            assert f"cannot listen on {address}/udp: it is taken by " in done.stderr
            assert f"(pid {service.process.pid})" in done.stderr
            done = service.run("serve", "--metrics", service.metrics, "--listen", "127.0.0.1:0", seconds=10)
            assert done.returncode == 1
            assert f"metrics: cannot listen on {service.metrics}/tcp: it is taken by " in done.stderr

    def test_options_that_exclude_each_other(self, tmp_path):
        done = Service(tmp_path).run("serve", "--metrics", "127.0.0.1:0", "--no-metrics")
        assert done.returncode == 2

    def test_on_a_terminal_it_says_what_to_do_next(self, tmp_path):
        ours, theirs = pty.openpty()
        service = Service(tmp_path)
        process = subprocess.Popen([*PROGRAM, "serve", *service.words], stderr=theirs, cwd=tmp_path)
        os.close(theirs)
        text = b""
        try:
            while b"Ctrl-C" not in text:
                text += os.read(ours, 4096)
        finally:
            process.terminate()
            process.wait(10)
            os.close(ours)
        assert b"Serving " in text and b"by 2 workers" in text
        assert b"dig -p " in text and b"@127.0.0.1 -x 127.0.0.1 +short" in text
        assert b"/metrics" in text

    def test_the_state_directory_of_systemd(self, tmp_path):
        state = str(tmp_path / "of-systemd")
        with Service(tmp_path, environ={"STATE_DIRECTORY": state}).start() as service:
            assert service.state_dir == state
            assert service.run("reload").returncode == 0  # found by the same variable

    def test_a_private_state_directory_is_found_and_removed(self, tmp_path):
        with Service(tmp_path, environ={"TMPDIR": str(tmp_path)}).start() as service:
            assert service.state_dir.startswith(str(tmp_path / "blackhole-guard-"))
            assert service.run("reload", "--config", str(service.config)).returncode == 0
            (tmp_path / "second").mkdir()
            with Service(tmp_path / "second", environ={"TMPDIR": str(tmp_path)}).start() as second:
                done = service.run("reload", "--config", str(service.config))
                assert done.returncode == 1
                assert service.state_dir in done.stderr and second.state_dir in done.stderr
            assert service.stop() == 0
            assert not os.path.exists(service.state_dir)
        done = service.run("reload", "--config", str(service.config))
        assert done.returncode == 1
        assert "no server" in done.stderr


class TestDeaths:
    def test_a_worker_under_load(self, tmp_path):
        with Service(tmp_path).start() as service, Storm(service.address) as storm:
            for death in range(4):
                time.sleep(0.7)
                wait_until(lambda: "guard-worker-1" in service.children())
                if death < 3:
                    os.kill(service.children()["guard-worker-1"], signal.SIGKILL)
            sent, lost = storm.finish()
            assert sent > 500
            assert lost < sent / 20  # what was in the hands of the dead
            wait_until(lambda: service.metric("blackhole_guard_worker_restarts_total") == 3)
            wait_until(lambda: service.metric("blackhole_guard_workers") == 2)

    def test_the_observer_under_load(self, tmp_path):
        with Service(tmp_path).start() as service, Storm(service.address) as storm:
            service.query("10.0.0.3")
            wait_until(lambda: "guard-observer" in service.children())
            pid = service.children()["guard-observer"]
            nice = min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)
            wait_until(lambda: os.getpriority(os.PRIO_PROCESS, pid) == nice)  # it has its name a moment before
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not is_running(pid))
            wait_until(lambda: service.read("/healthz")[0] == 200)
            sent, lost = storm.finish()
            assert sent and lost == 0

            def counted():
                lines = service.read()[1].splitlines()
                return sum(
                    float(line.rpartition(" ")[2]) for line in lines if line.startswith("blackhole_guard_queries")
                )

            wait_until(lambda: counted() == sent + 1)  # counters outlive who shows them

    def test_the_supervisor(self, tmp_path):
        with Service(tmp_path, "--watch", "--state-dir", str(tmp_path / "state")).start() as service:
            service.write_map(named("two.example.com"))
            service.reload()
            serial = service.serial()
            wait_until(lambda: len(service.children()) == 4)
            children = service.children()
            service.send(signal.SIGKILL)
            service.process.wait()
            wait_until(lambda: not any(is_running(pid) for pid in children.values()))
            service.start()
            assert service.serial() == serial
            assert service.names("10.0.0.3") == ["two.example.com."]


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_under_load_with_exit_code_0(self, tmp_path, number):
        with Service(tmp_path).start() as service, Storm(service.address):
            client = socket.create_connection(service.address, timeout=5)
            time.sleep(0.3)
            children = service.children()
            assert service.stop(number) == 0
            assert not any(is_running(pid) for pid in children.values())
            assert client.recv(100) == b""
            client.close()

    def test_nothing_is_left(self, tmp_path):
        with Service(tmp_path, environ={"TMPDIR": str(tmp_path)}).start() as service:
            assert children_of(service.process.pid)
            assert service.stop() == 0
            assert not list(tmp_path.glob("blackhole-guard-*"))


def next_but_watchdog(manager):
    """The lines of the next notification that is no sign of life; a load may take many of these on a busy machine."""
    for _ in range(100):
        if (lines := manager.recv(4096).decode().splitlines()) != ["WATCHDOG=1"]:
            return lines
    raise AssertionError("nothing but signs of life")


class TestSystemd:
    def test_the_notify_protocol(self, tmp_path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(15)
            environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
            with Service(tmp_path, environ=environ).start() as service:
                heard = manager.recv(4096).decode().splitlines()
                assert heard[0] == "READY=1"
                assert heard[1].startswith("STATUS=102 zones, ")
                assert manager.recv(4096) == b"WATCHDOG=1"
                service.send(signal.SIGHUP)
                assert next_but_watchdog(manager)[0] == "RELOADING=1"
                assert next_but_watchdog(manager)[0] == "READY=1"
                service.send(signal.SIGTERM)
                assert next_but_watchdog(manager)[0] == "STOPPING=1"

    def test_sockets_from_systemd(self, tmp_path):
        """As sd_listen_fds(3) hands them over: descriptors from 3 on, and our own process id."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", free_port()))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(udp.getsockname())
        tcp.listen(10)
        launcher = tmp_path / "launcher"
        launcher.write_text(
            "import os, sys\n"
            f"os.dup2({udp.fileno()}, 3); os.dup2({tcp.fileno()}, 4)\n"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='dns:dns')\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        service = Service(tmp_path, config="server: {listen: [192.0.2.1]}", prefix=(sys.executable, str(launcher)))
        at = service.words.index("--listen")
        del service.words[at : at + 2]
        service.keep = {"pass_fds": (udp.fileno(), tcp.fileno())}
        with udp, tcp, service.start():
            assert service.address == udp.getsockname()
            assert service.names("10.0.0.3") == ["web.example.com."]
            assert service.names("10.0.0.3", tcp=True) == ["web.example.com."]
            assert service.lines("server.listen does not count")
            for _ in range(20):
                assert service.names("10.0.0.3") == ["web.example.com."]


@pytest.mark.root
class TestPrivileges:
    def test_it_becomes_nobody_and_reloads_as_nobody(self, open_folder):
        with Service(
            open_folder, "--user", "nobody", "--watch", "--state-dir", str(open_folder / "state")
        ).start() as service:
            wait_until(lambda: len(service.children()) == 4)
            assert service.read("/healthz") == (200, "ok\n")  # its libraries need not be the user's to read
            for pid in (service.process.pid, *service.children().values()):
                status = dict(
                    line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
                )
                assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
                assert status["Uid"].split() == ["65534"] * 4
                assert status["Gid"].split() == ["65534"] * 4
                assert status["Groups"].split() in ([], ["65534"])
                assert status["NoNewPrivs"].strip() == "1"
            service.write_map(named("two.example.com"))
            (open_folder / "maps" / "map.yaml").chmod(0o644)
            assert service.reload()[0] == 0
            assert service.names("10.0.0.3") == ["two.example.com."]
            children = service.children()
            service.send(signal.SIGKILL)  # the tie to the parent was made after the change of user
            service.process.wait()
            wait_until(lambda: not any(is_running(pid) for pid in children.values()))

    def test_a_user_that_there_is_not(self, tmp_path):
        done = Service(tmp_path).run("serve", "--user", "nobody-of-the-kind", "--listen", "127.0.0.1:0")
        assert done.returncode == 1
        assert "there is no user nobody-of-the-kind" in done.stderr

    def test_a_map_that_the_user_cannot_read(self, open_folder):
        with Service(open_folder, "--user", "nobody") as service:
            (service.maps / "map.yaml").chmod(0o600)
            service.spawn()
            assert service.process.wait(20) == 1
            assert any("cannot be read: permission denied" in line for line in service.log())


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
