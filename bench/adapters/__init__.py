"""One thin adapter an engine: the flow of bench/engine_flow.py in that engine's own calls.

Each module has ``prepare(operations)``, which gives a fresh engine and the inputs that it takes,
made beforehand and not timed; ``run(prepared)``, which is timed; and ``fills(prepared)``, which
does the same untimed and gives (price_ticks, lots) of each trade, to prove that all did the same.
They import nothing of ours but the one for our own engine, because they run where only the
engine that they drive is installed.
"""
