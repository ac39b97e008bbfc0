"""The command's exit codes and its list of commands."""

from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local import cli
from deploy.local.commands.doctor import examine


def called(*words: str) -> tuple[int, str]:
    ran = CliRunner().invoke(cli.build(list(cli.COMMANDS)), list(words))
    return ran.exit_code, ran.output


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_where_the_table_says_and_explains_itself(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name].partition(":")
    assert getattr(import_module(module), attribute).__doc__
    code, said = called(name, "--help")
    assert code == 0
    assert "Usage" in said


@pytest.mark.parametrize(
    "words",
    [
        ("dance",),
        ("up", "--broker", "apache:2"),
        ("up", "--port-base", "80"),
        ("serve", "kitchen"),
        ("serve", "loans", "--role", "x"),
    ],
)
def test_a_wrong_call_is_two(words: tuple[str, ...], tmp_path: Path) -> None:
    assert called(*words)[0] == 2


def test_nothing_running_is_one_for_status_and_no_failure_for_down(tmp_path: Path) -> None:
    assert called("status", "--data", str(tmp_path))[0] == 1
    assert called("down", "--data", str(tmp_path))[0] == 0


def test_a_failure_is_one_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["huchuang", "topics", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert "`huchuang up` writes it" in capsys.readouterr().err


def test_the_doctor_finds_this_machine_able(tmp_path: Path) -> None:
    findings = list(examine(tmp_path / "not there yet"))
    assert [finding for finding in findings if finding.fatal] == []
    assert {finding.subject for finding in findings} == {
        *("python", "postgres", "broker", "apache", "ports", "disk", "fsync", "locale", "stale", "reconcile")
    }
