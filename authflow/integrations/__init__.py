"""Bridges to the frameworks that people write in. Each is a guest: it uses authflow as a stranger would.

Nothing is imported here: ask for the bridge by name (`from authflow.integrations import qt`), which needs its
framework installed. What they share is `live.py` (a session on a screen) and `markup.py` (the same as HTML).
"""
