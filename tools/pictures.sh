#!/usr/bin/env bash
# Makes the pictures of the README from the demo. Needs Go, the DejaVu fonts and
# rsvg-convert (Debian: fonts-dejavu-core, librsvg2-bin).
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/talos-cockpit" .
go build -o "$work/picture" ./bench/picture
go build -C tools/freeze -o "$work/freeze" github.com/charmbracelet/freeze
mkdir -p docs/pictures

picture() { # NAME WIDTH, then the flags of bench/picture
  local name=$1 width=$2
  shift 2
  "$work/picture" -program "$work/talos-cockpit" "$@" > "$work/$name.ansi"
  "$work/freeze" --language ansi --font.family "DejaVu Sans Mono" --font.size 14 --line-height 1.2 \
    --padding 8 --background "#0d1117" -o "$work/$name.svg" < "$work/$name.ansi"
  rsvg-convert --width "$width" --keep-aspect-ratio -o "docs/pictures/$name.png" "$work/$name.svg"
}

picture overview 1300
picture hung-node 900 -scene hung-and-refused -columns 80 -rows 24
