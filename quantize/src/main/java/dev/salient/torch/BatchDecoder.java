package dev.salient.torch;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.Norm;
import dev.salient.model.Traits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Many sequences of one model, each in a slot with its own length and its own part of the key/value cache.
 *
 * <p>One step appends a token to every slot: the weights are read once for all of them, which on a CPU is what a
 * single sequence waits for. A slot whose sequence has ended is filled with the next prompt.
 */
public final class BatchDecoder implements AutoCloseable {
    private final TorchLanguageModel model;
    private final ModelConfig config;
    private final TorchDevice device;
    private final Rope rope;
    private final int slots;
    private final int capacity;
    private final int[] lengths;
    private final List<Cache> caches = new ArrayList<>();

    /**
     * Keys and values of one block.
     *
     * @param keys [slots, kvHeads, capacity, headSize], turned
     * @param values [slots, kvHeads, capacity, headSize]
     */
    private record Cache(Tensor keys, Tensor values) {}

    /**
     * Makes empty slots.
     *
     * @param capacity tokens that a sequence can grow to
     */
    public BatchDecoder(TorchLanguageModel model, int slots, int capacity, TorchDevice device) {
        require(slots > 0, "slots: got %d, want 1 or more", slots);
        require(
                capacity > 0 && capacity <= model.config().contextLength(),
                "capacity: got %d, want 1 to the context's %d",
                capacity,
                model.config().contextLength());
        require(
                model.config().traits().equals(Traits.llama(model.config().headSize())),
                "model: got %s, want llama: texts in batches are written by no other family",
                model.config().family().label());
        require(
                model.blocks().stream().allMatch(block -> block.others().isEmpty()),
                "model: got scales that follow the token (binary-mos), want weights with values");
        require(model.intact() == null, "model: got keys and values of another model, want its own");
        this.model = model;
        this.config = model.config();
        this.device = device;
        this.slots = slots;
        this.capacity = capacity;
        this.lengths = new int[slots];
        try (TorchScope scope = new TorchScope()) {
            Rope turns = Rope.of(config, capacity, device);
            rope = new Rope(scope.release(turns.cos()), scope.release(turns.sin()));
            long[] shape = {slots, config.kvHeadCount(), capacity, config.headSize()};
            for (int b = 0; b < config.blockCount(); b++) {
                Tensor keys = scope.release(device.zeros(shape));
                caches.add(new Cache(keys, scope.release(device.zeros(shape))));
            }
        }
    }

    /** Tokens of the sequence in a slot. */
    public int length(int slot) {
        return lengths[slot];
    }

    /** Whether one more token fits in a slot. */
    public boolean hasRoom(int slot) {
        return lengths[slot] < capacity;
    }

    /**
     * Starts new sequences.
     *
     * @param prompts token ids, at least one each
     * @param into the slot of each prompt; what it held is forgotten
     * @return [prompts, head rows], the logits after each prompt's last token
     */
    public float[] start(List<int[]> prompts, int[] into) {
        require(prompts.size() == into.length, "slots: got %d, want %d", into.length, prompts.size());
        int longest = prompts.stream().mapToInt(p -> p.length).max().orElse(0);
        require(longest <= capacity, "prompt: got %d tokens, want at most %d", longest, capacity);
        int[] padded = new int[prompts.size() * longest];
        int[] last = new int[prompts.size()];
        for (int p = 0; p < prompts.size(); p++) {
            int[] prompt = prompts.get(p);
            require(prompt.length > 0, "prompt %d: got no tokens, want at least one", p);
            System.arraycopy(prompt, 0, padded, p * longest, prompt.length);
            last[p] = p * longest + prompt.length - 1;
            lengths[into[p]] = prompt.length;
        }
        try (TorchScope scope = new TorchScope()) {
            Tensor x = torch.embedding(model.embedding(), device.longs(padded, prompts.size(), longest));
            Rope turns = new Rope(rope.cos().narrow(0, 0, longest), rope.sin().narrow(0, 0, longest));
            Prompts started = new Prompts(into, turns, causalMask(longest));
            for (int b = 0; b < config.blockCount(); b++) {
                Cache cache = caches.get(b);
                x = block(b, x, (q, k, v) -> startAttention(started, cache, q, k, v));
            }
            Tensor ends = x.reshape(-1, config.hiddenSize()).index_select(0, device.longs(last, last.length));
            return TorchDevice.toFloats(head(ends));
        }
    }

    /**
     * Where new prompts stand.
     *
     * @param mask [1, 1, tokens, tokens]: 0 where attention may look, -infinity elsewhere
     */
    @SuppressWarnings("ArrayRecordComponent") // handed on, never compared
    private record Prompts(int[] into, Rope rope, Tensor mask) {}

    private Tensor causalMask(int tokens) {
        float[] mask = new float[tokens * tokens];
        for (int t = 0; t < tokens; t++) {
            Arrays.fill(mask, t * tokens + t + 1, (t + 1) * tokens, Float.NEGATIVE_INFINITY);
        }
        return device.floats(mask, 1, 1, tokens, tokens);
    }

    /**
     * Appends one token to every slot; a slot without a sequence of interest takes any token.
     *
     * @param tokens [slots]
     * @return [slots, head rows], the logits after these tokens
     */
    public float[] step(int[] tokens) {
        require(tokens.length == slots, "tokens: got %d, want %d", tokens.length, slots);
        int[] rows = new int[slots * config.kvHeadCount()];
        for (int s = 0; s < slots; s++) {
            lengths[s] = Math.min(lengths[s], capacity - 1); // an ended slot stays where it is
            for (int h = 0; h < config.kvHeadCount(); h++) {
                int pair = s * config.kvHeadCount() + h;
                rows[pair] = pair * capacity + lengths[s];
            }
        }
        try (TorchScope scope = new TorchScope()) {
            int seen = Arrays.stream(lengths).max().orElse(0) + 1;
            Tensor positions = device.longs(lengths, slots);
            Step step = new Step(
                    device.longs(rows, rows.length),
                    mask(seen),
                    new Rope(turnsAt(rope.cos(), positions), turnsAt(rope.sin(), positions)));
            Tensor x = torch.embedding(model.embedding(), device.longs(tokens, slots, 1));
            for (int b = 0; b < config.blockCount(); b++) {
                Cache cache = caches.get(b);
                x = block(b, x, (q, k, v) -> stepAttention(step, cache, q, k, v));
            }
            for (int s = 0; s < slots; s++) {
                lengths[s]++;
            }
            return TorchDevice.toFloats(head(x.view(slots, config.hiddenSize())));
        }
    }

    /**
     * Where the new tokens stand.
     *
     * @param rows [slots * kvHeads], of the cache as [slots * kvHeads * capacity, headSize]
     * @param mask [slots, 1, 1, seen]: 0 where attention may look, -infinity elsewhere
     * @param rope of the new tokens: each [slots, 1, 1, headSize]
     */
    private record Step(Tensor rows, Tensor mask, Rope rope) {}

    private Tensor turnsAt(Tensor table, Tensor positions) {
        return table.index_select(0, positions).view(slots, 1, 1, config.headSize());
    }

    private Tensor mask(int seen) {
        float[] mask = new float[slots * seen];
        for (int s = 0; s < slots; s++) {
            Arrays.fill(mask, s * seen + Math.min(lengths[s] + 1, seen), (s + 1) * seen, Float.NEGATIVE_INFINITY);
        }
        return device.floats(mask, slots, 1, 1, seen);
    }

    /** What a block's queries gather from keys and values; keys and queries come unturned, [batch, tokens, channels]. */
    @FunctionalInterface
    private interface Attention {
        Tensor mix(Tensor q, Tensor k, Tensor v);
    }

    private Tensor block(int index, Tensor x, Attention attention) {
        TorchLanguageModel.Block block = model.blocks().get(index);
        Tensor normed = TorchBlock.norm(x, block.block().norm(Norm.ATTENTION), config.normEpsilon());
        Tensor mixed = attention.mix(
                torch.linear(normed, block.weight(Linear.Q)),
                torch.linear(normed, block.weight(Linear.K)),
                torch.linear(normed, block.weight(Linear.V)));
        Tensor attended = x.add(torch.linear(mixed, block.weight(Linear.O)));
        Tensor y = TorchBlock.norm(attended, block.block().norm(Norm.MLP), config.normEpsilon());
        Tensor gate = torch.silu(torch.linear(y, block.weight(Linear.GATE)));
        Tensor inner = gate.mul(torch.linear(y, block.weight(Linear.UP)));
        return attended.add(torch.linear(inner, block.weight(Linear.DOWN)));
    }

    /** Attention of new prompts to themselves; their keys and values go into their slots. */
    private Tensor startAttention(Prompts prompts, Cache cache, Tensor q, Tensor k, Tensor v) {
        Tensor keys = prompts.rope.turn(heads(k));
        Tensor values = heads(v);
        for (int p = 0; p < prompts.into.length; p++) {
            bySlot(cache.keys, prompts.into[p], keys.size(2)).copy_(keys.select(0, p));
            bySlot(cache.values, prompts.into[p], keys.size(2)).copy_(values.select(0, p));
        }
        Tensor mixed = mix(prompts.rope.turn(heads(q)), keys, values, prompts.mask);
        return mixed.transpose(1, 2).reshape(q.size(0), q.size(1), q.size(2));
    }

    /** The place in a slot for its first tokens, [kvHeads, tokens, headSize]. */
    private Tensor bySlot(Tensor cache, int slot, long tokens) {
        return cache.select(0, slot).narrow(1, 0, tokens);
    }

    private Tensor stepAttention(Step step, Cache cache, Tensor q, Tensor k, Tensor v) {
        Tensor keys = append(cache.keys, step, step.rope.turn(heads(k)));
        Tensor values = append(cache.values, step, v);
        return mix(step.rope.turn(heads(q)), keys, values, step.mask).reshape(slots, 1, q.size(2));
    }

    /** The cache after the new rows were stored, as [slots, kvHeads, seen, headSize]. */
    private Tensor append(Tensor cache, Step step, Tensor added) {
        long rows = (long) slots * config.kvHeadCount();
        cache.view(rows * capacity, config.headSize())
                .index_copy_(0, step.rows, added.reshape(rows, config.headSize()));
        return cache.narrow(2, 0, step.mask.size(3));
    }

    /**
     * Attention as plain products: for a few queries to many keys that is what costs least.
     *
     * @param q [batch, heads, tokens, headSize]
     * @param keys [batch, kvHeads, seen, headSize]
     * @param values [batch, kvHeads, seen, headSize]
     * @param mask [batch or 1, 1, tokens, seen]
     * @return [batch, heads, tokens, headSize]
     */
    private Tensor mix(Tensor q, Tensor keys, Tensor values, Tensor mask) {
        long batch = q.size(0);
        long tokens = q.size(2);
        long seen = keys.size(2);
        long pairs = batch * config.kvHeadCount();
        long sharing = config.headCount() / config.kvHeadCount();
        Tensor queries = q.reshape(pairs, sharing * tokens, config.headSize());
        Tensor scores = queries.bmm(byPair(keys).transpose(1, 2))
                .mul_(new Scalar(1 / Math.sqrt(config.headSize())))
                .view(batch, config.headCount(), tokens, seen)
                .add_(mask);
        return torch.softmax(scores, -1)
                .view(pairs, sharing * tokens, seen)
                .bmm(byPair(values))
                .view(batch, config.headCount(), tokens, config.headSize());
    }

    /** [batch * kvHeads, seen, headSize], no copy where it is a part of the cache. */
    private static Tensor byPair(Tensor x) {
        return x.flatten(0, 1);
    }

    private Tensor heads(Tensor x) {
        return x.view(x.size(0), x.size(1), x.size(2) / config.headSize(), config.headSize())
                .transpose(1, 2);
    }

    private Tensor head(Tensor x) {
        return torch.linear(TorchBlock.norm(x, model.finalNorm(), config.normEpsilon()), model.head());
    }

    @Override
    public void close() {
        for (Cache cache : caches) {
            cache.keys.close();
            cache.values.close();
        }
        rope.cos().close();
        rope.sin().close();
    }
}
