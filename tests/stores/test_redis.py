"""The store in Redis, against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from uuid import uuid4

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from authflow.errors import ConfigurationError, StoreError
from authflow.stores import Conflict, Store
from authflow.stores.redis import RedisStore
from benchmarks.servers import RedisServer

from .contract import Heard, Opener, ProcessContract, Trouble, eventually, made


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid4().hex}*[?]\\:"


class TestRedisStore(ProcessContract):
    @pytest.fixture
    def opener(self, redis_server: RedisServer, prefix: str) -> Opener:
        return partial(RedisStore, redis_server.url, prefix=prefix)

    @pytest.fixture
    def trouble(self, redis_server: RedisServer, prefix: str) -> Trouble:
        @contextmanager
        def read_only() -> Iterator[Store]:
            store = RedisStore(redis_server.read_only_url, prefix=prefix)
            yield store
            store.close()

        trouble: Callable[[], AbstractContextManager[Store]] = read_only
        return trouble


@pytest.fixture
def store(redis_server: RedisServer, prefix: str) -> Iterator[RedisStore]:
    opened = RedisStore(redis_server.url, prefix=prefix)
    yield opened
    opened.close()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    opened = redis.Redis.from_url(redis_server.url, socket_timeout=5)
    yield opened
    opened.close()


class OneAnswerLost(redis.Redis):
    """A client whose connection breaks once, after the server did the work and before it could say so."""

    lose = False

    def _send_command_parse_response(self, connection, command_name, *args, **options):  # type: ignore[no-untyped-def]
        answer = super()._send_command_parse_response(connection, command_name, *args, **options)
        if self.lose and command_name == "EVALSHA":
            self.lose = False
            raise redis.ConnectionError("cut")
        return answer


def test_a_swap_that_is_sent_twice_because_its_answer_was_lost_counts_once(
    redis_server: RedisServer, prefix: str
) -> None:
    client = OneAnswerLost.from_url(redis_server.url, socket_timeout=5, retry=Retry(NoBackoff(), 1))
    store = RedisStore(client, prefix=prefix)
    version = made(store, "a", b"x")
    client.lose = True
    newer = store.swap("a", version, b"y")
    assert client.lose is False
    assert isinstance(newer, int)
    assert store.load("a") == (b"y", newer)
    client.close()


def test_two_swaps_of_one_store_are_not_taken_for_one(store: RedisStore) -> None:
    version = made(store, "a", b"x")
    assert isinstance(store.swap("a", version, b"y"), int)
    assert isinstance(store.swap("a", version, b"y"), Conflict)


def test_there_is_no_lock_so_nobody_relies_on_one(store: RedisStore) -> None:
    with store.lock("a", 0) as first, store.lock("a", 0) as second:
        assert (first, second) == (True, True)


def test_a_time_to_live_is_the_servers(store: RedisStore, client: redis.Redis, prefix: str) -> None:
    made(store, "a", b"x", ttl=60)
    assert 0 < client.pttl(prefix + "a") <= 60_000
    made(store, "b", b"x")
    assert client.pttl(prefix + "b") == -1


def test_two_prefixes_do_not_meet(redis_server: RedisServer, store: RedisStore, prefix: str) -> None:
    other = RedisStore(redis_server.url, prefix="b" + prefix)
    made(store, "a", b"x")
    assert other.load("a") is None
    assert list(other.keys("")) == []
    other.close()


def test_what_another_program_keeps_under_the_key_is_left_as_it_is(
    store: RedisStore, client: redis.Redis, prefix: str
) -> None:
    client.set(prefix + "a", "a string")
    with pytest.raises(StoreError, match="answered with an error"):
        store.load("a")
    with pytest.raises(StoreError):
        store.swap("a", 0, b"x")
    assert client.get(prefix + "a") == b"a string"


def test_after_the_server_lost_its_scripts_it_goes_on(store: RedisStore, client: redis.Redis) -> None:
    version = made(store, "a", b"x")
    client.script_flush()
    assert isinstance(store.swap("a", version, b"y"), int)


def test_connections_that_the_server_cut_are_made_again(store: RedisStore, client: redis.Redis) -> None:
    made(store, "a", b"x")
    client.client_kill_filter(_type="normal", skipme=True)
    assert store.load("a") is not None


def test_a_cut_subscription_is_made_again_and_tells_what_may_have_been_missed(
    redis_server: RedisServer, store: RedisStore, client: redis.Redis, prefix: str
) -> None:
    made(store, "a", b"x")
    heard = Heard()
    stop = store.watch(heard)
    client.client_kill_filter(_type="pubsub")
    assert heard.hears("a", 10.0)
    other = RedisStore(redis_server.url, prefix=prefix)
    made(other, "b", b"x")
    assert heard.hears("b", 10.0)
    other.close()
    stop()


def test_an_own_change_is_told_once(store: RedisStore, redis_server: RedisServer, prefix: str) -> None:
    heard = Heard()
    store.watch(heard)
    other = RedisStore(redis_server.url, prefix=prefix)
    made(store, "mine", b"x")
    made(other, "its", b"x")
    assert heard.hears("its")
    assert heard.keys == ["mine", "its"]
    other.close()


def test_nobody_listens_after_the_last_watcher_has_stopped(store: RedisStore, client: redis.Redis) -> None:
    channel = (store._channel).decode()
    stop = store.watch(Heard())
    assert client.pubsub_numsub(channel) == [(channel.encode(), 1)]
    stop()
    assert eventually(lambda: client.pubsub_numsub(channel) == [(channel.encode(), 0)])


def test_a_server_that_is_away_is_a_store_error_and_comes_back(prefix: str) -> None:
    if why := RedisServer.missing():
        pytest.skip(why)
    with RedisServer() as server:
        store = RedisStore(server.url, prefix=prefix)
        made(store, "a", b"x")
        server.stop()
        for call in (lambda: store.load("a"), lambda: store.swap("b", 0, b"x"), lambda: list(store.keys(""))):
            with pytest.raises(StoreError) as caught:
                call()
            assert "no connection" in caught.value.message
        heard = Heard()
        stop = store.watch(heard)  # a program may start before its server
        server.start()
        made(store, "b", b"x")
        assert heard.hears("b", 10.0)
        stop()
        store.close()


def test_a_server_that_hangs_is_given_up_within_the_timeout(
    redis_server: RedisServer, client: redis.Redis, prefix: str
) -> None:
    store = RedisStore(redis_server.url, prefix=prefix, timeout=0.2)
    made(store, "a", b"x")
    client.client_pause(1500, all=False)  # writes wait
    with pytest.raises(StoreError, match="in time"):
        store.swap("b", 0, b"x")
    client.client_unpause()
    store.close()


def test_no_password_is_shown_in_repr_or_error(prefix: str) -> None:
    store = RedisStore("redis://user:s3cret@127.0.0.1:1/0", prefix=prefix)
    with pytest.raises(StoreError) as caught:
        store.load("a")
    assert "s3cret" not in f"{store!r} {caught.value!r} {caught.value.__cause__!r}"
    store.close()


@pytest.mark.parametrize("server", ["localhost", "http://localhost", ""])
def test_what_is_no_url_of_a_redis_is_refused(server: str) -> None:
    with pytest.raises(ConfigurationError):
        RedisStore(server)


def test_a_client_that_would_wait_for_ever_or_turns_bytes_into_text_is_refused() -> None:
    for client in (redis.Redis(socket_timeout=None), redis.Redis(socket_timeout=5, decode_responses=True), object()):
        with pytest.raises(ConfigurationError) as caught:
            RedisStore(client)  # type: ignore[arg-type]
        assert caught.value.hint


def test_a_client_of_the_users_is_not_closed(client: redis.Redis, prefix: str) -> None:
    store = RedisStore(client, prefix=prefix)
    made(store, "a", b"x")
    store.close()
    assert client.ping()
    with pytest.raises(StoreError, match="closed"):
        store.load("a")
