"""Where a voice comes from: lineage in ML Metadata, kept by events and contexts.

Nothing here uses `filter_query`, which upstream has removed, nor its lineage query, which ends
after 100 hops. What follows is an interface: whoever reads it with nothing but `ml_metadata` can rely on it.

Artifacts
  `amadeus.Personality`   a generation; its base type is Model, its uri its folder. Custom properties: `deu` (string),
                          `generation` (int, from 1), `digest` and `parent_digest` (`sha256:` and 64 digits; empty: it
                          grew from nothing), `practice` (string), `mlmd_uuid` (string, as TF Serving exports it),
                          `kind` (string, `feedback` where a pipeline taught by it; missing for imitations),
                          `metric_NAME` (double, lower is better), `imported` (int 1: made elsewhere; then `born_deu`,
                          `born_generation`, `born_kind` and `born_ms` (double) say who it was there, and a
                          `generation` of 0 is an ancestor that was never held here). Its state is
                          LIVE, or DELETED once its files are gone; the record stays.
  `Examples`              recordings; custom property `takes` is JSON: a list of {"name", "digest" (SHA-256 of the
                          file), "splits", "duration_s" (missing where it was not known)}. Where takes are many,
                          `takes_file` names a file in the artifact's folder instead: JSON, {"takes": that list}.
                          `take_count` and `skipped_count` (int): learned from, and not; `skipped` is JSON:
                          {REASON: {"count", "names" (of the first few)}}, and is missing where nothing was skipped.
Events
  A generation is the OUTPUT of one execution, the first by id (later ones found it in the cache). Its parent is an
  INPUT of that execution, the only one of type `amadeus.Personality`, with the key `parent`. What it learned from is
  reached by further inputs, from artifact to the execution that made it, until a Personality.
Executions
  `...PersonalityWriter` of a TFX run for what a pipeline taught; `amadeus.Tuning`, `amadeus.Feedback`,
  `amadeus.Import`; `amadeus.Repair` for a generation whose maker was killed before it could record it (custom
  property `repaired`: 1).
Contexts
  `amadeus.Deu`           all generations of a deu, by its name.
  `amadeus.Practice`      DEU/PRACTICE: a session, with its executions and what it made; custom properties name the
                          packages and the host it ran on (strings), by the last run of it.
  `pipeline_run`, `node`  of TFX.

A store that was moved (`moving.py`) says when a thing was first recorded and last changed by the custom properties
`moved_created_ms` and `moved_updated_ms` (double), and by `external_id` where it came from.

A deu that was removed and made anew has the same name: what was recorded before `deu.json` says it was created belongs
to the earlier one. A generation recorded twice counts as it was first.
"""

from amadeus.lineage.orphans import find_unrecorded, repair
from amadeus.lineage.read import (
    ancestry_of,
    detailed,
    generations_of,
    lineage_of,
    record_of,
    with_takes,
)
from amadeus.lineage.records import ExecutionRecord, GenerationRecord, TakeRecord
from amadeus.lineage.text import render_text
from amadeus.lineage.write import Session, attribute, host_facts

__all__ = [
    "ExecutionRecord",
    "GenerationRecord",
    "Session",
    "TakeRecord",
    "ancestry_of",
    "attribute",
    "detailed",
    "find_unrecorded",
    "generations_of",
    "host_facts",
    "lineage_of",
    "record_of",
    "render_text",
    "repair",
    "with_takes",
]
