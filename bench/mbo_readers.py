"""WebSocket clients that read a feed's depth for a while: the load of ``bench.bench_mbo``.

Prints ``{"done": 0}`` when all of them have their snapshot, and at the end one JSON object: frames,
bytes, how often the numbers of a channel did not join, and clients that lost their connection.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from orderbook import event_loop

SNAPSHOT_TIMEOUT_S = 60.0


class Counts:
    frames = 0
    characters = 0
    resyncs = 0
    gaps = 0
    lost = 0


async def read(url: str, channel: str, counts: Counts, ready: asyncio.Semaphore) -> None:
    async with connect(url, compression=None, max_size=None) as socket:
        await socket.send(json.dumps({"op": "subscribe", "channels": [channel]}))
        last_id = None
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame.get("channel") != channel:
                    if "error" in frame:
                        raise SystemExit(f"{channel}: {frame['error']['message']}")
                    continue
                counts.frames += 1
                counts.characters += len(text)
                if frame["type"] == "snapshot":
                    counts.resyncs += last_id is not None
                    if last_id is None:
                        ready.release()
                else:
                    counts.gaps += frame["first_update_id"] != (last_id or 0) + 1
                last_id = frame["last_update_id"]
        except ConnectionClosed:
            counts.lost += 1


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    counts, ready = Counts(), asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(read(arguments.url, arguments.channel, counts, ready))
        for _ in range(arguments.readers)
    ]
    async with asyncio.timeout(SNAPSHOT_TIMEOUT_S):
        for _ in tasks:
            await ready.acquire()
    print(json.dumps({"done": 0}), flush=True)
    # The end of standard input is the end of the measurement.
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    failed = sum(
        isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError)
        for end in ended
    )
    return {
        "readers": len(tasks),
        "frames": counts.frames,
        "characters": counts.characters,
        "resyncs": counts.resyncs,
        "gaps": counts.gaps,
        "lost": counts.lost + failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--readers", type=int, default=100)
    print(json.dumps(event_loop.run(run(parser.parse_args()))), flush=True)


if __name__ == "__main__":
    main()
