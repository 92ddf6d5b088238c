#!/usr/bin/env python3
"""Seconds a step of end-to-end tuning (straight-through weights, signed2, KL to the original) in plain PyTorch.

    python3 tune_twin.py [--steps N] [--batch B] [--tokens T] [--checkpoint]

SmolLM2-135M's shapes with random weights, which speed does not depend on. It does what `salient tune --method weights`
does in a step: the original's forward pass, the tuned model's, KL over the whole vocabulary, gradients, AdamW on weights,
clipping logits and norms. Needs torch and transformers.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM


class Quantized(torch.nn.Module):
    """A linear whose weight is rounded to 2 bits in groups of 64, straight-through."""

    def __init__(self, linear):
        super().__init__()
        self.weight = linear.weight
        out, columns = self.weight.shape
        groups = self.weight.detach().view(out, columns // 64, 64)
        self.register_buffer("high", groups.amax(2, keepdim=True))
        self.register_buffer("low", groups.amin(2, keepdim=True))
        self.upper = torch.nn.Parameter(torch.full_like(self.high, 4.0))
        self.lower = torch.nn.Parameter(torch.full_like(self.low, 4.0))

    def forward(self, x):
        high = torch.sigmoid(self.upper) * self.high
        low = torch.sigmoid(self.lower) * self.low
        scale = ((high - low) / 3).clamp(1e-5, 1e4)
        zero = torch.where(high >= -low, 1.0, 2.0)
        ratio = self.weight.view(self.high.shape[0], -1, 64) / scale
        code = torch.clamp(ratio + (ratio.round() - ratio).detach() + zero, 0, 3)
        return F.linear(x, ((code - zero) * scale).view(self.weight.shape))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--checkpoint", action="store_true", help="compute activations again instead of keeping them")
    options = parser.parse_args()
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        vocab_size=49152,
        tie_word_embeddings=True,
        use_cache=False,
    )
    original = LlamaForCausalLM(config).eval().requires_grad_(False)
    tuned = LlamaForCausalLM(config)
    tuned.load_state_dict(original.state_dict())
    tuned.model.embed_tokens.requires_grad_(False)
    for layer in tuned.model.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, linear in list(part.named_children()):
                if isinstance(linear, torch.nn.Linear):
                    setattr(part, name, Quantized(linear))
    if options.checkpoint:
        tuned.gradient_checkpointing_enable()
    tuned.train()
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-6)
    for step in range(options.steps):
        began = time.time()
        for _ in range(options.batch):
            ids = torch.randint(0, config.vocab_size, (1, options.tokens))
            with torch.no_grad():
                want = original(ids).logits.log_softmax(-1)
            got = tuned(ids).logits.log_softmax(-1)
            loss = F.kl_div(got, want, log_target=True, reduction="sum") / options.tokens / options.batch
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"step {step}: {time.time() - began:.2f} s, loss {loss.item():.4f}", flush=True)


if __name__ == "__main__":
    main()
