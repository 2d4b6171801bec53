package apiregistration

import (
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/client/applyconfiguration"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// converter knows the schema of APIService. It is made when it is first used.
type converter struct {
	make func() (managedfields.TypeConverter, error)
}

func newConverter() managedfields.TypeConverter {
	return converter{sync.OnceValues(func() (managedfields.TypeConverter, error) {
		scheme := runtime.NewScheme()
		if err := apiregistrationv1.AddToScheme(scheme); err != nil {
			return nil, fmt.Errorf("the schema of APIService: %w", err)
		}
		return applyconfiguration.NewTypeConverter(scheme), nil
	})}
}

// ObjectToTyped implements managedfields.TypeConverter.
func (c converter) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	known, err := c.make()
	if err != nil {
		return nil, err
	}
	return known.ObjectToTyped(obj, opts...)
}

// TypedToObject implements managedfields.TypeConverter.
func (c converter) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	known, err := c.make()
	if err != nil {
		return nil, err
	}
	return known.TypedToObject(v)
}

// encode writes an APIService as Kubernetes stores it: in JSON.
func encode(s *apiregistrationv1.APIService) ([]byte, error) {
	said := *s
	said.SetGroupVersionKind(apiregistrationv1.SchemeGroupVersion.WithKind("APIService"))
	data, err := json.Marshal(&said)
	if err != nil {
		return nil, fmt.Errorf("encoding APIService %s: %w", s.Name, err)
	}
	return append(data, '\n'), nil
}
