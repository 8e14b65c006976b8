"""localstripe, another project's fake of Stripe, on a free port of this machine, until it is
stopped.

Its own command listens on all addresses and keeps its data in a file of the temporary folder, which
this does not."""

import asyncio
import logging

import loopback  # noqa: F401: webhooks go nowhere else
from aiohttp import web
from localstripe import resources, server

answers_questions = True
# What localstripe says of its webhooks.
deliveries = []


class Deliveries(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("webhook"):
            deliveries.append(record.getMessage())


@web.middleware
async def middleware(request, handler):
    """Paths of the test's own. While questions about payments are not answered, only a webhook can
    tell how a payment ended."""
    global answers_questions
    if request.path == "/_config/questions":
        answers_questions = request.method == "PUT"
        return web.Response()
    if request.path == "/_config/deliveries":
        return web.json_response(deliveries)
    is_question = request.method == "GET" and request.path.startswith("/v1/payment_intents/")
    if is_question and not answers_questions:
        raise web.HTTPServiceUnavailable()
    return await handler(request)


async def main():
    log = logging.getLogger("aiohttp.access")
    log.setLevel(logging.INFO)
    log.addHandler(Deliveries())
    resources.Store.dump_to_disk = lambda store: None
    server.app.middlewares.insert(0, middleware)
    runner = web.AppRunner(server.app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    print(f"localstripe: http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
