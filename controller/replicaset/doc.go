// Package replicaset keeps the number of pods of each ReplicaSet at what its spec
// asks for, and of each ReplicationController, which is the same under an older name.
package replicaset
