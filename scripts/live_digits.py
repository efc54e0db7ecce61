#!/usr/bin/env python3
"""Says numbers into a microphone of its own, and compares what the station wrote down.

    live_digits.py PROGRAM MODEL DATASET [GROUP ...]

A sound server with a sink that only its monitor hears plays strings of five takes of one speaker (a
GROUP of DATASET, a folder with items.jsonl; all without names) while `PROGRAM run` listens, with up to
0.4 s between words and 2 s between strings. Prints what was said and read, the word error rate beside
that of the same strings read from files, and how long after the end of a voice it was decided. Needs
pulseaudio, pulseaudio-utils, libasound2-plugins and sox.
"""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

STRINGS_PER_GROUP = 12
WORDS = 5
PAUSE_SECS = 0.4
BETWEEN_SECS = 2.0
# What the plan adds behind an utterance.
POST_ROLL_SECS = 0.25
RATE_HZ = 48_000


def errors(said, read):
    """Fewest words to change, add and leave out."""
    row = list(range(len(read) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(read, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def strings(data, groups, folder):
    """Makes the strings as files, and a data set of them."""
    rng = random.Random(1)
    takes = {}
    for line in (data / "items.jsonl").read_text().splitlines():
        item = json.loads(line)
        takes.setdefault(item["group"], []).append(item)
    unknown = set(groups) - set(takes)
    if unknown:
        sys.exit(f"no takes of {', '.join(sorted(unknown))}; there are {', '.join(sorted(takes))}")
    made = []
    for group in groups or sorted(takes):
        for number in range(STRINGS_PER_GROUP):
            chosen = rng.sample(takes[group], WORDS)
            parts = []
            for at, take in enumerate(chosen):
                part = folder / f"part{at}.wav"
                pause = f"{rng.uniform(0, PAUSE_SECS):.3f}"
                sox(data / take["media"], "-r", RATE_HZ, "-b", 16, part, "pad", 0, pause)
                parts.append(part)
            name = f"{group}-{number}.wav"
            sox(*parts, folder / name)
            for part in parts:
                part.unlink()
            made.append({"media": name, "kind": "audio", "group": group,
                         "transcript": " ".join(take["transcript"] for take in chosen)})
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in made))
    return made


def sox(*arguments):
    subprocess.run(["sox", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def until(what, is_so, secs=60):
    start = time.monotonic()
    while not is_so():
        if time.monotonic() - start > secs:
            sys.exit(f"not within {secs} s: {what}")
        time.sleep(0.05)


def server(folder):
    socket = folder / "pulse.socket"
    env = dict(os.environ, HOME=str(folder), PULSE_RUNTIME_PATH=str(folder), XDG_RUNTIME_DIR=str(folder))
    child = subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes",
         f"--load=module-native-protocol-unix auth-anonymous=1 socket={socket}",
         f"--load=module-null-sink sink_name=ear rate={RATE_HZ} channels=1"],
        env=env, stderr=subprocess.DEVNULL)
    until("a sound server", socket.exists)
    config = folder / "asound.conf"
    config.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
    return child, dict(os.environ, PULSE_SERVER=f"unix:{socket}", ALSA_CONFIG_PATH=str(config))


def begun(name):
    """The moment in a clip's name, microphone-20261129-183015-250.wav."""
    day, clock, millis = Path(name).stem.split("-")[-3:]
    return datetime.fromisoformat(f"{day}T{clock}+00:00").timestamp() + int(millis) / 1000


def decided(line):
    """When each item was."""
    with sqlite3.connect(f"file:{line / 'secondlook.db'}?mode=ro", uri=True) as db:
        rows = db.execute("select item_id, decided_at from v_decisions").fetchall()
    return {item: datetime.fromisoformat(at).timestamp() for item, at in rows}


def compare(said, clips):
    """String by string where each became one clip, and all words behind each other in any case."""
    read = [clip["prediction"].get("transcript") or "" for clip in clips]
    print(f"{len(said)} strings said, {len(clips)} clips")
    for at, item in enumerate(said if len(said) == len(read) else []):
        is_right = item["transcript"] == read[at]
        print(f"{item['group']}: {item['transcript']}" + ("" if is_right else f"  READ  {read[at]}"))
    wrong = errors(" ".join(item["transcript"] for item in said).split(), " ".join(read).split())
    print(f"word error rate {wrong / (WORDS * len(said)):.3f}")


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, model, data = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with tempfile.TemporaryDirectory(prefix="live-digits-") as folder:
        listen(program, model, data, sys.argv[4:], Path(folder))


def listen(program, model, data, groups, folder):
    line, files = folder / "line", folder / "files"
    files.mkdir()

    def secondlook(*arguments):
        run = subprocess.run([program, *map(str, arguments), "--json"], check=True, capture_output=True)
        return json.loads(run.stdout)

    said = strings(data, groups, files)
    secondlook("new", line, "--task", "transcribe", "--words", "digits", "--model", model)
    with (line / "line.toml").open("a") as plan:
        plan.write("\n[microphone]\n")
    sounds, env = server(folder)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    station = subprocess.Popen([program, "run", line], env=env, **quiet)
    try:
        listed = ["pactl", "list", "short", "source-outputs"]
        until("somebody listens", lambda: subprocess.run(listed, env=env, capture_output=True).stdout)
        for item in said:
            subprocess.run(["paplay", files / item["media"]], env=env, check=True)
            time.sleep(BETWEEN_SECS)
        until("all clips are decided", lambda: len(decided(line)) >= len(said), 30)
    finally:
        station.terminate()
        station.wait()
        sounds.terminate()
    at = decided(line)
    clips = sorted(secondlook("queue", line), key=lambda clip: begun(clip["name"]))
    compare(said, clips)
    late = []
    for clip in clips:
        path = next(line.rglob(clip["name"]))
        secs = float(subprocess.run(["soxi", "-D", path], check=True, capture_output=True).stdout)
        late.append(at[clip["item"]] - begun(clip["name"]) - secs + POST_ROLL_SECS)
    late.sort()
    print(f"decided {late[len(late) // 2]:.2f} s after the end of a voice (median), at most {late[-1]:.2f} s")
    from_files = secondlook("evaluate", line, "--model", model, "--data", files)
    print(f"the same strings from files: word error rate {from_files['word_error_rate']['value']:.3f}")


main()
