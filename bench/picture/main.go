// Command picture runs the program on a scene in a terminal and prints the
// screen with its colours, for tools/pictures.sh to make a picture of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/talos-cockpit/talos-cockpit/internal/term"
)

func main() {
	program := flag.String("program", "", "the built program")
	scene := flag.String("scene", "turingpi", "scene of the demo")
	columns := flag.Int("columns", 120, "columns of the terminal")
	rows := flag.Int("rows", 40, "rows of the terminal")
	after := flag.Duration("after", 45*time.Second, "how long the cluster lives before the picture")
	keys := flag.String("keys", "", "keys to press before the picture")
	flag.Parse()
	if err := run(*program, *scene, *columns, *rows, *after, *keys); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(program, scene string, columns, rows int, after time.Duration, keys string) error {
	env := []string{"TERM=xterm-256color", "COLORTERM=truecolor", "NO_COLOR="}
	t, err := term.Start(context.Background(), term.Link{}, columns, rows, env, program, "--demo="+scene, "--theme=dark")
	if err != nil {
		return err
	}
	defer t.Close()
	if _, err := t.UntilText(time.Minute, "running"); err != nil {
		return err
	}
	time.Sleep(after)
	if keys != "" {
		if err := t.Keys(keys); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
	}
	_, err = fmt.Print(t.ANSI())
	return err
}
