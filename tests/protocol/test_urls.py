"""Endpoints and redirect URIs: what is refused, and that it is refused before a parser tidies it up."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import InsecureURL
from authflow.protocol.urls import (
    add_query,
    check_endpoint,
    check_redirect_uri,
    is_loopback,
    is_private_host,
    origin_of,
)

TRICKS = {
    "nothing": "",
    "a_tab_in_the_host": "https://good\t.evil.example/token",
    "a_newline": "https://good.example/token\n",
    "a_carriage_return": "https://good.example/to\rken",
    "a_null": "https://good.example/\x00",
    "a_leading_space": " https://good.example/token",
    "an_inner_space": "https://good.example/to ken",
    "a_backslash": "https://good.example\\@evil.example/token",
    "a_user": "https://good.example@evil.example/token",
    "a_user_and_password": "https://a:b@good.example/token",
    "a_fragment": "https://good.example/token#x",
    "an_empty_fragment": "https://good.example/token#",
    "a_quote_for_the_shell": 'https://good.example/"$(id)',
    "a_backtick": "https://good.example/`id`",
    "a_javascript_url": "javascript:alert(1)",
    "a_file": "file:///etc/passwd",
    "a_command_line_flag": "--gpu-launcher=sh",
    "a_data_url": "data:text/html,x",
    "no_scheme": "//good.example/token",
    "no_authority": "https:good.example/token",
    "one_slash": "https:/good.example/token",
    "no_host": "https:///token",
    "a_hidden_host": "https://good%2eexample/token",
    "a_full_width_dot": "https://good．example/token",
    "a_letter_of_another_script": "https://gооd.example/token",
    "a_bad_port": "https://good.example:99999/",
    "port_zero": "https://good.example:0/",
    "a_word_as_port": "https://good.example:https/",
    "an_open_bracket": "https://[::1/token",
    "a_name_in_brackets": "https://[good.example]/token",
    "a_zone": "https://[fe80::1%25eth0]/token",
    "an_empty_label": "https://good..example/token",
    "a_hyphen_first": "https://-good.example/token",
    "websocket": "wss://good.example/token",
    "megabytes": "https://good.example/" + "a" * 100_000,
}


@pytest.mark.parametrize("url", TRICKS.values(), ids=TRICKS.keys())
def test_an_endpoint_with_a_trick_is_refused(url):
    with pytest.raises(InsecureURL):
        check_endpoint(url, allow_insecure_loopback=True)
    if not url.startswith("wss"):
        with pytest.raises(InsecureURL):
            check_redirect_uri(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example",
        "https://id.example:8443/oauth2/token?tenant=a&b=c",
        "https://id.example/a/@user",
        "https://[2001:db8::1]/token",
        "https://xn--bcher-kva.example/token",
        "https://db_1.internal/token",
        "HTTPS://id.example/token",
    ],
)
def test_a_clean_https_endpoint_comes_back_as_it_is(url):
    assert check_endpoint(url) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.1", "LOCALHOST"])
def test_http_on_loopback_needs_the_flag_as_an_endpoint_and_none_as_a_redirect_uri(host):
    url = f"http://{host}:8400/callback"
    with pytest.raises(InsecureURL, match="allow_insecure_loopback"):
        check_endpoint(url)
    assert check_endpoint(url, allow_insecure_loopback=True) == url
    assert check_redirect_uri(url) == url


@pytest.mark.parametrize(
    "host", ["id.example", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "2130706433"]
)
def test_http_anywhere_else_is_refused_flag_or_not(host):
    with pytest.raises(InsecureURL):
        check_endpoint(f"http://{host}/token", allow_insecure_loopback=True)
    with pytest.raises(InsecureURL):
        check_redirect_uri(f"http://{host}/callback")


@pytest.mark.parametrize("uri", ["com.example.app:/callback", "com.example.app://callback", "com.example:/a?b=c"])
def test_a_private_use_scheme_that_is_a_reverse_domain_is_a_redirect_uri(uri):
    assert check_redirect_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    ["myapp:/callback", "myapp://callback", "com.example.app:/x#y", "com.example.app://u@h/", "com.example.app:/a b",
     "app.example.com:8443/callback", "com.:/callback", ".com:/callback", "com..app:/callback", "com.example.app:"],
)  # fmt: skip
def test_a_private_use_scheme_that_anybody_could_register_and_half_a_url_are_not(uri):
    with pytest.raises(InsecureURL):
        check_redirect_uri(uri)


def test_a_refusal_names_the_url_without_its_query():
    with pytest.raises(InsecureURL) as caught:
        check_endpoint("http://id.example/token?client_secret=hush")
    assert "id.example/token" in str(caught.value)
    assert "hush" not in str(caught.value)


PRIVATE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1", "0", "0.0.0.0",
    "10.1.2.3", "10.66051", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0xa9fea9fe", "2852039166",
    "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254",
    "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "ff02::1", "localhost", "LOCALHOST.", "api.localhost", "127.0.0.1.", "[::1]", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
def test_every_way_to_write_a_private_address_is_seen(host):
    assert is_private_host(host)


@pytest.mark.parametrize(
    "host",
    ["id.example", "8.8.8.8", "134744072", "0x08.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1",
     "64:ff9b::808:808", "10.example",
     "1.2.3.4.5", "256.1.1.1", "1.2.3.999", "0x", "9" * 60, "localhost.example", "a", "4294967296.1"],
)  # fmt: skip
def test_names_and_public_addresses_are_not_private(host):
    assert is_private_host(host) is (host == "0x")


@given(st.text(max_size=60))
def test_no_text_makes_the_host_judges_fail(text):
    assert is_private_host(text) in (True, False)
    assert is_loopback(text) in (True, False)


@given(st.one_of(st.text(max_size=80), st.text("htps:/.@#?[]%\\0123456789abx\t-", max_size=40).map("https://".__add__)))
def test_every_text_is_a_good_url_or_an_insecure_one(text):
    for check in (check_endpoint, check_redirect_uri):
        with suppress(InsecureURL):
            assert check(text) == text


def test_a_query_that_is_there_is_kept_and_never_doubled():
    url = add_query("https://id.example/a?owner=user&scope=old", {"scope": "a b", "state": "x&y=z"})
    assert url == "https://id.example/a?owner=user&scope=a%20b&state=x%26y%3Dz"


def test_an_origin_is_scheme_host_and_port():
    assert origin_of("https://ID.example:8443/a/b?c") == "https://id.example:8443"
