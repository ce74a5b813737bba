"""`explain` for the API: the command's own answer, one at a time, in time."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from supervisors import wait_until

from blackhole_guard.api.problems import ProblemError
from blackhole_guard.app import explainer as explainer_module
from blackhole_guard.app.explainer import Explainer


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("zones:\n- {zone: 10.0.0.0/8, ptr: {10.0.0.3: web.example.com}}\n")
    return str(path)


def explain(explainer, target):
    return asyncio.run(explainer.explain(target))


def status(explainer, target):
    with pytest.raises(ProblemError) as raised:
        explain(explainer, target)
    assert (raised.value.detail + raised.value.hint).isprintable()
    return raised.value.status, raised.value.detail


class Stub(Explainer):
    """Runs another command, to see how one that does not do as it should is met."""

    def __init__(self, script):
        super().__init__(None, ())
        self._command = ("/bin/sh", "-c", script, "--")


def test_it_says_what_the_command_says(config):
    found = explain(Explainer(config, ()), "10.0.0.3")
    assert [record.data for record in found.records] == ["web.example.com."]
    assert (found.outcome, found.place.line) == ("answer", 2)


def test_a_target_that_is_none_is_the_askers_mistake(config):
    explainer = Explainer(config, ())
    code, detail = status(explainer, "10.0.0.300")
    assert code == 400
    assert detail.startswith("`10.0.0.300` is neither an address nor a name: ")
    assert explain(explainer, "--config=/etc/shadow").outcome == "refused"  # a name like others, and no option
    for hostile in ("a\0b", "\x1b[2J", "\udcff", "é.example", "a\nb"):
        assert status(explainer, hostile)[0] == 400


def test_one_that_fails_is_told_of():
    assert status(Stub("echo wrong >&2; echo 'Error: very \033[2J' >&2; exit 70"), "10.0.0.3") == (
        502,
        r"`blackhole-guard explain` failed: very \027[2J",
    )
    assert status(Stub("echo '{\"target\": 1}'"), "10.0.0.3")[0] == 502
    assert status(Stub("kill -9 $$"), "10.0.0.3") == (502, "`blackhole-guard explain` failed: it ended with -9")
    assert status(Stub("exec yes"), "10.0.0.3")[0] == 502
    explainer = Stub("")
    explainer._command = ("/nowhere/python",)
    assert status(explainer, "10.0.0.3")[0] == 502


def test_one_that_takes_too_long_is_ended(monkeypatch, tmp_path):
    monkeypatch.setattr(explainer_module, "_PATIENCE", 0.3)
    pid = tmp_path / "pid"
    begin = time.monotonic()
    assert status(Stub(f"echo $$ > {pid}; exec sleep 60"), "10.0.0.3")[0] == 504
    assert time.monotonic() - begin < 10
    wait_until(lambda: not os.path.exists(f"/proc/{pid.read_text().strip()}"))


def test_one_that_nobody_waits_for_any_more_is_ended(tmp_path):
    pid = tmp_path / "pid"
    explainer = Stub(f"echo $$ > {pid}; exec sleep 60")

    async def run():
        task = asyncio.create_task(explainer.explain("10.0.0.3"))
        while not pid.exists() or not pid.read_text().strip():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert not os.path.exists(f"/proc/{pid.read_text().strip()}")


def test_one_runs_at_a_time_a_few_wait_and_the_rest_are_sent_away(tmp_path):
    log = tmp_path / "log"
    explainer = Stub(f"echo begin >> {log}; sleep 0.05; echo end >> {log}; exit 70")

    async def run():
        return await asyncio.gather(*(explainer.explain("10.0.0.3") for _ in range(6)), return_exceptions=True)

    found = asyncio.run(run())
    assert [problem.status for problem in found] == [502] * 4 + [503] * 2
    assert found[-1].headers == {"Retry-After": "2"}
    assert log.read_text().split() == ["begin", "end"] * 4


def test_it_is_the_first_to_go_where_memory_runs_out_and_ends_by_itself(tmp_path):
    said = tmp_path / "said"
    script = f"sleep 0.2; cat /proc/$$/oom_score_adj > {said}; ulimit -t >> {said}; exit 70"
    assert status(Stub(script), "10.0.0.3")[0] == 502
    assert Path(said).read_text().split() == ["1000", "30"]
