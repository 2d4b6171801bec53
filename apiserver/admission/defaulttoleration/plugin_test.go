package defaulttoleration_test

import (
	"testing"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/defaulttoleration"
)

func TestTolerations(t *testing.T) {
	pod := func(tolerations string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"tolerations":[` + tolerations + `]}}`
	}
	const (
		notReady    = `{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}`
		unreachable = `{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}`
		own         = `{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":1}`
		other       = `{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoSchedule"}`
	)
	want := func(tolerations string) string { return `{"spec":{"tolerations":[` + tolerations + `]}}` }
	admissiontest.Run(t, defaulttoleration.Plugin{}, []admissiontest.Case{
		{Name: "both", Object: pod(``), Want: want(notReady + "," + unreachable)},
		{Name: "one is there", Object: pod(own), Want: want(own + "," + unreachable)},
		{Name: "of another effect", Object: pod(other), Want: want(other + "," + notReady + "," + unreachable)},
		{Name: "everything", Object: pod(`{"operator":"Exists"}`)},
		{Name: "update", Object: pod(``), Old: pod(``), Want: want(notReady + "," + unreachable)},
		{Name: "status", Object: pod(``), Old: pod(``), Subresource: "status"},
	})
}
