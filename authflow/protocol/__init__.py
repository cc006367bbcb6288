"""One file per conversation of OAuth 2 and OpenID Connect: `build_x_request()` and `read_x_response()`.

Pure: values in, value out. Nothing here knows the chart, a session, a clock, randomness or a socket.
"""
