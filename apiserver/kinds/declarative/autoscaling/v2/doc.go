// Package v2 holds the rules that tags in k8s.io/api/autoscaling/v2 give.
//
// +k8s:validation-gen=TypesWithField=TypeMeta
// +k8s:validation-gen-input=k8s.io/api/autoscaling/v2
package v2

import _ "k8s.io/api/autoscaling/v2" // the generator's input
