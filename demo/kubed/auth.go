package kubed

import (
	"fmt"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// user is who a client certificate names.
type user struct {
	name   string
	groups []string
}

func userOf(r *http.Request) user {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return user{}
	}
	subject := r.TLS.VerifiedChains[0][0].Subject
	return user{name: subject.CommonName, groups: append(slices.Clone(subject.Organization), "system:authenticated")}
}

// may says whether the user can do that.
func (u user) may(verb string) bool {
	if slices.Contains(u.groups, mastersGroup) {
		return true
	}
	return u.name == UserView && (verb == "get" || verb == "list" || verb == "watch")
}

func (u user) authorize(i requestInfo) error {
	if u.may(i.verb) {
		return nil
	}
	plural := i.plural
	if i.subresource != "" {
		plural += "/" + i.subresource
	}
	where := "at the cluster scope"
	if i.namespace != "" {
		where = fmt.Sprintf("in the namespace %q", i.namespace)
	}
	what := i.plural
	if i.group != "" {
		what += "." + i.group
	}
	if i.name != "" {
		what += fmt.Sprintf(" %q", i.name)
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: fmt.Sprintf("%s is forbidden: User %q cannot %s resource %q in API group %q %s",
			what, u.name, i.verb, plural, i.group, where),
		Details: &metav1.StatusDetails{Name: i.name, Group: i.group, Kind: i.plural},
	}}
}
