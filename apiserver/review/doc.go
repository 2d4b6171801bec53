// Package review answers the API's questions about identity and permission:
// TokenReview and SelfSubjectReview, the three access reviews and the rules
// review. Nothing of them is stored; they put the server's own authenticator
// and authorizer at the disposal of others.
package review
