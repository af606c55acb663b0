"""`trainctl mcp`: the tools that an assistant may call on runs, logs and presets, and the server that offers them.

Each tool is a plain function of a folder and its arguments that returns plain data; only `server.py` knows the
protocol. Nothing here imports torch or runs the code of a task.
"""
