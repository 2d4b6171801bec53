// Package job runs Jobs: pods until enough of them have succeeded.
//
// Every pod carries a finalizer until its end has been counted in the Job's status, so
// that no success or failure is lost or counted twice, whoever deletes the pod and
// whenever this controller stops. A pod that ended is first noted in the status as
// uncounted, then freed of the finalizer, then counted.
//
// count.go and outcome.go decide, without I/O.
package job
