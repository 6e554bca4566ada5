"""A person at the page: by keyboard alone, by mouse, in two tabs, and while the server is killed."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import DataSource
from deepgum.data.pictures import Pictures
from deepgum.review.ledger import Entry
from deepgum.review.store import DecisionStore, read_decisions

WAIT = 30_000


@pytest.fixture
def pages(browser: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens an address in a tab of one browser window, and waits for its cards."""
    contexts: dict[str, Any] = {}
    errors: list[str] = []

    def open_page(url: str, width: int = 1200, window: str = "one", **options: Any) -> Any:
        if window not in contexts:
            size = {"width": width, "height": 900}
            contexts[window] = browser.new_context(viewport=size, accept_downloads=True, **options)
        page = contexts[window].new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: (errors.append(f"dialog {dialog.type}"), dialog.accept()))
        page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(url)
        page.wait_for_selector(".card, .nothing")
        return page

    yield open_page
    for context in contexts.values():
        context.close()
    assert errors == []


def places(folder: AuditFolder) -> list[tuple[str, str]]:
    labels = folder.labels()
    return [(labels.ids[row], labels.group_names[group]) for row, group in labels.worst_first()]


def held(folder: AuditFolder) -> dict[tuple[str, str], tuple[str, tuple[float, ...] | None]]:
    return {(each.sample, each.group): (each.action, each.new) for each in read_decisions(folder)}


def focuses(page: Any, sample: str) -> None:
    """Wait until the card of a sample has the focus."""
    until(page, "(id) => document.activeElement.closest('.card')?.querySelector('.id').textContent === id", sample)


def until(page: Any, function: str, argument: object = None) -> None:
    """Wait until a function is true. (Playwright's own way evaluates texts in the page, which its policy forbids.)"""
    last = time.monotonic() + WAIT / 1000
    while not page.evaluate(function, argument):
        assert time.monotonic() < last, f"{function} of {argument!r} did not become true."
        page.wait_for_timeout(30)


def audit_of_values(path: Path, audited: AuditFolder, labels: ScoredLabels) -> AuditFolder:
    """An audit of a table: labels that are values, without pictures."""
    folder = AuditFolder(path)
    folder.write(replace(audited.summary(), data=DataSource("table")), labels, None)
    return folder


def prices(path: Path, audited: AuditFolder, wrong: int = 5) -> AuditFolder:
    """An audit of prices. The first of the `wrong` labels, and three in five of all of them, have lost their point."""
    price, point = 173_020 + 1000.0 * np.arange(120)[:, None], np.arange(120) % 5 < 3
    flagged = np.arange(120) < wrong
    shifted = (point & flagged)[:, None]
    right = np.where(flagged, 0.001 + 0.002 * np.arange(120), 0.9)[:, None]
    labels = ScoredLabels(
        ids=tuple(f"house {i}" for i in range(120)), target_names=("price",), group_names=("price",), partition=((0,),),
        given=np.where(shifted, 10 * price, price), predicted=price + 3939, responsibilities=right,
        mahalanobis=np.where(flagged, 9.0, 1.0)[:, None],
        suggested=np.where(flagged[:, None], np.where(shifted, price, price + 3939), np.nan),
        uncertainty=np.where(flagged[:, None], 9000.0, np.nan),
        kinds={(row, 0): "unit" if point[row] else "off" for row in range(wrong)},
        why={(row, 0): "Divided by 10 it fits." if point[row] else "3939 away." for row in range(wrong)},
    )  # fmt: skip
    return audit_of_values(path / "prices", audited, labels)


def decided(page: Any, count: int) -> None:
    """Wait until so many are decided, and stored."""
    until(page, "(count) => document.title.startsWith(`${count}/`)", count)
    until(page, "() => !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))")


def said(page: Any, words: str) -> None:
    until(page, "(words) => document.body.innerText.includes(words)", words)


def test_a_review_by_keyboard_continues_after_a_reload(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    server = start_review(audited.path, "--who", "ada")
    page = pages(server.url)
    order = places(audited)
    labels = audited.labels()
    suggested = [labels.suggested[row, :2] for row, _ in labels.worst_first()]
    press = page.keyboard.press
    focuses(page, order[0][0])
    for place, key in enumerate("kads"):
        press(key)
        until(page, "(count) => document.title.startsWith(`${count}/`)", place + 1)
        focuses(page, order[place + 1][0])
    # Fix the fifth: from what is suggested one pixel right and ten down, then type the first value.
    for key in ("e", "ArrowRight", "Shift+ArrowDown"):
        press(key)
    press("Enter")
    decided(page, 5)
    assert page.locator("dialog.large").is_visible()  # goes on there, with the next
    assert order[5][0] in page.locator("dialog.large h2").inner_text()
    for key in ("e", "Tab", "Control+a"):
        press(key)
    page.keyboard.type("12,5")
    press("Enter")
    decided(page, 6)
    press("Escape")
    focuses(page, order[6][0])
    now = held(audited)
    assert [now[place][0] for place in order[:6]] == ["keep", "fix", "drop", "skip", "fix", "fix"]
    np.testing.assert_allclose(now[order[1]][1], suggested[1], atol=0.04)
    np.testing.assert_allclose(now[order[4]][1], suggested[4] + (1, 10), atol=0.01)
    np.testing.assert_allclose(now[order[5]][1], (12.5, suggested[5][1]), atol=0.01)
    assert {each.who for each in read_decisions(audited)} == {"ada"}
    # Undo twice, in two ways; redo once; then decide anew.
    press("u")
    decided(page, 5)
    focuses(page, order[5][0])
    press("Control+z")
    decided(page, 4)
    assert order[4] not in held(audited)
    press("U")
    decided(page, 5)
    assert held(audited)[order[4]] == now[order[4]]
    page.reload()
    page.wait_for_selector(".card")
    focuses(page, order[5][0])
    for _ in order[5:]:
        press("k")
    decided(page, len(order))
    said(page, "All labels are decided; 1 skipped")
    press("?")
    assert "correct by hand" in page.locator("dialog.help").inner_text()
    press("Escape")
    words = server.stop()
    assert "Kept 6, suggestion taken 1, corrected by hand 1, dropped 1, skipped 1; undecided 0" in words
    assert f"deepgum review {audited.path} --export patch=FILE" in words


def test_many_labels_are_decided_at_once_after_a_second_look(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path, "--who", "ada").url)
    order, press = places(audited), page.keyboard.press
    right = [audited.labels().responsibilities[row, group] for row, group in audited.labels().worst_first()]
    press("d")  # a decision that the filter does not choose
    decided(page, 1)
    press("m")
    dialog = page.locator("dialog.many")
    assert dialog.locator("input:checked").input_value() == "take"
    assert f"{len(order) - 1} undecided labels will be decided" in dialog.inner_text()
    limit = 100 * (right[5] + right[6]) / 2
    page.fill("#many-below", f"{limit:.12g}")
    assert "5 undecided labels will be decided" in dialog.inner_text()
    for wrong in ("x", "0", "-1"):
        page.fill("#many-below", wrong)
        assert "not a number above 0" in dialog.inner_text()
        press("Enter")
        assert dialog.locator("#many-reason").is_visible()  # no second step
    page.fill("#many-below", f"{limit:.12g}".replace(".", ","))
    page.fill("#many-reason", "run 7, shifted")
    press("Enter")
    dialog.get_by_role("heading", name="Take the suggestion for 5 labels?").wait_for()
    assert dialog.locator(".preview li").count() == 5
    assert dialog.locator(".preview .mark.fixed.flagged").count() == 5
    press("Enter")  # a key that is held down decides nothing
    press("k")  # nor do the keys of the cards
    page.wait_for_timeout(200)
    assert len(held(audited)) == 1
    press("Tab")
    press("Enter")
    decided(page, 6)
    assert not dialog.is_visible()
    now = read_decisions(audited)
    assert {(each.sample, each.group) for each in now} == set(order[:6])
    assert {each.reason for each in now if each.action == "fix"} == {"run 7, shifted"}
    assert len(audited.decisions_file.read_text(encoding="utf-8").splitlines()) == 3
    said(page, "5 suggestions taken, as one decision.")
    # One undo, by key, by the link of a card, and by the button of the message; one redo.
    press("u")
    decided(page, 1)
    assert len(held(audited)) == 1
    press("U")
    decided(page, 6)
    page.get_by_role("button", name="Undo all 5").first.click()
    decided(page, 1)
    press("U")
    decided(page, 6)
    page.locator("#notices").get_by_role("button", name="Undo").click()
    decided(page, 1)
    # With filters: those of the gallery, in words. A filter about decisions chooses decided labels.
    page.evaluate("location.hash = '#view?decision=drop'")
    until(page, "() => document.querySelectorAll('.card').length === 1")
    page.locator("#many").click()
    assert "Decision: dropped" in dialog.inner_text()
    dialog.get_by_role("radio", name="Keep").check()
    dialog.get_by_role("button", name="Look at them").click()
    assert "It replaces the decisions about 1 of the labels." in dialog.inner_text()
    dialog.get_by_role("button", name="Keep 1 label").click()
    until(page, "() => !document.querySelector('dialog.many').open")
    assert held(audited) == {order[0]: ("keep", None)}


def test_a_decision_about_many_labels_that_others_changed_or_no_server_takes_is_not_stored(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    server = start_review(audited.path)
    page = pages(server.url)
    order = places(audited)
    # The page does not hear of the decision of another reviewer before it decides itself.
    page.route("**/decisions?since=*", lambda route: route.abort())
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    with DecisionStore.of(audited) as store:
        store.decide(Decision(*order[3], "keep", who="bob"))
    dialog, take = page.locator("dialog.many"), page.get_by_role("button", name=re.compile("Take the suggestion for"))
    take.click()
    said(page, "1 of the 10 labels changed")
    assert held(audited) == {order[3]: ("keep", None)}
    page.unroute("**/decisions?since=*")
    dialog.get_by_role("button", name="Back").click()
    said(page, "9 undecided labels will be decided")
    page.keyboard.press("Enter")
    server.kill()
    take.click()
    said(page, "The server does not answer")
    assert dialog.is_visible()
    assert len(held(audited)) == 1


def test_a_note_is_stored_with_its_decision(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any], tmp_path: Path
) -> None:
    page = pages(start_review(audited.path).url)
    order, press = places(audited), page.keyboard.press

    def notes() -> dict[tuple[str, str], str]:
        return {(each.sample, each.group): each.reason for each in read_decisions(audited)}

    press("r")  # opens the large view
    page.keyboard.type("blurred, k and d are letters")
    press("Enter")
    assert held(audited) == {}  # a note alone is no decision
    press("d")
    decided(page, 1)
    assert notes() == {order[0]: "blurred, k and d are letters"}
    assert page.input_value("#note") == ""  # that of the next card
    press("k")
    decided(page, 2)
    press("b")
    press("r")
    page.keyboard.type("glasses")
    press("Enter")
    until(page, "() => document.body.innerText.includes('the note is stored')")
    until(page, "() => !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))")
    assert notes() == {order[0]: "blurred, k and d are letters", order[1]: "glasses"}
    assert [action for action, _ in held(audited).values()].count("keep") == 1
    press("j")
    press("e")
    page.fill("#note", "typed")
    page.fill("#value-0", "12.5")
    press("Enter")
    decided(page, 3)
    assert notes()[order[2]] == "typed"
    press("Escape")
    assert page.locator(".card .note").all_inner_texts() == ["blurred, k and d are letters", "glasses", "typed"]


def test_a_dragged_landmark_is_stored_where_it_is_dropped(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    order = places(audited)
    page.locator(".card .picture").first.click()
    page.wait_for_selector("dialog.large .frame img")

    def at(x: float, y: float) -> tuple[float, float]:
        """Where on the screen a pixel of the file is; the picture shows the whole file, 64 pixels wide."""
        image = page.locator("dialog.large .frame img").bounding_box()
        return image["x"] + x * image["width"] / 64, image["y"] + y * image["height"] / 64

    given = audited.labels().given[audited.labels().ids.index(order[0][0]), :2]
    page.mouse.move(*at(*given))
    page.mouse.down()
    page.mouse.move(*at(20, 30), steps=4)
    page.mouse.move(*at(40.5, 10.25), steps=4)
    page.mouse.up()
    assert held(audited) == {}
    np.testing.assert_allclose([float(page.input_value(f"#value-{i}")) for i in (0, 1)], (40.5, 10.25), atol=0.2)
    page.get_by_role("button", name="Store").click()
    decided(page, 1)
    np.testing.assert_allclose(held(audited)[order[0]][1], (40.5, 10.25), atol=0.2)
    # Of the next: put where one clicks, while it is fixed; stored as one goes on to another card.
    page.keyboard.press("e")
    page.wait_for_selector("#value-0")
    page.mouse.click(*at(50, 60))
    page.get_by_role("button", name="Next card").click()
    decided(page, 2)
    np.testing.assert_allclose(held(audited)[order[1]][1], (50, 60), atol=0.2)
    # And left as it was.
    page.keyboard.press("e")
    page.wait_for_selector("#value-0")
    page.mouse.click(*at(5, 5))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert not page.locator("dialog.large").is_visible()
    assert len(held(audited)) == 2


def test_an_invalid_value_is_not_stored(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    for words in ("", "left", "1e999", "NaN", "12px", "--3"):
        page.keyboard.press("e")
        page.fill("#value-0", words)
        page.keyboard.press("Enter")
        said(page, "A value is not a number")
        assert page.get_attribute("#value-0", "aria-invalid") == "true"
        page.keyboard.press("Escape")
    assert held(audited) == {}


def test_no_decision_is_lost_when_the_server_is_killed_and_restarted(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    server = start_review(audited.path)
    page, other = pages(server.url), pages(server.url)
    order = places(audited)
    page.bring_to_front()
    page.keyboard.press("k")
    decided(page, 1)
    server.kill()
    assert held(audited) == {order[0]: ("keep", None)}
    # In one tab, which stays open; and in another that is closed.
    page.keyboard.press("d")
    page.keyboard.press("s")
    said(page, "2 decisions wait in this browser")
    page.keyboard.press("k")
    page.keyboard.press("u")  # this one was never sent
    page.locator(".card").nth(0).locator("button.drop").click()  # decided anew, twice, the second in view of the first
    page.locator(".card").nth(0).locator("button.skip").click()
    other.bring_to_front()
    other.locator(".card").nth(6).locator("button.keep").click()
    said(other, "1 decision waits in this browser")
    other.close()
    assert len(held(audited)) == 1
    again = start_review(audited.path)
    page.bring_to_front()
    said(page, "Another server answers at this address")
    said(page, "4 decisions wait in this browser")
    assert len(held(audited)) == 1
    fresh = pages(again.url)
    decided(fresh, 4)
    expected = {order[0]: "skip", order[1]: "drop", order[2]: "skip", order[6]: "keep"}
    assert {place: action for place, (action, _) in held(audited).items()} == expected
    with DecisionStore.of(audited) as store, store.reading() as ledger:
        entries: list[Entry] = list(ledger)
        assert len(entries) == 4
        assert ledger.head == 6  # each was stored once


class Listener(ThreadingHTTPServer):
    """A program of somebody else on the port of a stopped review. It acknowledges everything, and keeps what it got."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[str, str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                self.server.got.append((self.command, self.path, self.rfile.read(size)))  # type: ignore[attr-defined]
                body = b'{"entry": {"seq": 1, "sample": "", "group": ""}, "head": 9, "decisions": []}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Deepgum-Proof", "0" * 64)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", port), Handler)


@pytest.mark.fault(9)
def test_a_page_sends_nothing_to_another_program_on_the_port_of_its_server(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    server = start_review(audited.path)
    page = pages(server.url)
    order = places(audited)
    page.keyboard.press("k")
    decided(page, 1)
    # A picture that is on its way while the server ends may reach the other program, as docs/review.md says.
    page.route("**/pictures/**", lambda route: route.abort())
    server.kill()
    with Listener(urlsplit(server.url).port or 0) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        page.keyboard.press("d")
        said(page, "Another server answers at this address")
        said(page, "1 decision waits in this browser")
        page.keyboard.press("s")
        said(page, "2 decisions wait in this browser")
        page.keyboard.press("u")
        page.get_by_text("Export", exact=True).click()
        page.get_by_role("button", name="Patch").click()
        said(page, "Export when they are stored")
        listener.shutdown()
    token = urlsplit(server.url).path.strip("/")
    assert [(method, path, body) for method, path, body in listener.got if path != "/proof"] == []
    assert len(listener.got) <= 2  # two requests may have been on their way; none follows
    assert token not in str(listener.got)
    fresh = pages(start_review(audited.path).url)  # the same port, so the browser still has the decision
    decided(fresh, 2)
    assert held(audited) == {order[0]: ("keep", None), order[1]: ("drop", None)}


@pytest.mark.fault(9)
def test_an_answer_without_a_proof_is_not_believed(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    """The server stops between its proof and the decision, and another program acknowledges the decision."""
    url = start_review(audited.path).url
    page = pages(url)
    entry = {"seq": 1, "sample": "", "group": ""}
    page.route(
        "**/decisions", lambda route: route.fulfill(json={"entry": entry, "head": 1, "undo": None, "redo": None})
    )
    page.keyboard.press("k")
    said(page, "Another server answers at this address")
    said(page, "1 decision waits in this browser")
    assert held(audited) == {}
    decided(pages(url), 1)
    assert len(held(audited)) == 1


@pytest.mark.fault(6)
def test_a_decision_waits_in_the_page_while_its_folder_is_missing(
    audited: AuditFolder, tmp_path: Path, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    audited.path.rename(tmp_path / "away")
    page.keyboard.press("k")
    said(page, "moved, deleted or made again")
    said(page, "1 decision waits in this browser")
    assert str(tmp_path) not in page.locator("#banner").inner_text()
    (tmp_path / "away").rename(audited.path)
    decided(page, 1)
    assert len(held(audited)) == 1


def test_a_decision_with_a_lost_answer_is_stored_once(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    lost: list[int] = []

    def lose(route: Any) -> None:
        if route.request.method == "POST" and len(lost) < 2:
            lost.append(route.fetch().status)  # it came to the server, and was stored
            route.abort()
        else:
            route.continue_()

    page.route("**/decisions", lose)
    page.locator(".card").nth(4).locator("button.keep").click()
    said(page, "1 decision waits in this browser")
    decided(page, 1)
    assert lost == [200, 200]
    with DecisionStore.of(audited) as store, store.reading() as ledger:
        assert ledger.head == 1
    page.reload()
    focuses(page, places(audited)[5][0])  # behind what was decided last, not at the first undecided of all


def test_an_outdated_decision_is_refused_and_shown(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    url = start_review(audited.path, "--who", "ada").url
    first, second = pages(url), pages(url, window="two")
    order = places(audited)
    # As if it had not looked since.
    state = {"decisions": None, **_state(second)}

    def unchanged(route: Any) -> None:
        route.fulfill(response=route.fetch(), body=json.dumps(state))  # with the proof of the server

    second.route("**/decisions?since=*", unchanged)
    first.keyboard.press("k")
    decided(first, 1)
    second.keyboard.press("d")
    said(second, "Your decision was not stored (a of " + order[0][0] + ": dropped). Meanwhile ada has decided: kept.")
    assert held(audited) == {order[0]: ("keep", None)}
    second.unroute("**/decisions?since=*")
    second.get_by_role("button", name="Show").click()
    focuses(second, order[0][0])
    second.keyboard.press("d")
    until(second, "() => !!document.querySelector('.card.is-drop')")
    decided(second, 1)
    assert held(audited) == {order[0]: ("drop", None)}
    until(first, "() => !!document.querySelector('.card.is-drop')")  # which looks by itself


def _state(page: Any) -> dict[str, Any]:
    data = page.evaluate("fetch('data').then((response) => response.json())")
    return {"audit": data["audit"], "head": 0, "undo": None, "redo": None}


def test_unusual_names_and_files_are_shown_unchanged(
    audited: AuditFolder, tmp_path: Path, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    names = [
        "<img src=x onerror=alert(1)>.png",
        'it\'s "so".png',
        "new\nline.png",
        "名前 🦆.png",
        "../out.png",
        "gone.png",
    ]
    labels, pictures = audited.labels(), audited.pictures()
    assert pictures is not None
    ids = list(labels.ids)
    for place, name in enumerate(names):
        ids[4 * place] = name  # every fourth is flagged
        if place < 4:
            (tmp_path / name).write_bytes((tmp_path / labels.ids[4 * place]).read_bytes())
    why = {place: "<script>alert(2)</script>" for place in labels.why}
    audited.write(
        audited.summary(), replace(labels, ids=tuple(ids), why=why), Pictures(tmp_path, tuple(ids), pictures.squares)
    )
    page = pages(start_review(audited.path).url)
    shown = page.locator(".card .id").all_text_contents()
    assert shown[:6] == names
    assert page.locator(".without-picture").count() == 2
    text = page.locator(".cards").inner_text()
    assert "outside of the data's folder" in text
    assert "There is no such file" in text
    for _ in names:
        page.keyboard.press("k")
    decided(page, 6)
    assert [sample for sample, _ in held(audited)] == names
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert "<script>alert(2)</script>" in page.locator("dialog.large").inner_text()


def test_undecided_filter_and_cards_per_sample(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    labels = audited.labels()
    responsibilities = labels.responsibilities.copy()
    responsibilities[:8] = 0.2  # both landmarks of some samples
    audited.write(audited.summary(), replace(labels, responsibilities=responsibilities), audited.pictures())
    page = pages(start_review(audited.path).url)
    order = places(audited)
    page.get_by_role("button", name="Only undecided").click()
    for count in range(1, 4):
        page.keyboard.press("k")
        decided(page, count)
        assert page.locator(".card").count() == len(order) - count
        focuses(page, order[count][0])
    page.keyboard.press("u")
    decided(page, 2)
    focuses(page, order[2][0])
    page.get_by_role("button", name="Only undecided").click()
    page.select_option("#gallery-by", "sample")
    page.fill("#gallery-search", labels.ids[1])
    until(page, "() => document.querySelectorAll('.card').length === 1")
    page.locator(".card button.drop").click()
    decided(page, 4)
    assert {place for place, (action, _) in held(audited).items() if action == "drop"} == {
        (labels.ids[1], "a"),
        (labels.ids[1], "b"),
    }


def test_keys_act_on_the_visible_card_after_one_left_the_filter(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    order = places(audited)
    for _ in order:
        page.keyboard.press("s")
    decided(page, len(order))
    page.locator("details.filters summary").click()
    page.locator(".chip", has_text="skipped").click()
    page.locator(".card button.picture").nth(2).click()
    for _ in range(2):
        shown = page.locator("dialog.large h2").inner_text()
        assert {place: what for place, (what, _) in held(audited).items() if place[0] == shown} == {
            place: "skip" for place in order if place[0] == shown
        }
        page.keyboard.press("k")
        until(page, "(id) => document.querySelector('dialog.large h2').textContent !== id", shown)
        until(page, "() => !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))")
        assert {what for place, (what, _) in held(audited).items() if place[0] == shown} == {"keep"}
    assert [what for what, _ in held(audited).values()].count("keep") == 2


def test_a_held_key_decides_once(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    for _ in range(4):
        page.keyboard.down("d")  # without a release between them: the browser says that it repeats
    page.keyboard.up("d")
    page.keyboard.press("k")
    decided(page, 2)
    assert [what for what, _ in held(audited).values()] == ["drop", "keep"]


def test_undo_discards_a_correction_before_a_decision(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    page.keyboard.press("k")
    page.keyboard.press("e")
    before = page.input_value("#value-0")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#value-0") != before
    page.keyboard.press("Control+z")
    said(page, "no decision has changed")
    assert page.input_value("#value-0") == before
    page.keyboard.press("Control+z")  # nothing is moved any more: the decision
    decided(page, 0)
    assert held(audited) == {}


def test_the_patch_of_the_page_is_the_patch_of_the_command(
    audited: AuditFolder, tmp_path: Path, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    for key in "kad":
        page.keyboard.press(key)
    decided(page, 3)
    for words in ("Patch", "Label Studio", "COCO", "FiftyOne"):
        page.locator("#export summary").click()
        with page.expect_download() as download:
            page.locator("#kinds button", has_text=words).click()
        download.value.save_as(tmp_path / "file")
        assert (tmp_path / "file").stat().st_size > 100
        if words == "Patch":
            patch = read_patch(tmp_path / "file")
            assert download.value.suggested_filename == "audit.patch.jsonl"
        elif words != "Label Studio":  # which is an archive
            json.loads((tmp_path / "file").read_text())
    assert [change.decision for change in patch.changes] == ["keep", "fix", "drop"]


def test_values_without_pictures_are_typed(
    tmp_path: Path, audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    n = 30
    age = np.linspace(10, 60, n)[:, None]
    wrong = (np.arange(n) % 5 == 0)[:, None]
    labels = ScoredLabels(
        ids=tuple(f"row {i}" for i in range(n)), target_names=("age",), group_names=("age",), partition=((0,),),
        given=age + 30 * wrong, predicted=age, responsibilities=np.where(wrong, 0.01, 0.99), mahalanobis=10.0 * wrong,
        suggested=np.where(wrong, age, np.nan), uncertainty=np.where(wrong, 2.0, np.nan),
    )  # fmt: skip
    page = pages(start_review(audit_of_values(tmp_path / "ages", audited, labels).path).url)
    folder = AuditFolder(tmp_path / "ages")
    page.keyboard.press("e")
    page.keyboard.type("41.5")  # the field has the focus, and its text is selected
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    decided(page, 1)
    assert list(held(folder).values()) == [("fix", (42.5,))]
    page.keyboard.press("a")
    decided(page, 2)
    page.keyboard.press("Escape")
    assert re.search(r"42\.5\s+new", page.locator(".card").first.inner_text())


def test_a_card_of_a_table_shows_what_is_taken_and_says_that_it_was_taken(
    tmp_path: Path, audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    folder = prices(tmp_path, audited)
    page = pages(start_review(folder.path).url)
    first, second = page.locator(".card").nth(0), page.locator(".card").nth(1)
    shown = first.locator(".values").inner_text()
    assert re.search(r"1,730,200\s+given", shown)
    assert re.search(r"176,959\s+predicted", shown)
    assert re.search(r"173,020\s+suggested", shown)
    assert first.locator(".reason").inner_text() == "Divided by 10: wrong unit, sign or scale"
    page.keyboard.press("a")
    decided(page, 1)
    assert held(folder)[places(folder)[0]] == ("fix", (173020.0,))
    assert "suggestion taken" in first.inner_text()
    assert "173,020 new" in first.locator(".values").inner_text().replace("\n", " ")
    pressed = first.locator("[aria-pressed=true]")
    assert pressed.all_inner_texts() == ["Take"]
    page.keyboard.press("e")
    page.keyboard.type("180000")
    page.keyboard.press("Enter")
    decided(page, 2)
    page.keyboard.press("Escape")
    assert "corrected by hand" in second.inner_text()
    assert second.locator("[aria-pressed=true]").all_inner_texts() == ["Fix"]
    said(page, "suggestion taken 1, corrected by hand 1")
    page.evaluate("location.hash = '#view?decision=take'")
    until(page, "() => document.querySelectorAll('.card').length === 1")
    assert "suggestion taken" in first.inner_text()


def test_the_dialog_of_many_labels_counts_reasons_and_shows_the_least_certain_first(
    tmp_path: Path, audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    folder = prices(tmp_path, audited, wrong=100)
    page = pages(start_review(folder.path).url)
    dialog = page.locator("dialog.many")
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    assert dialog.locator(".by-reason li").all_inner_texts() == ["60 Divided by 10", "40 far from the prediction"]
    assert "The 24 least certain labels come first." in dialog.inner_text()
    order = [sample for sample, _ in places(folder)]  # worst first
    shown = dialog.locator(".preview li p:last-child")
    assert shown.all_inner_texts() == order[::-1][:24]
    dialog.get_by_role("button", name="Show 24 more").click()
    assert shown.count() == 48
    dialog.get_by_role("button", name="Show all 100").click()
    assert shown.all_inner_texts() == order[::-1]
    assert not dialog.get_by_role("button", name="Show").first.is_visible()
    dialog.get_by_role("button", name="Back").click()
    dialog.get_by_role("radio", name="Keep").check()
    dialog.get_by_role("button", name="Look at them").click()
    assert shown.all_inner_texts() == order[:24]  # to keep a label is the least certain where it is probably wrong
    assert held(folder) == {}


def test_a_note_without_a_decision_is_kept_as_a_draft(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    page = pages(start_review(audited.path).url)
    order, press = places(audited), page.keyboard.press
    first = page.locator(".card").first
    press("r")
    page.keyboard.type("whose ear is this?")
    press("Enter")
    said(page, "The note is stored with the decision. The draft is kept in this browser until then.")
    press("Escape")
    assert "draft of a note" in first.inner_text()
    page.reload()
    page.wait_for_selector(".card")
    assert first.locator(".note").inner_text() == "whose ear is this?"
    assert held(audited) == {}
    press("r")
    assert page.input_value("#note") == "whose ear is this?"
    press("Enter")
    press("k")
    decided(page, 1)
    assert [each.reason for each in read_decisions(audited)] == ["whose ear is this?"]
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('deepgum-note:'))") == []
    # A note that is emptied is no draft; a card of a sample keeps the drafts of its labels.
    press("r")
    page.keyboard.type("x")
    press("Backspace")
    press("Enter")
    press("Escape")
    assert "draft" not in page.locator(".card").nth(1).inner_text()
    assert order[0] in held(audited)


def test_values_that_are_not_edited_keep_every_digit(
    tmp_path: Path, audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any]
) -> None:
    n = 30
    given = np.stack([np.linspace(30, 40, n), 4483721.4321 + np.arange(n)], axis=1)
    predicted = given.copy()
    predicted[0, 0] -= 5
    wrong, none = (np.arange(n) == 0)[:, None], np.full((n, 2), np.nan)
    labels = ScoredLabels(
        ids=tuple(f"row {i}" for i in range(n)), target_names=("east", "north"), group_names=("place",),
        partition=((0, 1),), given=given, predicted=predicted, responsibilities=np.where(wrong, 0.01, 0.99),
        mahalanobis=9.0 * wrong, suggested=none, uncertainty=none,
    )  # fmt: skip
    folder = AuditFolder(tmp_path / "places")
    folder.write(replace(audited.summary(), data=DataSource("table")), labels, None)
    page = pages(start_review(folder.path).url)
    page.keyboard.press("e")
    page.keyboard.type("33.5")
    page.keyboard.press("Enter")
    decided(page, 1)
    assert list(held(folder).values()) == [("fix", (33.5, 4483721.4321))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_narrow_screen(
    audited: AuditFolder, start_review: Callable[..., Any], pages: Callable[..., Any], scheme: str
) -> None:
    page = pages(start_review(audited.path).url, width=390, color_scheme=scheme, has_touch=True)
    wide = "document.scrollingElement.scrollWidth"
    assert page.evaluate(wide) <= 390
    page.locator(".card .picture").first.tap()
    page.locator("dialog.large button.fix").tap()
    box = page.locator("dialog.large").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.querySelector('dialog.large').scrollWidth") <= box["width"]
    page.get_by_role("button", name="Store").tap()
    decided(page, 1)
