"""When many are to be asked for at once, what has moved comes first."""

from __future__ import annotations

import asyncio

from hitl.longpoll.asking import Urgency, _Turns


def test_what_has_moved_overtakes_those_whose_time_is_up() -> None:
    async def main() -> list[str]:
        turns, order = _Turns(1), []

        async def go(name: str, urgency: Urgency) -> None:
            await turns.take(urgency)
            order.append(name)
            turns.give()

        await turns.take(Urgency.NEW)
        late = [asyncio.create_task(go(f"late {n}", Urgency.TIME_UP)) for n in (1, 2)]
        new = asyncio.create_task(go("new", Urgency.NEW))
        moved = [asyncio.create_task(go(f"moved {n}", Urgency.MOVED)) for n in (1, 2)]
        await asyncio.sleep(0)
        turns.give()
        await asyncio.gather(*late, new, *moved)
        return order

    assert asyncio.run(main()) == ["moved 1", "moved 2", "new", "late 1", "late 2"]


def test_a_turn_that_nobody_uses_goes_to_the_next() -> None:
    async def main() -> None:
        turns = _Turns(1)
        await turns.take(Urgency.NEW)
        gone, stays = (asyncio.create_task(turns.take(Urgency.NEW)) for _ in range(2))
        await asyncio.sleep(0)
        turns.give()
        gone.cancel()
        await asyncio.wait_for(stays, 10)
        turns.give()
        await asyncio.wait_for(turns.take(Urgency.NEW), 10)

    asyncio.run(main())
