# A WebSocket peer that is told what to do, by lines of JSON on its standard
# input, and tells what it sees, by lines of JSON on its standard output. Its
# one argument says what it is: ws_peer_test.go has the words.
import asyncio
import hashlib
import json
import ssl
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

options = json.loads(sys.argv[1])
current = None


def say(saw, **more):
    print(json.dumps({"saw": saw, **more}), flush=True)


async def watch(socket):
    global current
    current = socket
    names = [e.name + ";" + repr(e) for e in socket.extensions]
    say("open", subprotocol=socket.subprotocol or "", extensions=", ".join(names))
    try:
        async for message in socket:
            data = message.encode() if isinstance(message, str) else message
            kind = "text" if isinstance(message, str) else "binary"
            shown = message if isinstance(message, str) and len(data) <= 200 else ""
            say(kind, size=len(data), sum=hashlib.sha256(data).hexdigest(), data=shown)
            if options.get("echo"):
                await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    say("close", code=socket.close_code, reason=socket.close_reason or "")


def deflate(factory):
    if not options.get("compress"):
        return None
    lone = not options.get("takeover")
    server, client = options.get("serverBits"), options.get("clientBits")
    if factory is ClientPerMessageDeflateFactory and client is None:
        client = True
    return [factory(server_no_context_takeover=lone, client_no_context_takeover=lone,
                    server_max_window_bits=server, client_max_window_bits=client)]


def common(factory):
    return dict(subprotocols=options.get("subprotocols"), compression=None, extensions=deflate(factory),
                max_size=None, ping_interval=None)


async def ping(act):
    pong = await current.ping(act["data"])

    async def wait():
        await pong
        say("pong", data=act["data"])
    asyncio.create_task(wait())


async def close(act):
    if act.get("code"):
        await current.close(act["code"], act.get("reason", ""))
        return
    # The library always sends a code; this is the frame without one.
    await current.write_frame(True, 8, b"")


async def drop(act):
    current.transport.close()


acts = {
    "text": lambda act: current.send(act.get("data", "") * act.get("times", 1)),
    "binary": lambda act: current.send((act.get("data", "") * act.get("times", 1)).encode()),
    "parts": lambda act: current.send(act["parts"]),
    "ping": ping, "close": close, "drop": drop,
}


async def obey():
    lines = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        act = json.loads(line)
        await acts[act["do"]](act)


async def serve():
    context = None
    if options.get("cert"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["cert"], options["key"])
    server = await websockets.serve(watch, "127.0.0.1", 0, ssl=context, **common(ServerPerMessageDeflateFactory))
    say("listening", size=server.sockets[0].getsockname()[1])
    await obey()


async def dial():
    context = None
    if options["url"].startswith("wss:"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    socket = await websockets.connect(options["url"], ssl=context, **common(ClientPerMessageDeflateFactory))
    watcher = asyncio.create_task(watch(socket))
    await obey()
    watcher.cancel()

asyncio.run(dial() if options.get("url") else serve())
