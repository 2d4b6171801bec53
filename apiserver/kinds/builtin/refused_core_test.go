package builtin

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func TestCoreRefused(t *testing.T) { testRefused(t, coreRefused) }

// coreRefused are refusals of the kinds of the core group other than pods.
var coreRefused = []refusal{
	{"Service", `{"spec":{"clusterIP":"10.96.0.7","type":"ExternalName","externalName":""}}`, "spec.externalName: Required value"},
	{"Service", `{"spec":{"clusterIP":"10.096.0.7"}}`, `spec.clusterIPs[0]: Invalid value: "10.096.0.7": must not have leading 0s`},
	{"Service", `{"spec":{"externalIPs":["10.010.0.1"]}}`, `spec.externalIPs[0]: Invalid value: "10.010.0.1": must not have leading 0s`},
	{"Service", `{"spec":{"externalIPs":["ff02::1"]}}`, `spec.externalIPs[0]: Invalid value: "ff02::1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)`},
	{"Service", `{"spec":{"externalIPs":["fe80::1"]}}`, `spec.externalIPs[0]: Invalid value: "fe80::1": may not be in the link-local range (169.254.0.0/16, fe80::/10)`},
	{"Service", `{"spec":{"externalIPs":["::1"]}}`, `spec.externalIPs[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)`},
	{"Service", `{"spec":{"externalIPs":["::"]}}`, `spec.externalIPs[0]: Invalid value: "::": may not be unspecified (::)`},
	{"Service", `{"spec":{"type":"ExternalName","externalName":"a.b","clusterIP":"None"}}`, "spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
	{"Service", `{"spec":{"ports":[{"port":70000}]}}`, "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"},
	{"Service", `{"spec":{"ports":[{"port":80,"targetPort":"a-very-long-port-name"}]}}`, `spec.ports[0].targetPort: Invalid value: "a-very-long-port-name": must be no more than 15 characters`},
	{"Service", `{"spec":{"ports":[{"port":80,"targetPort":"1"}]}}`, `spec.ports[0].targetPort: Invalid value: "1": must contain at least one letter (a-z)`},
	{"Service", `{"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":-1}}}}`, "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: -1: must be greater than 0 and less than 86400"},
	{"Service", `{"spec":{"trafficDistribution":""}}`, `spec.trafficDistribution: Unsupported value: "": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"`},
	{"ResourceQuota", `{"spec":{"hard":{"requests.hugepages-2Mi":"-1"}}}`, `spec.hard[requests.hugepages-2Mi]: Invalid value: "-1": must be greater than or equal to 0`},
	{"ResourceQuota", `{"spec":{"hard":{"count/pods":"-1"}}}`, `spec.hard[count/pods]: Invalid value: "-1": must be greater than or equal to 0`},
	{"ResourceQuota", `{"spec":{"hard":{"limits.cpu":"-1"}}}`, `spec.hard[limits.cpu]: Invalid value: "-1": must be greater than or equal to 0`},
	{"Node", `{"spec":{"taints":[{"key":"a/b/c","effect":"NoSchedule"}]}}`, `metadata.taints[0].key: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'm`},
	{"Node", `{"status":{"capacity":{"a.b/c":"1500m"}}}`, `status.capacity.a.b/c: Invalid value: "1500m": must be an integer`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"fe80::1"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "fe80::1": may not be in the link-local range (169.254.0.0/16, fe80::/10)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"::1"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"ff02::1"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "ff02::1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.010.0.1"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "10.010.0.1": must not have leading 0s`},
	{"PersistentVolume", `{"spec":{"mountOptions":["a"],"capacity":{"storage":"1500m"},"volumeMode":""}}`, `spec.volumeMode: Unsupported value: "": supported values: "Block", "Filesystem"`},
	{"Service", `{"spec":{"ports":[{"name":"A","port":80}]}}`, `spec.ports[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or`},
	{"Service", `{"spec":{"ports":[{"name":"a","port":80},{"name":"a","port":81}]}}`, `spec.ports[1].name: Duplicate value: "a"`},
	{"Service", `{"spec":{"ports":[{"port":0}]}}`, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
	{"Service", `{"spec":{"ports":[{"port":80,"protocol":"X"}]}}`, `spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"`},
	{"Service", `{"spec":{"ports":[{"port":80,"targetPort":"A_"}]}}`, `spec.ports[0].targetPort: Invalid value: "A_": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`},
	{"Service", `{"spec":{"ports":[{"port":80,"targetPort":70000}]}}`, "spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
	{"Service", `{"spec":{"ports":[{"port":80,"appProtocol":"a b"}]}}`, `spec.ports[0].appProtocol: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name'`},
	{"Service", `{"spec":{"ports":[{"port":80,"nodePort":30000}]}}`, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
	{"Service", `{"spec":{"ports":[{"name":"a","port":80},{"name":"b","port":80}]}}`, `spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}`},
	{"Service", `{"spec":{"type":"NodePort","clusterIP":"None"}}`, `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`},
	{"Service", `{"spec":{"type":"LoadBalancer","clusterIP":"None"}}`, `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for LoadBalancer services`},
	{"Service", `{"spec":{"selector":{"a b":"c"}}}`, `spec.selector: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-a`},
	{"Service", `{"spec":{"selector":{"a":"c d"}}}`, `spec.selector: Invalid value: "c d": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue'`},
	{"Service", `{"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}}}}`, "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"},
	{"Service", `{"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86401}}}}`, "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"},
	{"Service", `{"spec":{"externalIPs":["x"]}}`, `spec.externalIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
	{"Service", `{"spec":{"externalIPs":["127.0.0.1"]}}`, `spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`},
	{"Service", `{"spec":{"externalIPs":["0.0.0.0"]}}`, `spec.externalIPs[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)`},
	{"Service", `{"spec":{"externalIPs":["224.0.0.1"]}}`, `spec.externalIPs[0]: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)`},
	{"Service", `{"spec":{"externalIPs":["169.254.1.1"]}}`, `spec.externalIPs[0]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)`},
	{"Service", `{"spec":{"type":"ExternalName"}}`, "spec.externalName: Required value"},
	{"Service", `{"spec":{"type":"ExternalName","externalName":"A_b"}}`, `spec.externalName: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'exa`},
	{"Service", `{"spec":{"type":"ExternalName","externalName":"a.b","clusterIP":"10.0.0.1"}}`, "spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
	{"Service", `{"spec":{"type":"ExternalName","externalName":"a.b","clusterIPs":["10.0.0.1"]}}`, "spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
	{"Service", `{"spec":{"type":"ExternalName","externalName":"a.b","ipFamilies":["IPv4"]}}`, "spec.ipFamilies: Forbidden: may not be set for ExternalName services"},
	{"Service", `{"spec":{"type":"ExternalName","externalName":"a.b","ipFamilyPolicy":"SingleStack"}}`, "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services"},
	{"Service", `{"spec":{"clusterIP":"10.0.0.9","clusterIPs":["10.0.0.8"]}}`, "spec.clusterIPs: Invalid value: [\"10.0.0.8\"]: first value must match `clusterIP`"},
	{"Service", `{"spec":{"clusterIPs":["10.0.0.8"]}}`, "spec.clusterIPs: Invalid value: [\"10.0.0.8\"]: must be empty when `clusterIP` is not specified"},
	{"Service", `{"spec":{"ipFamilies":["IPv4","IPv4"]}}`, `spec.ipFamilies[1]: Duplicate value: "IPv4"`},
	{"Service", `{"spec":{"ipFamilies":["IPv5"]}}`, `spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"`},
	{"Service", `{"spec":{"ipFamilyPolicy":"Other"}}`, `spec.ipFamilyPolicy: Unsupported value: "Other": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"`},
	{"Service", `{"spec":{"clusterIP":"None","clusterIPs":["None","10.0.0.8"]}}`, `spec.clusterIPs: Invalid value: ["None","10.0.0.8"]: 'None' must be the first and only value`},
	{"Service", `{"spec":{"clusterIP":"x"}}`, `spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
	{"Service", `{"spec":{"clusterIP":"10.0.0.7","clusterIPs":["10.0.0.7","fd00::1","10.0.0.8"]}}`, `spec.clusterIPs: Invalid value: ["10.0.0.7","fd00::1","10.0.0.8"]: may only hold up to 2 values`},
	{"Service", `{"spec":{"clusterIP":"10.0.0.7","clusterIPs":["10.0.0.7","10.0.0.8"]}}`, `spec.clusterIPs: Invalid value: ["10.0.0.7","10.0.0.8"]: may specify no more than one IP for each IP family`},
	{"Service", `{"spec":{"clusterIP":"10.0.0.7","clusterIPs":["10.0.0.7"],"ipFamilies":["IPv6"]}}`, "spec.clusterIPs[0]: Invalid value: \"10.0.0.7\": expected an IPv6 value as indicated by `ipFamilies[0]`"},
	{"Service", `{"spec":{"loadBalancerSourceRanges":["10.0.0.0/8"]}}`, "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
	{"Service", `{"spec":{"type":"LoadBalancer","loadBalancerSourceRanges":["10.0.0.0"]}}`, `spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
	{"Service", `{"metadata":{"annotations":{"service.beta.kubernetes.io/load-balancer-source-ranges":"10.0.0.0/8"}}}`, "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used when `type` is 'LoadBalancer'"},
	{"Service", `{"metadata":{"annotations":{"service.beta.kubernetes.io/load-balancer-source-ranges":"x"}},"spec":{"type":"LoadBalancer"}}`, `metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
	{"Service", `{"metadata":{"annotations":{"service.kubernetes.io/topology-mode":"a","service.kubernetes.io/topology-aware-hints":"b"}}}`, `metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "a": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified`},
	{"Service", `{"spec":{"allocateLoadBalancerNodePorts":true}}`, "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"},
	{"Service", `{"spec":{"loadBalancerClass":"a.b/c"}}`, "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"},
	{"Service", `{"spec":{"type":"LoadBalancer","loadBalancerClass":"a b"}}`, `spec.loadBalancerClass: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  `},
	{"Service", `{"spec":{"externalTrafficPolicy":"Local"}}`, `spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services`},
	{"Service", `{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Other"}}`, `spec.externalTrafficPolicy: Unsupported value: "Other": supported values: "Cluster", "Local"`},
	{"Service", `{"spec":{"healthCheckNodePort":30005}}`, "spec.healthCheckNodePort: Invalid value: 30005: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"},
	{"Service", `{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":70000}}`, "spec.healthCheckNodePort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
	{"Service", `{"spec":{"internalTrafficPolicy":"Other"}}`, `spec.internalTrafficPolicy: Unsupported value: "Other": supported values: "Cluster", "Local"`},
	{"Service", `{"spec":{"trafficDistribution":"Other"}}`, `spec.trafficDistribution: Unsupported value: "Other": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"`},
	{"Service", `{"spec":{"sessionAffinity":"ClientIP","clusterIP":"None","ports":[{"port":-1}]}}`, "spec.ports[0].port: Invalid value: -1: must be between 1 and 65535, inclusive"},
	{"Endpoints", `{"subsets":[{}]}`, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"x"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1","hostname":"A"}]}]}`, `subsets[0].addresses[0].hostname: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. `},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1","nodeName":"A_"}]}]}`, `subsets[0].addresses[0].nodeName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric charac`},
	{"Endpoints", `{"subsets":[{"notReadyAddresses":[{"ip":"x"}]}]}`, `subsets[0].notReadyAddresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"0.0.0.0"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"169.254.0.1"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"224.0.0.1"}]}]}`, `subsets[0].addresses[0].ip: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80,"name":"A"}]}]}`, `subsets[0].ports[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80},{"port":81}]}]}`, "subsets[0].ports[0].name: Required value"},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":0}]}]}`, "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80,"protocol":"X"}]}]}`, `subsets[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"`},
	{"Endpoints", `{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80,"appProtocol":"a b"}]}]}`, `subsets[0].ports[0].appProtocol: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my`},
	{"ConfigMap", `{"data":{"a b":"v"}}`, `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0`},
	{"ConfigMap", `{"binaryData":{"a b":"AA=="}}`, `binaryData[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a`},
	{"ConfigMap", `{"data":{"..a":"v"}}`, `data[..a]: Invalid value: "..a": must not start with '..'`},
	{"Secret", `{"data":{"a b":"AA=="}}`, `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0`},
	{"Secret", `{"type":"kubernetes.io/service-account-token"}`, "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
	{"Secret", `{"type":"kubernetes.io/dockercfg"}`, "data[.dockercfg]: Required value"},
	{"Secret", `{"type":"kubernetes.io/dockercfg","data":{".dockercfg":"eA=="}}`, `data[.dockercfg]: Invalid value: "<secret contents redacted>": invalid character 'x' looking for beginning of value`},
	{"Secret", `{"type":"kubernetes.io/dockerconfigjson"}`, "data[.dockerconfigjson]: Required value"},
	{"Secret", `{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"eA=="}}`, `data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character 'x' looking for beginning of value`},
	{"Secret", `{"type":"kubernetes.io/basic-auth"}`, "data[username]: Required value"},
	{"Secret", `{"type":"kubernetes.io/basic-auth","data":{"x":"AA=="}}`, "data[password]: Required value"},
	{"Secret", `{"type":"kubernetes.io/ssh-auth"}`, "data[ssh-privatekey]: Required value"},
	{"Secret", `{"type":"kubernetes.io/tls","data":{"tls.crt":"AA=="}}`, "data[tls.key]: Required value"},
	{"Event", `{}`, `involvedObject.namespace: Invalid value: "": does not match event.namespace`},
	{"Event", `{"involvedObject":{"namespace":"other"}}`, `involvedObject.namespace: Invalid value: "other": does not match event.namespace`},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reason":"r"}`, "reportingComponent: Required value"},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a b"}`, `reportingComponent: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '`},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a"}`, "reportingInstance: Required value"},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"i"}`, "action: Required value"},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"i","action":"x"}`, "reason: Required value"},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"i","action":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","reason":"r"}`, `action: Invalid value: "": can have at most 128 characters`},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"i","action":"x","reason":"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"}`, `reason: Invalid value: "": can have at most 128 characters`},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii","action":"x","reason":"r"}`, `reportingInstance: Invalid value: "": can have at most 128 characters`},
	{"Event", `{"involvedObject":{"namespace":"ns"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"i","action":"x","reason":"r","message":"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"}`, `message: Invalid value: "": can have at most 1024 characters`},
	{"Event", `{"eventTime":"2026-01-01T00:00:00.000000Z","reportingComponent":"a","reportingInstance":"i","action":"x","reason":"r"}`, `involvedObject.namespace: Invalid value: "": does not match event.namespace`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Pod"},{"type":"Pod"}]}}`, `spec.limits[1].type: Duplicate value: "Pod"`},
	{"LimitRange", `{"spec":{"limits":[{"type":"a b"}]}}`, `spec.limits[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or `},
	{"LimitRange", `{"spec":{"limits":[{"type":"Other"}]}}`, `spec.limits[0].type: Invalid value: "Other": must be a standard limit type or fully qualified`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","max":{"a":"1"}}]}}`, `spec.limits[0].max[a]: Invalid value: "a": must be a standard resource type or fully qualified`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Pod","max":{"a b":"1"}}]}}`, `spec.limits[0].max[a b]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name', `},
	{"LimitRange", `{"spec":{"limits":[{"type":"Pod","default":{"cpu":"1"}}]}}`, "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"},
	{"LimitRange", `{"spec":{"limits":[{"type":"Pod","defaultRequest":{"cpu":"1"}}]}}`, "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'"},
	{"LimitRange", `{"spec":{"limits":[{"type":"PersistentVolumeClaim"}]}}`, "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","max":{"cpu":"1"},"defaultRequest":{"cpu":"2"}}]}}`, `spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","max":{"cpu":"1"},"default":{"cpu":"2"}}]}}`, `spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","min":{"cpu":"2"},"defaultRequest":{"cpu":"1"}}]}}`, `spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","min":{"cpu":"2"},"default":{"cpu":"1"}}]}}`, `spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","default":{"cpu":"1"},"defaultRequest":{"cpu":"2"}}]}}`, `spec.limits[0].defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Pod","maxLimitRequestRatio":{"cpu":"500m"}}]}}`, `spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Pod","max":{"cpu":"2"},"min":{"cpu":"1"},"maxLimitRequestRatio":{"cpu":"3"}}]}}`, `spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","default":{"hugepages-2Mi":"2Mi"},"defaultRequest":{"hugepages-2Mi":"4Mi"}}]}}`, `spec.limits[0].defaultRequest[hugepages-2Mi]: Invalid value: "4Mi": default request value 4Mi is greater than default limit value 2Mi`},
	{"LimitRange", `{"spec":{"limits":[{"type":"Container","default":{"a.b/c":"2"},"defaultRequest":{"a.b/c":"1"}}]}}`, `spec.limits[0].defaultRequest[a.b/c]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in a.b/c`},
	{"ResourceQuota", `{"spec":{"hard":{"a b":"1"}}}`, `spec.hard[a b]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-`},
	{"ResourceQuota", `{"spec":{"hard":{"other":"1"}}}`, `spec.hard[other]: Invalid value: "other": must be a standard resource type or fully qualified`},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1500m"}}}`, `spec.hard[pods]: Invalid value: "1500m": must be an integer`},
	{"ResourceQuota", `{"spec":{"scopes":["Other"]}}`, `spec.scopes: Invalid value: ["Other"]: unsupported scope`},
	{"ResourceQuota", `{"spec":{"hard":{"services":"1"},"scopes":["Terminating"]}}`, `spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource`},
	{"ResourceQuota", `{"spec":{"hard":{"cpu":"1"},"scopes":["BestEffort"]}}`, `spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource`},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopes":["VolumeAttributesClass"]}}`, `spec.scopes: Invalid value: ["VolumeAttributesClass"]: unsupported scope applied to resource`},
	{"ResourceQuota", `{"spec":{"scopes":["BestEffort","NotBestEffort"]}}`, `spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes`},
	{"ResourceQuota", `{"spec":{"scopes":["Terminating","NotTerminating"]}}`, `spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes`},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"Other","operator":"Exists"}]}}}`, `spec.scopeSelector.matchExpressions.scopeName: Invalid value: "Other": unsupported scope`},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"Terminating","operator":"In","values":["a"]}]}}}`, `spec.scopeSelector.matchExpressions.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, `},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In"}]}}}`, "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn"}]}}}`, "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"Exists","values":["a"]}]}}}`, "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"DoesNotExist","values":["a"]}]}}}`, "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"Other"}]}}}`, `spec.scopeSelector.matchExpressions.operator: Invalid value: "Other": not a valid selector operator`},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"BestEffort","operator":"Exists"},{"scopeName":"NotBestEffort","operator":"Exists"}]}}}`, "spec.scopeSelector.matchExpressions: Invalid value: null: conflicting scopes"},
	{"ResourceQuota", `{"spec":{"hard":{"pods":"1"},"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"Exists"}]}}}`, `spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"VolumeAttributesClass","Operator":"Exists","Values":null}]}: unsupported scope applied to resource`},
	{"Namespace", `{"spec":{"finalizers":["a b"]}}`, `spec.finalizers: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123`},
	{"Namespace", `{"spec":{"finalizers":["other"]}}`, `spec.finalizers: Invalid value: "other": name is neither a standard finalizer name nor is it fully qualified`},
	{"Node", `{"spec":{"podCIDR":"x"}}`, `spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
	{"Node", `{"spec":{"podCIDRs":["10.0.0.0/24","10.0.1.0/24"]}}`, `spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family`},
	{"Node", `{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64","fd01::/64"]}}`, `spec.podCIDRs: Invalid value: ["10.0.0.0/24","fd00::/64","fd01::/64"]: may specify no more than one CIDR for each IP family`},
	{"Node", `{"metadata":{"annotations":{"scheduler.alpha.kubernetes.io/preferAvoidPods":"x"}}}`, `metadata.annotations.AvoidPods: Invalid value: "scheduler.alpha.kubernetes.io/preferAvoidPods": invalid character 'x' looking for beginning of value`},
	{"Node", `{"metadata":{"annotations":{"scheduler.alpha.kubernetes.io/preferAvoidPods":"{\"preferAvoidPods\":[{}]}"}}}`, "metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value"},
	{"Node", `{"metadata":{"annotations":{"scheduler.alpha.kubernetes.io/taints":"x"}}}`, `metadata.annotations: Invalid value: "scheduler.alpha.kubernetes.io/taints": invalid character 'x' looking for beginning of value`},
	{"Node", `{"spec":{"taints":[{"key":"a b","effect":"NoSchedule"}]}}`, `metadata.taints[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  `},
	{"Node", `{"spec":{"taints":[{"key":"","effect":"NoSchedule"}]}}`, `metadata.taints[0].key: Invalid value: "": name part must be non-empty`},
	{"Node", `{"spec":{"taints":[{"key":"a","value":"b c","effect":"NoSchedule"}]}}`, `metadata.taints[0].value: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g`},
	{"Node", `{"spec":{"taints":[{"key":"a"}]}}`, "metadata.taints[0].effect: Required value"},
	{"Node", `{"spec":{"taints":[{"key":"a","effect":"Other"}]}}`, `metadata.taints[0].effect: Unsupported value: "Other": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"`},
	{"Node", `{"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule","value":"x"}]}}`, `metadata.taints[1]: Duplicate value: {"Key":"a","Value":"x","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair`},
	{"Node", `{"status":{"capacity":{"cpu":"-1"}}}`, `status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0`},
	{"Node", `{"status":{"capacity":{"pods":"1500m"}}}`, `status.capacity.pods: Invalid value: "1500m": must be an integer`},
	{"Node", `{"status":{"allocatable":{"cpu":"-1"}}}`, `status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0`},
	{"Node", `{"status":{"nodeInfo":{"swap":{"capacity":-1}}}}`, "metadata.nodeSwapStatus.capacity: Invalid value: -1: must be greater than zero"},
	{"Node", `{"status":{"declaredFeatures":["A","A"]}}`, `status.declaredFeatures[1]: Duplicate value: "A"`},
	{"Node", `{"status":{"declaredFeatures":["B","A"]}}`, `status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically`},
	{"Node", `{"status":{"declaredFeatures":["a"]}}`, `status.declaredFeatures[0]: Invalid value: "a": invalid feature name "a": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeatur`},
	{"Node", `{"status":{"declaredFeatures":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]}}`, `status.declaredFeatures[0]: Invalid value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`},
	{"PersistentVolume", `{"spec":{"accessModes":null}}`, "spec.accessModes: Required value"},
	{"PersistentVolume", `{"spec":{"accessModes":["Other"]}}`, `spec.accessModes: Unsupported value: "Other": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"`},
	{"PersistentVolume", `{"spec":{"accessModes":["ReadWriteOncePod","ReadWriteOnce"]}}`, "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"},
	{"PersistentVolume", `{"spec":{"capacity":{"cpu":"1"}}}`, `spec.capacity: Unsupported value: {"cpu":"1","storage":"1Gi"}: supported values: "storage"`},
	{"PersistentVolume", `{"spec":{"capacity":{"cpu":"1","storage":"1"}}}`, `spec.capacity: Unsupported value: {"cpu":"1","storage":"1"}: supported values: "storage"`},
	{"PersistentVolume", `{"spec":{"capacity":{"storage":"-1"}}}`, "spec.capacity[storage]: Invalid value: -1: must be a valid resource quantity"},
	{"PersistentVolume", `{"spec":{"capacity":{"storage":"0"}}}`, `spec.capacity[storage]: Invalid value: "0": must be greater than zero`},
	{"PersistentVolume", `{"spec":{"persistentVolumeReclaimPolicy":"Other"}}`, `spec.persistentVolumeReclaimPolicy: Unsupported value: "Other": supported values: "Delete", "Recycle", "Retain"`},
	{"PersistentVolume", `{"spec":{"nodeAffinity":{}}}`, "spec.nodeAffinity.required: Required value: must specify required node constraints"},
	{"PersistentVolume", `{"spec":{"nodeAffinity":{"required":{}}}}`, "spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term"},
	{"PersistentVolume", `{"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Other"}]}]}}}}`, `spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Other": not a valid selector operator`},
	{"PersistentVolume", `{"spec":{"hostPath":{"path":"/"},"persistentVolumeReclaimPolicy":"Recycle"}}`, "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"},
	{"PersistentVolume", `{"spec":{"storageClassName":"A_"}}`, `spec.storageClassName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. '`},
	{"PersistentVolume", `{"spec":{"volumeMode":"Other"}}`, `spec.volumeMode: Unsupported value: "Other": supported values: "Block", "Filesystem"`},
	{"PersistentVolume", `{"spec":{"volumeAttributesClassName":""}}`, "spec.volumeAttributesClassName: Required value: an empty string is disallowed"},
	{"PersistentVolume", `{"spec":{"volumeAttributesClassName":"A_"}}`, `spec.volumeAttributesClassName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric characte`},
	{"PersistentVolume", `{"spec":{"volumeAttributesClassName":"a"}}`, "spec.csi: Required value: has to be specified when using volumeAttributesClassName"},
	{"PersistentVolume", `{"metadata":{"annotations":{"volume.beta.kubernetes.io/mount-options":"a"}}}`, "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type"},
	{"PersistentVolume", `{"spec":{"hostPath":{"path":""}}}`, "spec.hostPath.path: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":{"path":"/a/../b"}}}`, `spec.hostPath.path: Invalid value: "/a/../b": must not contain '..'`},
	{"PersistentVolume", `{"spec":{"hostPath":{"path":"/a","type":"Other"}}}`, `spec.hostPath.type: Unsupported value: "Other": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"`},
	{"PersistentVolume", `{"spec":{"nfs":{"server":"s","path":"/p"}}}`, "spec.nfs: Forbidden: may not specify more than 1 volume type"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","volumeHandle":"h"}}}`, "spec.csi.driver: Too long: may not be more than 63 bytes"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"nfs":{"path":"/p"}}}`, "spec.nfs.server: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"nfs":{"server":"s"}}}`, "spec.nfs.path: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"nfs":{"server":"s","path":"p"}}}`, `spec.nfs.path: Invalid value: "p": must be an absolute path`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"volumeHandle":"h"}}}`, "spec.csi.driver: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"a b","volumeHandle":"h"}}}`, `spec.csi.driver: Invalid value: "a b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'examp`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d"}}}`, "spec.csi.volumeHandle: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h","controllerPublishSecretRef":{}}}}`, "spec.csi.controllerPublishSecretRef.name: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h","controllerPublishSecretRef":{"name":"n"}}}}`, "spec.csi.controllerPublishSecretRef.namespace: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h","nodePublishSecretRef":{}}}}`, "spec.csi.nodePublishSecretRef.name: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h","nodeExpandSecretRef":{}}}}`, "spec.csi.nodeExpandSecretRef.name: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h","controllerExpandSecretRef":{}}}}`, "spec.csi.controllerExpandSecretRef.name: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h","nodeExpandSecretRef":{"name":"n"}}}}`, "spec.csi.nodeExpandSecretRef.namespace: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"local":{"path":"/p"}}}`, "spec.nodeAffinity: Required value: Local volume requires node affinity"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"local":{"path":""}}}`, "spec.local.path: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"local":{"path":"/a/../b"}}}`, `spec.local.path: Invalid value: "/a/../b": must not contain '..'`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"iscsi":{"iqn":"iqn.2020-01.a:b","lun":0}}}`, "spec.iscsi.targetPortal: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"iscsi":{"targetPortal":"p","lun":0}}}`, "spec.iscsi.iqn: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"iscsi":{"targetPortal":"p","iqn":"x","lun":0}}}`, `spec.iscsi.iqn: Invalid value: "x": must be valid format`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"iscsi":{"targetPortal":"p","iqn":"iqn.2020-01.a:b","lun":300}}}`, "spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"iscsi":{"targetPortal":"p","iqn":"iqn.2020-01.a:b","lun":0,"chapAuthSession":true}}}`, "spec.iscsi.secretRef: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"fc":{"lun":1}}}`, "spec.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"fc":{"targetWWNs":["a"]}}}`, "spec.fc.lun: Required value: lun is required if targetWWNs is specified"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"fc":{"targetWWNs":["a"],"lun":300}}}`, "spec.fc.lun: Invalid value: 300: must be between 0 and 255, inclusive"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"fc":{"targetWWNs":["a"],"lun":1,"wwids":["b"]}}}`, `spec.fc.targetWWNs: Invalid value: ["a"]: targetWWNs and wwids can not be specified simultaneously`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"rbd":{"image":"i"}}}`, "spec.rbd.monitors: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"rbd":{"monitors":["m"]}}}`, "spec.rbd.image: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"cephfs":{}}}`, "spec.cephfs.monitors: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"cephfs":{"monitors":[]}}}`, "spec.cephfs.monitors: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"glusterfs":{"path":"p"}}}`, "spec.glusterfs.endpoints: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"glusterfs":{"endpoints":"e"}}}`, "spec.glusterfs.path: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"glusterfs":{"endpoints":"e","path":"p","endpointsNamespace":""}}}`, `spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid namespace name`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"flexVolume":{}}}`, "spec.flexVolume.driver: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureFile":{"shareName":"s"}}}`, "spec.azureFile.secretName: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureFile":{"secretName":"s"}}}`, "spec.azureFile.shareName: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureFile":{"secretName":"s","shareName":"s","secretNamespace":""}}}`, "spec.azureFile.secretNamespace: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureDisk":{"diskURI":"/u"}}}`, "spec.azureDisk.diskName: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureDisk":{"diskName":"d"}}}`, "spec.azureDisk.diskURI: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureDisk":{"diskName":"d","diskURI":"/subscriptions/x","kind":"Other"}}}`, `spec.azureDisk.kind: Unsupported value: "Other": supported values: "Dedicated", "Managed", "Shared"`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureDisk":{"diskName":"d","diskURI":"u","kind":"Managed"}}}`, `spec.azureDisk.diskURI: Unsupported value: "u": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"azureDisk":{"diskName":"d","diskURI":"u","kind":"Shared"}}}`, `spec.azureDisk.diskURI: Unsupported value: "u": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"gcePersistentDisk":{}}}`, "spec.persistentDisk.pdName: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"gcePersistentDisk":{"pdName":"p","partition":300}}}`, "spec.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"awsElasticBlockStore":{}}}`, "spec.awsElasticBlockStore.volumeID: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"awsElasticBlockStore":{"volumeID":"v","partition":300}}}`, "spec.awsElasticBlockStore.partition: Invalid value: 300: must be between 1 and 255, inclusive"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"cinder":{}}}`, "spec.cinder.volumeID: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"cinder":{"volumeID":"v","secretRef":{"namespace":"n"}}}}`, "spec.cinder.secretRef.name: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"vsphereVolume":{}}}`, "spec.vsphereVolume.volumePath: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"photonPersistentDisk":{}}}`, "spec.photonPersistentDisk.pdID: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"portworxVolume":{}}}`, "spec.portworxVolume.volumeID: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"quobyte":{"volume":"v"}}}`, "spec.quobyte.registry: Required value: must be a host:port pair or multiple pairs separated by commas"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"quobyte":{"registry":"r"}}}`, `spec.quobyte.registry: Invalid value: "r": must be a host:port pair or multiple pairs separated by commas`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"quobyte":{"registry":"r:1","volume":"v","tenant":"ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"}}}`, "spec.quobyte.tenant: Required value: must be a UUID and may not exceed a length of 64 characters"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"quobyte":{"registry":"r","volume":"v"}}}`, `spec.quobyte.registry: Invalid value: "r": must be a host:port pair or multiple pairs separated by commas`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"flocker":{}}}`, "spec.flocker: Required value: one of datasetName and datasetUUID is required"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"flocker":{"datasetName":"a","datasetUUID":"b"}}}`, `spec.flocker: Invalid value: "resource": datasetName and datasetUUID can not be specified simultaneously`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"flocker":{"datasetName":"a/b"}}}`, `spec.flocker.datasetName: Invalid value: "a/b": must not contain '/'`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"scaleIO":{"system":"s","volumeName":"v","secretRef":{"name":"n"}}}}`, "spec.scaleIO.gateway: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"scaleIO":{"gateway":"g","volumeName":"v","secretRef":{"name":"n"}}}}`, "spec.scaleIO.system: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"scaleIO":{"gateway":"g","system":"s","secretRef":{"name":"n"}}}}`, "spec.scaleIO.volumeName: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"storageos":{}}}`, "spec.storageos.volumeName: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"storageos":{"volumeName":"v","volumeNamespace":"A"}}}`, `spec.storageos.volumeNamespace: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'm`},
	{"PersistentVolumeClaim", `{"spec":{"accessModes":["Other"]}}`, `spec.accessModes: Unsupported value: "Other": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"`},
	{"PersistentVolumeClaim", `{"spec":{"accessModes":["ReadWriteOncePod","ReadWriteOnce"]}}`, "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"},
	{"PersistentVolumeClaim", `{"spec":{"resources":{"requests":{"storage":null}}}}`, "spec.resources[storage]: Required value"},
	{"PersistentVolumeClaim", `{"spec":{"resources":{"requests":{"storage":"0"}}}}`, `spec.resources[storage]: Invalid value: "0": must be greater than zero`},
	{"PersistentVolumeClaim", `{"spec":{"resources":{"requests":{"storage":"-1"}}}}`, `spec.resources[storage]: Invalid value: "-1": must be greater than zero`},
	{"PersistentVolumeClaim", `{"spec":{"storageClassName":"A_"}}`, `spec.storageClassName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. '`},
	{"PersistentVolumeClaim", `{"spec":{"volumeMode":"Other"}}`, `spec.volumeMode: Unsupported value: "Other": supported values: "Block", "Filesystem"`},
	{"PersistentVolumeClaim", `{"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Other"}]}}}`, `spec.selector.matchExpressions[0].operator: Invalid value: "Other": not a valid selector operator`},
	{"PersistentVolumeClaim", `{"spec":{"selector":{"matchLabels":{"a b":"c"}}}}`, `spec.selector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name'`},
	{"PersistentVolumeClaim", `{"spec":{"volumeAttributesClassName":"A_"}}`, `spec.volumeAttributesClassName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric characte`},
	{"PersistentVolumeClaim", `{"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":""}}}`, "spec.dataSource.name: Required value"},
	{"PersistentVolumeClaim", `{"spec":{"dataSourceRef":{"kind":"","name":"n"}}}`, "spec.dataSource.kind: Required value"},
	{"PersistentVolumeClaim", `{"spec":{"dataSourceRef":{"kind":"Other","name":"n"}}}`, `spec.dataSource: Invalid value: "Other": must be 'PersistentVolumeClaim' when referencing the default apiGroup`},
	{"PersistentVolumeClaim", `{"spec":{"dataSourceRef":{"kind":"PersistentVolumeClaim","name":""}}}`, "spec.dataSource.name: Required value"},
	{"PersistentVolumeClaim", `{"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"a"},"dataSourceRef":{"kind":"PersistentVolumeClaim","name":"b"}}}`, "spec: Invalid value: {}: must match dataSourceRef"},
	{"PersistentVolumeClaim", `{"spec":{"dataSourceRef":{"apiGroup":"a b","kind":"K","name":"n"}}}`, `spec.dataSource.apiGroup: Invalid value: "a b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.`},
	{"ReplicationController", `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{"spec":{"template":null}}`, "spec.template: Required value"},
	{"ReplicationController", `{"spec":{"selector":null,"template":{"metadata":{"labels":null}}}}`, "spec.selector: Required value"},
	{"ReplicationController", `{"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`, `spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`},
	{"ReplicationController", `{"spec":{"template":{"spec":{"activeDeadlineSeconds":5}}}}`, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported"},
	{"ReplicationController", `{"spec":{"template":{"spec":{"containers":[]}}}}`, "spec.template.spec.containers: Required value"},
	{"ReplicationController", `{"spec":{"template":{"metadata":{"labels":{"c":"d e"}}}}}`, `spec.template.labels: Invalid value: "d e": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'M`},
	{"ReplicationController", `{"spec":{"template":{"metadata":{"annotations":{"c d":"e"}}}}}`, `spec.template.annotations: Invalid value: "c d": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name'`},
	{"ReplicationController", `{"spec":{"template":{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}}}`, "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"},
	{"PodTemplate", `{"template":{"spec":{"containers":[]}}}`, "template.spec.containers: Required value"},
	{"PodTemplate", `{"template":{"spec":{"restartPolicy":"Other"}}}`, `template.spec.restartPolicy: Unsupported value: "Other": supported values: "Always", "OnFailure", "Never"`},
	{"PodTemplate", `{"template":{"metadata":{"labels":{"a":"b c"}}}}`, `template.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValu`},
	{"PodTemplate", `{"template":{"metadata":{"annotations":{"a b":"c"}}}}`, `template.annotations: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or`},
	{"PodTemplate", `{"template":{"spec":{"dnsPolicy":"Other"}}}`, `template.spec.dnsPolicy: Unsupported value: "Other": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"`},
}

// change is a minimal object with a patch, what is changed of it, and the
// error that this meets.
type change struct{ kind, was, change, want string }

// coreUpdateRefused are changes of objects that are refused.
var coreUpdateRefused = []change{
	{"ConfigMap", `{"immutable":true}`, `{"immutable":false}`, "immutable: Forbidden: field is immutable when `immutable` is set"},
	{"ConfigMap", `{"immutable":true}`, `{"data":{"k":"x"}}`, "data: Forbidden: field is immutable when `immutable` is set"},
	{"ConfigMap", `{"immutable":true}`, `{"binaryData":{"b":"AA=="}}`, "binaryData: Forbidden: field is immutable when `immutable` is set"},
	{"Secret", `{"immutable":true}`, `{"immutable":false}`, "immutable: Forbidden: field is immutable when `immutable` is set"},
	{"Secret", `{"immutable":true}`, `{"data":{"k":"AA=="}}`, "data: Forbidden: field is immutable when `immutable` is set"},
	{"Event", `{"involvedObject":{"namespace":"ns"}}`, `{"involvedObject":{"namespace":"other"}}`, `involvedObject.namespace: Invalid value: "other": does not match event.namespace`},
	{"Node", `{"spec":{"podCIDR":"10.0.0.0/24"}}`, `{"spec":{"podCIDR":"10.0.1.0/24","podCIDRs":["10.0.1.0/24"]}}`, `spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid`},
	{"Node", `{"spec":{"podCIDR":"10.0.0.0/24"}}`, `{"spec":{"podCIDRs":["10.0.0.0/24","fd00::/64"]}}`, `spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid`},
	{"Node", `{"spec":{"providerID":"a"}}`, `{"spec":{"providerID":"b"}}`, "spec.providerID: Invalid value: null: field cannot be modified once set"},
	{"Node", `{"spec":{"providerID":"a"}}`, `{"spec":{"providerID":null}}`, "spec.providerID: Invalid value: null: field cannot be cleared once set"},
	{"Node", `{}`, `{"spec":{"externalID":"b"}}`, "spec.externalID: Forbidden: may not be updated"},
	{"Node", `{"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"},{"type":"InternalIP","address":"10.0.0.1"}]}}`, `{"metadata":{"labels":{"a":"b"}}}`, `status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}`},
	{"Node", `{}`, `{"metadata":{"annotations":{"scheduler.alpha.kubernetes.io/preferAvoidPods":"x"}}}`, `metadata.annotations.AvoidPods: Invalid value: "scheduler.alpha.kubernetes.io/preferAvoidPods": invalid character 'x' looking for beginning of value`},
	{"Node", `{}`, `{"spec":{"taints":[{"key":"a"}]}}`, "metadata.taints[0].effect: Required value"},
	{"PersistentVolume", `{}`, `{"spec":{"hostPath":{"path":"/q"}}}`, "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
	{"PersistentVolume", `{}`, `{"spec":{"volumeMode":"Block"}}`, `volumeMode: Invalid value: "Block": field is immutable`},
	{"PersistentVolume", `{"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}}}`, `{"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"b","operator":"Exists"}]}]}}}}`, `nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"b","Operator":"Exists","Values":null}],"MatchFields":null}]}}: field is immutable, except for updating from `},
	{"PersistentVolume", `{"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}}}`, `{"spec":{"nodeAffinity":null}}`, "nodeAffinity: Invalid value: null: field is immutable, except for updating from beta label to GA"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h"},"volumeAttributesClassName":"a"}}`, `{"spec":{"volumeAttributesClassName":null}}`, "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"csi":{"volumeHandle":"x"}}}`, "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
	{"PersistentVolumeClaim", `{}`, `{"spec":{"resources":{"requests":{"storage":"512Mi"}}}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{}`, `{"spec":{"volumeMode":"Block"}}`, `volumeMode: Invalid value: "Block": field is immutable`},
	{"PersistentVolumeClaim", `{"spec":{"storageClassName":"a"}}`, `{"spec":{"storageClassName":"b"}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{}`, `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"x"}}}`, `metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "x": field is immutable`},
	{"PersistentVolumeClaim", `{"spec":{"volumeName":"a"}}`, `{"spec":{"volumeName":"b"}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"ResourceQuota", `{}`, `{"spec":{"scopes":["Terminating"]}}`, `spec.scopes: Invalid value: ["Terminating"]: field is immutable`},
	{"ResourceQuota", `{"spec":{"scopes":["Terminating"]}}`, `{"spec":{"scopes":null}}`, "spec.scopes: Invalid value: null: field is immutable"},
	{"ReplicationController", `{}`, `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{}`, `{"spec":{"selector":{"x":"y"}}}`, "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
	{"LimitRange", `{}`, `{"spec":{"limits":[{"type":"Pod","default":{"cpu":"1"}}]}}`, "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"},
	{"Endpoints", `{}`, `{"subsets":[{}]}`, "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
	{"PodTemplate", `{}`, `{"template":{"spec":{"containers":[]}}}`, "template.spec.containers: Required value"},
	{"Service", `{"spec":{"type":"LoadBalancer","loadBalancerClass":"a.b/c"}}`, `{"spec":{"loadBalancerClass":"a.b/d"}}`, `spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set`},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"spec":{"loadBalancerClass":"a.b/d"}}`, `spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set`},
	{"Service", `{"spec":{"clusterIP":"None","selector":{"a":"b"}}}`, `{"spec":{"clusterIP":"10.96.0.77","clusterIPs":["10.96.0.77"]}}`, `spec.clusterIPs[0]: Invalid value: ["10.96.0.77"]: may not change once set`},
	{"Service", `{"spec":{"clusterIP":"None"}}`, `{"spec":{"type":"NodePort"}}`, `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`},
	{"Service", `{}`, `{"spec":{"type":"Other"}}`, `spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"`},
	{"Service", `{}`, `{"spec":{"ports":[{"port":80,"nodePort":30009}]}}`, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
	{"PersistentVolumeClaim", `{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`, `{"spec":{"resources":{"requests":{"storage":"512Mi"}}}}`, "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"},
	{"PersistentVolumeClaim", `{"spec":{"resources":{"requests":{"storage":"2Gi"}}},"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`, `{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}`, "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"},
	{"PersistentVolumeClaim", `{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`, `{"spec":{"resources":{"limits":{"storage":"5Gi"}}}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`, `{"spec":{"accessModes":["ReadOnlyMany"]}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{"spec":{"volumeAttributesClassName":"a"},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`, `{"spec":{"volumeAttributesClassName":null}}`, "spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil"},
	{"PersistentVolumeClaim", `{"spec":{"volumeAttributesClassName":"a"},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`, `{"spec":{"volumeAttributesClassName":""}}`, "spec.volumeAttributesClassName: Forbidden: update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil"},
	{"PersistentVolumeClaim", `{"spec":{"volumeAttributesClassName":"a"},"status":{"phase":"Bound","currentVolumeAttributesClassName":"a"}}`, `{"spec":{"volumeAttributesClassName":"A_"}}`, `spec.volumeAttributesClassName: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric characte`},
	{"PersistentVolumeClaim", `{"spec":{"volumeAttributesClassName":"a"}}`, `{"spec":{"volumeAttributesClassName":"b"}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"x"}}}`, `{"spec":{"storageClassName":"y"}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"x"}}}`, `{"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"y"}}}`, `metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "y": field is immutable`},
	{"PersistentVolumeClaim", `{"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"a"}}}`, `{"spec":{"dataSource":{"name":"b"},"dataSourceRef":{"name":"b"}}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"PersistentVolumeClaim", `{}`, `{"spec":{"selector":{"matchLabels":{"a":"b"}}}}`, "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"},
	{"Service", `{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30555}}`, `{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30556}}`, "spec.healthCheckNodePort: Forbidden: field is immutable"},
	{"Service", `{"spec":{"clusterIP":"10.96.0.150","clusterIPs":["10.96.0.150"]}}`, `{"spec":{"clusterIP":"10.96.0.151","clusterIPs":["10.96.0.151"]}}`, `spec.clusterIPs[0]: Invalid value: ["10.96.0.151"]: may not change once set`},
	{"Service", `{"spec":{"clusterIP":"10.96.0.152","clusterIPs":["10.96.0.152"]}}`, `{"spec":{"clusterIP":"None","clusterIPs":["None"]}}`, `spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set`},
	{"Service", `{"spec":{"clusterIP":"10.96.0.153","clusterIPs":["10.96.0.153"]}}`, `{"spec":{"clusterIP":"10.96.0.154"}}`, `spec.clusterIPs[0]: Invalid value: ["10.96.0.154"]: may not change once set`},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"spec":{"loadBalancerSourceRanges":["x"]}}`, `spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
	{"Service", `{"spec":{"type":"LoadBalancer","loadBalancerClass":"a.b/c"}}`, `{"spec":{"loadBalancerClass":null}}`, "spec.loadBalancerClass: Invalid value: null: may not change once set"},
	{"Service", `{}`, `{"spec":{"externalIPs":["x"]}}`, `spec.externalIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
	{"Service", `{}`, `{"spec":{"ports":null}}`, "spec.ports: Required value"},
	{"Service", `{}`, `{"spec":{"trafficDistribution":"Other"}}`, `spec.trafficDistribution: Unsupported value: "Other": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"`},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"csi":{"controllerExpandSecretRef":{"name":"n"}}}}`, "spec.csi.controllerExpandSecretRef.namespace: Required value"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h"}}}`, `{"spec":{"csi":{"controllerPublishSecretRef":{"name":"n","namespace":"x"}}}}`, "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
	{"PersistentVolume", `{"spec":{"hostPath":null,"csi":{"driver":"d","volumeHandle":"h"},"volumeAttributesClassName":"a"}}`, `{"spec":{"volumeAttributesClassName":""}}`, "spec.volumeAttributesClassName: Required value: an empty string is disallowed"},
	{"PersistentVolume", `{}`, `{"spec":{"capacity":{"storage":"0"}}}`, `spec.capacity[storage]: Invalid value: "0": must be greater than zero`},
	{"PersistentVolume", `{"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"beta.kubernetes.io/os","operator":"Exists"}]}]}}}}`, `{"spec":{"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/arch","operator":"Exists"}]}]}}}}`, `nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"kubernetes.io/arch","Operator":"Exists","Values":null}],"MatchFields":null}]}}: field is immutable, except f`},
	{"ConfigMap", `{}`, `{"data":{"a b":"c"}}`, `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0`},
	{"Secret", `{}`, `{"data":{"a b":"AA=="}}`, `data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0`},
	{"ReplicationController", `{}`, `{"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`, `spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`},
	{"Event", `{"involvedObject":{"namespace":"ns"}}`, `{"eventTime":"2026-01-01T00:00:00.000000Z"}`, "action: Required value"},
	{"Node", `{}`, `{"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule"}]}}`, `metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair`},
	{"Node", `{}`, `{"metadata":{"annotations":{"scheduler.alpha.kubernetes.io/preferAvoidPods":"{\"preferAvoidPods\":[{}]}"}}}`, "metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value"},
}

// coreStatusRefused are the same of updates of the status.
var coreStatusRefused = []change{
	{"Service", `{}`, `{"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}}`, "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"status":{"loadBalancer":{"ingress":[{"ip":"x"}]}}}`, `status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"status":{"loadBalancer":{"ingress":[{"hostname":"a","ipMode":"VIP"}]}}}`, "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set"},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4","ipMode":"Other"}]}}}`, `status.loadBalancer.ingress[0].ipMode: Unsupported value: "Other": supported values: "Proxy", "VIP"`},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"status":{"loadBalancer":{"ingress":[{"hostname":"A_"}]}}}`, `status.loadBalancer.ingress[0].hostname: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric`},
	{"Service", `{"spec":{"type":"LoadBalancer"}}`, `{"status":{"loadBalancer":{"ingress":[{"hostname":"1.2.3.4"}]}}}`, `status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address`},
	{"ReplicationController", `{}`, `{"status":{"replicas":-1}}`, "status.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{}`, `{"status":{"readyReplicas":-1}}`, "status.readyReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{}`, `{"status":{"availableReplicas":-1}}`, "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{}`, `{"status":{"fullyLabeledReplicas":-1}}`, "status.fullyLabeledReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{}`, `{"status":{"observedGeneration":-1}}`, "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{}`, `{"status":{"readyReplicas":1}}`, "status.readyReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"ReplicationController", `{}`, `{"status":{"fullyLabeledReplicas":1}}`, "status.fullyLabeledReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"ReplicationController", `{}`, `{"status":{"availableReplicas":1}}`, "status.availableReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"ReplicationController", `{}`, `{"status":{"replicas":3,"readyReplicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"},
	{"ResourceQuota", `{}`, `{"status":{"hard":{"pods":"-1"}}}`, `status.hard[pods]: Invalid value: "-1": must be greater than or equal to 0`},
	{"ResourceQuota", `{}`, `{"status":{"hard":{"a b":"1"}}}`, `status.hard[a b]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '12`},
	{"ResourceQuota", `{}`, `{"status":{"used":{"pods":"-1"}}}`, `status.used[pods]: Invalid value: "-1": must be greater than or equal to 0`},
	{"ResourceQuota", `{}`, `{"status":{"used":{"other":"1"}}}`, `status.used[other]: Invalid value: "other": must be a standard resource type or fully qualified`},
	{"PersistentVolumeClaim", `{}`, `{"status":{"capacity":{"storage":"-1"}}}`, "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"},
	{"PersistentVolumeClaim", `{}`, `{"status":{"allocatedResources":{"cpu":"1"}}}`, `status.allocatedResources: Unsupported value: "cpu": supported values: "storage"`},
	{"PersistentVolumeClaim", `{}`, `{"status":{"allocatedResources":{"storage":"-1"}}}`, "status.allocatedResources[storage]: Invalid value: -1: must be a valid resource quantity"},
	{"PersistentVolumeClaim", `{}`, `{"status":{"allocatedResourceStatuses":{"storage":"Other"}}}`, `status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResiz`},
	{"PersistentVolumeClaim", `{}`, `{"status":{"allocatedResourceStatuses":{"cpu":"NodeResizePending"}}}`, `status.allocatedResourceStatuses: Unsupported value: "cpu": supported values: "storage"`},
	{"PersistentVolumeClaim", `{}`, `{"status":{"allocatedResourceStatuses":{"a b/c":"NodeResizePending"}}}`, `status.allocatedResourceStatuses: Invalid value: "a b/c": prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alph`},
	{"PersistentVolumeClaim", `{}`, `{"status":{"allocatedResources":{"a b/c":"1"}}}`, `status.allocatedResources: Invalid value: "a b/c": prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeri`},
	{"Namespace", `{}`, `{"status":{"phase":"Terminating"}}`, "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"},
	{"Node", `{}`, `{"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"},{"type":"InternalIP","address":"10.0.0.1"}]}}`, `status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}`},
	{"Node", `{}`, `{"status":{"capacity":{"cpu":"-1"}}}`, `status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0`},
	{"Node", `{}`, `{"status":{"allocatable":{"pods":"1500m"}}}`, `status.allocatable.pods: Invalid value: "1500m": must be an integer`},
	{"Node", `{}`, `{"status":{"declaredFeatures":["B","A"]}}`, `status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically`},
	{"Node", `{}`, `{"status":{"declaredFeatures":["A","A"]}}`, `status.declaredFeatures[1]: Duplicate value: "A"`},
	{"Node", `{}`, `{"status":{"declaredFeatures":["a"]}}`, `status.declaredFeatures[0]: Invalid value: "a": invalid feature name "a": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeatur`},
	{"Node", `{}`, `{"status":{"declaredFeatures":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]}}`, `status.declaredFeatures[0]: Invalid value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`},
}

// changes returns the object that a change is made to, and what comes of it.
func (c *change) changes(t *testing.T, k *kinds.Kind) (now, old kinds.Object) {
	t.Helper()
	old = object(t, k, c.was)
	if errs := created(k, old); len(errs) > 0 {
		t.Fatal(errs)
	}
	// Creation drops a status, which comes later.
	old = patched(t, k, old, c.was)
	return patched(t, k, old, c.change), old
}

func patched(t *testing.T, k *kinds.Kind, obj kinds.Object, with string) kinds.Object {
	t.Helper()
	data, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var whole, patch map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(with), &patch); err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(merge(whole, patch)); err != nil {
		t.Fatal(err)
	}
	out := k.New()
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	if k.Default != nil {
		k.Default(out)
	}
	return out
}

func TestCoreUpdateRefused(t *testing.T) {
	for _, c := range coreUpdateRefused {
		t.Run(c.kind+"/"+c.was+"/"+c.change, func(t *testing.T) {
			k := kindOf(t, c.kind)
			now, old := c.changes(t, k)
			if k.PrepareUpdate != nil {
				k.PrepareUpdate(context.Background(), now, old)
			}
			expect(t, updated(k, now, old), c.want)
		})
	}
}

func TestCoreStatusRefused(t *testing.T) {
	for _, c := range coreStatusRefused {
		t.Run(c.kind+"/"+c.was+"/"+c.change, func(t *testing.T) {
			k, ctx := kindOf(t, c.kind), context.Background()
			now, old := c.changes(t, k)
			if k.Status.PrepareUpdate != nil {
				k.Status.PrepareUpdate(ctx, now, old)
			}
			expect(t, k.Status.ValidateUpdate(ctx, now, old), c.want)
		})
	}
}

// Config maps and secrets hold a mebibyte.
func TestCoreTooLong(t *testing.T) {
	much := strings.Repeat("x", 1<<20)
	testRefused(t, []refusal{
		{"ConfigMap", `{"data":{"k":"` + much + `","l":"x"}}`, "[]: Too long: may not be more than 1048576 bytes"},
		{"Secret", `{"stringData":{"k":"` + much + `","l":"x"}}`, "data: Too long: may not be more than 1048576 bytes"},
	})
}
