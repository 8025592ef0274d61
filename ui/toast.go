package ui

import (
	"strconv"
	"time"
)

const (
	toastTime    = 4 * time.Second
	toastHistory = 200
)

// toasts are the messages in the bottom row. Errors stay until they are dismissed.
type toasts struct {
	history []pastToast // oldest first
	errors  int         // how many of the newest errors are not dismissed
	info    string
	until   time.Time // info is shown until then
}

type pastToast struct {
	Toast
	at time.Time
}

func (t *toasts) add(toast Toast, now time.Time) {
	toast.Text = clean(toast.Text)
	if len(t.history) == toastHistory {
		t.history = append(t.history[:0], t.history[1:]...)
	}
	t.history = append(t.history, pastToast{toast, now})
	if toast.Error {
		t.errors++
		t.info = "" // an error must be seen at once
		return
	}
	t.info, t.until = toast.Text, now.Add(toastTime)
}

// expire takes the message away whose time is over and reports whether there was one.
func (t *toasts) expire(now time.Time) bool {
	if t.info == "" || now.Before(t.until) {
		return false
	}
	t.info = ""
	return true
}

// dismiss takes all messages away and reports whether there were any.
func (t *toasts) dismiss() bool {
	shown := t.info != "" || t.errors > 0
	t.info, t.errors = "", 0
	return shown
}

// line is the painted message row, empty if there is nothing to say.
func (t *toasts) line(th *Theme, width int) string {
	switch {
	case t.info != "":
		return Fit(" "+t.info, width)
	case t.errors > 0:
		hint := "esc "
		if t.errors > 1 {
			hint = "+" + plural(t.errors-1, "more") + ": !  " + hint
		}
		text := " " + th.Shape(RoleBad) + " " + t.lastError()
		if Width(hint)*3 > width {
			hint = ""
		}
		return th.Paint(RoleBad, spread(text, " "+hint, width))
	default:
		return ""
	}
}

func (t *toasts) lastError() string {
	for i := len(t.history) - 1; i >= 0; i-- {
		if t.history[i].Error {
			return t.history[i].Text
		}
	}
	return ""
}

func (s *Shell) toast(t Toast) {
	s.toasts.add(t, s.now())
	s.stale = true
}

// historyLines are all messages, the newest first.
func (t *toasts) historyLines(th *Theme, width int) []string {
	var out []string
	for i := len(t.history) - 1; i >= 0; i-- {
		past := t.history[i]
		role := RoleText
		sign := " "
		if past.Error {
			role, sign = RoleBad, th.Shape(RoleBad)
		}
		for n, part := range Fold(past.Text, max(width-11, 1)) {
			head := Blank(11)
			if n == 0 {
				head = th.Paint(RoleMuted, past.at.Format("15:04:05")) + " " + th.Paint(role, sign) + " "
			}
			out = append(out, Fit(head+th.Paint(role, part), width))
		}
	}
	if len(out) == 0 {
		out = append(out, Fit(th.Paint(RoleMuted, "no messages so far"), width))
	}
	return out
}

func plural(n int, word string) string { return strconv.Itoa(n) + " " + word }

func digit(i int) string { return strconv.Itoa(i + 1) }
