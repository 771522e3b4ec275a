"""A TCP proxy that delivers everything later: a long way, without a kernel module.

    python delay_proxy.py <host:port> <milliseconds of round trip>

Prints its own port. Each direction is delayed by half the round trip, whatever the rate; up to 512 MiB are under way.
"""

from __future__ import annotations

import asyncio
import sys

_CHUNK_BYTES = 1 << 18
_MAX_CHUNKS = 2048


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_CHUNKS)

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while data := await reader.read(_CHUNK_BYTES):
            await under_way.put((loop.time() + seconds, data))
    except ConnectionError:
        pass
    await under_way.put((loop.time() + seconds, b""))
    await asyncio.gather(delivery, return_exceptions=True)


async def main() -> None:
    """Proxies until killed."""
    host, port = sys.argv[1].rsplit(":", 1)
    seconds = float(sys.argv[2]) / 2000

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port), limit=_CHUNK_BYTES)
        await asyncio.gather(_carry(reader, there_writer, seconds), _carry(there_reader, writer, seconds))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=_CHUNK_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
