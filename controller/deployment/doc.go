// Package deployment rolls out Deployments: it keeps one ReplicaSet per revision of
// the pod template and moves replicas from old ones to the newest by the Deployment's
// strategy.
//
// What to do is decided by functions without I/O (rollout.go, scale.go, status.go);
// sync.go carries it out, one status write per pass.
package deployment
