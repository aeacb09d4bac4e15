"""The studio: performances, practice sessions and personalities over gRPC.

server.py      `Studio`: what listens, how it starts and stops
config.py      everything it can be told
rooms.py       models, performances, practices and personalities, put together
safety.py      who may call, when, and how much at once
status.py      errors as clients see them
calls.py, metrics.py, logs.py   what can be seen of it from outside

servicer.py    the two verbs
perform.py     performances as streams; conductor.py keeps their time, together.py lets them ask as one, voices.py finds
               who sings, sung.py tells what was sung
practices.py   practices as streams; sessions.py, schedule.py, workers.py, recordings.py and their neighbours keep
               them; tunings.py and feedbacks.py are two of their kinds
personalities.py   `.deu` bundles, in and out
lineages.py    where voices come from, and the way back
"""
