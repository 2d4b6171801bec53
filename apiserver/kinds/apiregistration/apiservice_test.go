package apiregistration

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

func expect(t *testing.T, errs field.ErrorList, want string) {
	t.Helper()
	if want == "" {
		if len(errs) > 0 {
			t.Error("refused:", errs)
		}
		return
	}
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), want) {
			return
		}
	}
	t.Errorf("%v, want %s", errs, want)
}

func TestAPIService(t *testing.T) {
	k := apiService()
	fine := func() *apiregistrationv1.APIService {
		s := &apiregistrationv1.APIService{
			ObjectMeta: metav1.ObjectMeta{Name: "v1.example.net"},
			Spec: apiregistrationv1.APIServiceSpec{
				Group: "example.net", Version: "v1", GroupPriorityMinimum: 20000, VersionPriority: 1000,
				Service: &apiregistrationv1.ServiceReference{Namespace: "ns", Name: "s"},
			},
		}
		k.Default(s)
		return s
	}
	if got := *fine().Spec.Service.Port; got != 443 {
		t.Errorf("the port is %d by default, want 443", got)
	}
	for _, c := range []struct {
		change func(s *apiregistrationv1.APIService)
		want   string
	}{
		{func(*apiregistrationv1.APIService) {}, ""},
		{func(s *apiregistrationv1.APIService) { s.Name, s.Spec.Group = "v1.", "" }, ""},
		{func(s *apiregistrationv1.APIService) { s.Name = "v2.example.net" }, "metadata.name: Invalid value: \"v2.example.net\": must be `spec.version+\".\"+spec.group`: \"v1.example.net\""},
		{func(s *apiregistrationv1.APIService) { s.Name = "v1/x" }, `metadata.name: Invalid value: "v1/x": may not contain '/'`},
		{func(s *apiregistrationv1.APIService) { s.GenerateName = "v1." }, `metadata.generateName: Invalid value: "v1.": must be`},
		{func(s *apiregistrationv1.APIService) { s.Name, s.Spec.Group, s.Spec.Version = "v2.", "", "v2" }, "spec.group: Required value: only v1 may have an empty group and it better be legacy kube"},
		{func(s *apiregistrationv1.APIService) { s.Spec.Group = "_" }, `spec.group: Invalid value: "_": a lowercase RFC 1123 subdomain`},
		{func(s *apiregistrationv1.APIService) { s.Spec.Version = "1" }, `spec.version: Invalid value: "1": a DNS-1035 label`},
		{func(s *apiregistrationv1.APIService) { s.Spec.GroupPriorityMinimum = 0 }, "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000"},
		{func(s *apiregistrationv1.APIService) { s.Spec.GroupPriorityMinimum = 20001 }, "spec.groupPriorityMinimum: Invalid value: 20001"},
		{func(s *apiregistrationv1.APIService) { s.Spec.VersionPriority = 0 }, "spec.versionPriority: Invalid value: 0: must be positive and less than 1000"},
		{func(s *apiregistrationv1.APIService) { s.Spec.VersionPriority = 1001 }, "spec.versionPriority: Invalid value: 1001"},
		{func(s *apiregistrationv1.APIService) { s.Spec.Service, s.Spec.CABundle = nil, []byte("pem") }, `spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle`},
		{func(s *apiregistrationv1.APIService) { s.Spec.Service, s.Spec.InsecureSkipTLSVerify = nil, true }, "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify"},
		{func(s *apiregistrationv1.APIService) { s.Spec.Service.Namespace = "" }, "spec.service.namespace: Required value"},
		{func(s *apiregistrationv1.APIService) { s.Spec.Service.Name = "" }, "spec.service.name: Required value"},
		{func(s *apiregistrationv1.APIService) { *s.Spec.Service.Port = 0 }, "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"},
		{func(s *apiregistrationv1.APIService) {
			s.Spec.InsecureSkipTLSVerify, s.Spec.CABundle = true, []byte("pem")
		}, "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present"},
	} {
		t.Run(c.want, func(t *testing.T) {
			s := fine()
			c.change(s)
			expect(t, k.Validate(t.Context(), s), c.want)
			expect(t, k.ValidateUpdate(t.Context(), s, fine()), c.want)
		})
	}
	s := fine()
	s.Status.Conditions = []apiregistrationv1.APIServiceCondition{{Status: "Maybe"}}
	expect(t, k.Status.ValidateUpdate(t.Context(), s, fine()), `status.conditions[0].status: Unsupported value: "Maybe"`)
}

func TestAvailable(t *testing.T) {
	k := apiService()
	s := &apiregistrationv1.APIService{Status: apiregistrationv1.APIServiceStatus{Conditions: []apiregistrationv1.APIServiceCondition{{Type: "Other"}}}}
	k.PrepareCreate(t.Context(), s)
	is := Available(s)
	if len(s.Status.Conditions) != 1 || is == nil || is.Status != apiregistrationv1.ConditionTrue || is.Reason != "Local" {
		t.Fatalf("created with %+v", s.Status)
	}
	since := is.LastTransitionTime
	SetAvailable(s, apiregistrationv1.APIServiceCondition{Type: apiregistrationv1.Available, Status: apiregistrationv1.ConditionTrue, Reason: "Passed"})
	if is := Available(s); is.Reason != "Passed" || is.LastTransitionTime != since {
		t.Errorf("with the same status it is %+v", is)
	}
	SetAvailable(s, apiregistrationv1.APIServiceCondition{Type: apiregistrationv1.Available, Status: apiregistrationv1.ConditionFalse, Reason: "Broken"})
	if is := Available(s); is.LastTransitionTime == since || len(s.Status.Conditions) != 1 {
		t.Errorf("with another status it is %+v", is)
	}
	for want, c := range map[string]apiregistrationv1.APIServiceCondition{
		"True": Local(), "False (Broken)": {Type: apiregistrationv1.Available, Status: "False", Reason: "Broken"}, "False": {Type: apiregistrationv1.Available, Status: "False"},
	} {
		SetAvailable(s, c)
		if got := k.Cells(s)[2]; got != want {
			t.Errorf("shown as %v, want %s", got, want)
		}
	}
	remote := &apiregistrationv1.APIService{Spec: apiregistrationv1.APIServiceSpec{Service: &apiregistrationv1.ServiceReference{Namespace: "ns", Name: "s"}}}
	k.PrepareCreate(t.Context(), remote)
	if got := k.Cells(remote); got[1] != "ns/s" || got[2] != "Unknown" {
		t.Errorf("another server's is shown as %v", got)
	}
}

func TestStored(t *testing.T) {
	k := apiService()
	s := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: "v1."}, Spec: apiregistrationv1.APIServiceSpec{Version: "v1"}}
	value, err := k.Encode(s)
	if err != nil || !strings.HasPrefix(string(value), `{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","metadata":{"name":"v1."`) {
		t.Errorf("stored as %s, %v", value, err)
	}
	if s.Kind != "" {
		t.Error("to encode it changes it")
	}
}
