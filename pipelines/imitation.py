"""Imitation: from recordings to the next personality of a deu."""

from dataclasses import dataclass
from pathlib import Path

from tfx import types
from tfx.dsl.components.common import importer
from tfx.dsl.experimental.conditionals import conditional
from tfx.orchestration import pipeline

from amadeus.lineage.addresses import Config
from amadeus.personality import content
from amadeus.v1 import practice_pb2, profiles_pb2
from components import artifacts
from components.audio_example_gen import listing
from components.audio_example_gen.component import AudioExampleGen
from components.ddsp_transform.component import DdspTransform
from components.evaluator.component import Evaluator
from components.personality_writer.component import PersonalityWriter
from components.personality_writer.write import identity
from components.pusher.component import Pusher
from components.trainer.component import Trainer

PARENT_ID = "Parent"


@dataclass(frozen=True, kw_only=True)
class ImitationConfig:
    """What an imitation practice needs to know.

    Attributes:
      deu: Name of the deu.
      recordings: Files to sound like.
      learner_profile: How to learn; open fields take their defaults.
      voices_path: Folder of the deu's generations.
      pipeline_root: Folder for artifacts and checkpoints.
      metadata: How to connect to ML Metadata.
      parent_path: Voice to start from; None starts from nothing.
      beam_args: Options for Beam.
      player_profile: How the new voice plays; None plays as its parent.
      taste: What to hear more often in the recordings; None hears all alike.
    """

    deu: str
    recordings: practice_pb2.Recordings
    learner_profile: profiles_pb2.LearnerProfile
    voices_path: Path
    pipeline_root: Path
    metadata: Config
    parent_path: Path | None = None
    beam_args: tuple[str, ...] = ()
    player_profile: profiles_pb2.PlayerProfile | None = None
    taste: practice_pb2.Taste | None = None


def create_pipeline(config: ImitationConfig) -> pipeline.Pipeline:
    """Lays the way from recordings to a personality, in the order the data flows.

    Its name is that of the deu, not of the practice, so that a practice finds what earlier ones
    have cached.
    """
    parent = _import_parent(config)
    born_of = parent.outputs["result"] if parent else None
    listed = listing.shorten(config.recordings, config.pipeline_root / "recordings")
    example_gen = AudioExampleGen(listed, config.learner_profile)
    transform = DdspTransform(example_gen.outputs["examples"], config.learner_profile)
    trainer = Trainer(
        transform.outputs["transformed_examples"],
        transform.outputs["statistics"],
        config.learner_profile,
        base_personality=born_of,
        player_profile=config.player_profile,
        taste=config.taste,
        checkpoints_path=config.pipeline_root / "checkpoints",
    )
    evaluator = Evaluator(
        transform.outputs["transformed_examples"],
        trainer.outputs["model"],
        config.learner_profile,
        base_personality=born_of,
    )
    pusher = Pusher(
        trainer.outputs["model"],
        evaluator.outputs["blessing"],
        evaluator.outputs["evaluation"],
        deu=config.deu,
        voices_path=config.voices_path,
    )
    with conditional.Cond(_was_pushed(pusher.outputs["pushed_model"])):
        writer = PersonalityWriter(
            trainer.outputs["model"],
            evaluator.outputs["blessing"],
            pusher.outputs["pushed_model"],
            transform.outputs["statistics"],
            parent=born_of,
            kind="feedback" if config.taste is not None else None,
        )
    nodes = [example_gen, transform, trainer, evaluator, pusher, writer]
    return pipeline.Pipeline(
        pipeline_name=pipeline_name(config.deu),
        pipeline_root=str(config.pipeline_root),
        metadata_connection_config=config.metadata,
        components=[parent, *nodes] if parent else nodes,
        enable_cache=True,
        beam_pipeline_args=list(config.beam_args),
    )


def pipeline_name(deu: str) -> str:
    """Names the imitation pipeline of a deu."""
    return f"imitation.{deu}"


def _import_parent(config: ImitationConfig) -> importer.Importer | None:
    """Makes the parent an input: the very artifact that its own practice wrote, where it did."""
    if config.parent_path is None:
        return None
    personality = content.read_personality(config.parent_path)
    return importer.Importer(
        source_uri=str(config.parent_path),
        artifact_type=artifacts.Personality,
        reimport=False,
        custom_properties=identity(personality),
    ).with_id(PARENT_ID)


def _was_pushed(pushed_model: types.BaseChannel) -> conditional.placeholder.Predicate:
    return pushed_model.future()[0].custom_property("pushed") == 1
