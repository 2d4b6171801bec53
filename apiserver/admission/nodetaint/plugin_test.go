package nodetaint_test

import (
	"testing"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/nodetaint"
)

func TestTaint(t *testing.T) {
	node := func(taints string) string {
		return `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"taints":[` + taints + `]}}`
	}
	const taint = `{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule"}`
	admissiontest.Run(t, nodetaint.Plugin{}, []admissiontest.Case{
		{Name: "new", Object: node(``), Want: `{"spec":{"taints":[` + taint + `]}}`},
		{Name: "has it", Object: node(taint)},
		{Name: "has others", Object: node(`{"key":"a","effect":"NoExecute"}`), Want: `{"spec":{"taints":[{"key":"a","effect":"NoExecute"},` + taint + `]}}`},
		{Name: "update", Object: node(``), Old: node(``)},
	})
}
