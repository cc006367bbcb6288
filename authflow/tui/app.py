"""The screen of `authflow top`: a header, a row for each session, and below it the one that the cursor is on.

    Top(manager).run()

Rule 1: what is on the screen is what the store says. Whatever changes here or in another process is a reason to look
        again, and looking is done on a thread: a slow disk does not stop the keys.
Rule 2: nothing can be done from here unless actions are allowed; what would reach further than one session asks first.
Rule 3: nothing outlives the screen: what it began and still waits for is cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.events import Resize
from textual.message import Message
from textual.widgets import DataTable, Footer, Static

from ..agents import open_browser
from ..errors import AuthflowError, LoginCancelled, printable
from ..integrations.textual import OnScreen
from ..overview import SIGN_OUTS, Action, Overview, SessionRow, look, row_id
from . import cells, detail
from .question import Question

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from ..manager import SessionManager
    from ..operations import LogoutResult
    from ..session import Session

LOGIN_SECONDS: Final = 300.0
WIDE: Final = 130  # columns: here the chart stands beside the facts
TICK: Final = 1.0  # seconds between two looks at the clock

KEYS: Final[dict[Action, tuple[str, str]]] = {
    Action.SIGN_IN: ("s", "Sign in"),
    Action.REFRESH: ("r", "Refresh"),
    Action.CANCEL: ("c", "Cancel"),
    Action.SIGN_OUT_HERE: ("l", "Out"),
    Action.SIGN_OUT_AND_REVOKE: ("o", "+revoke"),
    Action.SIGN_OUT_EVERYWHERE: ("e", "+page"),
}


class Top(App[None]):
    """The sessions of `manager`, live. `now`: seconds since the epoch."""

    TITLE = "authflow top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; padding: 0 1; background: $panel; }
    #sessions { height: auto; min-height: 4; max-height: 50%; }
    #pane { height: 1fr; border-top: solid $panel; padding: 0 1; background: $surface; }
    #pane:focus { border-top: solid $accent; }
    #sessions, #pane { scrollbar-size: 1 1; }
    #pane Static { height: auto; }
    #both { height: auto; margin-top: 1; layout: vertical; }
    #facts { margin-bottom: 1; }
    .wide #both { layout: horizontal; }
    .wide #facts { width: 1fr; }
    .wide #chart { width: 78; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"do('{action.value}')", text) for action, (key, text) in KEYS.items()),
        Binding("a", "all", "All"),
        Binding("d", "zoom", "Detail"),
        Binding("escape", "table", show=False),
        Binding("q", "quit", "Quit"),
    ]

    class Heard(Message):
        """Something changed, here or in the store."""

    class Looked(Message):
        """What there is to see now."""

        def __init__(self, view: Overview, sessions: dict[str, Session], trouble: str) -> None:
            super().__init__()
            self.view = view
            self.sessions = sessions
            self.trouble = trouble

    def __init__(
        self, manager: SessionManager, *, allow_actions: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        super().__init__()
        self._manager = manager
        self._allow_actions = allow_actions
        self._now = now
        self._view = look((), now())
        self._sessions: dict[str, Session] = {}  # held: a session at rest that nobody holds leaves the memory
        self._trouble = ""
        self._looking = self._look_again = False
        self._shown: dict[str, tuple[Text, ...]] = {}
        # Held here: while a dialog is open, the screen that is asked for its parts is that one.
        self._head = Static(id="head")
        self._table: DataTable[Text] = DataTable(id="sessions", cursor_type="row", fixed_columns=1)
        self._pane = VerticalScroll(id="pane")
        self._parts = {name: Static(id=name) for name in ("about", "facts", "chart", "story")}
        self._begun: set[Session] = set()  # the logins that wait for their human

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._table
        with self._pane:
            yield self._parts["about"]
            with Container(id="both"):
                yield self._parts["facts"]
                yield self._parts["chart"]
            yield self._parts["story"]
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        table = self._table
        for name in cells.COLUMNS:
            table.add_column(name, key=name)
        self._manager.on_transition.connect(self._heard)
        self._manager.on_expiring.connect(self._heard)
        self._unwatch = self._manager.store.watch(self._store_changed)
        self.set_interval(TICK, self._tick)
        self.watch(table, "scroll_y", self._paint_in_sight, init=False)
        self._look()

    def on_unmount(self) -> None:
        self._unwatch()
        self._manager.on_transition.disconnect(self._heard)
        self._manager.on_expiring.disconnect(self._heard)
        for session in tuple(self._begun):
            session.cancel()

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, session: object, event: object) -> None:
        self.post_message(self.Heard())

    def _store_changed(self, key: str) -> None:
        self.post_message(self.Heard())

    def on_top_heard(self) -> None:
        self._look()

    def _look(self) -> None:
        """Looks at everything on a thread; what changes meanwhile is looked at afterwards, once."""
        if self._looking:
            self._look_again = True
            return
        self._looking, self._look_again = True, False
        self.run_worker(self._read, thread=True, group="looking")

    def _read(self) -> None:
        trouble = ""
        try:
            found = self._manager.stored()
        except AuthflowError as error:
            found, trouble = [], str(error)
        sessions = {row_id(session.key): session for session in (*found, *self._manager.sessions())}
        self.post_message(self.Looked(look(self._manager.snapshot(), self._now()), sessions, trouble))

    def on_top_looked(self, seen: Looked) -> None:
        if not self.screen_stack:
            return  # the application is at its end
        before, self._view = self._view, seen.view
        self._sessions, self._trouble = seen.sessions, seen.trouble
        self._looking = False
        self._paint(before)
        self.refresh_bindings()
        if self._look_again:
            self._look()

    # ── painting ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def _row(self) -> SessionRow | None:
        """The one that the cursor is on."""
        rows, at = self._view.rows, self._table.cursor_row
        return rows[at] if 0 <= at < len(rows) else None

    def _paint(self, before: Overview) -> None:
        """Shows what is other than it was `before`."""
        rows = self._view.rows
        if [row.id for row in rows] != [row.id for row in before.rows]:
            self._lay_out()
        else:
            self._paint_rows([row for row, was in zip(rows, before.rows, strict=True) if row != was])
        self._tick()

    def _tick(self) -> None:
        """Shows what the time alone changes: of a thousand rows, only those that are seen."""
        self._paint_in_sight()
        self._head.update(self._headline(self._now()))
        self._paint_detail()

    def _paint_in_sight(self) -> None:
        top = int(self._table.scroll_offset.y)
        self._paint_rows(self._view.rows[top : top + self._table.size.height])

    def _paint_rows(self, rows: Iterable[SessionRow]) -> None:
        now, columns = self._now(), self._table.columns.values()
        widths = {column.key.value: column.content_width for column in columns}
        for row in rows:
            if row.id not in self._shown:
                continue  # the table is being laid out
            shown = cells.cells(row, now)
            for name, cell, before in zip(cells.COLUMNS, shown, self._shown[row.id], strict=True):
                if cell != before:  # to measure a whole column anew is dear: only where this cell needs it
                    self._table.update_cell(row.id, name, cell, update_width=cell.cell_len > widths[name])
            self._shown[row.id] = shown

    def _lay_out(self) -> None:
        """The rows themselves have changed: they are put there anew, the cursor on the one it was on."""
        was = list(self._shown)[self._table.cursor_row] if self._shown else None
        now, self._shown = self._now(), {}
        self._table.clear()
        for row in self._view.rows:
            shown = cells.cells(row, now)
            self._table.add_row(*shown, key=row.id)
            self._shown[row.id] = shown
        if was in self._shown:
            self._table.move_cursor(row=list(self._shown).index(was))

    def _headline(self, now: float) -> Text:
        mode = "" if self._allow_actions else " · read-only"
        text = Text.assemble(("authflow top  ", "bold"), cells.around(self._view, now), mode, "\n")
        text.append(cells.header(self._view))
        if self._trouble:
            text.append(f"\n✗ {printable(self._trouble)}", cells.BAD)
        return text

    def _paint_detail(self) -> None:
        row = self._row
        session = None if row is None else self._sessions.get(row.id)
        if row is None or session is None:
            texts = dict.fromkeys(self._parts, Text())
        else:
            trace = session.trace
            texts = {
                "about": detail.about(row),
                "facts": Text("\n").join(detail.facts(row, self._now())),
                "chart": detail.chart(row, trace),
                "story": detail.story(trace),
            }
        for name, text in texts.items():
            if self._parts[name].content != text:
                self._parts[name].update(text)

    def on_resize(self, event: Resize) -> None:
        self.screen.set_class(event.size.width >= WIDE, "wide")

    def on_data_table_row_selected(self) -> None:
        self.action_zoom()

    def on_data_table_row_highlighted(self) -> None:
        self._paint_detail()
        self.refresh_bindings()

    # ── acting ───────────────────────────────────────────────────────────────────────────────────────

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done from here is not offered; what cannot be done to this session now is pale."""
        if action not in ("do", "all"):
            return True
        if not self._allow_actions:
            return False
        if action == "all":
            return True if any(row.live for row in self._view.rows) else None
        row = self._row
        return True if row is not None and parameters[0] in row.actions else None

    def action_do(self, name: str) -> None:
        row = self._row
        session = None if row is None else self._sessions.get(row.id)
        if session is not None:
            self.run_worker(partial(self._act, session, Action(name)), thread=True, group="acting")

    def action_all(self) -> None:
        number = sum(row.live for row in self._view.rows)
        text = f"Sign everything out ({number} live), and revoke the tokens?"
        self.push_screen(Question(text, "Sign out"), self._all)

    def _all(self, meant: bool | None) -> None:
        if meant:
            self.run_worker(self._sign_all_out, thread=True, group="acting")

    def action_zoom(self) -> None:
        """The detail alone, and back."""
        alone = not self._table.display
        self._table.display = alone
        (self._table if alone else self._pane).focus()

    def action_table(self) -> None:
        if not self._table.display:
            self.action_zoom()

    def _act(self, session: Session, action: Action) -> None:
        """On a thread: what was asked for, and what to say of it when it did not work out."""
        name = session.provider.name
        try:
            if action is Action.SIGN_IN:
                self._begun.add(session)
                session.login(agent=OnScreen(self, session), timeout=LOGIN_SECONDS)
            elif action is Action.REFRESH:
                session.refresh()
            elif action is Action.CANCEL:
                session.cancel()
            else:
                how = SIGN_OUTS[action]
                result = session.logout(revoke=how.revoke, end_session=how.end_session)
                self._say_what_failed(name, result)
        except LoginCancelled:
            pass  # by who sits here
        except AuthflowError as error:
            self._say(f"{name}: {error}", "error")
        finally:
            self._begun.discard(session)
        self.post_message(self.Heard())

    def _sign_all_out(self) -> None:
        try:
            results = self._manager.logout_all(end_session=False)
        except AuthflowError as error:
            self._say(str(error), "error")
            return
        for key, result in results.items():
            if isinstance(result, AuthflowError):
                self._say(f"{key.provider}: {result}", "error")
            else:
                self._say_what_failed(key.provider, result)
        self.post_message(self.Heard())

    def _say_what_failed(self, name: str, result: LogoutResult) -> None:
        for error in result.errors:
            self._say(f"{name}: signed out here, but the provider could not be told: {error}", "warning")
        if result.end_session_url is not None and not result.end_session_opened:
            try:
                open_browser(result.end_session_url)
            except AuthflowError:
                self._say(f"{name}: the provider's own session goes on; no browser can be opened from here.", "warning")

    def _say(self, text: str, severity: SeverityLevel) -> None:
        self.call_later(self.notify, printable(text), severity=severity, timeout=12, markup=False)
