"""`authflow top`: the sessions of a store in a terminal, live. It needs the extra `tui` (Textual).

    cells.py    a row of the overview as cells          detail.py   one session: its chart, its facts, its last story
    app.py      the screen, its keys, and what is done when one is pressed
"""
