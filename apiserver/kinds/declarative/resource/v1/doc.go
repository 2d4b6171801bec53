// Package v1 holds the rules that tags in k8s.io/api/resource/v1 give.
//
// +k8s:validation-gen=TypesWithField=TypeMeta
// +k8s:validation-gen-input=k8s.io/api/resource/v1
package v1

import _ "k8s.io/api/resource/v1" // the generator's input
