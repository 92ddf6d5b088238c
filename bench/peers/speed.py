#!/usr/bin/env python3
"""Reads and writes with Salient and with llama.cpp, in turn, and prints a table of medians and ratios.

    speed.py --llama FOLDER --salient ./salient [--threads N] [--prompt N] [--generate N] [--rounds N] RUN ...

A RUN is NAME=llama:FILE.gguf or NAME=salient:MODEL[,--option value ...]; the first is what ratios are taken of. Every
round runs each of them once, as a program of its own, so that a machine that becomes slower does so for all. Writing is
measured after the prompt in both programs. Peak memory is the resident set that the system reports, mapped files included;
Salient reads its own before it measures the bandwidth of the memory, which takes half a gigabyte that no model needs.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile


def measure(command):
    """Runs a program; its output, and its peak resident memory in MB."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"failed with {status}: {' '.join(command)}")
        out.seek(0)
        return out.read(), usage.ru_maxrss * 1024 / 1e6


def llama(arguments, file):
    """llama-bench: the prompt, then writing at the prompt's depth."""
    bench = os.path.join(arguments.llama, "bin", "llama-bench")
    common = [bench, "-m", file, "-t", str(arguments.threads), "-r", "2", "-o", "json"]
    read, memory = measure(common + ["-p", str(arguments.prompt), "-n", "0"])
    written, more = measure(common + ["-p", "0", "-n", str(arguments.generate), "-d", str(arguments.prompt)])
    return json.loads(read)[0]["avg_ts"], json.loads(written)[0]["avg_ts"], max(memory, more)


def salient(arguments, model):
    """salient bench: the same in one program."""
    path, *options = model.split(",")
    command = [arguments.salient, "bench", path, "--threads", str(arguments.threads), "--runs", "2"]
    command += ["--prompt", str(arguments.prompt), "--generate", str(arguments.generate)]
    out, _ = measure(command + " ".join(options).split())
    speeds = [float(re.search(name + r"\s+([\d.]+)", out)[1]) for name in ("prefill", "decode")]
    return (*speeds, float(re.search(r"resident\s+([\d.]+)", out)[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", required=True)
    parser.add_argument("--salient", default="./salient")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    arguments = parser.parse_args()
    results = {}
    for turn in range(arguments.rounds):
        for run in arguments.runs:
            name, how = run.split("=", 1)
            program, model = how.split(":", 1)
            result = (llama if program == "llama" else salient)(arguments, model)
            results.setdefault(name, []).append(result)
            print(f"{turn + 1}/{arguments.rounds} {name}: {result[0]:.1f} read, {result[1]:.1f} written", file=sys.stderr)
    print("| run | read, tokens/s | ratio | written, tokens/s | ratio | peak memory, MB |\n|---|---|---|---|---|---|")
    first = next(iter(results.values()))
    base = [statistics.median(result[i] for result in first) for i in range(2)]
    for name, runs in results.items():
        cells = [name]
        for i in range(2):
            values = sorted(result[i] for result in runs)
            middle = statistics.median(values)
            cells += [f"{middle:.1f} ({values[0]:.1f} to {values[-1]:.1f})", f"{middle / base[i]:.2f}"]
        cells.append(f"{statistics.median(result[2] for result in runs):.0f}")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
