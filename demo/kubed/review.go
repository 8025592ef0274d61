package kubed

import (
	"encoding/json"
	"fmt"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// review is a question that a client asks about itself; nothing is stored.
type review struct {
	group, plural, kind string
	answer              func(c *call, body []byte) (runtime.Object, error)
}

var reviews = []review{
	{"authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", whoAmI},
	{"authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", canI},
	{"authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", whatCanI},
}

// serveReview answers a self review; false means the request is something else.
func (s *Server) serveReview(c *call) bool {
	for _, r := range reviews {
		if r.group != c.info.group || r.plural != c.info.plural || c.info.version != "v1" {
			continue
		}
		body, err := c.body()
		if err == nil {
			var out runtime.Object
			if out, err = r.answer(c, body); err == nil {
				out.GetObjectKind().SetGroupVersionKind(r.gvk())
				err = c.sendCreated(out)
			}
		}
		if err != nil {
			c.fail(err)
		}
		return true
	}
	return false
}

func (r review) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.group, Version: "v1", Kind: r.kind}
}

func whoAmI(c *call, _ []byte) (runtime.Object, error) {
	out := &authenticationv1.SelfSubjectReview{}
	out.Status.UserInfo.Username, out.Status.UserInfo.Groups = c.user.name, c.user.groups
	return out, nil
}

func canI(c *call, body []byte) (runtime.Object, error) {
	in := &authorizationv1.SelfSubjectAccessReview{}
	gvk := authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview")
	if err := decodeInto(body, gvk, in); err != nil {
		return nil, err
	}
	switch {
	case in.Spec.ResourceAttributes != nil:
		in.Status.Allowed = c.user.may(in.Spec.ResourceAttributes.Verb)
	case in.Spec.NonResourceAttributes != nil:
		in.Status.Allowed = c.user.may(in.Spec.NonResourceAttributes.Verb)
	default:
		return nil, badRequest(`SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec: Invalid value: ` +
			"exactly one of nonResourceAttributes or resourceAttributes must be specified")
	}
	return in, nil
}

func whatCanI(c *call, body []byte) (runtime.Object, error) {
	in := &authorizationv1.SelfSubjectRulesReview{}
	gvk := authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectRulesReview")
	if err := decodeInto(body, gvk, in); err != nil {
		return nil, err
	}
	everything := []string{"*"}
	verbs := []string{"get", "list", "watch"}
	if c.user.may("*") {
		verbs = everything
	}
	in.Status.ResourceRules = []authorizationv1.ResourceRule{
		{Verbs: verbs, APIGroups: everything, Resources: everything},
		{
			Verbs: []string{"create"}, APIGroups: []string{"authorization.k8s.io"},
			Resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"},
		},
	}
	in.Status.NonResourceRules = []authorizationv1.NonResourceRule{{Verbs: verbs[:1], NonResourceURLs: everything}}
	return in, nil
}

// sendCreated answers a creation with an object that has its type set.
func (c *call) sendCreated(o runtime.Object) error {
	f, err := negotiate(c.r, true)
	if err != nil {
		return err
	}
	body, err := f.encode(o)
	if err != nil {
		return err
	}
	send(c.w, c.r, f.mime, http.StatusCreated, body)
	return nil
}

func (c *call) sendJSON(v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		c.fail(fmt.Errorf("encode the answer: %w", err))
		return
	}
	send(c.w, c.r, mimeJSON, http.StatusOK, body)
}
