package kubed

import "encoding/json"

// fieldsJSON writes the fields of a map in the FieldsV1 format. Lists are owned as a whole.
func fieldsJSON(m map[string]any) string {
	// A map of maps always encodes.
	raw, _ := json.Marshal(fieldTree(m))
	return string(raw)
}

func fieldTree(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		key := "f:" + k
		if child, ok := v.(map[string]any); ok && len(child) > 0 {
			tree := fieldTree(child)
			if k == "labels" || k == "annotations" {
				tree["."] = map[string]any{}
			}
			out[key] = tree
			continue
		}
		out[key] = map[string]any{}
	}
	return out
}
