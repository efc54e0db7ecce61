#!/usr/bin/env bash
# Digits said by free voices of synthesisers, as takes beside those of people: a folder with items.jsonl.
# Without names by the ten that teach `spoken-digits`; whose they are is told in models/README.md (Speech).
# usage: digit-voices.sh FOLDER [VOICE ...]
# needs: apt-get install flite festival festvox-kdlpc16k espeak-ng sox (main)
#        rhvoice rhvoice-english libttspico-utils (non-free)
set -euo pipefail
out=$1
shift
[ $# -gt 0 ] || set -- awb kal16 ked rms slt alan bdl clb pico-US pico-GB
mkdir -p "$out/wav"
: > "$out/items.jsonl"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

words=(zero one two three four five six seven eight nine)
# Mean pitch of the voices that take it in Hz.
declare -A hz=([awb]=130 [kal16]=105 [rms]=100 [slt]=170 [ked]=105)

# say VOICE SLOWER PITCH TEXT: as $work/said.wav; how many times as slow and as high, in percent.
say() {
  local voice=$1 slower=$2 pitch=$3 text=$4
  local stretch faster
  stretch=$(awk "BEGIN { print $slower / 100 }")
  faster=$((10000 / slower))
  case $voice in
    ked)
      local f0=$((hz[ked] * pitch / 100))
      cat > "$work/said.scm" <<SCM
(voice_ked_diphone)
(Parameter.set 'Duration_Stretch $stretch)
(set! int_lr_params '((target_f0_mean $f0) (target_f0_std 14) (model_f0_mean 170) (model_f0_std 34)))
(utt.save.wave (utt.synth (Utterance Text "$text")) "$work/said.wav")
SCM
      festival -b "$work/said.scm" ;;
    alan | bdl | clb)
      echo "$text" | RHVoice-test -p "$voice" -r "$faster" -t "$pitch" -o "$work/said.wav" ;;
    pico-*)
      pico2wave -l "en-${voice#pico-}" -w "$work/said.wav" \
        "<speed level=\"$faster\"><pitch level=\"$pitch\">$text</pitch></speed>" ;;
    espeak-*)
      espeak-ng -v "${voice#espeak-}" -s $((160 * faster / 100)) -p $((50 * pitch / 100)) \
        -w "$work/said.wav" "$text" ;;
    *)
      flite -voice "$voice" --setf duration_stretch="$stretch" \
        --setf int_f0_target_mean=$((hz[$voice] * pitch / 100)) -t "$text" "$work/said.wav" ;;
  esac
}

for voice in "$@"; do
  for digit in "${!words[@]}"; do
    take=0
    for slower in 85 105 125; do
      for pitch in 85 100 118; do
        # The end of a sentence, of a question, and of a part of one.
        for ending in . "?" ,; do
          say "$voice" "$slower" "$pitch" "${words[$digit]}$ending"
          name="wav/${digit}_${voice}_$take.wav"
          sox "$work/said.wav" -r 8000 -b 16 -c 1 "$out/$name" \
            silence 1 0.005 0.5% reverse silence 1 0.005 0.5% reverse
          printf '{"media": "%s", "kind": "audio", "label": "%s", "transcript": "%s", "group": "%s"}\n' \
            "$name" "$digit" "${words[$digit]}" "$voice" >> "$out/items.jsonl"
          take=$((take + 1))
        done
      done
    done
  done
done
