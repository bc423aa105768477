import asyncio

from orderbook.gateway.command_trace import note_command, start_trace, traced_command_ids


async def test_commands_of_tasks_and_threads_belong_to_the_request_that_started_them() -> None:
    start_trace()
    note_command(b"\x01" * 16)

    async def in_a_task() -> None:
        await asyncio.to_thread(note_command, b"\x02" * 16)

    await asyncio.create_task(in_a_task())
    assert traced_command_ids() == "01" * 16 + " " + "02" * 16


async def test_the_next_request_of_a_connection_starts_without_commands() -> None:
    start_trace()
    note_command(b"\x01" * 16)
    start_trace()
    assert traced_command_ids() == ""


async def test_a_long_trace_names_the_first_commands_and_how_many_more() -> None:
    start_trace()
    for number in range(25):
        note_command(number.to_bytes(16))
    shown = traced_command_ids().split(" ")
    assert shown[0] == "00" * 16
    assert shown[20:] == ["and", "5", "more"]


async def test_without_a_trace_nothing_is_kept() -> None:
    async def elsewhere() -> str:
        note_command(b"\x01" * 16)
        return traced_command_ids()

    assert await elsewhere() == ""
