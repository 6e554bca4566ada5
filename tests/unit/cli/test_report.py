import click
from click.testing import CliRunner

from deepgum.cli import main


def deepgum(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_report_is_made_in_the_folder_or_where_it_is_asked_for(audited, tmp_path):
    result = deepgum("report", audited.path)
    assert result.exit_code == 0, result.output
    assert f"Written: {audited.report_file}" in result.output
    other = tmp_path / "new" / "page.html"
    assert deepgum("report", audited.path, "--out", other, "--most", 3).exit_code == 0
    assert audited.report_file.read_text().startswith("<!doctype html>")
    assert "The gallery shows the 3 worst of 10 flagged labels" in other.read_text()


def test_a_folder_without_an_audit_is_one_message_and_no_file(tmp_path):
    result = deepgum("report", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "should be the folder of a finished audit" in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_page_is_one_message(audited, tmp_path):
    result = deepgum("report", audited.path, "--out", tmp_path / "images")
    assert result.exit_code == 2
    assert str(tmp_path / "images") in result.output


def test_it_is_shown_on_request(audited, monkeypatch):
    shown = []
    monkeypatch.setattr(click, "launch", lambda address: shown.append(address) or 1)
    result = deepgum("report", audited.path, "--open")
    assert shown == [audited.report_file.resolve().as_uri()]
    assert "No browser was found" in result.output
