"""Bridges to the frameworks that people write in. Each is a guest: it uses authflow as a stranger would.

Nothing is imported here: ask for the bridge by name (`from authflow.integrations.fastapi import Auth`), which needs
its framework installed. What those of the web share is `web/` (the routes, without a framework); what those with a
screen of their own share is `live.py` (a session on a screen) and `markup.py` (the same as HTML).
"""
