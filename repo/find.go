package repo

import (
	"os"
	"path/filepath"
	"slices"
)

const talconfigName = "talconfig.yaml"

// maxEntries bounds how many folders of one level are looked into.
const maxEntries = 256

// conventional are the folders, below the root of a checkout, in which a
// talconfig.yaml is kept; a * stands for any one folder. Best first.
var conventional = []string{
	"talos",
	"kubernetes/talos",
	"kubernetes/bootstrap/talos",
	"kubernetes/main/bootstrap/talos",
	"kubernetes/*/bootstrap/talos",
	"kubernetes/*/talos",
	"talos/*",
	"clusters/*/talos",
	"clusters/*",
	"infrastructure/talos",
	".",
}

// Find gives the absolute paths of the talconfig.yaml files that belong to a
// folder, best first: from the folder upwards talos/talconfig.yaml and
// talconfig.yaml, then the conventional folders of the checkout (or, outside
// Git, of the folder itself). Links are followed once and a file is given
// once. No file found is no error; a folder that does not exist is one.
func Find(start string) ([]string, error) {
	start = absolute(start)
	info, err := os.Stat(start)
	if err != nil {
		return nil, osError(start, err)
	}
	if !info.IsDir() {
		if filepath.Base(start) == talconfigName && info.Mode().IsRegular() {
			return []string{start}, nil
		}
		start = filepath.Dir(start)
	}
	search := &search{seen: map[string]bool{}}
	root, inGit := gitRoot(start)
	for dir := start; ; dir = filepath.Dir(dir) {
		search.try(filepath.Join(dir, "talos"))
		search.try(dir)
		if dir == root || dir == filepath.Dir(dir) {
			break
		}
	}
	if !inGit {
		root = start
	}
	for _, pattern := range conventional {
		for _, dir := range folders(root, filepath.FromSlash(pattern)) {
			search.try(dir)
		}
	}
	return search.found, nil
}

// search collects files, each real file once.
type search struct {
	found []string
	seen  map[string]bool
}

func (s *search) try(dir string) {
	path := filepath.Join(dir, talconfigName)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil || s.seen[target] {
		return
	}
	s.seen[target] = true
	s.found = append(s.found, path)
}

// folders expands the one * of a pattern, sorted, without hidden folders.
func folders(root, pattern string) []string {
	parts := splitPath(pattern)
	star := slices.Index(parts, "*")
	if star < 0 {
		return []string{filepath.Join(root, pattern)}
	}
	above := filepath.Join(append([]string{root}, parts[:star]...)...)
	below := filepath.Join(parts[star+1:]...)
	var all []string
	for _, name := range subfolders(above) {
		all = append(all, filepath.Join(above, name, below))
	}
	return all
}

func subfolders(dir string) []string {
	file, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	names, _ := file.Readdirnames(maxEntries)
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool {
		if name[0] == '.' {
			return true
		}
		info, err := os.Stat(filepath.Join(dir, name))
		return err != nil || !info.IsDir()
	})
}

func splitPath(path string) []string {
	var parts []string
	for path != "." && path != "" {
		parts = append([]string{filepath.Base(path)}, parts...)
		path = filepath.Dir(path)
	}
	return parts
}
