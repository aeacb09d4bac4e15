"""The words of commands that more than one test gives."""


def imitate(package, takes):
    """Has a cluster practise, by a compiled package."""
    command = ("practice", "imitate", "cello", takes, "--runner", "kubeflow")
    return (*command, "--package", package)


def schedule(package, takes):
    """Has a cluster practise again and again."""
    return ("pipeline", "schedule", "imitate", "cello", takes, "--package", package)
