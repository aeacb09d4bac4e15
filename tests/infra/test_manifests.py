"""Manifests are what Kubernetes takes, and say what the code means: ports, names, probes, settings, times."""

import re
import shutil

import kubernetes_validate
import pytest
import yaml

from amadeus import __version__
from amadeus.lineage import addresses
from serving.model_server.__main__ import build_parser as serving_parser
from serving.model_server.listing import build_parser as listing_parser
from serving.studio import server, workers
from serving.studio.metrics import HEALTH_PATH, METRICS_PATH
from serving.studio.schedule import KILLED_S
from tests.infra import manifests, settings
from tests.infra.manifests import OVERLAYS, find, of_kind, pod, render, workloads

KUBERNETES = ("1.32.0", "1.37.0")  # `sleep` before a stop came to stay with 1.30
# Kinds of the Gateway API and of GKE, which test_gateway_kinds.py asks about.
CUSTOM = ("gateway.networking.k8s.io", "networking.gke.io")
LOCK = (settings.ROOT / "requirements" / "requirements.lock").read_text()
STUDIOS = ("studio", "practice")

over_all = pytest.mark.parametrize("overlay", OVERLAYS)


def _name(found):
    return f"{found['kind']} {found['metadata']['name']}"


@over_all
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_fits_the_schemas_of_kubernetes(overlay, version):
    checked = 0
    for found in render(overlay):
        if not found["apiVersion"].startswith(CUSTOM):
            kubernetes_validate.validate(found, version, strict=True)
            checked += 1
    assert checked > 25


def test_the_schemas_refuse_what_is_misspelt():
    found = {**find("local", "Service", "studio")}
    found["spec"] = {**found["spec"], "selectors": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(found, KUBERNETES[0], strict=True)


@over_all
@pytest.mark.parametrize("name", STUDIOS)
def test_a_studio_takes_its_arguments_and_environment(overlay, name, monkeypatch):
    container = manifests.container(overlay, name)
    environment = manifests.variables(overlay, container)
    config, told = settings.parse(container["args"], environment, monkeypatch)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["metrics"] == config.metrics_port
    assert config.metrics_host == "0.0.0.0"
    assert config.model_server == "tf-serving:8500"
    if name == "studio":
        assert ports["grpc"] == config.port
        assert config.host == "0.0.0.0"
        assert told["token_file"] is not None
        assert config.practices_here == 0
    else:
        assert config.host == "127.0.0.1"
        assert config.practices_here == 1
        assert (
            config.practices_at_once
            >= find(overlay, "Deployment", name)["spec"]["replicas"]
        )


@over_all
def test_every_variable_of_ours_is_read_by_the_code(overlay):
    for workload in workloads(overlay):
        for container in manifests.containers(workload):
            for name in manifests.variables(overlay, container):
                if container["image"].partition(":")[0].endswith(STUDIOS):
                    assert name in settings.read_names(), f"{container['name']}: {name}"


def test_a_variable_that_nobody_reads_is_found_out():
    assert "AMADEUS_STUDIO_MAX_CALLS" in settings.read_names()
    assert "AMADEUS_METADATA_PASSWORD_FILE" in settings.read_names()
    assert "AMADEUS_STUDIO_MAXIMUM_CALLS" not in settings.read_names()


@over_all
def test_the_address_of_the_metadata_is_one(overlay, monkeypatch, tmp_path):
    container = manifests.container(overlay, "studio")
    environment = manifests.variables(overlay, container)
    for name in ("AMADEUS_METADATA", "AMADEUS_HOME"):
        monkeypatch.setenv(name, environment[name])
    password = tmp_path / "password"
    password.write_text("secret\n")
    monkeypatch.setenv(addresses.PASSWORD_FILE_VARIABLE, str(password))

    config = addresses.configure(environment["AMADEUS_METADATA"]).mysql
    service = find(overlay, "Service", "mysql")
    assert config.host == service["metadata"]["name"]
    assert config.port == 3306
    assert config.password == "secret"
    if overlay == "local":
        made = manifests.variables(overlay, manifests.container(overlay, "mysql"))
        assert config.database == made["MARIADB_DATABASE"]
        assert config.user == made["MARIADB_USER"]
        assert made["MARIADB_ROOT_HOST"] == "localhost"


@over_all
def test_tf_serving_is_started_with_its_own_flags(overlay):
    container = manifests.container(overlay, "tf-serving")
    # TF Serving alone has these (tensorflow/serving, model_servers/main.cc); ours does the same without them.
    alone = {
        *("--monitoring_config_file", "--grpc_channel_arguments"),
        *("--num_load_threads", "--num_unload_threads"),
    }
    ours = [a for a in container["args"] if a.partition("=")[0] not in alone]
    assert len(container["args"]) - len(ours) == len(alone)
    options = serving_parser().parse_args(ours)
    # What cannot be loaded holds up all that is new: for moments only.
    waits_s = options.max_num_load_retries * options.load_retry_interval_micros / 1e6
    assert 0 < waits_s <= 5
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": options.port, "rest": options.rest_api_port}
    assert options.enable_grpc_healthcheck_service
    workload = find(overlay, "Deployment", "tf-serving")
    for listing in manifests.containers(workload):
        if listing["name"] != "tf-serving":
            assert listing["command"][1:] == ["-m", "serving.model_server.listing"]
            written = listing_parser().parse_args(listing["args"])
            assert str(written.output) == options.model_config_file


@over_all
def test_probes_ask_what_is_there(overlay):
    for name in (*STUDIOS, "tf-serving"):
        container = manifests.container(overlay, name)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for when in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container[when]
            assert probe["timeoutSeconds"] >= 3  # on busy processors
            if "grpc" in probe:
                assert probe["grpc"]["port"] == ports["grpc"]
                service = probe["grpc"].get("service", "")
                assert service in ("", *server.SERVICES)
            else:
                assert probe["httpGet"] == {"path": HEALTH_PATH, "port": "metrics"}
        start = container["startupProbe"]
        # thrice what a studio took at most, on a machine with other work
        assert start["periodSeconds"] * start["failureThreshold"] >= 360


@over_all
@pytest.mark.parametrize("name", STUDIOS)
def test_a_pod_is_given_the_time_its_studio_takes_to_stop(overlay, name, monkeypatch):
    workload = find(overlay, "Deployment", name)
    container = manifests.container(overlay, name)
    environment = manifests.variables(overlay, container)
    config, _ = settings.parse(container["args"], environment, monkeypatch)
    before_s = (
        container.get("lifecycle", {})
        .get("preStop", {})
        .get("sleep", {})
        .get("seconds", 0)
    )
    rest_s = server.LINGER_S + server.UNWINDING_S + KILLED_S
    needed_s = before_s + config.grace_s + rest_s
    assert needed_s < pod(workload)["terminationGracePeriodSeconds"] <= needed_s + 15


@over_all
def test_services_and_rules_lead_to_ports_that_are_open(overlay):
    opened = {}
    for workload in workloads(overlay):
        labels = manifests.pod_labels(workload)
        for container in manifests.containers(workload):
            for port in container.get("ports", ()):
                key = labels["app.kubernetes.io/name"]
                opened.setdefault(key, {})[port["name"]] = port["containerPort"]
    for service in of_kind(overlay, "Service"):
        if service["spec"].get("type") == "ExternalName":
            continue
        app = service["spec"]["selector"]["app.kubernetes.io/name"]
        for port in service["spec"]["ports"]:
            assert opened[app][port["targetPort"]] == port["port"], _name(service)
    for policy in of_kind(overlay, "NetworkPolicy"):
        app = policy["spec"]["podSelector"].get("matchLabels", {})
        for rule in policy["spec"].get("ingress", ()):
            for port in rule["ports"]:
                assert port["port"] in opened[app["app.kubernetes.io/name"]].values()


@over_all
def test_studios_are_told_the_address_of_every_tf_serving(overlay):
    """A name that leads to all pods that are ready, and connections that end, so that new ones are asked for."""
    environment = manifests.variables(overlay, manifests.container(overlay, "studio"))
    host, _, port = environment["AMADEUS_STUDIO_MODEL_SERVER"].partition(":")
    service = find(overlay, "Service", host)["spec"]
    assert service["clusterIP"] == "None"
    assert not service.get("publishNotReadyAddresses")
    assert {"port": int(port), "targetPort": "grpc"}.items() <= service["ports"][
        0
    ].items()
    rules = find(overlay, "NetworkPolicy", "studio")["spec"]["egress"]
    (rule,) = [
        rule
        for rule in rules
        for peer in rule["to"]
        if peer.get("podSelector", {}).get("matchLabels") == service["selector"]
    ]
    assert rule["ports"] == [{"port": int(port)}]
    arguments = manifests.container(overlay, "tf-serving")["args"]
    (told,) = [a for a in arguments if a.startswith("--grpc_channel_arguments=")]
    channel = dict(re.findall(r"grpc\.(\w+)=(\d+)", told))
    age_s = int(channel["max_connection_age_ms"]) / 1000
    scaler = find(overlay, "HorizontalPodAutoscaler", "tf-serving")["spec"]
    calm_s = scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
    assert 60 <= age_s < calm_s, "a replica is found before it may go again"
    assert int(channel["max_connection_age_grace_ms"]) >= 5000  # a call ends well


@over_all
def test_pods_go_to_machines_that_their_images_are_for(overlay):
    for name in (*STUDIOS, "tf-serving"):
        spec = pod(find(overlay, "Deployment", name))
        assert spec["nodeSelector"] == {"kubernetes.io/arch": "amd64"}


@over_all
def test_every_image_can_be_pinned_to_its_bytes(overlay, tmp_path):
    """As the runbook says: `digest:` in the overlay takes the place of the tag."""
    names = {
        container["image"].rpartition(":")[0]
        for workload in workloads(overlay)
        for container in manifests.containers(workload)
    }
    digest = "sha256:" + "1" * 64
    shutil.copytree(manifests.INFRA, tmp_path / "infra")
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [f"infra/overlays/{overlay}"],
                "images": [{"name": n, "digest": digest} for n in sorted(names)],
            }
        )
    )
    for found in manifests.kustomize(tmp_path):
        if found["kind"] in manifests.WORKLOADS:
            for container in manifests.containers(found):
                assert container["image"].endswith(f"@{digest}")


@over_all
def test_every_pod_is_behind_a_rule_of_its_own_and_nothing_else_comes_in(overlay):
    policies = {
        p["metadata"]["name"]: p["spec"] for p in of_kind(overlay, "NetworkPolicy")
    }
    assert policies["deny-all"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    for workload in workloads(overlay):
        selector = policies[workload["metadata"]["name"]]["podSelector"]["matchLabels"]
        assert selector.items() <= manifests.pod_labels(workload).items()


@over_all
def test_scalers_and_budgets_name_what_is_there(overlay):
    names = {w["metadata"]["name"]: w for w in workloads(overlay)}
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        target = names[scaler["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"], "kubectl apply would undo the scaler"
    budgets = of_kind(overlay, "PodDisruptionBudget")
    assert {b["metadata"]["name"] for b in budgets} == {
        "studio",
        "practice",
        "tf-serving",
    }
    for budget in budgets:
        selector = budget["spec"]["selector"]["matchLabels"]
        labels = manifests.pod_labels(names[budget["metadata"]["name"]])
        assert selector.items() <= labels.items()


@over_all
def test_every_container_is_restricted(overlay):
    for workload in workloads(overlay):
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False
        account = find(overlay, "ServiceAccount", spec["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in manifests.containers(workload):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


@over_all
def test_secrets_are_only_named(overlay):
    assert not of_kind(overlay, "Secret")
    runbook = (settings.ROOT / "infra" / "RUNBOOK.md").read_text()
    for workload in workloads(overlay):
        for volume in pod(workload).get("volumes", ()):
            if "secret" in volume:
                name = volume["secret"]["secretName"]
                assert re.search(rf"create secret \w+ {name}\b", runbook)
    for workload in workloads(overlay):
        for container in manifests.containers(workload):
            for name, value in manifests.variables(overlay, container).items():
                is_secret = name.endswith(("TOKEN", "PASSWORD")) and value != "1"
                assert not is_secret, name


@over_all
def test_files_that_settings_name_are_mounted(overlay):
    for workload in workloads(overlay):
        for container in manifests.containers(workload):
            mounts = {m["mountPath"]: m for m in container.get("volumeMounts", ())}
            environment = manifests.variables(overlay, container)
            for name, value in environment.items():
                if name.endswith("_FILE"):
                    folder, _, key = value.rpartition("/")
                    assert folder in mounts, f"{container['name']}: {name}"
                    assert key in ("token", "password")
            if "AMADEUS_HOME" in environment:
                assert environment["AMADEUS_HOME"] in mounts


@over_all
def test_images_have_one_version_each(overlay):
    for workload in workloads(overlay):
        for container in manifests.containers(workload):
            image, _, tag = container["image"].rpartition(":")
            assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), container["image"]
            if image.rpartition("/")[2] in STUDIOS:
                assert tag == __version__
            if image == "tensorflow/serving":
                assert f"tensorflow-serving-api=={tag}\n" in LOCK


@over_all
def test_the_way_in_leads_to_the_studio_with_tls(overlay):
    gateway = find(overlay, "Gateway", "amadeus")
    for listener in gateway["spec"]["listeners"]:
        assert listener["protocol"] == "HTTPS"
        assert listener["tls"]["mode"] == "Terminate"
    (route,) = of_kind(overlay, "GRPCRoute", "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    (port,) = find(overlay, "Service", backend["name"])["spec"]["ports"]
    assert backend["port"] == port["port"]
    assert port["appProtocol"] == "kubernetes.io/h2c"


def test_the_home_of_gke_has_locks_that_are_let_go_when_a_machine_dies():
    claim = find("gke", "PersistentVolumeClaim", "home")["spec"]
    files = find("gke", "StorageClass", claim["storageClassName"])
    assert files["parameters"]["protocol"] == "NFS_V4_1"
    assert {"lookupcache=positive", "actimeo=1"} <= set(files["mountOptions"])


def test_gke_lets_pods_ask_for_names_and_for_their_identity():
    # Cloud DNS and the cache of a node are no pods named kube-dns.
    (names,) = find("gke", "NetworkPolicy", "names")["spec"]["egress"]
    assert "to" not in names
    assert {port["port"] for port in names["ports"]} == {53}
    for name in STUDIOS:
        rules = find("gke", "NetworkPolicy", name)["spec"]["egress"]
        open_to = {
            (peer["ipBlock"]["cidr"], port["port"])
            for rule in rules
            for peer in rule["to"]
            if "ipBlock" in peer
            for port in rule["ports"]
        }
        assert {("169.254.169.254/32", 80), ("169.254.169.252/32", 988)} <= open_to


def test_gke_asks_the_health_service_and_drains_as_long_as_studios_do():
    check = find("gke", "HealthCheckPolicy", "studio")["spec"]["default"]["config"]
    assert check["grpcHealthCheck"]["grpcServiceName"] in server.SERVICES
    assert check["grpcHealthCheck"]["port"] == 8470
    draining = find("gke", "GCPBackendPolicy", "studio")["spec"]["default"]
    seconds = draining["connectionDraining"]["drainingTimeoutSec"]
    studio = pod(find("gke", "Deployment", "studio"))
    assert seconds <= studio["terminationGracePeriodSeconds"]


@over_all
def test_prometheus_asks_every_service_that_has_metrics(overlay):
    data = next(
        c["data"] for c in of_kind(overlay, "ConfigMap") if "alerts.yml" in c["data"]
    )
    for job in yaml.safe_load(data["prometheus.yml"])["scrape_configs"]:
        (found,) = job["dns_sd_configs"]
        (name,) = found["names"]
        service = find(overlay, "Service", name)
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["ports"][0]["port"] == found["port"]
        assert service["spec"]["selector"]["app.kubernetes.io/name"] == job["job_name"]
        if job["job_name"] in STUDIOS:
            assert job.get("metrics_path", "/metrics") == METRICS_PATH


def test_workers_of_practices_inherit_no_setting_of_the_studio():
    # The metadata's address must reach them, the studio's token must not.
    assert "AMADEUS_STUDIO_TOKEN_FILE".startswith(workers._SECRETS_PREFIX)
    assert not "AMADEUS_METADATA_PASSWORD_FILE".startswith(workers._SECRETS_PREFIX)
