"""As many kills as wanted: ``python -m tests.crash --kills 100 --mode embedded|full --seed N``.

Prints progress, then one JSON object; exits with 1 if a promise was broken.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.crash import campaign
from tests.support.full_venue import private_servers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--mode", choices=["embedded", "full"], default="embedded")
    parser.add_argument("--seed", type=int, default=None, help="default: another one every time")
    parser.add_argument("--bots", action="store_true", help="let the bots trade too (embedded)")
    options = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="rialto-crash-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if options.mode == "embedded":
            run = campaign.embedded(
                folder,
                kills=options.kills,
                seed=seed,
                say=_say,
                RUN_BOTS="1" if options.bots else "0",
            )
            result = asyncio.run(run)
        else:
            with private_servers() as servers:
                result = asyncio.run(
                    campaign.full(
                        folder, servers.environment, kills=options.kills, seed=seed, say=_say
                    )
                )
    print(json.dumps(result))
    sys.exit(bool(result["faults"]))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
