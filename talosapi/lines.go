package talosapi

import (
	"bytes"
	"fmt"
)

// MaxLine bounds one line of a log, in bytes; what is longer is cut, and the cut
// is marked with the number of bytes that are missing.
const MaxLine = 1 << 20

// Batch is some whole lines of a log, in order, without their line ends. The lines
// are valid until the function that got the batch returns.
type Batch [][]byte

// splitter makes lines of chunks that end anywhere. The zero splitter is ready.
type splitter struct {
	lines Batch
	open  []byte // the beginning of a line whose end has not come yet
	spare []byte // the other buffer: the line that was handed over last lies in it
	lost  int    // bytes of that line that were cut
}

// keepBuffer is the largest buffer that is kept for the next line.
const keepBuffer = 64 << 10

// feed takes a chunk and returns the lines that it completes. They are parts of
// the chunk, except for the first, which may have begun in an earlier one.
func (s *splitter) feed(chunk []byte) Batch {
	s.lines = s.lines[:0]
	if len(s.open) > 0 || s.lost > 0 {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			s.keep(chunk)
			return nil
		}
		s.keep(chunk[:end])
		s.lines = append(s.lines, s.close())
		chunk = chunk[end+1:]
	}
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			break
		}
		s.lines = append(s.lines, whole(chunk[:end]))
		chunk = chunk[end+1:]
	}
	if len(chunk) > 0 {
		s.keep(chunk)
	}
	return s.lines
}

// rest returns the line whose end never came; ok is false if there is none.
func (s *splitter) rest() (line []byte, ok bool) {
	if len(s.open) == 0 && s.lost == 0 {
		return nil, false
	}
	return s.close(), true
}

// drop forgets the line whose end has not come.
func (s *splitter) drop() { s.open, s.lost = s.open[:0], 0 }

func (s *splitter) keep(part []byte) {
	room := max(0, MaxLine-len(s.open))
	if len(part) > room {
		s.lost += len(part) - room
		part = part[:room]
	}
	s.open = append(s.open, part...)
}

func (s *splitter) close() []byte {
	line := s.open
	if s.lost > 0 {
		line = markCut(line, s.lost)
	}
	s.open, s.spare, s.lost = s.spare[:0], line[:0], 0
	if cap(s.spare) > keepBuffer {
		s.spare = nil
	}
	return trimReturn(line)
}

// whole is a line that lies in one chunk; a chunk can be longer than a line may be.
func whole(line []byte) []byte {
	if len(line) > MaxLine {
		return markCut(line[:MaxLine:MaxLine], len(line)-MaxLine)
	}
	return trimReturn(line)
}

func markCut(line []byte, lost int) []byte {
	return fmt.Appendf(line, " [line cut: %d more bytes]", lost)
}

func trimReturn(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
