"""The walkthrough of docs/realtime.md with the package `realtime`: a payment from its recording to its
end, and a server that restarts. It prints "ready" when the server may restart, and "done" at the end."""

import asyncio
import os

from shop import KOLA, Shop
from watch import watch

ANON = os.environ["ANON_KEY"]
shop = Shop()


def declared():
    session, reference = shop.declare()
    body = {"session_id": session, "source_type": "INVOICE", "reference_id": reference}
    return session, reference, shop.post("/v1/realtime-keys/collection", body)["access_token"]


async def completed(seen, reference):
    while not any(row["status"] == "COMPLETED" for row in seen):
        await asyncio.sleep(0.05)
    assert all(row["reference_id"] == reference for row in seen), seen
    assert seen[-1]["payer_amount"] == "103.00", seen


async def run():
    session, reference, token = declared()
    seen = []
    client = await watch(KOLA.replace("http", "ws", 1), ANON, token, session, reference, seen.append)
    await asyncio.to_thread(shop.pay, session, reference)
    await completed(seen, reference)
    print("ready", flush=True)
    # The client connects again, joins again, and is told the present state once more.
    told = len(seen)
    while len(seen) == told:
        await asyncio.sleep(0.05)
    await completed(seen, reference)
    await client.close()
    print("done", flush=True)


asyncio.run(asyncio.wait_for(run(), 150))
