#!/usr/bin/env python3
"""What a quantized model would gain from the first token's keys and values of its original (IntactKV, arXiv 2403.01241).

    python3 intact_kv.py ORIGINAL QUANTIZED TEXT [--windows N] [--window N]

Both are Hugging Face folders with plain weights (`salient export --to hf`). Windows lie beside each other from the start of the
text. Prints the mean KL divergence to the original over all tokens but each window's first, plain and with the first token's keys and
values from the original. Needs torch and transformers.
"""

import argparse
import pathlib

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("original", type=pathlib.Path)
    parser.add_argument("quantized", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--window", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    original, quantized = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32) for folder in (options.original, options.quantized)
    )
    tokenizer = Tokenizer.from_file(str(options.original / "tokenizer.json"))
    ids = tokenizer.encode(options.text.read_text("utf-8"), add_special_tokens=False).ids
    sums = [0.0, 0.0]
    with torch.no_grad():
        for start in range(0, options.windows * options.window, options.window):
            window = torch.tensor([ids[start : start + options.window]])
            want = original(window).logits[:, 1:].log_softmax(-1)
            intact = original(window[:, :1]).past_key_values
            answers = (quantized(window).logits[:, 1:], quantized(window[:, 1:], past_key_values=intact).logits)
            for i, logits in enumerate(answers):
                off = want - logits.log_softmax(-1)
                sums[i] += (want.exp() * off).sum(-1).mean().item() / options.windows
    print(f"KL {sums[0]:.4f} plain, {sums[1]:.4f} with the first token intact")


if __name__ == "__main__":
    main()
