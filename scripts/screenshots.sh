#!/usr/bin/env bash
# Pictures of every page in both themes, from the real program in a real window, driven by keys:
# assets/screenshots/*.jpg. Needs Xvfb, xdotool and ImageMagick; the review page shows magnetic tiles
# where ../shared/data (or $SECONDLOOK_DATA) is there, else rendered phones.
set -euo pipefail
cd "$(dirname "$0")/.."
PROGRAM=${PROGRAM:-target/debug/secondlook}
DATA=${SECONDLOOK_DATA:-../shared/data}
OUT=${OUT:-assets/screenshots}
SIZE=1440x900
for tool in Xvfb xdotool import convert; do
  command -v "$tool" >/dev/null || { echo "screenshots: $tool is missing (apt-get install xvfb xdotool imagemagick)" >&2; exit 1; }
done
PROGRAM=$(realpath "$PROGRAM")
WORK=$(mktemp -d)
export HOME=$WORK/home XDG_DATA_HOME=$WORK/data XDG_CONFIG_HOME=$WORK/config
export LIBGL_ALWAYS_SOFTWARE=1 USER=anna
mkdir -p "$HOME" "$XDG_CONFIG_HOME/secondlook" "$OUT"
NUMBER=$((90 + RANDOM % 400))
Xvfb ":$NUMBER" -screen 0 ${SIZE}x24 +extension GLX >"$WORK/xvfb.log" 2>&1 &
XVFB=$!
export DISPLAY=":$NUMBER"
trap 'kill $XVFB $WINDOW 2>/dev/null || true; rm -rf "$WORK"' EXIT
WINDOW=
for _ in $(seq 50); do
  xdotool getdisplaygeometry >/dev/null 2>&1 && break
  sleep 0.1
done

open_window() {
  "$PROGRAM" "$@" >"$WORK/window.log" 2>&1 &
  WINDOW=$!
  for _ in $(seq 100); do
    id=$(xdotool search --name "Second Look" 2>/dev/null | tail -1) && [ -n "$id" ] && break
    sleep 0.1
  done
  # A window that is not on the screen yet takes no focus.
  for _ in $(seq 100); do xdotool windowfocus "$id" 2>/dev/null && break; sleep 0.1; done
  xdotool mousemove 1439 899
}
close_window() { kill "$WINDOW"; wait "$WINDOW" 2>/dev/null || true; sleep 1; }
keys() { for key in "$@"; do xdotool key "$key"; sleep 0.35; done; }
shot() {
  sleep 0.8
  import -window root -crop $SIZE+0+0 +repage "$WORK/shot.png"
  convert "$WORK/shot.png" -resize 1100x -quality 84 -strip "$OUT/$1.jpg"
}
both_themes() {
  shot "$1-dark"
  keys ctrl+t
  shot "$1-light"
  keys ctrl+t
}

# Sounds: what a motor's model heard, beside the first answer; a number that is spoken, and its uncertain word.
sounds() {
  "$PROGRAM" new "$WORK/motors" --plan assets/motor-sound.toml --model motor-sound >/dev/null
  "$PROGRAM" demo --line "$WORK/motors" --items 30 --headless >/dev/null 2>&1
  open_window --line "$WORK/motors"
  sleep 5
  keys 1; both_themes sound
  close_window
  "$PROGRAM" new "$WORK/desk" --task transcribe --words digits --model spoken-digits >/dev/null
  sed -i '1s/.*/name = "Serial numbers"/; s/mode = "decide-first"/mode = "shown"/' "$WORK/desk/line.toml"
  grep -q '^\[review\]' "$WORK/desk/line.toml" || printf '\n[review]\nmode = "shown"\n' >>"$WORK/desk/line.toml"
  "$PROGRAM" cut tests/fixtures/sound/spoken.flac "$WORK/desk/inbox" --voice >/dev/null
  open_window --line "$WORK/desk"
  sleep 5
  keys F8; both_themes transcript
  close_window
}
if [ "${1:-all}" = sounds ]; then
  sounds
  exit 0
fi

# The demo line: a first start, the pages, some answers.
open_window
sleep 25
shot welcome-dark
keys Return
keys F1
keys F1
for _ in $(seq 8); do keys g Return g; done
keys F2; sleep 30; both_themes line
keys F3; both_themes labels
keys F4; both_themes models
keys F5; both_themes settings
keys F1 question; shot keys-dark; keys Escape
keys ctrl+k; xdotool type "brush"; shot palette-dark; keys Escape
if [ ! -d "$DATA/magnetic-tile" ]; then
  echo "screenshots: no $DATA/magnetic-tile; the review page shows a phone" >&2
  keys 3; both_themes review
  close_window
  exit 0
fi
close_window

sounds

# Tiles: a reveal, and the editor.
"$PROGRAM" new "$WORK/tiles" --task defect --model magnetic-tile \
  --classes good:pass,blowhole:divert,break:divert,crack:divert,fray:divert,uneven:divert >/dev/null
mkdir -p "$WORK/tiles/inbox"
for name in exp6_num_262705 exp4_num_178536 exp5_num_317612 exp4_num_117012 exp6_num_154721 exp1_num_351039 \
  exp1_num_124236 exp5_num_313892 exp1_num_352479 exp6_num_8015; do
  cp "$DATA/magnetic-tile/images/$name.jpg" "$WORK/tiles/inbox/"
done
sed -i '1s/.*/name = "Magnet tiles"/' "$WORK/tiles/line.toml"
open_window --line "$WORK/tiles"
sleep 5
keys g; both_themes review
keys m; shot heat-dark; keys m
keys e; both_themes edit
close_window

# The promise: tiles replayed with a model that has seen most of them, so that there is something to see.
"$PROGRAM" replay "$WORK/tiles" "$DATA/magnetic-tile" --promise outgoing=0.1@0.95,overkill=0.1@0.95 \
  --keep "$WORK/promised" >/dev/null 2>&1
open_window --line "$WORK/promised"
sleep 5
keys F6; sleep 3; both_themes promise
xdotool mousemove 500 700; for _ in $(seq 20); do xdotool click 5; done; xdotool mousemove 1439 899
both_themes checks
close_window

# A lamp fails: the level has dropped by itself.
"$PROGRAM" new "$WORK/phones" --plan assets/phone-line.toml >/dev/null
"$PROGRAM" replay "$WORK/phones" simulator:500 --then simulator:60,light=0.5 --model phone-line \
  --promise outgoing=0.08@0.95 --keep "$WORK/dark" >/dev/null 2>&1
open_window --line "$WORK/dark"
sleep 5
keys F6; sleep 3; shot alarm-dark
close_window
ls -l "$OUT"
