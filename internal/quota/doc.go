// Package quota measures what the objects of a namespace use of its resource
// quotas. Admission asks it about objects to come, a controller about those
// that are there.
package quota
