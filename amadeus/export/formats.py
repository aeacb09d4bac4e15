"""The formats a voice can be written in, by name."""

from typing import NamedTuple

from amadeus.errors import ConfigError


class Format(NamedTuple):
    """A way to write a voice down.

    Attributes:
      name: As the ama writes it.
      suffixes: A file's name must end in one of them; none for a folder.
      summary: What it is, in a few words.
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str


DEU = Format("deu", (".deu",), "all of it in one file, for `amadeus deu import`")
DDSP_VST = Format(
    "ddsp-vst",
    (".tflite",),
    "for Magenta's DDSP-VST plugin; voices of preset vst only",
)
TFLITE = Format("tflite", (".tflite",), "the network, one frame a call")
SAVED_MODEL = Format("saved_model", (), "a folder for TensorFlow and TF Serving")
ONNX = Format("onnx", (".onnx",), "the network, one frame a call")
WAV_IR = Format("wav-ir", (".wav", ".wave"), "the learned reverb, for a convolver")

FORMATS = (DEU, DDSP_VST, TFLITE, SAVED_MODEL, ONNX, WAV_IR)


def find(name: str) -> Format:
    """Finds a format by name.

    Raises:
      ConfigError: There is none of that name.
    """
    for form in FORMATS:
        if form.name == name:
            return form
    names = ", ".join(form.name for form in FORMATS)
    raise ConfigError(f"--format={name} is not known: choose one of {names}.")
