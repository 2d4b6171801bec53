package rbac

import (
	rbacv1 "k8s.io/api/rbac/v1"
)

// SubjectTerm is what the bindings of a namespace are found by that name a user
// or group; namespace is empty for those that bind in the whole cluster.
// Service accounts are users.
func SubjectTerm(namespace, kind, name string) string { return namespace + "/" + kind + "/" + name }

// AccountUser is the name of the user that a service account is.
func AccountUser(namespace, name string) string {
	return "system:serviceaccount:" + namespace + ":" + name
}

// subjectTerms are those of a binding in a namespace, empty for the cluster.
func subjectTerms(namespace string, subjects []rbacv1.Subject) []string {
	terms := make([]string, 0, len(subjects))
	for _, s := range subjects {
		switch s.Kind {
		case rbacv1.UserKind, rbacv1.GroupKind:
			terms = append(terms, SubjectTerm(namespace, s.Kind, s.Name))
		case rbacv1.ServiceAccountKind:
			in := s.Namespace
			if in == "" {
				in = namespace
			}
			if in != "" {
				terms = append(terms, SubjectTerm(namespace, rbacv1.UserKind, AccountUser(in, s.Name)))
			}
		}
	}
	return terms
}
