"""Decides what "the same recordings" means: the same content, whatever the time of their files."""

from tfx.dsl.components.base import base_driver as component_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver, data_types
from tfx.proto.orchestration import driver_output_pb2

from amadeus.v1 import practice_pb2
from components import settings
from components.audio_example_gen import listing, takes

RECORDINGS_KEY = "recordings"
FINGERPRINT_KEY = "input_fingerprint"
EXAMPLES_KEY = "examples"


class Driver(component_driver.BaseDriver, base_driver.BaseDriver):
    """Puts the content of the recordings into the cache key.

    TFX's own driver takes the time of a file for its content: a touched file loses the cache, a
    file rewritten within the same second keeps it.
    """

    def __init__(self, mlmd_connection: metadata.Metadata) -> None:
        component_driver.BaseDriver.__init__(self, mlmd_connection)
        base_driver.BaseDriver.__init__(self, mlmd_connection)

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Adds the fingerprint to the parameters and to the output, before the cache is asked.

        Raises:
          RecordingError: There is none, or a data set cannot be read.
        """
        given = listing.lengthen(
            settings.message(
                execution_info.exec_properties, RECORDINGS_KEY, practice_pb2.Recordings
            )
        )
        gathered = takes.gather(given.uri, given.name)
        takes.warn_of_duplicates(gathered.duplicates)
        output = driver_output_pb2.DriverOutput()
        mark = takes.fingerprint(gathered)
        output.exec_properties[FINGERPRINT_KEY].string_value = mark
        for examples in execution_info.output_dict[EXAMPLES_KEY]:
            examples.set_string_custom_property(FINGERPRINT_KEY, mark)
            artifacts = output.output_artifacts[EXAMPLES_KEY].artifacts
            artifacts.append(examples.mlmd_artifact)
        return output
