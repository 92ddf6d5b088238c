#!/usr/bin/env python3
"""Training of blocks on their outputs (ApiQ, or Block-AP with our clipping; signed2 in groups of 64) in plain PyTorch.

    python3 block_twin.py FOLDER TEXT [--method apiq|block-ap] [--blocks N] [--samples N] [--tokens N] [--epochs N]
                          [--threads N] [--save DIR]

Does what `salient quantize --method apiq` or `block-ap` with `--loss plain --start range --no-cosine --keep-budget 0` does to
the first N blocks of a LLaMA in safetensors: the same formulas (docs/method/partial-retraining.md), rates, steps and optimizer.
Windows are drawn at random in both: give both a text of one token more than a window, and they train on the same.
Prints the mean output loss of each block's first and last epoch, and the processor time of all. With --save it only writes a
folder of these blocks, for Salient to quantize. Needs torch, safetensors and tokenizers.
"""

import argparse
import json
import pathlib
import random
import shutil
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

GROUP = 64
ALPHA = 16


class QuantizedLinear(torch.nn.Module):
    """x -> x Q(W)^T + alpha / r (x A^T) B^T, codes rounded straight-through."""

    def __init__(self, weight, rank, trains_weight):
        super().__init__()
        out, channels = weight.shape
        groups = weight.view(out, -1, GROUP)
        self.weight = torch.nn.Parameter(weight.clone(), requires_grad=trains_weight)
        self.register_buffer("max", groups.amax(2, keepdim=True).clamp(min=0))
        self.register_buffer("min", groups.amin(2, keepdim=True).clamp(max=0))
        self.upper = torch.nn.Parameter(torch.full_like(self.max, 4.0))
        self.lower = torch.nn.Parameter(torch.full_like(self.min, 4.0))
        self.rank = rank
        if rank:
            self.a = torch.nn.Parameter(torch.empty(rank, channels))
            self.b = torch.nn.Parameter(torch.zeros(out, rank))
            torch.nn.init.kaiming_uniform_(self.a, a=5**0.5)

    def forward(self, x):
        high = self.upper.sigmoid() * self.max
        low = self.lower.sigmoid() * self.min
        scale = ((high - low) / 3).clamp(1e-5, 1e4)
        zero = torch.where(high >= -low, 1.0, 2.0)
        ratio = self.weight.view_as(self.max.expand(-1, -1, GROUP)) / scale
        code = (ratio + (ratio.round() - ratio).detach() + zero).clamp(0, 3)
        y = F.linear(x, (scale * (code - zero)).view_as(self.weight))
        return y + ALPHA / self.rank * F.linear(F.linear(x, self.a), self.b) if self.rank else y


class Block(torch.nn.Module):
    """A LLaMA block of any linears."""

    def __init__(self, config, gains, linears):
        super().__init__()
        self.config = config
        self.head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        self.gains = gains
        self.linears = torch.nn.ModuleDict(linears)

    def norm(self, x, gain):
        return F.rms_norm(x, gain.shape, gain, self.config["rms_norm_eps"])

    def heads(self, x):
        return x.view(1, x.shape[1], -1, self.head).transpose(1, 2)

    def forward(self, x, cos, sin):
        def turn(v):
            first, second = v.chunk(2, -1)
            return v * cos + torch.cat((-second, first), -1) * sin

        own = self.linears
        normed = self.norm(x, self.gains[0])
        q, k, v = (self.heads(own[name](normed)) for name in ("q_proj", "k_proj", "v_proj"))
        mixed = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=True)
        x = x + own["o_proj"](mixed.transpose(1, 2).flatten(2))
        normed = self.norm(x, self.gains[1])
        return x + own["down_proj"](F.silu(own["gate_proj"](normed)) * own["up_proj"](normed))


def linear(weight):
    """The original."""
    module = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    module.weight = torch.nn.Parameter(weight, requires_grad=False)
    return module


def load(folder):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors.update(load_file(file))
    return tensors


def save(folder, blocks, out):
    """The same model with its first blocks alone."""
    out.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.json"):
        if not file.name.endswith("index.json"):
            shutil.copy(file, out)
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] = blocks
    (out / "config.json").write_text(json.dumps(config))
    kept = {
        name: tensor
        for name, tensor in load(folder).items()
        if not name.startswith("model.layers.") or int(name.split(".")[2]) < blocks
    }
    save_file(kept, out / "model.safetensors", {"format": "pt"})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--method", choices=["apiq", "block-ap"], default="apiq")
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=pathlib.Path)
    options = parser.parse_args()
    config = json.loads((options.folder / "config.json").read_text())
    blocks = options.blocks or config["num_hidden_layers"]
    if options.save:
        save(options.folder, blocks, options.save)
        return
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tensors = {name: tensor.float() for name, tensor in load(options.folder).items()}
    ids = Tokenizer.from_file(str(options.folder / "tokenizer.json")).encode(options.text.read_text("utf-8")).ids
    draws = random.Random(0)
    starts = [draws.randrange(len(ids) - options.tokens) for _ in range(options.samples)]
    windows = torch.tensor([ids[start : start + options.tokens] for start in starts])
    clean = list(F.embedding(windows, tensors["model.embed_tokens.weight"]).split(1))
    degraded = list(clean)
    trains = options.method == "block-ap"
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    angles = torch.outer(
        torch.arange(options.tokens).float(), config.get("rope_theta", 1e4) ** (-torch.arange(0, size, 2).float() / size)
    )
    turns = torch.cat((angles, angles), -1)
    rope = (turns.cos(), turns.sin())
    spent = 0.0
    for index in range(blocks):
        layer = f"model.layers.{index}."
        gains = [tensors[layer + name + "_layernorm.weight"] for name in ("input", "post_attention")]
        weights = {
            name.split(".")[-2]: tensor
            for name, tensor in tensors.items()
            if name.startswith(layer) and name.endswith("_proj.weight")
        }
        original = Block(config, gains, {name: linear(weight) for name, weight in weights.items()})
        began = time.process_time()
        with torch.no_grad():
            clean = [original(x, *rope) for x in clean]
            augmented = [original(x, *rope) for x in degraded]
        quantized = Block(
            config,
            gains,
            {name: QuantizedLinear(weight, 0 if trains else options.rank, trains) for name, weight in weights.items()},
        )
        named = [(name.split(".")[-1], parameter) for name, parameter in quantized.named_parameters()]
        clipping = [p for name, p in named if name in ("upper", "lower")]
        others = [p for name, p in named if name in ("a", "b") or (trains and name == "weight")]
        optimizer = torch.optim.AdamW(
            [
                {"params": clipping, "lr": 5e-2, "weight_decay": 0.1},
                {"params": others, "lr": 4e-4 if trains else 5e-3, "weight_decay": 0.0 if trains else 0.1},
            ]
        )
        curve = []
        for _ in range(options.epochs):
            total = 0.0
            for x, want, also in zip(degraded, clean, augmented):
                y = quantized(x, *rope)
                loss = F.mse_loss(y, want) + F.mse_loss(y, also)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() / options.samples
            curve.append(total)
        with torch.no_grad():
            degraded = [quantized(x, *rope) for x in degraded]
        took = time.process_time() - began
        spent += took
        print(f"block {index}: {took:.1f} s, output loss {curve[0]:.5g} -> {curve[-1]:.5g}", flush=True)
    print(f"{blocks} blocks: {spent:.1f} s of processor time")


if __name__ == "__main__":
    main()
