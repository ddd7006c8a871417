"""The Service in front of the scorer pods."""

from fraud_operator.plan.effective import effective
from fraud_operator.plan.pod_template import pod_template
from fraud_operator.plan.service import service
from tests.support.worlds import DEFAULTS, MINIMAL, detector


def test_golden(golden):
    golden("service-minimal", service(detector(MINIMAL)))


def test_it_selects_the_pods_of_the_template_and_its_port_is_one_of_theirs():
    one = detector()
    template = pod_template(one, effective(one.spec), "image", DEFAULTS, None).body
    made = service(one)
    assert made["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    names = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in made["spec"]["ports"]} <= names
