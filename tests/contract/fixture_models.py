"""Small SavedModels whose answers can be told in the head, as in TF Serving's test data."""

import shutil
from pathlib import Path

import tensorflow as tf

ANY = tf.TensorSpec(None, tf.float32, "x")
MLMD_UUID = "3f9a0c2e-contract"


class Line(tf.Module):
    """y = slope * x + offset, kept in variables as trained models do."""

    def __init__(self, slope, offset):
        super().__init__()
        self.slope, self.offset = tf.Variable(slope), tf.Variable(offset)

    @tf.function(input_signature=[ANY], autograph=False)
    def line(self, x):
        return {"y": self.slope * x + self.offset}


class Several(tf.Module):
    """Two inputs and two outputs; a second signature."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, "a"),
            tf.TensorSpec([None], tf.int32, "b"),
        ],
        autograph=False,
    )
    def both(self, a, b):
        return {"total": a + tf.cast(b, tf.float32), "twice": 2 * b}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, "a")], autograph=False
    )
    def negative(self, a):
        return {"negative": -a}


class Texts(tf.Module):
    """Strings come back, as text and as bytes."""

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "text")], autograph=False
    )
    def echo(self, text):
        return {"text": text + "!", "raw_bytes": text}


class Slow(tf.Module):
    """Counts, for about as many microseconds as it is told."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "n")], autograph=False)
    def count(self, n):
        return {
            "total": tf.while_loop(
                lambda i: i < n, lambda i: (i + 1,), (tf.constant(0),)
            )[0]
        }


def save_line(path, slope=0.5, offset=2.0):
    """Half plus two, unless told otherwise."""
    model = Line(slope, offset)
    return save(model, path, serving_default=model.line)


def save(module, path, **signatures):
    """Writes a version; it appears by one rename, as a pushed one does."""
    path = Path(path)
    staging = path.parent / f".staging-{path.name}"
    shutil.rmtree(staging, ignore_errors=True)
    tf.saved_model.save(module, str(staging), signatures=signatures or None)
    staging.rename(path)
    return path


def save_all(folder):
    """Writes every model of the suite: name -> base path."""
    folder = Path(folder)
    half = save_line(folder / "half_plus_two" / "00000123")
    (half / "assets.extra").mkdir()
    (half / "assets.extra" / "mlmd_uuid").write_text(MLMD_UUID)
    save_line(folder / "half_plus_three" / "123", offset=3.0)
    save_line(folder / "two_versions" / "123")
    save_line(folder / "two_versions" / "124", offset=3.0)
    several, texts, slow = Several(), Texts(), Slow()
    save(
        several,
        folder / "several" / "1",
        serving_default=several.both,
        negative=several.negative,
    )
    save(texts, folder / "texts" / "1", serving_default=texts.echo)
    save(slow, folder / "slow" / "1", serving_default=slow.count)
    save(tf.Module(), folder / "no_signatures" / "1")
    return {path.name: path for path in folder.iterdir()}
