package kubernetes

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/apis/apps"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/networking"
	"k8s.io/kubernetes/pkg/apis/policy"
)

func manifest(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/kubernetes/sandboxd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestManifest checks the manifest, and that its objects find each other: names of ports, labels and selectors.
func TestManifest(t *testing.T) {
	objects, err := check([]byte(manifest(t)))
	if err != nil {
		t.Fatal(err)
	}
	var pods *core.PodTemplateSpec
	services := map[string]*core.Service{}
	for _, o := range objects {
		switch o := o.(type) {
		case *apps.Deployment:
			pods = &o.Spec.Template
		case *core.Service:
			services[o.Name] = o
		}
	}
	if len(objects) != 8 || pods == nil || len(services) != 2 {
		t.Fatalf("%d objects, services %v, deployment: %v", len(objects), slices.Collect(maps.Keys(services)), pods != nil)
	}
	if links := pods.Spec.EnableServiceLinks; links == nil || *links {
		t.Error("the services set variables such as SANDBOXD_PORT, which the daemon takes for settings")
	}
	ports := map[string]bool{}
	for _, p := range pods.Spec.Containers[0].Ports {
		ports[p.Name] = true
	}
	selected := func(what string, selector map[string]string) {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pods.Labels)) {
			t.Errorf("%s selects %v, and the pods have %v", what, selector, pods.Labels)
		}
	}
	for _, o := range objects {
		switch o := o.(type) {
		case *core.Service:
			selected(o.Name, o.Spec.Selector)
			for _, p := range o.Spec.Ports {
				if !ports[p.TargetPort.StrVal] {
					t.Errorf("service %s: no port %s in %v", o.Name, p.TargetPort.StrVal, ports)
				}
			}
		case *networking.NetworkPolicy:
			selected("the network policy", o.Spec.PodSelector.MatchLabels)
			if len(o.Spec.Egress) != 0 || !slices.Contains(o.Spec.PolicyTypes, networking.PolicyTypeEgress) {
				t.Error("the network policy allows egress")
			}
		case *policy.PodDisruptionBudget:
			selected("the disruption budget", o.Spec.Selector.MatchLabels)
		case *monitoring.ServiceMonitor:
			admin := services["sandboxd-admin"]
			if !labels.SelectorFromSet(o.Spec.Selector.MatchLabels).Matches(labels.Set(admin.Labels)) {
				t.Errorf("the service monitor selects %v, and the service has %v", o.Spec.Selector.MatchLabels, admin.Labels)
			}
			if labels.SelectorFromSet(o.Spec.Selector.MatchLabels).Matches(labels.Set(services["sandboxd"].Labels)) {
				t.Error("the service monitor also selects the service for clients")
			}
			if o.Spec.Endpoints[0].Port != admin.Spec.Ports[0].Name || admin.Labels[o.Spec.JobLabel] != "sandboxd" {
				t.Errorf("the service monitor reads the port %q as the job %q", o.Spec.Endpoints[0].Port, admin.Labels[o.Spec.JobLabel])
			}
		}
	}
}

// TestMistakes makes one mistake in the manifest: the check must find it.
func TestMistakes(t *testing.T) {
	for _, m := range []struct{ name, right, wrong, says string }{
		{"a misspelt field", "hostUsers: false", "hostUser: false", `unknown field "spec.template.spec.hostUser"`},
		{"a misspelt field of the container", "procMount: Unmasked\n", "procmount: Unmasked\n", `unknown field "spec.template.spec.containers[0].securityContext.procmount"`},
		{"a misspelt field of the monitor", "jobLabel:", "joblabel:", `unknown field "spec.joblabel"`},
		{"a misspelt field of the policy", "egress: []", "egres: []", `unknown field "spec.egres"`},
		{"a field twice", "clusterIP: None", "clusterIP: None\n  clusterIP: None", "already set"},
		{"an unmasked /proc with the node's users", "hostUsers: false", "hostUsers: true", "`hostUsers` must be false to use `Unmasked`"},
		{"a name for the default profile", "type: Localhost", "type: RuntimeDefault", "seccompProfile.localhostProfile"},
		{"an unknown port", "path: /healthz, port: admin", "path: /healthz, port: an_admin", "livenessProbe.httpGet.port"},
		{"labels that the selector does not find", "labels: {app.kubernetes.io/name: sandboxd}\n    spec:", "labels: {name: sandboxd}\n    spec:", "`selector` does not match template `labels`"},
		{"a volume that does not exist", "{name: keys, mountPath", "{name: key, mountPath", "volumeMounts[0].name"},
		{"a size that is none", "memory: 3Gi", "memory: 3GiB", "quantities must match"},
		{"too little for the requests", "memory: 3Gi", "memory: 3Mi", "must be less than or equal to memory limit"},
		{"an unknown kind", "kind: PodDisruptionBudget", "kind: DisruptionBudget", "DisruptionBudget"},
	} {
		t.Run(m.name, func(t *testing.T) {
			right := manifest(t)
			wrong := strings.Replace(right, m.right, m.wrong, 1)
			if wrong == right {
				t.Fatalf("the manifest does not have %q", m.right)
			}
			if _, err := check([]byte(wrong)); err == nil || !strings.Contains(err.Error(), m.says) {
				t.Errorf("the check says %v, wanted %q", err, m.says)
			}
		})
	}
}
