"""``milonga doctor`` as a user runs it."""

from milonga.workflows.doctor import CHECKS


def test_the_command(hub, milonga):
    result = milonga("doctor", "--offline", "--json", MILONGA_HOME=str(hub.home / "milonga"))
    findings = result.json["findings"]
    assert {finding["check"] for finding in findings} == set(CHECKS)
    statuses = {finding["status"] for finding in findings}
    assert result.json["status"] == max(statuses, key=["ok", "warning", "problem"].index)
    assert result.status == ("problem" in statuses)
    # Whatever is not well comes with a way to fix it.
    for finding in findings:
        assert finding["status"] == "ok" or finding["step"]
    assert hub.requests == []


def test_the_command_for_people(hub, milonga):
    result = milonga("doctor", "bigvgan", "--offline", MILONGA_HOME=str(hub.home / "milonga"))
    assert result.status == 1
    for name in CHECKS:
        assert name in result.out
    assert "Run: milonga weights get bigvgan" in result.out
    assert result.out.rstrip().endswith("warnings.")
    assert "ok       devices        cpu works" in result.out


def test_an_unknown_model(hub, milonga):
    result = milonga("doctor", "nonsense")
    assert result.status == 1
    assert "There is no model 'nonsense'" in result.err
