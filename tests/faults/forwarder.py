"""A forwarder of TCP connections, started by itself so that it can be killed.

`python forwarder.py ADDRESS PORT SERVER_PORT` takes connections on the address and passes their
bytes on to the server's port of this host; killed, it leaves resets on both sides.
"""

import asyncio
import sys
from contextlib import suppress

CHUNK_BYTES = 65_536


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(CHUNK_BYTES):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def main(address: str, port: int, server_port: int) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ahead, back = await asyncio.open_connection("127.0.0.1", server_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, back), pump(ahead, writer))

    server = await asyncio.start_server(pass_on, address, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
