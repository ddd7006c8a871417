"""A detector's stores as they live: their order, what waits for what, and what is never touched."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fraud_operator.api.fields import validated
from fraud_operator.api.status import FraudDetectorStatus
from fraud_operator.plan.detector import plan
from fraud_operator.plan.stores.planned import PATIENCE_SECONDS
from fraud_operator.plan.stores.schema import RETRY_SECONDS
from fraud_operator.plan.stores.state import BINDING_SECONDS
from tests.support.worlds import DEFAULTS, MINIMAL, World
from tests.unit.plan.stores.conftest import EXTERNAL, FULL, SPEC, settled

POSTGRES = ("StatefulSet", "card-payments-postgres")
CLAIM = ("PersistentVolumeClaim", "data-card-payments-postgres-0")
GROWN = {"managed": {"storage": "200Gi"}}


def storage_of(stateful_set):
    (claim,) = stateful_set["spec"]["volumeClaimTemplates"]
    return claim["spec"]["resources"]["requests"]["storage"]


def test_pods_come_after_the_schema_and_that_after_postgres():
    world = World(spec=dict(SPEC), down={POSTGRES[1]})
    world.settle()
    assert POSTGRES in world.children
    assert not any("-schema-" in name for _, name in world.children)
    assert world.deployment is None
    assert world.condition("SchemaReady")["reason"] == "WaitingForPostgres"
    assert world.condition("Ready")["status"] == "Unknown"

    world.down, world.migrations = set(), ""
    world.settle()
    assert any("-schema-" in name for _, name in world.children)
    assert world.deployment is None
    assert world.condition("SchemaReady")["reason"] == "Migrating"

    world.migrations = "Complete"
    world.settle()
    assert world.deployment is not None
    assert world.condition("Ready")["status"] == "True"
    assert world.status["stores"]["schema"]["state"] == "UpToDate"


def test_stores_that_go_away_take_nothing_with_them():
    world = settled(SPEC)
    template = world.deployment["spec"]["template"]
    for name in ("card-payments-redis", "card-payments-postgres"):
        world.children["StatefulSet", name]["status"]["readyReplicas"] = 0
    world.down = {"card-payments-redis", "card-payments-postgres"}
    world.step()
    assert world.condition("RedisReady")["status"] == "False"
    assert world.condition("PostgresReady")["status"] == "False"
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("Reconciling")["status"] == "False"
    assert world.deployment["spec"]["template"] == template
    told = [event.reason for event in world.events if event.type == "Warning"]
    assert told == ["RedisDown", "PostgresDown"]


def test_pods_that_are_there_go_on_as_they_are_until_a_new_images_schema_is_there():
    world = settled(SPEC)
    before = world.deployment["spec"]["template"]
    world.migrations = ""
    world.change(scorer={"image": "registry.test/scorer:2"})
    world.settle()
    assert world.deployment["spec"]["template"] == before
    assert world.condition("Reconciling")["reason"] == "WaitingForSchema"
    world.migrations = "Complete"
    world.settle()
    (container,) = world.deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.test/scorer:2"
    assert world.condition("Ready")["status"] == "True"
    jobs = [name for _, name in world.children if "-schema-" in name]
    assert len(jobs) == 1, "that of the image before goes"


def test_a_detector_gets_postgres_while_it_answers():
    world = World(down={POSTGRES[1]})
    world.settle()
    before = world.deployment["spec"]["template"]
    world.change(postgres={"managed": {"storage": "10Gi"}})
    world.settle()
    assert world.deployment["spec"]["template"] == before
    world.down = set()
    world.settle()
    (container,) = world.deployment["spec"]["template"]["spec"]["containers"]
    assert "--postgres=/etc/fraudops/postgres" in container["args"]


def test_the_first_pods_do_not_wait_for_ever():
    world = World(spec=dict(SPEC), down={POSTGRES[1]})
    world.settle()
    assert 0 < plan(world.inputs()).requeue_after <= PATIENCE_SECONDS
    assert world.deployment is None
    world.now += timedelta(seconds=PATIENCE_SECONDS)
    world.settle()
    assert world.deployment is not None
    assert world.condition("SchemaReady")["status"] != "True"


def test_a_migration_that_fails_is_told_in_its_own_words_and_tried_again():
    world = World(spec=dict(SPEC), migrations="Failed")
    world.settle()
    found = world.condition("SchemaReady")
    assert (found["status"], found["reason"]) == ("False", "MigrationFailed")
    (job,) = (name for _, name in world.children if "-schema-" in name)
    made = plan(world.inputs())
    assert ("Job", job) in made.lasting
    assert made.requeue_after <= RETRY_SECONDS
    world.now += timedelta(seconds=RETRY_SECONDS)
    world.step()
    assert ("Job", job) not in world.children
    world.migrations = "Complete"
    world.settle()
    assert ("Job", job) in world.children
    assert world.condition("Ready")["status"] == "True"


def test_the_last_words_of_a_migration_are_in_the_condition():
    world = World(spec=dict(SPEC), migrations="Failed")
    world.settle()
    (name,) = (name for _, name in world.children if "-schema-" in name)
    said = "fraud-scorer: password authentication failed for user postgres\n"
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": f"applying 1\n{said}"}}
    pod = {
        "metadata": {
            "name": f"{name}-1",
            "ownerReferences": [{"kind": "Job", "uid": name, "controller": True}],
        },
        "status": {"containerStatuses": [{"name": "migrate", "state": ended}]},
    }
    inputs = world.inputs()
    inputs = replace(inputs, observed=replace(inputs.observed, migrations=[pod]))
    conditions = {one["type"]: one for one in plan(inputs).status["conditions"]}
    message = conditions["SchemaReady"]["message"]
    assert f"Job {name}: {said.strip()}." in message
    assert "10 minutes" in message


def test_a_volume_grows_by_its_claim_first_and_the_stateful_set_follows():
    world = settled(SPEC)
    world.change(postgres=GROWN)
    made = plan(world.inputs())
    assert made.growth.storage == "200Gi"
    (desired,) = (one for one in made.objects if one.manifest["metadata"]["name"] == POSTGRES[1]
                  and one.manifest["kind"] == "StatefulSet")  # fmt: skip
    assert not desired.replace
    assert storage_of(desired.manifest) == "100Gi", "not before the claim has grown"

    world.children[CLAIM]["spec"]["resources"]["requests"]["storage"] = "200Gi"
    made = plan(world.inputs())
    assert made.growth is None
    (desired,) = (one for one in made.objects if one.manifest["metadata"]["name"] == POSTGRES[1]
                  and one.manifest["kind"] == "StatefulSet")  # fmt: skip
    assert desired.replace
    assert storage_of(desired.manifest) == "200Gi"


def test_the_new_stateful_set_has_the_template_of_the_one_before():
    """Even where this operator would render another: the pod must not be replaced."""
    world = settled(SPEC)
    template = world.children[POSTGRES]["spec"]["template"]
    world.change(postgres=GROWN)
    world.children[CLAIM]["spec"]["resources"]["requests"]["storage"] = "200Gi"
    del world.children[POSTGRES]
    world.defaults = replace(DEFAULTS, postgres_image="elsewhere.test/postgres")
    world.settle()
    assert world.children[POSTGRES]["spec"]["template"] == template


@pytest.mark.parametrize(
    ("managed", "said"),
    [
        ({"storage": "50Gi"}, "a volume cannot shrink"),
        (
            {"storage": "100Gi", "version": "18"},
            "the data on claim data-card-payments-postgres-0 is"
            " of Postgres 17: set it back to 17, or restore a backup",
        ),
        ({"storage": "100Gi", "storageClass": "fast"}, "storageClass is fast, and claim"),
    ],
)
def test_what_data_cannot_be_made_to_do_is_refused_and_nothing_is_touched(managed, said):
    world = settled(SPEC)
    before = world.children[POSTGRES]["spec"]
    world.change(postgres={"managed": managed})
    world.settle()
    assert said in world.condition("PostgresReady")["message"]
    assert said in world.condition("Stalled")["message"]
    assert world.children[POSTGRES]["spec"] == before
    assert plan(world.inputs()).growth is None


def test_data_of_another_major_version_gets_no_pod_of_a_new_detector():
    """One of the same name, that comes to the volume of one before."""
    world = settled(SPEC)
    claim = world.children[CLAIM]
    anew = World(spec={**SPEC, "postgres": {"managed": {"storage": "100Gi", "version": "18"}}})
    anew.children[CLAIM] = claim
    anew.settle()
    assert POSTGRES not in anew.children
    assert "is of Postgres 17" in anew.condition("Stalled")["message"]
    anew.change(postgres={"managed": {"storage": "100Gi"}})
    anew.settle()
    (container,) = anew.children[POSTGRES]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "postgres:17"


def test_connections_that_postgres_does_not_have_are_refused_with_what_to_change():
    world = World(spec={**SPEC, "scorer": {"replicas": 100}})
    world.settle()
    found = world.condition("PostgresReady")
    assert found["reason"] == "TooFewConnections"
    assert "100 scorer pods" in found["message"]
    assert "need 406 connections to Postgres, 4 a pod, and it has 90" in found["message"]
    assert "maxConnections to 416 or more" in found["message"]
    assert world.condition("Stalled")["status"] == "True"
    managed = {"storage": "100Gi", "maxConnections": 416}
    world.change(postgres={"managed": managed})
    world.settle()
    assert world.condition("Stalled")["status"] == "False"


def test_pools_shrink_with_the_most_pods_that_there_can_be():
    few = settled({**SPEC, "autoscaling": {"maxReplicas": 3}})
    many = settled({**SPEC, "autoscaling": {"maxReplicas": 20}})
    shown = few.status["effective"]["connections"], many.status["effective"]["connections"]
    assert [one["history"] for one in shown] == [2, 1]
    assert all(one["used"] <= one["allowed"] == 90 for one in shown)
    (container,) = many.deployment["spec"]["template"]["spec"]["containers"]
    assert "--history-connections=1" in container["args"]


def test_connections_are_set_once():
    """More memory gives more to new databases, and restarts none for it."""
    world = settled(SPEC)
    world.change(
        postgres={"managed": {"storage": "100Gi", "resources": {"limits": {"memory": "4Gi"}}}}
    )
    world.settle()
    assert world.status["effective"]["postgres"]["maxConnections"] == 100
    config = world.children["ConfigMap", "card-payments-postgres"]["data"]["postgresql.conf"]
    assert "max_connections = 100\n" in config
    assert "shared_buffers = '1024MB'\n" in config


def test_an_upgrade_of_the_operator_restarts_no_store():
    world = settled(SPEC)
    before = {
        name: world.children["StatefulSet", name]["spec"]
        for name in ("card-payments-redis", "card-payments-postgres")
    }
    world.defaults = replace(
        DEFAULTS, redis_image="elsewhere.test/redis", postgres_image="elsewhere.test/postgres"
    )
    world.settle()
    for name, spec in before.items():
        assert world.children["StatefulSet", name]["spec"] == spec
    world.change(redis={"managed": {"version": "7.4"}})
    world.settle()
    pod = world.children["StatefulSet", "card-payments-redis"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "elsewhere.test/redis:7.4"


def test_a_configuration_that_was_edited_is_rendered_anew():
    world = settled(SPEC)
    config = world.children["ConfigMap", "card-payments-postgres"]
    good = dict(config["data"])
    config["data"]["postgresql.conf"] = "fsync = off\n"
    world.settle()
    assert world.children["ConfigMap", "card-payments-postgres"]["data"] == good


def test_what_outlives_a_detector_has_no_owner():
    world = settled(SPEC)
    for name in ("card-payments-postgres-app", "card-payments-postgres-owner"):
        meta = world.children["Secret", name]["metadata"]
        assert "ownerReferences" not in meta
        assert "app.kubernetes.io/instance" not in meta["labels"]
    claims = world.children[POSTGRES]["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert claims["whenDeleted"] == "Retain"


def test_what_is_to_be_deleted_has_one_but_for_the_keys_of_an_archive():
    world = settled(FULL)
    for name in ("card-payments-postgres-app", "card-payments-postgres-owner"):
        assert world.children["Secret", name]["metadata"]["ownerReferences"]
    claims = world.children[POSTGRES]["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert claims["whenDeleted"] == "Delete"
    keys = world.children["Secret", "card-payments-records-keys"]["metadata"]
    assert "ownerReferences" not in keys, "seals in the archive could never be verified again"


def test_no_secret_is_in_a_plan():
    world = settled(FULL)
    for one in plan(world.inputs()).objects:
        if one.manifest["kind"] == "Secret":
            assert not {"data", "stringData"} & one.manifest.keys()


def test_stores_that_leave_the_spec_leave_the_pods():
    world = settled(SPEC)
    world.change(redis=None, postgres=None)
    del world.spec["redis"], world.spec["postgres"]
    world.settle()
    assert POSTGRES not in world.children
    assert CLAIM in world.children, "the data stays"
    plain = World()
    plain.settle()
    assert world.deployment["spec"]["template"] == plain.deployment["spec"]["template"]
    kinds = {one["type"] for one in world.status["conditions"]}
    assert kinds.isdisjoint({"RedisReady", "PostgresReady", "SchemaReady"})


def test_external_stores_need_their_secret_only():
    world = settled(EXTERNAL)
    assert not any(kind == "StatefulSet" for kind, _ in world.children)
    assert world.condition("RedisReady")["reason"] == "External"
    assert world.condition("SchemaReady")["status"] == "True"
    assert world.status["effective"]["connections"]["allowed"] == 60
    path = "spec.postgres.external.secret"
    world.problems = {path: f"Secret a/records-app does not exist: create it, or change {path}"}
    world.step()
    assert world.condition("PostgresReady")["reason"] == "SecretUnusable"
    assert "create it" in world.condition("PostgresReady")["message"]
    assert world.condition("Stalled")["reason"] == "ReferenceMissing"


def test_a_spool_that_processes_do_not_fit_into_is_refused():
    world = World(
        spec={
            **SPEC,
            "audit": {"spool": "64Mi"},
            "scorer": {"resources": {"requests": {"cpu": 8}}},
        }
    )
    world.settle()
    assert "spec.audit.spool is 64Mi, and 8 processes in a pod need 128Mi" in world.condition(
        "Stalled"
    )["message"]  # fmt: skip


def test_a_volume_too_small_for_what_is_hot_is_said():
    archive = {"destination": {"gcs": {"bucket": "records"}}}
    world = settled({**SPEC, "audit": archive, "capacity": {"transactionsPerDay": "10M"},
                     "autoscaling": {"maxReplicas": 10}})  # fmt: skip
    found = world.condition("PostgresReady")
    assert (found["status"], found["reason"]) == ("True", "StorageShort")
    assert "90 days of 10,000,000 transactions" in found["message"]
    small = settled({**SPEC, "audit": archive, "capacity": {"transactionsPerDay": "100k"}})
    assert small.condition("PostgresReady")["reason"] == "PostgresAnswers"


@pytest.mark.parametrize("spec", [SPEC, FULL, EXTERNAL], ids=["minimal", "full", "external"])
def test_the_status_is_one_that_the_crd_takes(spec):
    validated(FraudDetectorStatus, settled(spec).status, "status")


def test_trouble_of_a_pod_is_in_the_condition_of_its_store():
    world = World(spec=dict(SPEC), down={"card-payments-redis", POSTGRES[1]})
    world.settle()
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    pods = {
        "redis": {
            "containerStatuses": [
                {"name": "redis", "ready": False, "state": {}, "lastState": killed}
            ]
        },
        "postgres": {
            "containerStatuses": [
                {
                    "name": "postgres",
                    "ready": False,
                    "state": {"waiting": {"reason": "ErrImagePull"}},
                }
            ]
        },
    }
    inputs = world.inputs()
    seen = {
        store: [{"metadata": {"name": f"card-payments-{store}-0"}, "status": status}]
        for store, status in pods.items()
    }
    made = plan(replace(inputs, observed=replace(inputs.observed, **seen)))
    conditions = {one["type"]: one for one in made.status["conditions"]}
    assert conditions["RedisReady"]["reason"] == "RedisStuck"
    assert "exit code 137 (OOMKilled)" in conditions["RedisReady"]["message"]
    assert conditions["PostgresReady"]["reason"] == "PostgresStuck"
    assert "its image cannot be pulled" in conditions["PostgresReady"]["message"]


def test_a_claim_that_gets_no_volume_is_told_with_its_class():
    world = World(spec=dict(FULL), down={POSTGRES[1]})
    world.settle()
    world.children[CLAIM]["status"] = {"phase": "Pending"}
    world.step()
    message = world.condition("PostgresReady")["message"]
    assert "claim data-card-payments-postgres-0 has no volume yet, of storage class fast" in message


def test_a_new_claim_is_given_a_minute_for_its_volume():
    world = World(spec=dict(FULL), down={POSTGRES[1]})
    world.settle()
    world.children[CLAIM]["status"] = {"phase": "Pending"}
    world.children[CLAIM]["metadata"]["creationTimestamp"] = world.now.isoformat()
    world.step()
    assert world.condition("PostgresReady")["reason"] == "PostgresStarting"
    again = plan(world.inputs()).requeue_after
    assert again is not None
    assert 0 < again <= BINDING_SECONDS
    world.now += timedelta(seconds=BINDING_SECONDS)
    world.step()
    assert world.condition("PostgresReady")["reason"] == "PostgresStuck"
    world.children[CLAIM]["status"] = {"phase": "Bound"}
    world.step()
    assert world.condition("PostgresReady")["reason"] == "PostgresStarting"


def test_without_stores_there_is_nothing_of_them():
    world = World(spec=dict(MINIMAL))
    world.settle()
    assert "stores" not in world.status
    assert world.status["effective"].keys().isdisjoint({"redis", "postgres", "audit", "features"})
