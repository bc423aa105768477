"""How the publication ends."""

import logging
import socket

from tests.unit.feeds.serving.running_feed import RunningFeed, record


def test_it_ends_quietly_while_somebody_is_connected(caplog):
    feed = RunningFeed().start()
    try:
        feed.send(record("A", "B", 100, 5, 1))
        host, port = feed.address.rsplit(":", 1)
        with (
            caplog.at_level(logging.DEBUG),
            socket.create_connection((host, int(port)), 30) as peer,
        ):
            assert peer.recv(1)
            feed.stop()
            while peer.recv(65_536):
                pass
    except ConnectionResetError:
        pass  # The publication does not wait for what its peer did not read.
    finally:
        feed.stop()
    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []
