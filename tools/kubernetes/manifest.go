package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // registers the types and their defaults
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // registers the types and their defaults
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install" // registers the types and their defaults
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/node"
	_ "k8s.io/kubernetes/pkg/apis/node/install" // registers the types and their defaults
	nodevalidation "k8s.io/kubernetes/pkg/apis/node/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install" // registers the types and their defaults
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	strictjson "sigs.k8s.io/json"
	strictyaml "sigs.k8s.io/yaml"
)

// check decodes each document of a manifest, where an unknown field is an error, sets the defaults and validates it, as the API server does.
func check(manifest []byte) ([]runtime.Object, error) {
	var objects []runtime.Object
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(manifest)))
	defer documents.Close()
	buffer := make([]byte, 1<<20)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		document := buffer[:n]
		object, kind, err := decoder.Decode(document, nil, nil)
		if runtime.IsNotRegisteredError(err) {
			object, err = serviceMonitor(document)
		}
		if err != nil {
			return nil, err
		}
		if found := validate(object); len(found) > 0 {
			return nil, fmt.Errorf("%v: %w", kind, found.ToAggregate())
		}
		objects = append(objects, object)
	}
}

// serviceMonitor decodes an object of the Prometheus operator, which the API server does not know by itself.
func serviceMonitor(document []byte) (runtime.Object, error) {
	data, err := strictyaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	var m monitoring.ServiceMonitor
	unknown, err := strictjson.UnmarshalStrict(data, &m) // unlike encoding/json, it distinguishes case
	if err != nil {
		return nil, err
	}
	if got, want := m.GroupVersionKind(), monitoring.SchemeGroupVersion.WithKind(monitoring.ServiceMonitorsKind); got != want {
		return nil, fmt.Errorf("%v is no kind of Kubernetes, nor %v", got, want)
	}
	if err := errors.Join(unknown...); err != nil {
		return nil, err
	}
	return &m, nil
}

func validate(object runtime.Object) field.ErrorList {
	switch o := object.(type) {
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(o, pod.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *core.Namespace:
		return corevalidation.ValidateNamespace(o)
	case *core.Service:
		if o.Spec.ClusterIP == core.ClusterIPNone {
			o.Spec.ClusterIPs = []string{core.ClusterIPNone} // the API server fills it in before it validates
		}
		return corevalidation.ValidateServiceCreate(o)
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *node.RuntimeClass:
		return nodevalidation.ValidateRuntimeClass(o)
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(o, policyvalidation.PodDisruptionBudgetValidationOptions{})
	case *monitoring.ServiceMonitor:
		return nil // decoded strictly; the operator has no function that validates one
	}
	return field.ErrorList{field.InternalError(nil, fmt.Errorf("nothing validates %T", object))}
}
