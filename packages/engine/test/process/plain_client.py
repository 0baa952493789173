"""A client of the first engine, in its own language: a text frame in, text frames out. Exits with 0 when it was answered."""

import asyncio
import sys

import websockets


async def talk(token: str) -> None:
    url = f"ws://127.0.0.1:8000/ws/chat/today?tz=Europe/Berlin&token={token}"
    async with websockets.connect(url) as socket:
        for question in ("Hello Grizz!", "What did I just say? 🐻"):
            await socket.send(question)
            answer = await asyncio.wait_for(socket.recv(), 30)
            try:
                # The wire has no end of a reply: silence is all that an old client sees.
                while True:
                    answer += await asyncio.wait_for(socket.recv(), 2)
            except asyncio.TimeoutError:
                pass
            print(f"> {question}\n{answer}\n")
            assert answer.strip(), "no answer"
            assert "[Error:" not in answer, "an error"
            assert "offline" in answer, "the offline model must say what it is"


asyncio.run(talk(sys.argv[1]))
