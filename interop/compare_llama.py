#!/usr/bin/env python3
"""Holds logits of llama.cpp (FOLDER/*.llama) against those of Salient that Greedy.java wrote.

    compare_llama.py FOLDER

Exit status 1 where a window's KL is 5e-3 or more, the windows' perplexities are 0.5 % apart, or a greedy text leaves llama.cpp's
at logits 0.05 apart or more.
"""

import sys
from pathlib import Path

import numpy as np


def log_softmax(x):
    x = x.astype(np.float64)
    x -= x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


passed = True
apart = []
for file in sorted(Path(sys.argv[1]).glob("*.llama")):
    ids = np.array(file.with_suffix(".ids").read_text().split(), int)
    theirs = np.fromfile(file, "<f4").reshape(len(ids), -1)
    ours = np.fromfile(file.with_suffix(""), "<f4").reshape(len(ids), -1)
    p, q = log_softmax(theirs), log_softmax(ours)
    kl = (np.exp(p) * (p - q)).sum(1).mean()
    line = f"{file.stem}: {len(ids)} tokens, KL {kl:.2e}, logits at most {np.abs(theirs - ours).max():.3f} apart"
    nll = [-x[np.arange(len(ids) - 1), ids[1:]].mean() for x in (p, q)]
    line += f", perplexity {np.exp(nll[0]):.3f} and {np.exp(nll[1]):.3f}"
    if file.stem.startswith("window"):
        passed &= kl < 5e-3
        apart.append(nll[0] - nll[1])
    if file.stem.startswith("prompt"):
        first = len(ids) - 101  # logits after the prompt's last token chose the first of 100
        for step in range(100):
            mine, best = ids[first + step + 1], theirs[first + step].argmax()
            if mine != best:
                gap = theirs[first + step][best] - theirs[first + step][mine]
                passed &= gap < 0.05
                line += f"; llama.cpp first differs at token {step + 1}, its logits {gap:.4f} apart"
                break
        else:
            line += "; all 100 tokens llama.cpp's likeliest"
    print(line)
print(f"perplexity of the windows {100 * abs(np.expm1(np.mean(apart))):.2f} % apart")
passed &= abs(np.mean(apart)) < 5e-3
sys.exit(0 if passed else 1)
