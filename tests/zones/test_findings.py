from blackhole_guard.config.problems import Place
from blackhole_guard.zones.findings import Findings


def test_problems_come_in_the_order_of_their_places_and_none_twice():
    findings = Findings()
    for line in (3, 1, 3):
        findings.error(Place("a.yaml", line), "wrong", "mend it")
    findings.warning(Place("a.yaml", 2), "odd", "look")
    assert [(each.place.line, each.severity) for each in findings.all()] == [(1, "error"), (2, "warning"), (3, "error")]


def test_warnings_and_errors_are_bounded_each_by_itself():
    findings = Findings()
    for line in range(2000):
        findings.warning(Place("a.yaml", line), "odd", "look")
        findings.error(Place("b.yaml", line), "wrong", "mend it")
    severities = [each.severity for each in findings.all()]
    assert (severities.count("warning"), severities.count("error")) == (101, 1001)
