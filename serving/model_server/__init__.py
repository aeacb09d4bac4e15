"""The protocol of TF Serving, embedded: models loaded, swapped and asked.

status.py     codes and errors, which know neither gRPC nor HTTP
config.py     which models, from where: ModelServerConfig, checked
policy.py     which versions are wanted, and the next step towards them
source.py     versions in a base path
servable.py   a loaded SavedModel and its signatures
warmup.py     calls made before the first caller
pool.py       loaded models, shared and counted; those just left stay a while
states.py     what ModelService tells of a version
core.py       `ModelServer`: all of it, in one object
tensors.py    TensorProto and NumPy
answers.py    requests of the protocol, answered by a `ModelServer`
grpc_service.py, rest.py, json_tensors.py, metrics.py   the same over gRPC and HTTP
__main__.py   `python -m serving.model_server`, with TF Serving's flags
"""
