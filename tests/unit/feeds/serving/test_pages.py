"""The feeds' pages: whole before any socket, and honest about what is not there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from market.feeds.models import Feed, FeedInstrument, FeedState
from market.live import HEARTBEAT
from tests.unit.feeds.serving.running_feed import FEED_ID, SYMBOL, RunningFeed
from tests.unit.feeds.serving.test_api import StillHub, hub  # noqa: F401

pytestmark = pytest.mark.django_db(databases=["default", "journal", "feeds"])
ROOT = Path(__file__).resolve().parents[4]


def test_without_feeds_the_list_says_how_to_start_one(client: Client) -> None:
    page = client.get("/feeds/").content.decode()
    assert "run_feed flow --connect" in page
    assert 'aria-current="page">Feeds' in page


def test_the_list_shows_figures_of_what_is_live(client: Client, hub: StillHub) -> None:  # noqa: F811
    page = client.get("/feeds/").content.decode()
    assert f'href="/feeds/{FEED_ID}/"' in page
    assert "E-mini" in page
    assert "Not stored" in page


def test_a_feeds_page_is_whole_before_its_socket_opens(client: Client, hub: StillHub) -> None:  # noqa: F811
    page = client.get(f"/feeds/{FEED_ID}/").content.decode()
    assert f'ws-connect="/ws/feeds/{FEED_ID}/1:17/"' in page
    assert '<div id="buy-99500000000" class="level bid' in page, "levels are no buttons here"
    assert "Crossed, as its source has it" in page
    assert "Cold start" in page
    assert 'data-bid="99.50" data-ask="99.25"' in page
    assert '<td class="sell">99.50' in page
    assert f"/api/v1/feeds/{FEED_ID}/bars?instrument=1:17" in page


def test_a_feed_that_nothing_reads_has_a_page(client: Client, hub: StillHub) -> None:  # noqa: F811
    hub.is_live = False
    Feed.objects.update(state=FeedState.ENDED, address="", state_text="The source came to its end.")
    page = client.get(f"/feeds/{FEED_ID}/?instrument={SYMBOL}").content.decode()
    assert "The source came to its end." in page
    assert "The book of now is not known" in page
    assert "No bids" not in page, "an unknown book is not an empty one"


def test_a_book_without_a_record_is_waited_for(client: Client, hub: StillHub) -> None:  # noqa: F811
    FeedInstrument.objects.create(feed_id=FEED_ID, publisher_id=1, instrument_id=18, symbol="ESM4")
    page = client.get(f"/feeds/{FEED_ID}/?instrument=ESM4").content.decode()
    assert ">Waiting<" in page
    assert "No record of this book came yet." in page
    assert "nothing reads this feed" not in page


def test_a_symbol_of_two_publishers_shows_the_first_and_is_typed_by_its_numbers(
    client: Client,
    hub: StillHub,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("market.feeds.serving.pages.MAX_CHOICES", 0)
    page = client.get(f"/feeds/{FEED_ID}/?instrument={SYMBOL}").content.decode()
    assert f'name="instrument" value="{SYMBOL}"' in page
    FeedInstrument.objects.create(feed_id=FEED_ID, publisher_id=2, instrument_id=17, symbol=SYMBOL)
    page = client.get(f"/feeds/{FEED_ID}/?instrument={SYMBOL}").content.decode()
    assert f"/ws/feeds/{FEED_ID}/1:17/" in page
    assert 'name="instrument" value="1:17"' in page


def test_an_instrument_that_is_not_there_is_named(client: Client, hub: StillHub) -> None:  # noqa: F811
    answer = client.get(f"/feeds/{FEED_ID}/", {"instrument": "<b>"})
    assert answer.status_code == 404
    page = answer.content.decode()
    assert "The feed has no instrument &lt;b&gt;." in page
    assert f'href="/feeds/{FEED_ID}/"' in page


def test_what_is_wrong_with_a_book_can_be_read_without_a_pointer(
    client: Client,
    hub: StillHub,  # noqa: F811
) -> None:
    assert "strip-note" not in client.get(f"/feeds/{FEED_ID}/").content.decode()
    feed = hub.reader.session
    assert isinstance(feed, RunningFeed)
    feed.lose_records()
    page = client.get(f"/feeds/{FEED_ID}/").content.decode()
    assert "<dd>Records were lost: the book is not right until" in page


@pytest.mark.parametrize("path", ["/feeds/", f"/feeds/{FEED_ID}/", "/markets/"])
def test_a_heartbeat_has_its_place_on_every_live_page(
    client: Client,
    hub: StillHub,  # noqa: F811
    path: str,
) -> None:
    page = client.get(path).content.decode()
    assert "ws-connect=" in page
    name = re.search('id="[a-z]+"', HEARTBEAT)
    assert name
    assert page.count(name[0]) == 1


def test_unknown_feeds_and_instruments_are_not_found(client: Client, hub: StillHub) -> None:  # noqa: F811
    assert client.get("/feeds/nowhere/").status_code == 404
    assert client.get(f"/feeds/{FEED_ID}/?instrument=ESM4").status_code == 404
    FeedInstrument.objects.all().delete()
    assert "no instruments yet" in client.get(f"/feeds/{FEED_ID}/").content.decode()


def test_a_web_process_never_imports_numba(tmp_path: Path) -> None:
    program = """
import sys
import config.asgi
from django.core.management import call_command
call_command("migrate", database="feeds", verbosity=0)
call_command("migrate", verbosity=0)
from django.test import Client
from market.live import HEARTBEAT
from market.feeds.models import Feed, FeedInstrument
feed = Feed.objects.create(id="quiet")
FeedInstrument.objects.create(feed=feed, publisher_id=1, instrument_id=2, symbol="X")
client = Client(headers={"host": "localhost"})
for path in ("/feeds/", "/feeds/quiet/", "/api/v1/feeds/", "/api/v1/feeds/quiet/bars"):
    assert client.get(path).status_code == 200, path
assert client.get("/api/v1/feeds/quiet/book?at=1").status_code == 404
found = sorted(name for name in sys.modules if name.partition(".")[0] in ("numba", "llvmlite"))
assert not found, found
"""
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings.embedded",
    }
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2_000:]
