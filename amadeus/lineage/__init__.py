"""Where a voice comes from: lineage in ML Metadata, kept by events and contexts.

Nothing here uses `filter_query`, which upstream has removed, nor its lineage query, which ends
after 100 hops.
"""

from amadeus.lineage.read import (
    ExecutionRecord,
    GenerationRecord,
    TakeRecord,
    lineage_of,
)
from amadeus.lineage.text import render_text
from amadeus.lineage.write import attribute

__all__ = [
    "ExecutionRecord",
    "GenerationRecord",
    "TakeRecord",
    "attribute",
    "lineage_of",
    "render_text",
]
