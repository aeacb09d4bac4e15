"""The behaviour of TF Serving, case by case, against whatever server is named.

    AMADEUS_CONTRACT_GRPC=host:8500 AMADEUS_CONTRACT_REST=host:8501 AMADEUS_CONTRACT_MODELS=/folder \
        python -m pytest tests/contract

Without these variables the embedded server is started as a process of its own. The folder must lie at
the same path for the server, and be writable for the tests: they put small models into it. The server must be
started with some model_config_list (one model is enough) and, for metrics, with its Prometheus page.

Cases are named after TF Serving's own tests; texts and codes are those of its sources.
"""
