"""The protocol of TF Serving, embedded: models loaded, swapped and asked.

status.py      codes and errors, which know neither gRPC nor HTTP
config.py      which models, from where: ModelServerConfig, checked
options.py     how a server behaves
policy.py      which versions are wanted, and the next step towards them
source.py      versions in a base path
saved_model.py signatures of a SavedModel, and what its graph needs
tensorflow_c.py, session.py   a SavedModel's graph, loaded and run without Python
servable.py    a loaded SavedModel and its signatures
warmup.py      calls made before the first caller
pool.py        loaded models, shared and counted; those just left stay a while
states.py      what ModelService tells of a version
served.py      versions of one model on their way
keeper.py      the thread that loads and unloads
lease.py       a hold on a model
core.py        `ModelServer`: all of it, in one object
tensors.py     TensorProto and NumPy
answers.py     requests of the protocol, answered by a `ModelServer`
grpc_service.py, rest.py, json_tensors.py, metrics.py   the same over gRPC and HTTP
listing.py     what a home holds, as a list for a TF Serving elsewhere
standalone.py, __main__.py   `python -m serving.model_server`, with TF Serving's flags
"""
