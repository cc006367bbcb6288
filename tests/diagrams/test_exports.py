"""A trace in every form: the same bytes for the same trace, and nothing in it is ever more than text."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import mermaidx
import msgspec
import pytest

from authflow.diagrams.exports import EXPORTS, export, save
from authflow.errors import ErrorInfo, NotSupported
from authflow.trace.story import Call, Check, Decision, Hop, Story, Trace, Transition, Wait
from tests.trace.examples import EXAMPLES, FAILED_LOGIN, LOGIN, REFRESH_ELSEWHERE, SESSION

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e]]>--> \"'`;#:%%{init}%%{{}} end"
EVIL = Trace(
    stories=(
        Story(
            id=HOSTILE, kind=HOSTILE, provider=HOSTILE, began=0.0, label=HOSTILE, host=HOSTILE, account=HOSTILE,
            session=HOSTILE, process=HOSTILE, flow=HOSTILE, outcome="fail",
            steps=(
                Transition(0.0, "authorize", "idle", "authorizing", process=HOSTILE, reason=HOSTILE),
                Transition(0.1, HOSTILE, HOSTILE, HOSTILE, reason=HOSTILE, origin=HOSTILE),
                Call(0.2, HOSTILE, HOSTILE, HOSTILE, 1.0, {HOSTILE: HOSTILE}, 200, {HOSTILE: HOSTILE}),
                Call(0.3, HOSTILE, HOSTILE, HOSTILE, 1.0, failure=HOSTILE, said=HOSTILE),
                Hop(0.4, HOSTILE, "provider", HOSTILE, host=HOSTILE, path=HOSTILE, params={HOSTILE: HOSTILE}),
                Check(0.5, HOSTILE, False, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
                Check(0.5, HOSTILE, True, HOSTILE),
                Wait(0.6, 1.0, HOSTILE),
                Decision(0.7, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
                Transition(
                    0.8, "fail", "authorizing", "idle",
                    error=ErrorInfo(
                        code=HOSTILE, message=HOSTILE, hint=HOSTILE, error=HOSTILE, error_description=HOSTILE
                    ),
                ),
            ),
        ),
    )
)  # fmt: skip


ENDS = (".html", ".svg", ".png", ".mmd", ".flow.mmd", ".txt", ".json")


def text_of(trace: Trace, format: str) -> str:
    content = export(trace, format)
    return content.decode() if isinstance(content, bytes) else content


@pytest.mark.parametrize("format", EXPORTS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_trace_gives_the_same_bytes(name: str, format: str) -> None:
    assert export(EXAMPLES[name], format) == export(Trace.from_json(EXAMPLES[name].to_json()), format)


def test_the_bytes_are_the_same_in_another_process(tmp_path: Path) -> None:
    """Whatever its hashes are seeded with, wherever it is, whatever it speaks."""
    ours = {}
    for name in ("failed_login", "refresh_elsewhere", "session"):
        EXAMPLES[name].save(tmp_path / f"{name}.json")
        for end in ENDS:
            ours[f"{name}{end}"] = hashlib.sha256(EXAMPLES[name].save(tmp_path / f"ours{end}").read_bytes()).hexdigest()
    code = (
        "import hashlib, json, locale, pathlib, sys; from authflow.trace.story import Trace;"
        "locale.setlocale(locale.LC_ALL, ''); here = pathlib.Path(sys.argv[1]); ends = sys.argv[2:]; theirs = {}\n"
        "for file in sorted(here.glob('*[a-z].json')):\n"
        "    trace = Trace.load(file)\n"
        "    for end in ends:\n"
        "        saved = trace.save(here / f'theirs{end}').read_bytes()\n"
        "        theirs[file.stem + end] = hashlib.sha256(saved).hexdigest()\n"
        "print(json.dumps(theirs))"
    )
    (tmp_path / "ours.json").unlink()
    elsewhere = {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONUTF8": "0"}
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *ENDS], env=elsewhere, capture_output=True, text=True, check=True
    )

    assert json.loads(told.stdout) == ours


@pytest.mark.parametrize("trace", [*EXAMPLES.values(), EVIL, Trace()], ids=[*EXAMPLES, "evil", "empty"])
def test_a_picture_is_well_formed(trace: Trace) -> None:
    root = ElementTree.fromstring(text_of(trace, "svg"))
    ids = [one.get("id") for one in root.iter() if one.get("id")]

    assert len(ids) == len(set(ids))
    assert not [one for one in root.iter() if one.tag.endswith(("script", "image", "a"))]


@pytest.mark.parametrize("format", ["mermaid", "flowchart"])
@pytest.mark.parametrize(
    "trace", [LOGIN, FAILED_LOGIN, REFRESH_ELSEWHERE, EVIL], ids=["login", "failed", "elsewhere", "evil"]
)
def test_mermaid_accepts_it_and_shows_only_text(trace: Trace, format: str) -> None:
    drawn = str(mermaidx.render(text_of(trace, format)).svg())

    assert drawn.startswith("<svg")
    assert "<script" not in drawn
    assert "<img" not in drawn


def test_the_way_is_painted_line_by_line() -> None:
    text = text_of(FAILED_LOGIN, "flowchart")
    taken = re.search(r"linkStyle ([\d,]+) stroke:#1d4ed8", text)
    failed = re.search(r"linkStyle ([\d,]+) stroke:#dc2626", text)
    lines = [line for line in text.splitlines() if "-->|" in line]

    assert taken is not None
    assert failed is not None
    assert [lines[int(i)].strip() for i in taken[1].split(",")] == [
        'idle -->|"1 authorize"| authorizing', 'authorizing -->|"2 callback"| exchanging',
    ]  # fmt: skip
    assert [lines[int(i)].strip() for i in failed[1].split(",")] == ['exchanging -->|"3 fail"| idle']


def test_what_a_trace_holds_stays_text_in_the_page() -> None:
    page = text_of(EVIL, "html")

    assert page.count("<script>") == page.count("</script>") == 1
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_failed_login_says_why_and_what_to_do() -> None:
    page = text_of(FAILED_LOGIN, "html")

    assert "The check “nonce” of the ID token failed" in page
    assert "<dt>expected</dt><dd><code>•••e09d</code></dd><dt>got</dt><dd><code>•••3c11</code></dd>" in page
    assert "<strong>What to do:</strong> The answer may be another login&#x27;s; begin again." in page


def test_every_step_stands_in_the_table() -> None:
    page = text_of(LOGIN, "html")
    table = page.split('aria-label="All steps"')[1].split("</table>")[0]

    assert table.count("<tr>") == len(LOGIN.stories[0].steps) + 1


def test_many_stories_stand_on_one_axis() -> None:
    page = text_of(SESSION, "html")

    assert page.count("<article ") == 2
    assert page.index('href="#s1"') < page.index('href="#s2"')
    assert len(text_of(Trace(stories=LOGIN.stories * 60), "html").split("<article ")) == 41


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.json", b'{\n "format": 1'), ("a.HTML", b"<!doctype html>"), ("a.svg", b"<svg "), ("a.png", b"\x89PNG"),
        ("a.mmd", b"---\ntitle"), ("a.flow.mmd", b"---\ntitle"),
    ],
)  # fmt: skip
def test_the_names_end_says_the_format(tmp_path: Path, name: str, begins: bytes) -> None:
    path = LOGIN.save(tmp_path / name)

    assert path == tmp_path / name
    assert path.read_bytes().startswith(begins)
    assert (b"\nflowchart LR\n" in path.read_bytes()) == (name in ("a.flow.mmd", "a.HTML"))


@pytest.mark.parametrize("name", ["a.gif", "failed", "a.html.gz", ".html"])
def test_another_end_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotSupported, match=re.escape(name)) as raised:
        save(LOGIN, tmp_path / name)
    assert ".html" in raised.value.hint
    with pytest.raises(NotSupported):
        export(LOGIN, "gif")
    assert list(tmp_path.iterdir()) == []


def test_a_saved_trace_is_read_again(tmp_path: Path) -> None:
    assert Trace.load(SESSION.save(tmp_path / "t.json")) == SESSION


def test_a_notebook_shows_a_trace_as_a_picture_of_its_own() -> None:
    shown = [LOGIN._repr_svg_(), FAILED_LOGIN._repr_svg_()]
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in shown]

    assert all(text.startswith("<svg ") for text in shown)
    assert not ids[0] & ids[1]


def test_the_frames_of_a_replay_are_data() -> None:
    page = text_of(msgspec.structs.replace(EVIL), "html")
    frames = re.search(r'data-frames="([^"]*)"', page)

    assert frames is not None
    assert json.loads(frames[1].replace("&quot;", '"').replace("&#x27;", "'").replace("&lt;", "<").replace("&gt;", ">"))
