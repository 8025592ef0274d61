package kubed

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

// column is one column of the table that kubectl get prints.
type column struct {
	name     string
	kind     string // string, integer, number, boolean or date
	priority int32  // above zero: shown with -o wide only
}

// columns parses a list such as "Name Status Age", where a star marks a wide
// column, a hash an integer, and an underscore is a space.
func columns(names ...string) []column {
	var out []column
	for _, n := range names {
		c := column{name: n, kind: "string"}
		for len(c.name) > 0 && (c.name[0] == '*' || c.name[0] == '#') {
			if c.name[0] == '*' {
				c.priority = 1
			} else {
				c.kind = "integer"
			}
			c.name = c.name[1:]
		}
		out = append(out, c)
	}
	return out
}

// tableOf builds the table that kubectl prints. A watch names the columns only once.
func (s *Server) tableOf(c *call, objs []object, meta metav1.ListMeta, header bool) *metav1.Table {
	t := &metav1.Table{
		TypeMeta: metav1.TypeMeta{Kind: "Table", APIVersion: metav1.SchemeGroupVersion.String()},
		ListMeta: meta, Rows: make([]metav1.TableRow, 0, len(objs)), ColumnDefinitions: []metav1.TableColumnDefinition{},
	}
	cols, row := c.res.columns, c.res.row
	if len(cols) == 0 {
		cols, row = columns("Name", "Age"), plainRow
	}
	if header {
		t.ColumnDefinitions = definitions(cols)
	}
	now := metav1.NewTime(s.opts.Now())
	include := metav1.IncludeObjectPolicy(c.query("includeObject"))
	for _, o := range objs {
		r := metav1.TableRow{Cells: row(o, now)}
		switch include {
		case metav1.IncludeNone:
		case metav1.IncludeObject:
			r.Object = runtime.RawExtension{Object: withType(c.res, o)}
		case metav1.IncludeMetadata:
			r.Object = runtime.RawExtension{Object: typedPartial(o)}
		default:
			r.Object = runtime.RawExtension{Object: typedPartial(o)}
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

func definitions(cols []column) []metav1.TableColumnDefinition {
	out := make([]metav1.TableColumnDefinition, 0, len(cols))
	for _, c := range cols {
		d := metav1.TableColumnDefinition{Name: c.name, Type: c.kind, Priority: c.priority, Description: c.name}
		if c.name == "Name" {
			d.Format = "name"
		}
		out = append(out, d)
	}
	return out
}

func plainRow(o object, now metav1.Time) []any {
	return []any{o.GetName(), ageOf(o, now)}
}

func ageOf(o object, now metav1.Time) string { return since(o.GetCreationTimestamp(), now) }

func since(t, now metav1.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// customRow prints the columns of a Flux kind: fixed paths, "Ready", "Status" and "Age".
func customRow(paths ...[]string) func(object, metav1.Time) []any {
	return func(o object, now metav1.Time) []any {
		cells := []any{o.GetName()}
		for _, p := range paths {
			cells = append(cells, customCell(o, p, now))
		}
		return cells
	}
}

func customCell(o object, path []string, now metav1.Time) any {
	switch path[0] {
	case "Ready":
		return orNil(readyCondition(o)["status"])
	case "Status":
		return orNil(readyCondition(o)["message"])
	case "Age":
		return ageOf(o, now)
	}
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	v, found, err := unstructured.NestedFieldNoCopy(u.Object, path...)
	if err != nil || !found {
		return nil
	}
	if text, ok := v.(string); ok && (path[len(path)-1] == "scanTime" || path[len(path)-1] == "lastAutomationRunTime") {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return since(metav1.NewTime(at), now)
		}
	}
	return fmt.Sprint(v)
}

func orNil(v any) any {
	if v == nil {
		return nil
	}
	return fmt.Sprint(v)
}

// readyCondition returns a custom object's Ready condition, empty if it has none.
func readyCondition(o object) map[string]any {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	for _, c := range entriesOf(u.Object, "status", "conditions") {
		if c["type"] == "Ready" {
			return c
		}
	}
	return nil
}
